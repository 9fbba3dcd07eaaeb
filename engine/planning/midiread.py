"""A plan from a Standard MIDI File: one of ours, edited in a DAW, or any other with a melody, block chords or drums.

What sounds comes before what is written: chords are named from their notes unless their text still fits them, drums
are judged by their hits. Tempo is not read. Files are untrusted: each is read strictly to its end, and is at most 1 MB.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast, get_args

import mido
import msgspec

from engine.controls import monophonic
from engine.controls.midifile import check_tracks
from engine.errors import BadMidi, BadRequest
from engine.planning import chords as C
from engine.planning import drums as D
from engine.planning import midi as M
from engine.planning.bars import check_plan, meter_text, says_nothing
from engine.timing import Meter
from engine.types import MAX_BARS, PART_NAMES, Drums, Note, Part, Plan, PlanBar, PlanChord

MAX_BYTES = 1_000_000
TOGETHER = Fraction(1, 16)
"""Notes that begin within so many quarters are one chord."""
BLOCK = 3
TICK = Fraction(1, M.TICKS)


@dataclass(frozen=True)
class Sounding:
    """A note; times in quarters."""

    first: Fraction
    end: Fraction
    key: int
    velocity: int


@dataclass
class Contents:
    """What a file holds, by role. Times in quarters; None for a role that no track has."""

    melody: list[Sounding] | None = None
    chords: list[Sounding] | None = None
    drums: list[Sounding] | None = None
    names: list[tuple[Fraction, str]] = field(default_factory=list)
    texts: list[tuple[Fraction, str]] = field(default_factory=list)
    sections: list[tuple[Fraction, str]] = field(default_factory=list)
    meters: list[tuple[Fraction, Meter]] = field(default_factory=list)
    levels: list[tuple[Fraction, int]] = field(default_factory=list)
    end: Fraction = Fraction(0)


def from_midi(data: bytes) -> Plan:
    """The plan of a file's bytes. BadMidi with what the file "is" or "has"; BadRequest for what the plan says."""
    if len(data) > MAX_BYTES:
        raise BadMidi(f"is larger than {MAX_BYTES // 1_000_000} MB")
    check_tracks(data)
    held = contents(_opened(data))
    lines, meters = _grid(held)
    bars = [_bar(held, meters[k], lines[k], lines[k + 1]) for k in range(len(meters))]
    bars = [_with_melody(bar, held, lines, k) for k, bar in enumerate(bars)]
    plan = Plan(bars=tuple(bars), meter=meter_text(meters))
    if says_nothing(plan):
        raise BadMidi("holds nothing to plan by: no melody, chords, drums, sections or levels")
    check_plan(plan)
    return plan


def _opened(data: bytes) -> mido.MidiFile:
    data = data[20:] if data[:4] == b"RIFF" else data
    for charset in ("utf-8", "latin1"):
        try:
            return mido.MidiFile(file=io.BytesIO(data), charset=charset, clip=True)
        except UnicodeDecodeError:
            continue
        except (OSError, ValueError, EOFError, KeyError, IndexError, TypeError, LookupError) as error:
            raise BadMidi(f"cannot be read: {' '.join(str(error).split())[:120] or type(error).__name__}") from None
    raise AssertionError("latin1 decodes everything")


# ---- what the file holds -----------------------------------------------------------------------


def contents(file: mido.MidiFile) -> Contents:
    """Sort what all tracks hold by what it is to a plan."""
    held, pool = Contents(), []
    for number, track in enumerate(file.tracks):
        notes, name, end = _read_track(track, file.ticks_per_beat, held)
        if number == 0 and not notes:
            held.end = max(held.end, end)
        pool += [(channel, name, found) for channel, found in sorted(notes.items())]
    for channel, name, found in pool:
        role = _role(channel, name, found, len(file.tracks) == 1, held)
        if role is not None:
            setattr(held, role, [*(getattr(held, role) or []), *found])
    named = {track.name.strip() for track in file.tracks}
    for role, name in (("melody", M.MELODY), ("chords", M.CHORDS), ("drums", M.DRUMS)):
        if getattr(held, role) is None and name in named:
            setattr(held, role, [])
    last = max((n.end for _, _, found in pool for n in found), default=Fraction(0))
    starts = max((n.first for _, _, found in pool for n in found), default=Fraction(-1))
    held.end = held.end if held.end > starts else last
    return held


