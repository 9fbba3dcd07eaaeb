"""Public-domain melodies as MIDI notes, typed in for the control benchmark: none stands in any corpus of ours."""

from __future__ import annotations

from dataclasses import dataclass

from engine.types import Note


@dataclass(frozen=True)
class Tune:
    """line: (MIDI pitch, quarters); 0 is a rest. upbeat: quarters of rest before it, so that accents fall on beats."""

    name: str
    tempo: str
    meter: str
    line: tuple[tuple[int, float], ...]
    upbeat: float = 0.0

    def notes(self, quarters: float, shift: int = 0) -> tuple[Note, ...]:
        """The notes that begin within the first `quarters`, cut there, `shift` semitones up."""
        beat, found = self.upbeat, []
        for pitch, length in self.line:
            if beat >= quarters - 0.2:
                break
            if pitch:
                found.append(Note(pitch=pitch + shift, beat=beat, length=min(length, quarters - beat)))
            beat += length
        return tuple(found)


def _line(text: str) -> tuple[tuple[int, float], ...]:
    """ "64 65:0.5 0:2": pitches with lengths in quarters, 1 where none is given."""
    pairs = [word.partition(":") for word in text.split()]
    return tuple((int(pitch), float(length or 1)) for pitch, _, length in pairs)


TUNES = (
    Tune("Ode to Joy", "120", "4/4", _line(
        "64 64 65 67 67 65 64 62 60 60 62 64 64:1.5 62:0.5 62:2 64 64 65 67 67 65 64 62 60 60 62 64 62:1.5 60:0.5 60:2"
    )),
    Tune("Frere Jacques", "112", "4/4", _line(
        "60 62 64 60 60 62 64 60 64 65 67:2 64 65 67:2 67:0.5 69:0.5 67:0.5 65:0.5 64 60 67:0.5 69:0.5 67:0.5 65:0.5"
        " 64 60 60 55 60:2 60 55 60:2"
    )),
    Tune("Greensleeves", "132", "3/4", _line(
        "69 72:2 74 76:1.5 77:0.5 76 74:2 71 67:1.5 69:0.5 71 72:2 69 69:1.5 68:0.5 69 71:2 68 64:3"
    ), upbeat=2.0),
    Tune("Scarborough Fair", "120", "3/4", _line(
        "62:2 62 69:2 69 64:1.5 65:0.5 64 62:3 0 69 72 74:2 72 69 71 67 69:3"
    )),
    Tune("Amazing Grace", "96", "3/4", _line(
        "55 60:2 64:0.5 60:0.5 64:2 62 60:2 57 55:2 55 60:2 64:0.5 60:0.5 64:2 62 67:3"
    ), upbeat=2.0),
    Tune("Twinkle, Twinkle", "116", "4/4", _line(
        "60 60 67 67 69 69 67:2 65 65 64 64 62 62 60:2 67 67 65 65 64 64 62:2"
    )),
    Tune("When the Saints", "126", "4/4", _line(
        "60 64 65 67:4 0 60 64 65 67:4 0 60 64 65 67:2 64:2 60:2 64:2 62:4"
    ), upbeat=1.0),
    Tune("Auld Lang Syne", "104", "4/4", _line(
        "55 60:1.5 59:0.5 60 64 62:1.5 60:0.5 62 64 60:1.5 60:0.5 64 67 69:3"
    ), upbeat=3.0),
)  # fmt: skip
