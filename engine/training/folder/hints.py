"""What is said about a sound before anybody listens: by whom, and what follows when two disagree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path

from engine.timing import Meter

KeyHint = tuple[int, str | None]


@dataclass(frozen=True)
class Hints:
    """Facts from one source or several; None means nothing is said.

    tempo: quarters per minute. bare_tempo: a number in the name that may be a tempo or anything else. beats: felt
    length of the whole file in quarters. key: root 0-11 and a mode name, or None where only the root is named.
    captions: whole sentences. words: loose words. melody: a MIDI file whose beat 0 is the first beat.
    origins: field name -> who said it.
    """

    tempo: Fraction | None = None
    bare_tempo: Fraction | None = None
    beats: Fraction | None = None
    meter: Meter | None = None
    first_beat_seconds: float | None = None
    key: KeyHint | None = None
    one_shot: bool | None = None
    melody: Path | None = None
    captions: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    origins: tuple[tuple[str, str], ...] = ()

    def origin(self, name: str) -> str:
        """Who said `name`: "side-car", "tags", "name" ..."""
        return dict(self.origins).get(name, "")

    def said_by(self, who: str) -> Hints:
        """The same hints, each marked with its source."""
        given = [f.name for f in fields(self) if getattr(self, f.name) not in (None, ()) and f.name != "origins"]
        return replace(self, origins=tuple((name, who) for name in given))


def merge(sources: Iterable[Hints]) -> Hints:
    """The first source that says something wins, field by field; words and remarks are gathered from all."""
    result = Hints()
    for source in sources:
        taken: dict[str, object] = {}
        for field in fields(Hints):
            mine, theirs = getattr(result, field.name), getattr(source, field.name)
            if field.name in ("words", "remarks"):
                taken[field.name] = tuple(dict.fromkeys([*mine, *theirs]))
            elif field.name == "origins":
                known = dict(mine)
                taken[field.name] = tuple({**dict(theirs), **known}.items())
            elif mine in (None, ()):
                taken[field.name] = theirs
        result = replace(result, **taken)  # type: ignore[arg-type]
    return result
