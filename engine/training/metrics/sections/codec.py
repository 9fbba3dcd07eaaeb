"""What codec and vocoder lose, alone and together: of held-out clips, of held-out sound sources, of recorded loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.models import features as F
from engine.training.metrics.bench import Bench, Song
from engine.training.metrics.codec import losses, sound_losses
from engine.training.metrics.loops import recorded_loops
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.types import Audio

CLIPS = 30
FRAMES = 768
STAGES = ("codec", "vocoder", "both")
TARGETS = {"log_mel_smoothed_db": 2.5, "onset_flux_correlation": 0.9, "loudness_lu": 0.5}
COLUMNS = {
    "log_mel_db": "log-mel error, dB",
    "log_mel_smoothed_db": "smoothed over 5 frames, dB",
    "onset_flux_correlation": "onset flux correlation",
    "loudness_db": "loudness difference, dB",
    "left_right_db": "left/right level difference, dB",
    "width_db": "width, dB",
    "spectral_db": "log-spectral distance, dB",
    "loudness_lu": "loudness, LU",
    "bass_cents": "bass pitch error, cents",
    "bass_near": "bass within 20 cents",
}
Losses = dict[str, float]


def excerpt(song: Song) -> Audio:
    """8.2 s from the middle of a song."""
    samples = min(FRAMES * F.HOP, song.facts["frames"] // (8 * F.HOP) * 8 * F.HOP)
    first = (song.facts["frames"] - samples) // 2
    return song.audio(first, first + samples)


def analyse(audio: Audio) -> Tensor:
    """Features of whole frames, [T, CHANNELS] with T = samples // 512."""
    return F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio)))[: len(audio) // F.HOP]


def judged(bench: Bench, audio: Audio) -> dict[str, Losses]:
    """Errors of each stage on one clip; the codec alone makes no sound, so that some columns are not its own."""
    true = analyse(audio)
    coded = bench.coded(true)
    spoken, both = bench.spoken(true), bench.spoken(coded)
    return {
        "codec": losses(true, coded),
        "vocoder": losses(true, analyse(spoken)) | sound_losses(audio, spoken),
        "both": losses(true, analyse(both)) | sound_losses(audio, both),
    }


def rows_of(found: list[dict[str, Losses]]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for stage in STAGES:
        names = [key for key in (*COLUMNS, "bass_steady") if found and key in found[0][stage]]
        rows[stage] = {key: summary([one[stage][key] for one in found]) for key in names}
    return rows


def measure(bench: Bench) -> dict[str, Any]:
    count = min(bench.scaled(CLIPS), len(bench.songs))
    chosen = [bench.songs[i * len(bench.songs) // count] for i in range(count)]
    found = [judged(bench, excerpt(song)) for song in bench.track(chosen, "codec")]
    unheard = [one for one, song in zip(found, chosen, strict=True) if song.facts.get("held_out")]
    loops = recorded_loops()
    real = [judged(bench, loop.audio) for loop in bench.track(loops, "codec: loops")]
    groups = {"held-out sources": rows_of(unheard)} if unheard else {}
    if real:
        groups["recorded loops"] = rows_of(real)
    rows = rows_of(found)
    reached = {
        "log_mel_smoothed_db": rows["both"]["log_mel_smoothed_db"]["mean"] < TARGETS["log_mel_smoothed_db"],
        "onset_flux_correlation": rows["both"]["onset_flux_correlation"]["mean"] > TARGETS["onset_flux_correlation"],
        "loudness_lu": abs(rows["both"]["loudness_lu"]["mean"]) < TARGETS["loudness_lu"],
    }
    return {"rows": rows, "groups": groups, "loops": [loop.name for loop in loops], "reached": reached}


def table(results: dict[str, Any]) -> Table:
    rows = []
    for group, found in {"": results["rows"], **results["groups"]}.items():
        for name, entry in found.items():
            title = f"{group}, {name}" if group else name
            rows.append([title, *(shown(entry[key], 2) if key in entry else "-" for key in COLUMNS)])
    missed = ", ".join(COLUMNS[key] for key, good in results["reached"].items() if not good) or "none"
    steady = results["rows"]["both"]["bass_steady"]
    remarks = [
        "20 log10, floor -80 dB, left and right; loudness and width are new minus old, the others are absolute.",
        f"Targets (both): smoothed under {TARGETS['log_mel_smoothed_db']:g} dB, flux correlation over"
        f" {TARGETS['onset_flux_correlation']:g}, loudness within {TARGETS['loudness_lu']:g} LU; missed: {missed}.",
        "Log-spectral distance: mean of windows 512 to 4096, floor -90 dB. Bass: below 150 Hz, where the original"
        f" has a steady pitch; it still is, through both, in {shown(steady, 2)} of those frames.",
        f"Recorded loops: {', '.join(results['loops']) or 'none found'} (more by ATTACCA_LOOPS).",
    ]
    return Table("Codec and vocoder, held out", ["", *COLUMNS.values()], rows, remarks)
