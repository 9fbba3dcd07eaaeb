"""Targets as a command line or a script writes them: a text, or the file that holds it."""

from __future__ import annotations

import re
from pathlib import Path

from engine.controls.hummed import is_recording, read_hummed
from engine.controls.midichords import read_chords
from engine.controls.midifile import read_melody
from engine.errors import BadRequest
from engine.timing import TempoMap, shown
from engine.types import Note, Only, Strengths, Stretch

MIDI = (".mid", ".midi", ".rmi")
ONLY_SENTENCE = 'Where a target acts is said by bars, as in "melody=3-4,intensity=1-2"; targets are'
MOST_STRENGTH = 4.0
_STRENGTH = re.compile(r"[0-9]{1,3}(?:\.[0-9]{0,6})?")
_ONLY = re.compile(r"\s*([a-z]{1,20})\s*=\s*([0-9]{1,6})\s*(?:-\s*([0-9]{1,6})\s*)?")


def melody_from(path: Path, tempo_map: TempoMap, first_bar: int, bars: int) -> tuple[Note, ...]:
    """A melody from a MIDI file, or from a recording of one voice."""
    if is_recording(path):
        return read_hummed(path, tempo_map, first_bar, bars)
    return read_melody(path)


def chords_from(text: str) -> str:
    """Chords as they are typed, or those of a MIDI file."""
    return read_chords(text) if Path(text.strip()).suffix.lower() in MIDI else text


def strengths_from(text: str) -> Strengths:
    """Strengths as in "melody=2,prompt=3", each 0 (left out) to 4; BadRequest for anything else."""
    names, found = Strengths.__struct_fields__, {}
    for part in text[:400].split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in names or name in found or not _STRENGTH.fullmatch(value) or float(value) > MOST_STRENGTH:
            raise BadRequest(f"Strengths are NAME=0..{MOST_STRENGTH:g}, of {', '.join(names)}; got {shown(text)}.")
        found[name] = float(value)
    return Strengths(**found)


def only_from(text: str, tempo_map: TempoMap, first_bar: int, bars: int) -> Only:
    """Where targets act, from bars of the new ones, counted from 1; BadRequest for anything else."""
    names = Only.__struct_fields__
    begin = tempo_map.bar_start_quarters(first_bar)
    found: dict[str, Stretch] = {}
    for part in text[:400].split(","):
        match = _ONLY.fullmatch(part)
        if match is None or match[1] not in names or match[1] in found:
            raise BadRequest(f"{ONLY_SENTENCE} {', '.join(names)}; got {shown(text)}.")
        first, last = int(match[2]), int(match[3] or match[2])
        if not 1 <= first <= last <= bars:
            raise BadRequest(f"A target acts on bars 1 to {bars} of the new ones; got {shown(part.strip())}.")
        edges = [tempo_map.bar_start_quarters(first_bar + bar) - begin for bar in (first - 1, last)]
        found[match[1]] = Stretch(begin=float(edges[0]), end=float(edges[1]))
    return Only(**found)
