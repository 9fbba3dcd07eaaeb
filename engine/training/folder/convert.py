"""One sound to the songs that training reads: listened to once, cut on its bar lines, annotated, stored.

A stored song is what `corpus.build` writes, without what a finished recording does not tell: sub-mixes and which
parts sound. Melody and chords stand only where the sound has pitch.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from engine.controls import melody_frames, read_melody
from engine.errors import BadMidi
from engine.models import features
from engine.render.source import SILENCE
from engine.timing import TempoMap, format_tempo, halved_or_doubled, phases
from engine.training.corpus.annotate import HOP, intensity_db
from engine.training.folder import describe, tonal
from engine.training.folder.audio import LeftOutError, Sound, read_sound
from engine.training.folder.grid import Grid, find_grid
from engine.training.folder.hints import Hints, merge
from engine.training.folder.names import read_names
from engine.training.folder.sidecar import read_sidecars
from engine.training.folder.tags import read_tags
from engine.types import MODEL_RATE_HZ, Audio
from engine.whole import whole

USUAL_SECONDS = 48.0
LEAST_SECONDS = 13.2
LEAST_BARS = 1
BLOCK_SECONDS = 60.0
SURE = 0.2
KEY_SURE = 0.15
TEMPO_ADVICE = "a name like pad_120bpm.wav or a side-car tells it"
BEAT_ADVICE = "first_beat_seconds in a side-car tells it"


@dataclass
class Outcome:
    """What became of one file. reason: why it was left out, "" if it was used. Figures in 0 to 1 say how sure."""

    file: str
    reason: str = ""
    seconds: float = 0.0
    tempo: float = 0.0
    tempo_from: str = ""
    tempo_sure: float = 0.0
    meter: str = ""
    first_beat_seconds: float = 0.0
    beat_sure: float = 0.0
    downbeat_sure: float = 0.0
    key: str = ""
    key_from: str = ""
    key_sure: float = 0.0
    repeated: int = 1
    captions: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    songs: list[str] = field(default_factory=list)
    digest: str = ""

    @property
    def used(self) -> bool:
        return not self.reason


@dataclass(frozen=True)
class Piece:
    """A stretch of whole bars: audio [frames, 2] from a bar line on, `bars` of them, repeated `times` in all."""

    audio: Audio
    bars: int
    first_seconds: float
    times: int = 1


def hints_of(path: Path, folder: Path) -> Hints:
    """Side-cars first, then marked tempi and keys in names, then tags."""
    return merge([*read_sidecars(path), read_names(path.relative_to(folder)), read_tags(path)])


def style_of(path: Path, folder: Path) -> str:
    """The style a file belongs to: the first folder below DIR, or DIR's own name."""
    parts = path.relative_to(folder).parts
    return (parts[0] if len(parts) > 1 else folder.resolve().name or "own").strip().lower()


def pieces(audio: Audio, grid: Grid) -> list[Piece]:
    """Excerpts of about 48 s of whole bars from the first bar line on, and how often a short one is repeated.

    A sound shorter than a training window is repeated, bar line on bar line, as its loop would be. Raises
    LeftOutError where it holds no whole bar.
    """
    bar = grid.bar_seconds * MODEL_RATE_HZ
    first = grid.first_beat_seconds * MODEL_RATE_HZ
    first += bar * max(0, ceil(-first / bar - 0.02))
    bars = int((len(audio) - first) / bar + 0.02)
    if bars < LEAST_BARS:
        bars, first = int(len(audio) / bar + 0.02), 0.0
    if bars < LEAST_BARS:
        raise LeftOutError(
            f"too short: {len(audio) / MODEL_RATE_HZ:.2f} s are less than a bar of {grid.bar_seconds:.2f} s"
        )
    if bars * bar < LEAST_SECONDS * MODEL_RATE_HZ:
        times = ceil(LEAST_SECONDS * MODEL_RATE_HZ / (bars * bar))
        return [Piece(_repeated(audio, first, bar, bars, times), bars * times, first / MODEL_RATE_HZ, times)]
    count = max(1, round(bars * bar / MODEL_RATE_HZ / USUAL_SECONDS))
    edges = np.round(np.linspace(0, bars, count + 1)).astype(int)
    return [
        Piece(_span(audio, first + a * bar, first + b * bar), int(b - a), (first + a * bar) / MODEL_RATE_HZ)
        for a, b in itertools.pairwise(edges)
    ]


