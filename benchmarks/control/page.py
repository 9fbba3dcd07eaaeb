"""The page docs/control.md, made from the figures of one run of the control benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.control.distance import DIMENSIONS
from benchmarks.control.systems import BASELINE, COLUMNS, FREE, ONE, STEPPED, TRAINED
from benchmarks.control.table import CPU, cell, distance_rows, ratios, row_of, summary
from engine.control.teacher import ITERATIONS, STEPS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "control.md"
Line = Mapping[str, Any]
HEAD = """# Control, measured

Made by `python -m benchmarks.control --report` from `benchmarks/control/figures.json`, not by hand. The figures are of

    python -m benchmarks.control --corpus CORPUS --teacher TEACHER.safetensors

{about} Cells: p50 [p10, p90] over clips of about 6 s; n is of the columns in order where they differ.
"""
TABLE = {
    "intensity MSE, dB^2": "intensity MSE, dB^2",
    "melody accuracy, CQT": "melody accuracy, argmax of the mix's CQT chroma",
    "melody accuracy, probe": "melody accuracy, by a probe that no optimiser has seen",
    "melody notes with octave, pYIN, F1": "melody's notes with octave, F1 of pYIN's on the mix, 50 ms",
    "structure MSE": "structure MSE",
    "structure MSE, librosa's MFCC": "structure MSE by librosa's MFCC, which no optimiser has seen",
    "text similarity, joint space": "text similarity, the joint space that is optimised",
    "style's log-probability, judge": "log-probability of the words' style, by a judge that no optimiser has seen",
    "seam flux, dB": "seam flux of a continuation under a curve, dB over other bar lines",
    "continued, intensity MSE, dB^2": "its intensity MSE, dB^2",
}
"""Metrics of the first table, and how they are told."""
ARRANGES = (
    "curve and onset density, rank correlation", "curve and spectral centroid, rank correlation",
    "curve and active parts, rank correlation", "share of the change that a gain ride explains",
)  # fmt: skip
PARTS = (
    "bars without a target: change over that of another seed", "bars with one: change over that of another seed",
)  # fmt: skip
NOTES = """
- Uncontrolled: the same request and seed without the target (text: without a prompt). A form is no trained condition.
- Scored on the sound, before any gain ride; intensity MSE without fitting an offset.
- Processor seconds: of the whole render on {threads} torch thread(s), all columns of a clip in turn; a wall clock says
  nothing on a machine that others use. The student's search ends when its target is met, and so does the teacher's.
- The baseline: the same targets, noise, conditions and extractors through the teacher, {steps} guided Euler steps,
  K = {taught}, without the guard of timbre, at a rate of its own ({taught_rate:g}).
- Frechet distances: of clips brought to one level throughout (1 s), in at most {dimensions} principal directions and a
  quarter of n; "timbre" is MFCC, chroma and contrast (untrained), "judge" the style judge's hidden layer. So few
  clips lift all distances alike: compare within a row.
- At one loudness: rank correlation of the curve with what plays, over 1 s windows of a clip brought to one level. The
  share that a gain ride explains: of the squared difference of log mels to the uncontrolled render.
