"""Continuations among twenty: each should be nearest to its own context, and repeat no bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import soxr
from numpy.typing import NDArray

from engine.training.metrics.belonging import most_repeated, own_ranks, standardised
from engine.training.metrics.bench import FIRST_SEED, Bench, Song, continuation
from engine.training.metrics.embed import timbre_vector
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.types import MODEL_RATE_HZ, Audio, Strengths

Vectors = list[NDArray[np.float64]]
CLIPS, ROUNDS = 20, 3
CONTEXT_SECONDS = 10.0
NEW_BARS = 4
WAVE_RATE_HZ = 16_000
TOO_LIKE = 0.9


@dataclass(frozen=True)
class Case:
    """A held-out song's first bars, and the ones that follow in it."""

    song: Song
    bars: int
    context: Audio
    following: Audio


def cases(songs: list[Song], count: int) -> list[Case]:
    """About 10 s of context each, spread over the songs."""
    found = []
    for index in range(min(count, len(songs))):
        song = songs[index * len(songs) // min(count, len(songs))]
        bars = max(1, min(song.bars - NEW_BARS, round(CONTEXT_SECONDS / song.bar_seconds)))
        cut = song.line(bars)
        found.append(Case(song, bars, song.audio(0, cut), song.audio(cut, song.line(bars + NEW_BARS))))
    return found


def repetition(case: Case, new: Audio) -> float:
    """The largest correlation of a new bar with an earlier one, at 16 kHz mono."""
    whole = np.concatenate([case.context, new]).mean(axis=1)
    slow = soxr.resample(whole, MODEL_RATE_HZ, WAVE_RATE_HZ, "HQ").astype(np.float64)
    lines = case.song.tempo_map.bar_boundaries(0, case.bars + NEW_BARS, WAVE_RATE_HZ)
    slow = np.pad(slow, (0, max(0, lines[-1] - len(slow))))
    return most_repeated(slow, lines, case.bars, WAVE_RATE_HZ)


def rounds_of(count: int, among: int) -> list[slice]:
    """Which of `count` cases stand against each other: as many rounds of `among` as there are, each spread over all."""
    rounds = max(1, count // among)
    return [slice(first, rounds * among, rounds) for first in range(rounds)]


def row(cases_: list[Case], contexts: list[Vectors], new: list[Audio], among: int) -> dict[str, Any]:
    """Ranks of the own context among those of a round, and repetition, of one way of going on."""
    vectors = [timbre_vector(audio) for audio in new]
    ranks = np.concatenate(
        [
            own_ranks(standardised(vectors[part], contexts[part]), standardised(contexts[part], contexts[part]))
            for part in rounds_of(len(cases_), among)
        ]
    )
    like = [repetition(case, audio) for case, audio in zip(cases_, new, strict=True)]
    return {
        "nearest": summary((ranks == 1).astype(float)),
        "rank": summary(ranks.astype(float)),
        "most_repeated": round(max(like), 3),
        "repeating_clips": int(np.sum(np.array(like) > TOO_LIKE)),
    }


def measure(bench: Bench) -> dict[str, Any]:
    among = min(bench.scaled(CLIPS), len(bench.songs))
    found = cases(bench.songs, among * min(ROUNDS, len(bench.songs) // among))
    made: dict[str, list[Audio]] = {"model": [], "context zeroed": []}
    for index, case in enumerate(bench.track(found, "belonging")):
        song, seed = case.song, FIRST_SEED + index
        request = continuation(f"own-{index}", case.context, song.facts["tempo"], song.meter, NEW_BARS, seed)
        zeroed = msgspec.structs.replace(request, strengths=Strengths(context=0.0))
        made["model"].append(bench.render(request, case.context))
        made["context zeroed"].append(bench.render(zeroed, case.context))
    made["the song itself"] = [case.following for case in found]
    made["the song itself, coded"] = [bench.reconstructed(case.following) for case in found]
    repeated = [max(0, case.bars - NEW_BARS) for case in found]
    made["last bars repeated"] = [
        np.resize(case.context[case.song.line(first) :], case.following.shape)
        for case, first in zip(found, repeated, strict=True)
    ]
    contexts = [timbre_vector(case.context) for case in found]
    rows = {name: row(found, contexts, audio, among) for name, audio in made.items()}
    others = [case.following for case in found[1:] + found[:1]]
    fitted = [np.resize(o, c.following.shape) for o, c in zip(others, found, strict=True)]
    rows["another held-out clip"] = row(found, contexts, fitted, among)
    return {"rows": rows, "clips": len(found), "among": among, "new_bars": NEW_BARS}


def table(results: dict[str, Any]) -> Table:
    rows = [
        [name, shown(r["nearest"], 2), shown(r["rank"], 2), f"{r['most_repeated']:.3f}", str(r["repeating_clips"])]
        for name, r in results["rows"].items()
    ]
    n = results["among"]
    remarks = [
        f"{results['clips']} held-out clips, {results['new_bars']} bars after about 10 s of context, no prompt; each"
        f" against the contexts of {n}. Chance: {1 / n:.2f} and {(n + 1) / 2:.1f}.",
        "Features: MFCC 2-20 mean and deviation, chroma and spectral contrast means, loudness removed.",
        "Repetition: waveform correlation of a new bar with any earlier one, best lag within 50 ms, 16 kHz mono.",
    ]
    header = ["", "nearest to its own context", "mean rank", "largest bar correlation", "clips over 0.9"]
    return Table("Continuations belong", header, rows, remarks)