def _span(audio: Audio, start: float, end: float) -> Audio:
    """Frames from start to end, both rounded; what lies outside the audio is silence."""
    first, last = round(start), round(end)
    piece = audio[max(0, first) : max(0, last)]
    before = max(0, min(last, 0) - min(first, 0))
    return np.pad(piece, ((before, max(0, last - first - before - len(piece))), (0, 0)))


def _repeated(audio: Audio, first: float, bar: float, bars: int, times: int) -> Audio:
    """The bars again and again; each repetition begins at its rounded place."""
    starts = [round(first + bars * bar * k) - round(first) for k in range(times + 1)]
    longest = max(b - a for a, b in itertools.pairwise(starts))
    once = _span(audio, first, round(first) + longest)
    return np.concatenate([once[: b - a] for a, b in itertools.pairwise(starts)])


def grid_labels(grid: Grid, frames: int) -> dict[str, NDArray[Any]]:
    """beat_phase, bar_phase [T] f16, beat_index, bar_index [T] i32 of a piece that begins on a bar line.

    Tempi outside what models are trained on are halved or doubled, as requests are.
    """
    factor, _ = halved_or_doubled(grid.tempo)
    count = 1 + frames // HOP
    tempo_map = TempoMap.constant(grid.tempo, grid.meter)
    beat, bar = phases(tempo_map, Fraction(0), HOP, MODEL_RATE_HZ, count, factor)
    whole = phases(tempo_map, Fraction(0), HOP, MODEL_RATE_HZ, count)
    wraps = [np.concatenate([[0], np.cumsum(np.diff(phase) < -0.5)]) for phase in whole]
    return {
        "beat_phase": np.minimum(beat, 0.9995).astype(np.float16),
        "bar_phase": np.minimum(bar, 0.9995).astype(np.float16),
        "beat_index": wraps[0].astype(np.int32),
        "bar_index": wraps[1].astype(np.int32),
    }


def melody_labels(
    hints: Hints, grid: Grid, piece: Piece, pitches: tonal.Pitches, count: int
) -> dict[str, NDArray[Any]]:
    """melody [T] i8 and melody_onset [T] u8: the side-car's MIDI file, or what dominates; nothing without pitch."""
    if hints.melody is not None:
        quarters_a_second = float(grid.tempo) / 60.0
        start = (piece.first_seconds - grid.first_beat_seconds) * quarters_a_second
        quarters = start + np.arange(count) * HOP / MODEL_RATE_HZ * quarters_a_second
        pitch, onset = melody_frames(read_melody(hints.melody), quarters)
        return {"melody": pitch, "melody_onset": onset.astype(np.uint8)}
    found = tonal.find_melody(pitches, count)
    return {} if found is None else {"melody": found[0], "melody_onset": found[1]}


def song_tensors(piece: Piece, grid: Grid, hints: Hints) -> tuple[dict[str, NDArray[Any]], tonal.Pitches]:
    """Everything that is stored of a piece, by the names of `corpus.sample.tensors`."""
    count = 1 + len(piece.audio) // HOP
    pitches = tonal.hear_pitches(piece.audio)
    record = grid_labels(grid, len(piece.audio)) | melody_labels(hints, grid, piece, pitches, count)
    chords = tonal.find_chords(pitches, grid, 0.0, count)
    if chords is not None:
        record["chroma"] = chords
    record["mix"] = features.analyse(piece.audio)
    record["intensity"] = intensity_db(piece.audio)
    record["audio"] = np.round(np.clip(piece.audio, -1.0, 1.0) * 32767.0).astype(np.int16)
    return {name: np.ascontiguousarray(value) for name, value in record.items()}, pitches


def convert(path: Path, folder: Path, out: Path, digest: str) -> Outcome:
    """Listen to one file and store its songs in `out` as <digest>-<k>.safetensors; says what became of it."""
    outcome = Outcome(file=path.relative_to(folder).as_posix(), digest=digest)
    try:
        return _converted(path, folder, out, outcome)
    except LeftOutError as left_out:
        return replace(outcome, reason=str(left_out))


def _converted(path: Path, folder: Path, out: Path, outcome: Outcome) -> Outcome:
    sound = read_sound(path)
    hints = _with_melody(hints_of(path, folder))
    if hints.one_shot:
        raise LeftOutError("too short: its tags say it is a one-shot, not a loop")
    placed = _placed(sound.audio, hints)
    _note_grid(outcome, sound, [grid for grid, _ in placed])
    outcome.remarks += [*sound.remarks, *hints.remarks]
    key = None
    for index, (grid, piece) in enumerate(placed):
        record, pitches = song_tensors(piece, grid, hints)
        key = key or tonal.find_key(pitches, hints.key)
        facts = _facts(path, folder, hints, grid, key, piece, sound)
        outcome.songs.append(f"{outcome.digest[:16]}-{index:03d}.safetensors")
        _store(out / outcome.songs[-1], record, facts)
        outcome.captions, outcome.repeated = facts["captions"], piece.times
    if key is not None:
        outcome.key, outcome.key_sure = describe.key_name(key[0], key[1]), key[2]
        outcome.key_from = hints.origin("key") or "heard"
    return outcome


