"""What codec and vocoder lose of held-out clips: alone and together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.models import features as F
from engine.training.metrics.bench import Bench, Song
from engine.training.metrics.codec import losses
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.types import Audio

CLIPS = 40
FRAMES = 768
COLUMNS = {
    "log_mel_db": "log-mel error, dB",
    "log_mel_smoothed_db": "smoothed over 5 frames, dB",
    "onset_flux_correlation": "onset flux correlation",
    "loudness_db": "loudness difference, dB",
    "left_right_db": "left/right level difference, dB",
}


def excerpt(song: Song) -> Audio:
    """8.2 s from the middle of a song."""
    samples = min(FRAMES * F.HOP, song.facts["frames"] // (8 * F.HOP) * 8 * F.HOP)
    first = (song.facts["frames"] - samples) // 2
    return song.audio(first, first + samples)


def analyse(audio: Audio) -> Tensor:
    """Features of whole frames, [T, CHANNELS] with T = samples // 512."""
    return F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio)))[: len(audio) // F.HOP]


def measure(bench: Bench) -> dict[str, Any]:
    rows: dict[str, list[dict[str, float]]] = {"codec": [], "vocoder": [], "both": []}
    count = min(bench.scaled(CLIPS), len(bench.songs))
    chosen = [bench.songs[i * len(bench.songs) // count] for i in range(count)]
    for song in bench.track(chosen, "codec"):
        true = analyse(excerpt(song))
        coded = bench.coded(true)
        rows["codec"].append(losses(true, coded))
        rows["vocoder"].append(losses(true, analyse(bench.spoken(true))))
        rows["both"].append(losses(true, analyse(bench.spoken(coded))))
    return {
        "rows": {name: {key: summary([one[key] for one in found]) for key in COLUMNS} for name, found in rows.items()}
    }


def table(results: dict[str, Any]) -> Table:
    rows = [[name, *(shown(entry[key], 2) for key in COLUMNS)] for name, entry in results["rows"].items()]
    remark = "20 log10, floor -80 dB, left and right; loudness is new minus old, the others are absolute."
    return Table("Codec and vocoder, held out", ["", *COLUMNS.values()], rows, [remark])
