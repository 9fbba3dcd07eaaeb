"""Key and chords of generated clips against what was given; held-out clips' own agreement with their score beside."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.training.metrics import tonal, twins
from engine.training.metrics.beat import beat_times
from engine.training.metrics.bench import FRAME_SAMPLES, Bench
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.training.metrics.twins import Excerpt
from engine.types import MODEL_RATE_HZ

TARGET = 0.9
KEY_COLUMNS = ("key", "score", "scale")
Array = NDArray[np.float64]


def key_of(excerpt: Excerpt, notes: Array, shift: int) -> dict[str, float]:
    """Is the estimated key the excerpt's, moved by `shift`: exactly; by MIREX's score; is the scale's place right."""
    wanted = tonal.family(*excerpt.key(shift))
    found = tonal.estimated_key(notes)
    return {
        "key": float(found == wanted),
        "score": tonal.key_score(found, wanted),
        "scale": float(tonal.in_scale(notes, excerpt.pitch_classes(shift))),
    }


def chords_right(excerpt: Excerpt, notes: Array, shift: int) -> float:
    """Share of beats with one chord that holds a triad, whose triad by template is one of the chord's; NaN: none."""
    edges = beat_times(excerpt.song.tempo_map, excerpt.bars, excerpt.first_bar)
    edges = np.append(edges, (excerpt.last - excerpt.first) / MODEL_RATE_HZ)
    given = excerpt.chroma(shift).astype(bool)
    at = np.round(edges * MODEL_RATE_HZ / FRAME_SAMPLES).astype(int).clip(0, len(given) - 2)
    found = tonal.estimated_triads(notes, edges)
    hits = []
    for index, (first, last) in enumerate(pairwise(at)):
        inside = given[first + 2 : max(first + 3, last - 2)]
        if len(inside) and (inside == inside[0]).all() and (held := tonal.triads_of(inside[0])):
            hits.append(float(found[index] in held))
    return float(np.mean(hits)) if hits else float("nan")


def measure(bench: Bench) -> dict[str, Any]:
    asked = twins.of(bench)
    keys: dict[str, list[dict[str, float]]] = {}
    chords: dict[str, list[float]] = {}

    def note(name: str, excerpt: Excerpt, notes: Array, shift: int) -> None:
        keys.setdefault(name, []).append(key_of(excerpt, notes, shift))
        chords.setdefault(name, []).append(chords_right(excerpt, notes, shift))

    for index, excerpt in enumerate(bench.track(asked, "keys")):
        made = tonal.notes(twins.twin(bench, excerpt))
        other = asked[(index + len(asked) // 2) % len(asked)]
        note("held-out", excerpt, tonal.notes(excerpt.audio()), 0)
        note("held-out coded", excerpt, tonal.notes(twins.coded(bench, excerpt)), 0)
        note("model", excerpt, made, excerpt.shift)
        note("model, key and chords" if excerpt.chords_given else "model, key alone", excerpt, made, excerpt.shift)
        note("chance", other, made, other.shift)
    return {
        "keys": {n: {key: summary([one[key] for one in found]) for key in KEY_COLUMNS} for n, found in keys.items()},
        "chords": {name: summary(values) for name, values in chords.items()},
    }


def table(results: dict[str, Any]) -> Table:
    names = {
        "held-out": "held-out clips, their own score (ceiling)",
        "held-out coded": "held-out clips through codec and vocoder",
        "chance": "model against another clip's key and chords (chance)",
    }
    rows = [
        [names.get(name, name), *(shown(entry[key], 2) for key in KEY_COLUMNS), shown(results["chords"][name], 2)]
        for name, entry in results["keys"].items()
    ]
    share = {
        key: results["keys"]["model"][key]["mean"] / max(results["keys"]["held-out"][key]["mean"], 1e-6)
        for key in ("key", "scale")
        if None not in (results["keys"]["model"][key]["mean"], results["keys"]["held-out"][key]["mean"])
    }
    remarks = [
        f"Target: {TARGET:g}. The model's share of what held-out clips reach: "
        + ", ".join(f"{name} {value:.2f}" for name, value in share.items())
        + ".",
        "Key: Krumhansl and Kessler's profiles on the notes that stand out, 24 keys (a mode counts as major or"
        " minor by its third); score: fifth 0.5, relative 0.3, parallel 0.2;"
        " scale: the given scale fits best of its twelve transpositions.",
        "Chords: on beats that hold one chord, the best of 24 triads is part of it. The given key and chords are the"
        " held-out clip's, moved by a random interval; without chords the model is free to choose its own.",
    ]
    header = ["", "key", "key, near misses scored", "scale", "chords"]
    return Table("Key and chords", header, rows, remarks)
