"""How far the style judge can be trusted: held-out clips, by style."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.training.metrics import clips as C
from engine.training.metrics import judging, scores
from engine.training.metrics.bench import Bench
from engine.training.metrics.stats import shown
from engine.training.metrics.table import Table

CLIPS = 400


def measure(bench: Bench) -> dict[str, Any]:
    judge = judging.ready(bench)
    if judge is None:
        return {"missing": judging.MISSING}
    clips = [clip for part in C.windows_of(bench.songs, bench.scaled(CLIPS)) for clip in part]
    styles = [clip.style for clip in clips]
    labels, groups = judging.labels_of(bench, styles), C.groups_of(clips)
    logp = judging.hear_stored(judge, clips)["logp"].astype(np.float64)
    right = scores.right_style(logp, labels)
    by_song = np.array([(right[groups == group].mean() > 0.5) for group in np.unique(groups)], np.float64)
    wrong: dict[str, dict[str, int]] = {}
    for label, found in zip(labels.tolist(), logp.argmax(axis=1).tolist(), strict=True):
        if label >= 0 and label != found:
            row = wrong.setdefault(judge.styles[label], {})
            row[judge.styles[found]] = row.get(judge.styles[found], 0) + 1
    return {
        "clips": len(clips), "songs": len(by_song), "styles": list(judge.styles),
        "right": scores.clustered_mean(right, groups), "songs_right": round(float(by_song.mean()), 3),
        "by_style": {s: round(float(right[np.array(styles) == s].mean()), 3) for s in sorted(set(styles))},
        "taken_for": {name: max(row.items(), key=lambda pair: pair[1]) for name, row in sorted(wrong.items())},
        "training": judging.training_note(bench),
    }  # fmt: skip


def table(results: dict[str, Any]) -> Table:
    header = ["", "right style", "songs with most clips right", "styles", "clips", "songs"]
    if "missing" in results:
        return Table("The style judge", header, [], [results["missing"]])
    row = [
        "held-out clips", shown(results["right"], 2), f"{results['songs_right']:.2f}", str(len(results["styles"])),
        str(results["clips"]), str(results["songs"]),
    ]  # fmt: skip
    note = results["training"]
    weak = sorted(results["by_style"].items(), key=lambda pair: pair[1])[:6]
    remarks = [
        f"Trained here on {note['songs']} training songs, {note['epochs']} epochs, {note['seconds']:.0f} s; clips of"
        f" {C.SECONDS:.1f} s from songs it never heard. What it gets wrong bounds every style figure below.",
        "Weakest styles: "
        + ", ".join(
            f"{name} {share:.2f}"
            + (f" (taken for {results['taken_for'][name][0]})" if name in results["taken_for"] else "")
            for name, share in weak
        )
        + ".",
    ]
    return Table("The style judge", header, [row], remarks)