"""


def page(line: Line) -> str:
    """All of it."""
    values, used = line["values"], [name for name in COLUMNS if any(name in row for row in line["rows"].values())]
    cost, parts = {CPU: _together(values, used)}, [name for name in used if name not in (ONE, BASELINE)]
    first = [row_of(told, line["rows"][name], used) for name, told in TABLE.items() if name in line["rows"]]
    first += [row_of(told, {k: summary(v) for k, v in row.items()}, used) for told, row in cost.items()]
    by_kind = [row_of(name, line["rows"][name], used) for name in line["rows"] if name.startswith(CPU)]
    arranging = [row_of(name, line["rows"][name], used) for name in ARRANGES if name in line["rows"]]
    acts = [row_of(name, line["rows"][name], parts) for name in PARTS if name in line["rows"]]
    taught = {"taught": ITERATIONS, "taught_rate": line["taught_rate"], "steps": STEPS}
    notes = NOTES.format(**taught, dimensions=DIMENSIONS, threads=line["threads"])
    return "\n".join(
        [
            HEAD.format(about=_about(line)),
            *_table(used, [*first, *distance_rows(line["distances"], used)]),
            notes,
            "## Figures to reach\n",
            *_reached(line),
            "\n## Intensity arranges and is no fader: at one loudness\n",
            *_table(used, arranging),
            _held_out(line),
            "\n## Controls act only where set: target on bars 3 and 4 of 4\n",
            *_table(parts, acts),
            "\nLog mels; 1 is the change that another seed makes, 0 none.",
            "\n## Processor seconds by target\n",
            *_table(used, by_kind),
            "",
        ]
    )


def _held_out(line: Line) -> str:
    """What music itself does, as a sentence."""
    told = [f"{name.removesuffix(', rank correlation')} {cell(one)}" for name, one in line["held_out"].items()]
    return f"\nHeld-out songs against their own level: {'; '.join(told)}." if told else ""


def _about(line: Line) -> str:
    return (
        f"`{line['bundle']}`, commit {line['commit']}, {line['clips']} clips a target ({line['teacher_clips']} through"
        f" the teacher), K = {line['iterations']}, decoded in {line['steps']} steps, Adam at {line['rate']:g},"
        f" {line['device']}."
    )


def _table(used: Sequence[str], rows: Sequence[str]) -> list[str]:
    return [f"| | n | {' | '.join(used)} |", "|---" * (len(used) + 2) + "|", *rows]


def _together(values: Mapping[str, Any], used: Sequence[str]) -> dict[str, list[float]]:
    """Processor seconds of all clips by column, those with a target on a part left out (they are made twice)."""
    rows = [row for metric, row in whole(values).items() if metric.startswith(CPU)]
    found = {name: [value for row in rows for value in row.get(name, {}).values()] for name in used}
    return {name: one for name, one in found.items() if one}


def whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without the seconds of targets that act on a part."""
    return {metric: row for metric, row in values.items() if metric != f"{CPU}, part"}


def _reached(line: Line) -> list[str]:
    """Each figure against its target: yes where median and mean are there, in doubt where one of them is."""
    rows, values = line["rows"], line["values"]
    asked = [
        ("intensity MSE, dB^2", TRAINED, 3.0, False), ("intensity MSE, dB^2", STEPPED, 1.0, False),
        ("melody accuracy, CQT", TRAINED, 0.75, True), ("melody accuracy, CQT", STEPPED, 0.90, True),
        ("melody accuracy, probe", TRAINED, 0.90, True), ("melody accuracy, probe", STEPPED, 0.97, True),
        ("structure MSE", STEPPED, 0.02, False),
        (PARTS[0], TRAINED, 0.1, False), (PARTS[0], STEPPED, 0.1, False),
    ]  # fmt: skip
    told = ["| | column | p50 | mean | target | reached |", "|---" * 6 + "|"]
    for metric, column, target, least in asked:
        if column in rows.get(metric, {}):
            told.append(_verdict(metric, column, rows[metric][column], target, least))
    cost = ratios(whole(values), FREE, [TRAINED], CPU).get(TRAINED)
    if cost:
        told.append(_verdict("processor seconds over the uncontrolled render's", TRAINED, summary(cost), 1.05, False))
    for name in (ONE, STEPPED):
        quicker = [1.0 / one for one in ratios(values, BASELINE, [name], CPU).get(name, [])]
        if quicker:
            told.append(_verdict("times quicker than the baseline, same clips", name, summary(quicker), 10.0, True))
    return [*told, "", *_beside(values)]


def _verdict(metric: str, column: str, found: Mapping[str, Any], target: float, least: bool) -> str:
    good = [found[name] >= target if least else found[name] <= target for name in ("p50", "mean")]
    word = "yes" if all(good) else "in doubt" if any(good) else "no"
    bound = "at least" if least else "at most"
    return f"| {metric} | {column} | {found['p50']:.3g} | {found['mean']:.3g} | {bound} {target:g} | {word} |"


def _beside(values: Mapping[str, Any]) -> list[str]:
    """Adherence of search and baseline on the clips that both made."""
    told = ["| on the baseline's clips, mean | n | " + " | ".join((ONE, STEPPED, BASELINE)) + " |", "|---" * 5 + "|"]
    for metric in TABLE:
        row = values.get(metric, {})
        shared = sorted(set.intersection(*(set(row.get(name, {})) for name in (ONE, STEPPED, BASELINE))))
        if shared:
            means = [float(np.mean([row[name][at] for at in shared])) for name in (ONE, STEPPED, BASELINE)]
            told.append(f"| {metric} | {len(shared)} | {' | '.join(f'{one:.3g}' for one in means)} |")
    return told if len(told) > 2 else []
