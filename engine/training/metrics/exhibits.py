"""Clips to be heard and seen: OGG files and spectrograms with bar lines, for the report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from engine.models import features as F
from engine.models.codec import LATENT_HOP
from engine.training.metrics.clips import SAMPLES, Clip
from engine.training.metrics.voices import Rows
from engine.types import MODEL_RATE_HZ

FOLDER = "clips"
LOWEST_DB, HIGHEST_DB = -80.0, -10.0


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def bar_lines(clip: Clip) -> list[float]:
    """Seconds from the clip's start where bars of its song begin."""
    start, song = clip.first * LATENT_HOP, clip.song
    lines = (song.line(bar) - start for bar in range(song.bars + 1))
    return [round(line / MODEL_RATE_HZ, 4) for line in lines if 0 <= line < SAMPLES]


def picture(audio: NDArray[np.int16], lines: list[float], path: Path) -> None:
    """The log-mel of a clip, bar lines in white."""
    from matplotlib.figure import Figure

    wave = torch.from_numpy(audio.astype(np.float32) / 32768.0)
    level = F.mel_db(wave.T.contiguous()).mean(0).T.numpy()
    figure = Figure(figsize=(2.9, 1.3), layout="constrained")
    axis = figure.subplots()
    extent = (0.0, len(audio) / MODEL_RATE_HZ, 0.0, 1.0)
    axis.imshow(level, origin="lower", aspect="auto", cmap="magma", vmin=LOWEST_DB, vmax=HIGHEST_DB, extent=extent)
    for line in lines:
        axis.axvline(line, color="white", linewidth=0.8, alpha=0.8)
    axis.set_yticks([])
    axis.tick_params(labelsize=6)
    figure.savefig(path, dpi=90)


def lay_out(rows: dict[str, Rows], clips: list[Clip], ungridded: tuple[str, ...], out: Path) -> dict[str, Any]:
    """Write the kept sounds of all systems; returns what the report needs to show them.

    clips: those that were kept, in their order; their bar lines hold for all systems but the `ungridded`.
    """
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    about = [
        {"style": clip.style, "caption": clip.caption, "tempo": clip.song.facts["tempo"], "meter": clip.song.meter}
        for clip in clips
    ]
    shown: dict[str, list[str]] = {}
    for name, found in rows.items():
        for index, sound in enumerate(found.get("audio", np.zeros((0, 0, 2)))[: len(clips)]):
            stem = f"{slug(name)}-{index}"
            audio = sound.astype(np.int16)
            soundfile.write(folder / f"{stem}.ogg", audio, MODEL_RATE_HZ, format="OGG", subtype="VORBIS")
            picture(audio, [] if name in ungridded else bar_lines(clips[index]), folder / f"{stem}.png")
            shown.setdefault(name, []).append(stem)
    return {"clips": about, "shown": shown}
