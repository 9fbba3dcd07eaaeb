"""What a Standard MIDI File holds, sorted by what it is to a plan: melody, chords, drums, texts, meters, levels.

Files are untrusted: each is read strictly to its end, and is at most 1 MB. Tempo is not read.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import mido

from engine.controls.midifile import check_tracks
from engine.errors import BadMidi, BadRequest
from engine.planning import midi as M
from engine.timing import Meter

MAX_BYTES = 1_000_000
BLOCK = 3
"""So many notes that begin at once are a block chord."""


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


def contents(data: bytes) -> Contents:
    """Sort what all tracks of a file's bytes hold by what it is to a plan. BadMidi with what the file "is" or "has"."""
    if len(data) > MAX_BYTES:
        raise BadMidi(f"is larger than {MAX_BYTES // 1_000_000} MB")
    check_tracks(data)
    return _sorted(_opened(data))


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


def _sorted(file: mido.MidiFile) -> Contents:
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
    now, at, name = 0, Fraction(0), track.name.strip()
    open_notes: defaultdict[tuple[int, int], list[tuple[Fraction, int]]] = defaultdict(list)
    found: defaultdict[int, list[Sounding]] = defaultdict(list)
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
