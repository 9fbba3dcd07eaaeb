"""One bar of the lead: a motif laid on the ladder over the bar's chords, approached, graced, closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.training.corpus.chordwalk import ChordWalk
from engine.training.corpus.ladder import Ladder
from engine.training.corpus.motif import Cell, Motif, MotifNote
from engine.training.corpus.song import NoteEvent
from engine.training.corpus.style import Style

_CHROMATIC = {"jazz": 0.3, "bossa": 0.12, "soul": 0.1, "lofi": 0.06, "funk": 0.1, "boombap": 0.08}
_GRACE = {"balkan": 0.2, "folk": 0.06, "lofi": 0.08, "soul": 0.08, "piano": 0.04}
_SOFT = frozenset({"ambient", "piano", "lofi", "folk", "bossa", "downtempo"})
MAX_NOTES = (2, 4, 8, 12, 16)  # a bar, by intensity


@dataclass(slots=True)
class Context:
    """Everything that stays the same while one lead is written."""

    style: Style
    key: str
    walk: ChordWalk
    ladder: Ladder
    intensity: Sequence[int]
    cells: list[Cell]
    rng: np.random.Generator
    chord_tone: float


def level_of(context: Context, bar: int) -> int:
    return context.intensity[bar] if bar < len(context.intensity) else 3


def capped(motif: Motif, most: int, walk: ChordWalk) -> Motif:
    """At most so many notes: weak ones go and the note before sings on."""
    if len(motif) <= most:
        return motif
    strong = sorted(motif, key=lambda n: (-walk.weight(n.pos), -n.length, n.pos))[:most]
    kept = sorted(strong, key=lambda n: n.pos)
    ends = [n.pos for n in kept[1:]] + [walk.steps]
    return tuple(MotifNote(n.pos, min(e - n.pos, 2 * n.length), n.offset) for n, e in zip(kept, ends, strict=True))


def laid(context: Context, motif: Motif, bar: int, anchor: int, last: int | None) -> list[NoteEvent]:
    """A motif on the ladder over this bar's chords: strong notes bend to chord tones."""
    walk, rng, key = context.walk, context.rng, context.key
    notes: list[NoteEvent] = []
    previous, before = last, 0
    for i, n in enumerate(motif):
        beat = walk.beat(bar, n.pos)
        chord = walk.at(beat)
        firm = rng.random() < _pull(walk, n) * context.chord_tone
        move = n.offset - motif[i - 1].offset if i else None
        pitch = context.ladder.place(anchor + n.offset, chord, previous, before, firm, n.length * walk.step, move)
        before = 0 if previous is None else pitch - previous
        previous = pitch
        length = n.length * walk.step
        notes.append(NoteEvent(beat, length, pitch, _velocity(context, bar, n.pos)))
    return _grace(context, _approached(context, notes, key), key)


def _pull(walk: ChordWalk, note: MotifNote) -> float:
    """How surely a note must be a chord tone: the bar's two heavy places, then long notes, then other beats."""
    middle = sum(walk.groups[: (len(walk.groups) + 1) // 2])
    if note.pos in (0, middle):
        return 1.0
    if note.length >= 6:
        return 0.7
    return 0.3 if walk.weight(note.pos) == 2 else 0.1


def _velocity(context: Context, bar: int, pos: int) -> int:
    base = 72 if context.key in _SOFT else 86
    accent = (0, 2, 5, 8)[context.walk.weight(pos)]
    return int(np.clip(base + accent + 5 * (level_of(context, bar) - 3) + context.rng.normal(0, 4), 24, 124))


def _approached(context: Context, notes: list[NoteEvent], key: str) -> list[NoteEvent]:
    """Short weak notes before a strong one slide in by a semitone, in styles that do so."""
    chance = _CHROMATIC.get(key, 0.0)
    out = list(notes)
    for i in range(1, len(out) - 1):
        note, goal = out[i], out[i + 1]
        if (
            note.length <= 2 * context.walk.step
            and 2 < abs(goal.pitch - note.pitch) < 5
            and context.rng.random() < chance
        ):
            side = 1 if note.pitch > goal.pitch else -1
            out[i] = NoteEvent(note.beat, note.length, goal.pitch + side, note.velocity - 4)
    return out


def _grace(context: Context, notes: list[NoteEvent], key: str) -> list[NoteEvent]:
    """Grace notes: half a step of the grid, a scale step beside the note they lean on."""
    chance = _GRACE.get(key, 0.0)
    out: list[NoteEvent] = []
    for note in notes:
        short = context.walk.step / 2
        if note.length >= 4 * short and context.rng.random() < chance:
            neighbour = context.ladder.neighbour(
                note.pitch,
                context.walk.at(note.beat),
                -1 if note.pitch > context.ladder.low + 2 and key != "balkan" else 1,
            )
            neighbour = min(neighbour, context.ladder.high)
            out.append(NoteEvent(note.beat, short, neighbour, max(20, note.velocity - 14)))
            note = NoteEvent(note.beat + short, note.length - short, note.pitch, note.velocity)
        out.append(note)
    return out


def closed(context: Context, bar: list[NoteEvent], number: int, half: int) -> list[NoteEvent]:
    """The phrase's last note on a stable degree (2, 5, 7 when open; 1, 3, 5 when closed), and longer."""
    walk = context.walk
    note = bar[-1]
    open_end = half == 0
    pitch = context.ladder.stable(note.pitch, walk.at(note.beat), context.style.stable_degrees, open_end, context.rng)
    room = walk.beat(number + 1) - note.beat
    length = min(room, max(note.length, 4 * walk.step)) if context.style.kind != "loop" else note.length
    return [*bar[:-1], NoteEvent(note.beat, length, pitch, note.velocity)]
