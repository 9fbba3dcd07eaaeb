"""Continuations of held-out clips and of recorded loops: is the seam heard in spectrum, level or time?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.render.join import join
from engine.timing import Meter, TempoMap
from engine.training.metrics.bench import FIRST_SEED, Bench, continuation
from engine.training.metrics.loops import BARS, METER, TEMPO, recorded_loops
from engine.training.metrics.seam import Seam, judge
from engine.training.metrics.sections.belonging import cases
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.types import MODEL_RATE_HZ, SEAM_SECONDS, Audio, BarAudio

CLIPS = 60
NEW_BARS = 4
TARGET_DB = 3.0
COLUMNS = {
    "spectrum_db": "long-term spectrum, dB",
    "shape_db": "the same at equal level, dB",
    "loudness_db": "level step, absolute, dB",
    "flux_db": "flux at the seam against other bar lines, dB",
    "edge_db": "edge at the seam against other bar lines, dB",
}
ABSOLUTE = ("loudness_db",)


@dataclass(frozen=True)
class Join:
    """Something to go on from: whole bars of context, and what really follows (None for a loop)."""

    name: str
    context: Audio
    tempo: str
    meter: str
    bars: int
    following: Audio | None

    def lines(self) -> list[int]:
        tempo_map = TempoMap.parse(self.tempo, Meter.parse(self.meter))
        return list(tempo_map.bar_boundaries(0, self.bars + NEW_BARS, MODEL_RATE_HZ))


def held_out_joins(bench: Bench, count: int) -> list[Join]:
    return [
        Join(case.song.path.stem, case.context, case.song.facts["tempo"], case.song.meter, case.bars, case.following)
        for case in cases(bench.songs, count)
    ]


def loop_joins() -> list[Join]:
    return [Join(loop.name, loop.audio, str(TEMPO), METER, BARS, None) for loop in recorded_loops()]


def continued(bench: Bench, join_: Join, seed: int) -> Audio:
    """ALL as a listener gets it: the context, its last 20 ms faded into the lead-in, and the new bars."""
    emitted: list[BarAudio] = []
    request = continuation(f"seam-{join_.name}", join_.context, join_.tempo, join_.meter, NEW_BARS, seed)
    bench.renderer.render(request, join_.context, emitted.append, lambda _: None, lambda: False)
    lead_in = [bar.audio for bar in emitted if bar.first_frame < 0]
    new = np.concatenate([bar.audio for bar in emitted if bar.first_frame >= 0])
    empty = np.zeros((0, new.shape[1]), np.float32)
    return join(join_.context, new, lead_in[-1] if lead_in else empty, round(SEAM_SECONDS * MODEL_RATE_HZ))


def row(found: Sequence[Seam]) -> dict[str, Any]:
    values = {name: np.array([getattr(seam, name) for seam in found]) for name in COLUMNS}
    return {name: summary(np.abs(v) if name in ABSOLUTE else v, 3) for name, v in values.items()}


def measure(bench: Bench) -> dict[str, Any]:
    known, loops = held_out_joins(bench, bench.scaled(CLIPS)), loop_joins()
    seams: dict[str, list[Seam]] = {}

    def add(name: str, join_: Join, whole: Audio) -> None:
        seams.setdefault(name, []).append(judge(whole, join_.lines(), join_.bars))

    following = [join_.following for join_ in known if join_.following is not None]
    for index, join_ in enumerate(bench.track(known, "seams")):
        add("model", join_, continued(bench, join_, FIRST_SEED + index))
        add("the song itself", join_, np.concatenate([join_.context, following[index]]))
        coded = bench.reconstructed(following[index])
        add("the song itself, coded from the seam on", join_, np.concatenate([join_.context, coded]))
        other = np.resize(following[(index + 1) % len(following)], following[index].shape)
        add("another held-out clip", join_, np.concatenate([join_.context, other]))
    for index, join_ in enumerate(bench.track(loops, "seams: loops")):
        add("model, recorded loops", join_, continued(bench, join_, FIRST_SEED + index))
        add("recorded loops repeated", join_, np.concatenate([join_.context, join_.context]))
    within = {
        name: summary([float(seam.spectrum_db <= TARGET_DB) for seam in seams[name]])
        for name in ("model", "the song itself", "the song itself, coded from the seam on")
        if name in seams
    }
    return {
        "rows": {name: row(found) for name, found in seams.items()},
        "within_target": within,
        "loops": [join_.name for join_ in loops],
    }


def table(results: dict[str, Any]) -> Table:
    rows = [
        [name, *(shown(entry[key], 2) for key in COLUMNS), str(entry["spectrum_db"]["n"])]
        for name, entry in results["rows"].items()
    ]
    names = ", ".join(results["loops"]) or "none found"
    within = ", ".join(f"{name} {shown(entry, 2)}" for name, entry in results["within_target"].items())
    remarks = [
        f"Spectrum: mean absolute difference of third octaves, all context (about 10 s) against {NEW_BARS} new bars;"
        f" target {TARGET_DB:g} dB, reached by these shares of held-out clips: {within}.",
        "Level: the bar before against the bar after. Flux and edge: largest rise within 40 ms, and the power of fast"
        " changes within 4 ms over its surroundings, of the seam less the median of other bar lines; 0 is unnoticed.",
        f"Recorded loops: {names} (more by ATTACCA_LOOPS).",
    ]
    return Table("Seams", ["", *COLUMNS.values(), "n"], rows, remarks)