def _role(channel: int, name: str, found: Sequence[Sounding], alone: bool, held: Contents) -> str | None:
    """What a channel of a track plays; None for more than a plan holds."""
    words = name.lower()
    if channel == M.CHANNELS[M.DRUMS]:
        return "drums"
    if "chord" in words or (alone and channel == M.CHANNELS[M.CHORDS]):
        return "chords"
    if "melody" in words or "lead" in words:
        return "melody"
    together = defaultdict(set)
    for note in found:
        together[note.first].add(note.key)
    blocks = sum(len(keys) >= BLOCK for keys in together.values())
    role = "chords" if 2 * blocks >= len(together) else "melody"
    return role if getattr(held, role) is None else None


def _read_track(
    track: mido.MidiTrack, division: int, held: Contents
) -> tuple[dict[int, list[Sounding]], str, Fraction]:
    """(notes by channel, the track's name, its end); everything else goes to `held`."""
    now, name = 0, ""
    open_notes: defaultdict[tuple[int, int], list[tuple[Fraction, int]]] = defaultdict(list)
    found: defaultdict[int, list[Sounding]] = defaultdict(list)
    name = track.name.strip()
    at = Fraction(0)
    for message in track:
        now += message.time
        at = Fraction(now, division)
        if message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            if message.type == "note_on" and message.velocity > 0:
                open_notes[key].append((at, message.velocity))
            elif open_notes[key]:
                first, velocity = open_notes[key].pop(0)
                found[message.channel].append(Sounding(first, at, message.note, velocity))
        else:
            _tell(message, at, name, held)
    for (channel, pitch), waiting in open_notes.items():
        found[channel] += [Sounding(first, at, pitch, velocity) for first, velocity in waiting]
    ordered = {channel: sorted(notes, key=lambda n: (n.first, n.key)) for channel, notes in found.items()}
    return ordered, name, at


def _tell(message: Any, at: Fraction, name: str, held: Contents) -> None:
    if message.type == "time_signature":
        try:
            held.meters.append((at, Meter(message.numerator, message.denominator)))
        except BadRequest as error:
            raise BadMidi(f"has a meter that cannot be played: {error}") from None
    elif message.type == "marker":
        held.sections.append((at, message.text.strip()[:32]))
    elif message.type == "text" and name == M.CHORDS:
        held.names.append((at, message.text.strip()[:24]))
    elif message.type == "text":
        held.texts.append((at, message.text.strip()[:64]))
    elif message.type == "key_signature":
        held.texts.append((at, f"key {message.key}"))
    elif message.type == "control_change" and message.control == M.EXPRESSION:
        if name == M.INTENSITY or message.channel == M.CHANNELS[M.INTENSITY]:
            held.levels.append((at, message.value))


# ---- bars --------------------------------------------------------------------------------------


def _grid(held: Contents) -> tuple[list[Fraction], list[Meter]]:
    """Bar lines in quarters, and the meter of each bar."""
    changes = dict(sorted(held.meters))
    lines, meters, meter = [Fraction(0)], list[Meter](), Meter(4, 4)
    while lines[-1] < held.end:
        meter = changes.pop(lines[-1], meter)
        if len(meters) == MAX_BARS:
            raise BadMidi(f"is longer than the {MAX_BARS} bars of a plan")
        meters.append(meter)
        lines.append(lines[-1] + meter.bar_quarters)
    if any(at < held.end for at in changes):
        raise BadMidi("changes its meter inside of a bar; move the change to a bar line")
    if not meters:
        raise BadMidi("is empty: it has no bars")
    return lines, meters


def _bar(held: Contents, meter: Meter, line: Fraction, end: Fraction) -> PlanBar:
    """Everything but the melody."""
    left_open = (_last(held.texts, line, f"{M.OPEN} ") or "").split()
    chords = _chords(held, line, end, "chords" in left_open)
    kind, density = _drums(held, meter, line, end)
    key = _last(held.texts, line, "key ")
    parts = _last(held.texts, line, "parts ")
    section = _last(held.sections, line)
    return PlanBar(
        section=None if section in (None, M.OPEN) else section,
        key=None if key in (None, M.OPEN) else _key(str(key)),
        chords=chords,
        drums=kind,
        drum_density=density,
        parts=None if parts in (None, M.OPEN) else _parts(str(parts)),
        intensity_db=_level(held, line, end, "intensity" in left_open),
    )


def _last(rows: Sequence[tuple[Fraction, str]], at: Fraction, begins: str = "") -> str | None:
    """The last text not after a place, of those that begin with a word; without it."""
    found = [text for when, text in rows if when <= at and text.startswith(begins)]
    return found[-1].removeprefix(begins) if found else None


