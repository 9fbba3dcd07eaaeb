"""Width and texture: how far left and right differ, and how much the sound changes from frame to frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engine.models import features as F
from engine.training.metrics import twins
from engine.training.metrics.bench import Bench
from engine.training.metrics.sections.timing import elsewhere
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.types import Audio

TARGET_SHARE = 0.15
AUDIBLE_DB = -60.0
COLUMNS = {
    "width_db": "left/right level difference, dB",
    "change_db": "frame-to-frame change, dB",
    "high_change_db": "the same above 2 kHz, dB",
}


def describe(audio: Audio) -> dict[str, float]:
    """Means over audible mel bands and frames: |left - right| and |frame - frame before| in dB; NaN: silence."""
    features = F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio)))
    mel = features[:, : 2 * F.MELS].reshape(len(features), 2, F.MELS)
    heard = (mel > AUDIBLE_DB).all(dim=1)
    width = (mel[:, 0] - mel[:, 1]).abs()[heard]
    middle = mel.mean(dim=1)
    both = heard[1:] & heard[:-1]
    change = middle.diff(dim=0).abs()
    high = torch.from_numpy(F.mel_edges_hz()[1:-1] > 2_000.0) & both
    found = {"width_db": width, "change_db": change[both], "high_change_db": change[high]}
    return {name: float(values.mean()) if len(values) else float("nan") for name, values in found.items()}


def against(found: list[float], real: list[float]) -> dict[str, Any]:
    """The ratio of means less one, paired, with its bootstrap interval; None where nothing was heard."""
    pairs = np.array([pair for pair in zip(found, real, strict=True) if np.isfinite(pair).all()])
    if len(pairs) == 0:
        return {"mean": None, "interval": None, "n": 0}
    ratio = pairs[:, 0].mean() / max(pairs[:, 1].mean(), 1e-9) - 1.0
    rows = np.random.default_rng(0).integers(len(pairs), size=(2000, len(pairs)))
    draws = pairs[rows].mean(axis=1)
    low, high = np.quantile(draws[:, 0] / np.maximum(draws[:, 1], 1e-9) - 1.0, (0.025, 0.975))
    return {"mean": round(float(ratio), 4), "interval": [round(float(low), 4), round(float(high), 4)], "n": len(pairs)}


def measure(bench: Bench) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {
        name: [] for name in ("held-out", "held-out, other bars", "held-out coded", "model")
    }
    for excerpt in bench.track(twins.of(bench), "texture"):
        found["held-out"].append(describe(excerpt.audio()))
        found["held-out, other bars"].append(describe(elsewhere(excerpt).audio()))
        found["held-out coded"].append(describe(twins.coded(bench, excerpt)))
        found["model"].append(describe(twins.twin(bench, excerpt)))
    columns = {name: {key: [one[key] for one in rows] for key in COLUMNS} for name, rows in found.items()}
    return {
        "rows": {name: {key: summary(values) for key, values in row.items()} for name, row in columns.items()},
        "against held-out": {
            name: {key: against(values, columns["held-out"][key]) for key, values in row.items()}
            for name, row in columns.items()
            if name != "held-out"
        },
    }


def table(results: dict[str, Any]) -> Table:
    rows = []
    for name, row in results["rows"].items():
        ratios = results["against held-out"].get(name)
        cells = [shown(row[key], 2) for key in COLUMNS]
        rows.append([name, *cells, *(_percent(ratios[key]) if ratios else "-" for key in COLUMNS)])
    remark = (
        f"Mel bands above {AUDIBLE_DB:g} dB in both channels; change of the mean of left and right, 10.7 ms apart."
        f" Target: within {100 * TARGET_SHARE:g} % of held-out clips; twins share caption, tempo, meter and parts."
    )
    header = ["", *COLUMNS.values(), *(f"{name.split(',')[0]}, against held-out" for name in COLUMNS.values())]
    return Table("Width and texture", header, rows, [remark])


def _percent(entry: dict[str, Any]) -> str:
    if entry["mean"] is None:
        return "-"
    low, high = entry["interval"]
    return f"{100 * entry['mean']:+.0f} % [{100 * low:+.0f}, {100 * high:+.0f}]"
