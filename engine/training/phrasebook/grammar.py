"""Requests put together from a style's entries: a name for a scene, two sounds, a wish and what is heard in it.

Rules are those of `engine.training.corpus.phrasings`: `(a|b)` is one of its options, `[a]` is there every other time,
braces name a column of `Said`; `{other}` is a name of another style.
"""

from __future__ import annotations

import numpy as np

from engine.training.corpus.phrasings import expand, fill
from engine.training.phrasebook.table import Said

RULES = (
    "[(give me|play|make|I want|I need) ](some |){name} with {heard}",
    "{name} for {scene}",
    "{name}, {scene}",
    "{heard} and {heard}",
    "{heard}, {heard}",
    "{heard}, {heard}[, {heard}]",
    "{heard}, {name}",
    "{scene}, {heard}",
    "music for {scene}",
    "something for {scene}[ with {heard}]",
    "(a track|a loop|a beat|a tune|a piece) with {heard}[ and {heard}]",
    "(the sound of|it should feel like|imagine|the soundtrack of) {scene}",
    "{whole}, {heard}",
    "{whole}[. {scene}.]",
    "{name}: {whole}",
    "{scene}: {name}",
    "{whole}, {name}",
    "{name}, not {other}",
    "{heard} for {scene}",
    "{scene}, {scene}",
)
COLUMNS = {"name": "names", "heard": "heard", "scene": "scenes", "whole": "whole"}


def composed(book: dict[str, Said], style: str, count: int, rng: np.random.Generator) -> list[str]:
    """Up to `count` requests for `style`, each once."""
    words = {brace: book[style].column(column) for brace, column in COLUMNS.items()}
    words["other"] = tuple(name for other in book if other != style for name in book[other].column("names"))

    def word(brace: str) -> str:
        return words[brace][int(rng.integers(len(words[brace])))]

    return list(dict.fromkeys(fill(expand(RULES[int(rng.integers(len(RULES)))], rng), word) for _ in range(count)))
