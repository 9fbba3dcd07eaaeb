"""Bars as tokens of a language model, and back. Pure; told against the key, so that a transposed song reads alike.

An *event* is a row of slots: its kind, and up to six tokens of a small vocabulary each.

    BAR    told, key's move, section, parts, drums, level       one a bar
    CHORD  place, degree, quality, bass                         the chord at the bar's line, then each change
    NOTE   place, pitch, length                                 melody notes by place

Stated quantisation: places are sixteenths, lengths 1 to 32 of them, levels 2 dB from -48 to +2, pitches two octaves
below to three above the tonic next to middle C (others move by octaves), qualities those of `chords.QUALITIES`.
A bar holds at most 32 sixteenths. Token 0 of section, parts, drums and level is "not known".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from engine.controls import monophonic
from engine.errors import BadRequest
from engine.planning import chords as C
from engine.planning import drums as D
from engine.planning.bars import chords_in, within
from engine.timing import Meter
from engine.types import PART_NAMES, Note, Part, PlanBar, PlanChord

BAR, CHORD, NOTE = 0, 1, 2
STEPS = 32
SECTIONS = ("intro", "verse", "pre", "chorus", "bridge", "break", "solo", "build", "outro")
LETTERS = {"A": "verse", "B": "chorus", "C": "bridge", "D": "solo"}
LEVEL_DB, LOWEST_DB, LEVELS = 2.0, -48.0, 26
LOWEST_PITCH, PITCHES = -24, 64
SLOTS: tuple[tuple[int, ...], ...] = (
    (4, 12, 1 + len(SECTIONS), 1 + 2 ** len(PART_NAMES), 1 + 4 * len(D.KINDS), 1 + LEVELS),
    (STEPS, 13, len(C.QUALITIES), 12),
    (STEPS, PITCHES, STEPS),
)
"""Vocabulary of each slot, by kind."""
WIDTH = 1 + max(map(len, SLOTS))
CHORDS_TOLD, MELODY_TOLD = 1, 2
Events = NDArray[np.int16]
"""[n, WIDTH]: kind, then its slots; -1 where a kind has fewer."""


@dataclass(frozen=True)
class Key:
    """A tonic 0-11 and a mode of `engine.controls.harmony.MODES`."""

    root: int
    mode: str

    @property
    def centre(self) -> int:
        """The tonic next to middle C: 55 to 66."""
        return 60 + (self.root + 5) % 12 - 5


def steps_of(meter: Meter) -> int:
    """Sixteenths of a bar, a begun one counts; BadRequest where there are more than a model reads."""
    steps = -int(-meter.bar_quarters * 4 // 1)
    if steps > STEPS:
        raise BadRequest(f"A plan is written for bars of up to {STEPS // 4} quarters; a bar of {meter} has more.")
    return steps


def event(kind: int, *slots: int) -> list[int]:
    """A row of `Events`."""
    return [kind, *slots, *[-1] * (WIDTH - 1 - len(slots))]


# ---- bars to events --------------------------------------------------------------------------


def encode_bar(bar: PlanBar, meter: Meter, key: Key, before: Key) -> list[list[int]]:
    """The events of a bar in a key, the bar before it in another (or the same). What is open is not told."""
    told = CHORDS_TOLD * (bar.chords is not None) + MELODY_TOLD * (bar.melody is not None)
    move = (key.root - before.root) % 12
    head = event(
        BAR, told, move, section_token(bar.section), parts_token(bar.parts), drums_token(bar), level_token(bar)
    )
    return [head, *_chord_events(bar, steps_of(meter), key), *_note_events(bar, steps_of(meter), key)]


def section_token(label: str | None) -> int:
    """Of a section by name; form letters stand for sections; other labels count as not known."""
    name = LETTERS.get(label or "", label)
    return 1 + SECTIONS.index(name) if name in SECTIONS else 0


def parts_token(parts: Sequence[str] | None) -> int:
    return 0 if parts is None else 1 + sum(1 << PART_NAMES.index(cast(Part, part)) for part in set(parts))


def drums_token(bar: PlanBar) -> int:
    return 0 if bar.drums is None else 1 + 4 * D.KINDS.index(bar.drums) + (bar.drum_density or 0)


def level_token(bar: PlanBar) -> int:
    if bar.intensity_db is None:
        return 0
    return 1 + int(np.clip(round((bar.intensity_db - LOWEST_DB) / LEVEL_DB), 0, LEVELS - 1))


def _chord_events(bar: PlanBar, steps: int, key: Key) -> list[list[int]]:
    """Of chords that fall on the same sixteenth the last one stays."""
    placed = {min(steps - 1, int(c.beat * 4 + 0.5)): C.relative(c.name, key.root) for c in chords_in(bar)}
    return [event(CHORD, place, *chord) for place, chord in sorted(placed.items())]


def _note_events(bar: PlanBar, steps: int, key: Key) -> list[list[int]]:
    """Of notes that fall on the same sixteenth the highest stays."""
    placed: dict[int, tuple[int, int]] = {}
    for note in monophonic(bar.melody or ()):
        place = min(steps - 1, int(note.beat * 4 + 0.5))
        found = (pitch_token(note.pitch, key), int(np.clip(round(note.length * 4), 1, STEPS)) - 1)
        placed[place] = max(found, placed.get(place, (-1, 0)))
    return [event(NOTE, place, *note) for place, note in sorted(placed.items())]


def pitch_token(pitch: int, key: Key) -> int:
    token = pitch - key.centre - LOWEST_PITCH
    while token < 0:
        token += 12
    while token >= PITCHES:
        token -= 12
    return token


# ---- events to bars --------------------------------------------------------------------------


def decode_bar(rows: Sequence[Sequence[int]], key: Key) -> PlanBar:
    """The bar of its events (the first its BAR) in a key."""
    told, _, section, parts, drums, level = rows[0][1:7]
    chords = tuple(
        PlanChord(beat=row[1] / 4, name=C.absolute(row[2], row[3], row[4], key.root)) for row in rows if row[0] == CHORD
    )
    melody = tuple(
        Note(pitch=within(key.centre + LOWEST_PITCH + row[2]), beat=row[1] / 4, length=(row[3] + 1) / 4)
        for row in rows
        if row[0] == NOTE
    )
    return PlanBar(
        section=SECTIONS[section - 1] if section else None,
        key=C.key_name(key.root, key.mode),
        chords=chords if told & CHORDS_TOLD else None,
        melody=melody if told & MELODY_TOLD else None,
        drums=D.KINDS[(drums - 1) // 4] if drums else None,
        drum_density=(drums - 1) % 4 if drums else None,
        parts=parts_of(parts) if parts else None,
        intensity_db=LOWEST_DB + LEVEL_DB * (level - 1) if level else None,
    )


def parts_of(token: int) -> tuple[Part, ...]:
    """The parts that a token above 0 names."""
    return cast(tuple[Part, ...], tuple(name for i, name in enumerate(PART_NAMES) if (token - 1) >> i & 1))


# ---- whole plans -----------------------------------------------------------------------------


def keys_of(bars: Sequence[PlanBar], first: Key) -> list[Key]:
    """The key of each bar: its own, else that of the bar before."""
    found: list[Key] = []
    for bar in bars:
        named = C.key_of(bar.key)
        found.append(Key(*named) if named else found[-1] if found else first)
    return found


def encode(bars: Sequence[PlanBar], meters: Sequence[Meter], first: Key) -> Events:
    """All bars. first: the key before the first bar, and of bars until one names its own."""
    keys = keys_of(bars, first)
    rows: list[list[int]] = []
    for bar, meter, key, before in zip(bars, meters, keys, [first, *keys], strict=False):
        rows += encode_bar(bar, meter, key, before)
    return np.array(rows, np.int16).reshape(-1, WIDTH)


def decode(events: Events, first: Key) -> tuple[PlanBar, ...]:
    """The bars of events that `encode` made or a model wrote; modes stay `first`'s."""
    rows: list[list[int]] = events.tolist()
    starts = [i for i, row in enumerate(rows) if row[0] == BAR]
    bars, key = [], first
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        key = Key((key.root + rows[start][2]) % 12, first.mode)
        bars.append(decode_bar(rows[start:end], key))
    return tuple(bars)


def describe() -> dict[str, Any]:
    """What a model's vocabulary rests on, to be stored with it and compared."""
    return {"slots": [list(sizes) for sizes in SLOTS], "qualities": list(C.QUALITIES), "sections": list(SECTIONS)}
