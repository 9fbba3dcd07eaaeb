"""One song of the corpus, from its seed to its file: compose, cut, render, annotate, store."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from engine.models import features
from engine.training.corpus import annotate as labels
from engine.training.corpus.compose import COMPOSER, compose
from engine.training.corpus.excerpt import excerpt
from engine.training.corpus.levels import RATE_HZ
from engine.training.corpus.mix import Mixed, render_song, song_frames
from engine.training.corpus.song import Song
from engine.training.corpus.sources import Rack, Sources, choose
from engine.whole import whole

EXCERPT_RANGE_SECONDS = (36.0, 56.0)
CAPTIONS = 6


@dataclass(frozen=True, slots=True)
class SongJob:
    """A song to make. seed is its own; path is the final file; split is train, valid or test.

    composer: the version that writes it. synths: synthesisers besides our own that may play (`outside.SYNTHS`).
    """

    index: int
    seed: int
    style: str
    path: Path
    split: str
    synths: tuple[str, ...] = ()
    composer: int = COMPOSER


def render_job(job: SongJob) -> float:
    """Make and store one song; returns its seconds. Written to a temporary name, then renamed."""
    song, sources, captions = described(job)
    mixed = render_song(Rack(song, sources), song)
    store(job.path, song, mixed, captions, sources)
    return song_frames(song) / RATE_HZ


def described(job: SongJob) -> tuple[Song, Sources, list[str]]:
    """A song's excerpt, who plays it, and its captions: everything but its sound."""
    from engine.training.corpus.captions import caption

    rng = np.random.default_rng([job.seed, 0x657863])
    whole = compose(job.seed, job.style, job.composer)
    if job.split == "test":
        whole = replace(whole, slower=())  # what is measured on test songs counts on one tempo
    song = excerpt(whole, *choose_excerpt(whole, rng))
    sources = choose(song, job.split, job.synths)
    heard = [*song.tags["instruments"], *sources.words()]
    song = replace(song, tags={**song.tags, "instruments": list(dict.fromkeys(heard))})
    return song, sources, [caption(song.tags, rng) for _ in range(CAPTIONS)]


def choose_excerpt(song: Song, rng: np.random.Generator) -> tuple[int, int]:
    """(first_bar, bars) of 36 to 56 s of whole bars, if possible across a change of section.

    Half of the songs with a ritard are cut so that it is heard.
    """
    bar_seconds = float(song.bar_beats * 60 / song.tempo)
    fewest = max(1, ceil(EXCERPT_RANGE_SECONDS[0] / bar_seconds))
    most = max(fewest, floor(EXCERPT_RANGE_SECONDS[1] / bar_seconds))
    bars = int(rng.integers(fewest, most + 1))
    if bars - bars % 2 >= fewest:
        bars -= bars % 2
    bars = min(bars, song.bars)
    starts = np.arange(song.bars - bars + 1)
    changes = np.array([s.first_bar for s in song.sections if s.first_bar > 0], dtype=int)
    inside = (changes > starts[:, None] + 1) & (changes < starts[:, None] + bars - 1)
    grid = np.where(starts % 4 == 0, 4.0, 1.0) * np.where(inside.any(axis=1), 4.0, 1.0)
    first = int(rng.choice(starts, p=grid / grid.sum()))
    return (song.bars - bars if song.slower and rng.random() < 0.5 else first), bars


def describe(song: Song, captions: list[str], sources: Sources, mixed: Mixed) -> dict[str, Any]:
    """The metadata record of a song, ready for JSON."""
    return {
        "seed": song.seed, "style": song.style, "tempo": str(song.tempo),
        "meter": list(song.meter), "key_root": song.key_root, "mode": song.mode,
        "bars": song.bars, "beat_groups": [str(g) for g in song.beat_groups],
        "swing": song.swing, "tags": song.tags, "captions": captions, **sources.describe(),
        "loudness_lufs": round(mixed.loudness_lufs, 2), "frames": song_frames(song),
        "keys": [list(key) for key in song.keys],
        **_newer(song),
        "sections": [[s.name, s.first_bar, s.bars, s.level_db] for s in song.sections],
    }  # fmt: skip


def _newer(song: Song) -> dict[str, Any]:
    """What songs of later composers are described by besides: the version, and [quarters, tempo] of a ritard."""
    if song.composer == 1:
        return {}
    return {"composer": song.composer, "tempo_map": [[str(beat), str(tempo)] for beat, tempo in song.slower]}


def tensors(song: Song, mixed: Mixed) -> dict[str, Any]:
    """Everything that is stored of a song, by name (see docs of `annotate` for the labels)."""
    frames = len(mixed.mix)
    record = labels.annotate(song, frames)
    views = (("mix", "intensity", mixed.mix), ("a", "intensity_a", mixed.a), ("b", "intensity_b", mixed.b))
    for name, level, audio in views:
        record[name] = features.analyse(audio)
        record[level] = labels.intensity_db(audio)
    present = labels.presence(mixed.group_power, 1 + frames // labels.HOP)
    record["presence"] = present
    record["groups_mix"] = present.max(axis=0)
    record["groups_a"] = labels.multi_hot(mixed.groups_a)
    record["groups_b"] = labels.multi_hot(mixed.groups_b)
    record["audio"] = np.round(mixed.mix * 32767.0).astype(np.int16)
    return {name: np.ascontiguousarray(value) for name, value in record.items()}


def store(path: Path, song: Song, mixed: Mixed, captions: list[str], sources: Sources) -> None:
    """Write a song's file atomically."""
    about = json.dumps(describe(song, captions, sources, mixed))
    with whole(path) as part:
        save_file(tensors(song, mixed), part, {"song": about})
