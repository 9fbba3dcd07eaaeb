"""Listeners that learn at evaluation, the melody probe and the ear for bars, and what they learn from: songs of the
training split, or half of the held-out songs where there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.training import data
from engine.training.metrics import barlines, probe
from engine.training.metrics.bench import FIRST_SEED, FRAME_SAMPLES, Bench, Song
from engine.training.metrics.probe import FRAME_RATE_HZ, Lessons
from engine.types import MODEL_RATE_HZ

SONGS = 240
FEWEST_SONGS = 24
CLIP_SECONDS = 8.0
STEPS, FULL_CLIPS = 700, 100


@dataclass(frozen=True)
class Listener:
    """A trained probe. learnt_from: names of held-out songs it was trained on, which it must not judge."""

    probe: probe.Probe
    trained_on: str
    learnt_from: frozenset[str]

    def accuracy(self, song: Song, found: NDArray[np.int64], pitch: NDArray[np.int64]) -> float:
        """Share of judged frames (pitch class >= 0) found right; NaN if there are none, or the song was a lesson."""
        judged = pitch >= 0
        if song.path.name in self.learnt_from or not judged.any():
            return float("nan")
        return float((found == pitch)[judged].mean())


def frame_pitch(song: Song, first: int, last: int) -> NDArray[np.int64]:
    """The lead's pitch at 20 Hz from sample `first` to `last`; -1 in rests and within 50 ms of any change."""
    melody = song.array("melody").astype(np.int64)
    times = first / MODEL_RATE_HZ + np.arange((last - first) * FRAME_RATE_HZ // MODEL_RATE_HZ) / FRAME_RATE_HZ
    at, reach = np.round(times * MODEL_RATE_HZ / FRAME_SAMPLES).astype(int), round(0.05 * MODEL_RATE_HZ / FRAME_SAMPLES)
    around = melody[(at[:, None] + np.arange(-reach, reach + 1)).clip(0, len(melody) - 1)]
    steady = (around == around[:, :1]).all(axis=1)
    return np.where(steady, melody[at.clip(0, len(melody) - 1)], -1)


def busiest(song: Song, samples: int) -> int:
    """The first sample, on whole frames, of the stretch that the lead fills most."""
    sounding = np.cumsum(np.append(0, song.array("melody") >= 0))
    width = samples // FRAME_SAMPLES
    if len(sounding) <= width:
        return 0
    return int((sounding[width:] - sounding[:-width]).argmax()) * FRAME_SAMPLES


def lessons(songs: list[Song]) -> Lessons:
    """One stretch of about 8 s a song, where the lead is busiest."""
    found = Lessons([], [])
    for song in songs:
        samples = min(round(CLIP_SECONDS * MODEL_RATE_HZ), song.facts["frames"])
        first = min(busiest(song, samples), song.facts["frames"] - samples)
        found.add(song.audio(first, first + samples), frame_pitch(song, first, first + samples))
    return found


def teachers(bench: Bench) -> tuple[list[Song], str, frozenset[str]]:
    """(songs to learn from, in words, names of the held-out songs among them)."""
    files = data.song_files(bench.songs[0].path.parent.parent, "train")
    own = {song.path for song in bench.songs}
    if len(files) >= FEWEST_SONGS and not own.intersection(files):
        count = max(2, min(SONGS, len(files), round(SONGS * bench.clips / 200)))
        order = np.random.default_rng(FIRST_SEED).permutation(len(files))[:count]
        return [Song(files[i]) for i in sorted(order)], f"{count} clips of training songs", frozenset()
    half = bench.songs[::2]
    names = frozenset(song.path.name for song in half)
    return half, f"every second held-out song ({len(half)}; the others are judged)", names


def melody_probe(bench: Bench) -> Listener:
    """Train the probe, or take the one in OUT/probe that was trained on the same songs; shorter for few clips."""
    songs, words, names = teachers(bench)
    folder = bench.out / "probe"
    folder.mkdir(parents=True, exist_ok=True)
    steps = max(2, min(STEPS, STEPS * bench.clips // FULL_CLIPS))
    about = json.dumps({"songs": [song.path.name for song in songs], "seconds": CLIP_SECONDS, "steps": steps})
    weights, note = folder / "melody.safetensors", folder / "melody.json"
    if note.is_file() and note.read_text() == about and weights.is_file():
        return Listener(probe.load(weights), words, names)
    found = probe.train(lessons(list(bench.track(songs, "melody probe"))), steps)
    probe.save(found, weights)
    Path(note).write_text(about)
    return Listener(found, words, names)


def bar_ear(bench: Bench) -> tuple[barlines.Ear, frozenset[str]]:
    """(an ear for where bars begin, names of held-out songs that it learnt from); trained shorter for few clips."""
    songs, _, names = teachers(bench)
    steps = max(2, min(barlines.STEPS, barlines.STEPS * bench.clips // FULL_CLIPS))
    return barlines.train(barlines.Lessons.read([song.path for song in songs]), steps), names
