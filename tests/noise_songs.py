"""Stored songs whose sound is noise with a click on each beat: a corpus that costs nothing to make."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from engine.training.corpus import sample
from engine.training.corpus.mix import Mixed, song_frames
from engine.training.corpus.soundfonts import KNOWN
from engine.training.corpus.sources import Sources
from tests.handmade_song import handmade_song

CAPTIONS = ["a fast house track", "piano"]
TAGS = {
    "mood": ["happy"], "instruments": ["drum machine", "piano"], "era": ["90s"], "production": ["plate reverb"],
    "meter": ["4/4"], "mode": ["minor harmony"],
}  # fmt: skip


def noise_song(path: Path, tempo: int, seed: int, style: str) -> None:
    """Ten bars; parts "a" (drums) and "b" (bass and lead) are noises of their own."""
    song = handmade_song(10, Fraction(tempo))
    song.style, song.tags = style, {**TAGS, "genre": [style], "tempo": ["lively", f"{tempo} bpm"]}
    rng = np.random.default_rng(seed)
    frames = song_frames(song)
    noise = rng.normal(size=(2, frames, 2)) * 0.02
    decay = np.exp(-np.arange(500) / 100)[:, None]
    for time in np.arange(38) * 60 / tempo:
        at = round(float(time) * 48_000)
        noise[0, at : at + 500] *= 20 * decay
    a, b = noise.astype(np.float32)
    mixed = Mixed(a + b, a, b, ("drums",), ("bass", "lead"), np.full((frames // 512, 5), 1e-3, np.float32), -14.0)
    sample.store(path, song, mixed, CAPTIONS, Sources(KNOWN[0], {}, {}, False))


def noise_corpus(folder: Path) -> None:
    """Three songs to learn from, one to be judged by."""
    for index, (split, tempo, style) in enumerate(
        [("train", 120, "house"), ("train", 133, "funk"), ("train", 128, "house"), ("valid", 125, "funk")]
    ):
        (folder / split).mkdir(parents=True, exist_ok=True)
        noise_song(folder / split / f"{index:06d}.safetensors", tempo, index, style)