def _placed(audio: Audio, hints: Hints) -> list[tuple[Grid, Piece]]:
    """The pieces of a sound with their grids. A long one of unknown tempo is heard a minute at a time, since
    players drift; the tempo of its middle says where to look in the rest."""
    size = round(BLOCK_SECONDS * MODEL_RATE_HZ)
    if hints.tempo is not None or len(audio) <= 1.25 * size:
        grid = find_grid(audio, hints)
        return [(grid, piece) for piece in pieces(audio, grid)]
    middle = len(audio) // 2
    near = find_grid(audio[middle - size // 2 : middle + size // 2], hints).felt_bpm
    edges = np.round(np.linspace(0, len(audio), max(2, round(len(audio) / size)) + 1)).astype(int)
    found = []
    for a, b in itertools.pairwise(edges):
        grid = find_grid(audio[a:b], hints, near)
        if np.abs(audio[a:b]).max() >= SILENCE:
            found += [
                (grid, replace(piece, first_seconds=piece.first_seconds + a / MODEL_RATE_HZ))
                for piece in pieces(audio[a:b], grid)
            ]
    return found


def _with_melody(hints: Hints) -> Hints:
    """The hints, their melody file tried: one that cannot be read becomes a remark."""
    try:
        if hints.melody is not None:
            read_melody(hints.melody)
    except BadMidi as error:
        return replace(hints, melody=None, remarks=(*hints.remarks, str(error)))
    return hints


def _note_grid(outcome: Outcome, sound: Sound, grids: list[Grid]) -> None:
    """The grid of the middle piece, the least sureness of all, and a remark where they disagree."""
    tempi = sorted(float(grid.tempo) for grid in grids)
    grid = grids[len(grids) // 2]
    outcome.seconds = round(sound.seconds, 2)
    outcome.tempo, outcome.tempo_from = round(float(grid.tempo), 3), grid.origin
    outcome.meter, outcome.first_beat_seconds = str(grid.meter), round(grids[0].first_beat_seconds, 3)
    outcome.tempo_sure = round(min(one.tempo_sure for one in grids), 2)
    outcome.beat_sure = min(one.beat_sure for one in grids)
    outcome.downbeat_sure = min(one.downbeat_sure for one in grids)
    if tempi[-1] > 1.005 * tempi[0]:
        outcome.remarks.append(
            f"its tempo moves from {tempi[0]:.1f} to {tempi[-1]:.1f} and is followed a minute at a time"
        )
    unsure = sum(one.sure < SURE for one in grids)
    if unsure:
        advice = TEMPO_ADVICE if grid.tracked else BEAT_ADVICE
        outcome.remarks.append(f"beat not sure in {unsure} of {len(grids)} pieces, which train without it; {advice}")


def _facts(
    path: Path, folder: Path, hints: Hints, grid: Grid, key: tuple[int, str, float] | None, piece: Piece, sound: Sound
) -> dict[str, Any]:
    """The metadata record of a song, with the fields that `corpus.sample.describe` writes and training reads."""
    style = style_of(path, folder)
    known = key if key is not None and key[2] >= KEY_SURE else None
    return {
        "style": style, "tempo": format_tempo(grid.tempo),
        "meter": [grid.meter.numerator, grid.meter.denominator],
        "key_root": known[0] if known else None, "mode": known[1] if known else None,
        "bars": piece.bars, "beat_groups": [str(beat) for beat in grid.meter.beats],
        "tags": describe.tags(hints, style, grid), "captions": describe.captions(hints, grid, key),
        "frames": len(piece.audio), "file": path.relative_to(folder).as_posix(),
        "first_seconds": round(piece.first_seconds, 4), "gain_db": sound.gain_db, "grid_sure": round(grid.sure, 2),
        "beat_known": grid.sure >= SURE, "described": bool(hints.captions or hints.words),
        "key_sure": key[2] if key else 0.0,
    }  # fmt: skip


def _store(path: Path, record: dict[str, NDArray[Any]], facts: dict[str, Any]) -> None:
    """Write a song's file atomically."""
    with whole(path) as part:
        save_file(record, part, {"song": json.dumps(facts)})