def _key(text: str) -> str:
    try:
        C.key_of(text)
    except BadRequest as error:
        raise BadMidi(f"names a key that is none: {error}") from None
    return text


def _parts(text: str) -> tuple[Part, ...]:
    names = [] if text == M.NOTHING else text.replace(",", " ").split()
    if not set(names) <= set(PART_NAMES):
        raise BadMidi(f'says "parts {text}"; parts are {", ".join(PART_NAMES)}')
    return cast(tuple[Part, ...], tuple(dict.fromkeys(names)))


def _chords(held: Contents, line: Fraction, end: Fraction, left_open: bool) -> tuple[PlanChord, ...] | None:
    if held.chords is None:
        return None
    named = {at: name for at, name in held.names if line <= at < end}
    notes = [n for n in held.chords if n.first < end and n.end > line]
    if left_open and not notes and not named:
        return None
    found: dict[Fraction, str] = {}
    for at in _points(notes, named, line):
        slack = Fraction(0) if at in named else TOGETHER
        keys = tuple(sorted(n.key for n in notes if n.first <= at + slack and n.end > at + slack))
        name = _name(named.get(at), keys)
        if at in named or not found or name != found[max(found)]:
            found[at] = name
    if line not in found:
        found[line] = C.NONE
    return tuple(PlanChord(beat=float(at - line), name=name) for at, name in sorted(found.items()))


def _points(notes: Sequence[Sounding], named: dict[Fraction, str], line: Fraction) -> list[Fraction]:
    """Where a chord may begin: its text, the first of notes that begin together, a bar line with notes held over it."""
    points = sorted(named)
    if line not in named and any(n.first < line and n.end > line + TOGETHER for n in notes):
        points.insert(0, line)
    for note in sorted(notes, key=lambda n: n.first):
        if note.first >= line and not any(abs(note.first - p) <= TOGETHER for p in points):
            points.append(note.first)
    return sorted(points)


def _name(text: str | None, keys: tuple[int, ...]) -> str:
    """The text where it still fits the notes, else a name for the notes."""
    if text is not None:
        try:
            if C.voicing(text) == keys:
                return text
        except BadRequest:
            pass
    return C.recognised(keys)


def _drums(held: Contents, meter: Meter, line: Fraction, end: Fraction) -> tuple[Drums | None, int | None]:
    hits = [(float(n.first - line), n.key, n.velocity) for n in held.drums or () if line <= n.first < end]
    words = (_last(held.texts, line, "drums ") or M.OPEN).split()
    if len(words) == 2 and words[0] in get_args(Drums) and words[1] in ("0", "1", "2", "3"):
        said = cast(Drums, words[0]), int(words[1])
        if sorted(hits) == D.hits_of(*said, meter):
            return said
    elif not hits and (held.texts or held.drums is None):
        return None, None
    return D.kind_of(hits, meter)


def _level(held: Contents, line: Fraction, end: Fraction, left_open: bool) -> float | None:
    """The mean over the bar of what the controller says, which holds until it says something else."""
    times = [at for at, _ in held.levels]
    inside = [at for at in times if line <= at < end]
    before = bisect_right(times, line) - 1
    if (left_open and not inside) or (before < 0 and not inside):
        return None
    marks = sorted({max(line, inside[0]) if before < 0 else line, *inside})
    total = Fraction(0)
    for at, until in zip(marks, [*marks[1:], end], strict=True):
        total += (until - at) * held.levels[bisect_right(times, at) - 1][1]
    return float(total / (end - marks[0])) / 2 - 60.0


def _with_melody(bar: PlanBar, held: Contents, lines: Sequence[Fraction], number: int) -> PlanBar:
    """The bar with the notes that begin in it."""
    if held.melody is None:
        return bar
    line, end = lines[number], lines[number + 1]
    voice = [n for n in held.melody if line <= n.first < end]
    if not voice and "melody" in (_last(held.texts, line, f"{M.OPEN} ") or "").split():
        return bar
    notes = [
        Note(pitch=n.key, beat=float(n.first - line), length=float(max(n.end - n.first, TICK)), velocity=n.velocity)
        for n in voice
    ]
    written = {(note.beat, note.pitch): note.length for note in notes}
    found = [
        note if abs(note.length - (own := written[note.beat, note.pitch])) > float(TICK) / 2
        else msgspec.structs.replace(note, length=own)  # not cut: no rounding either
        for note in monophonic(notes)
    ]  # fmt: skip
    return msgspec.structs.replace(bar, melody=tuple(found))
