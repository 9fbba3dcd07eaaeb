"""What distillation is worth: the student against the best undistilled setting of the same cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.training.metrics import casting, frechet, judging, systems, voices
from engine.training.metrics import clips as C
from engine.training.metrics.bench import Bench
from engine.training.metrics.rows import kept
from engine.training.metrics.table import Table
from engine.training.metrics.voices import Rows

PASSES = (1, 2)
DRAFTED = 4
MISSING = "No teacher checkpoint was given (--teacher): there is nothing undistilled to compare with."
RESAMPLES = 200


def draft_rows(cast: casting.Cast, system: systems.System) -> Rows:
    """The judge's rows of every fourth batch, decoded to features alone."""
    batches = cast.given[::DRAFTED]

    def make() -> Rows:
        count, no = len(batches), [False] * len(batches)
        parts = cast.pool.map(voices.describe_made, [system] * count, batches, cast.seeds[::DRAFTED], no, no)
        return voices.joined(list(cast.track(parts, f"draft: {system.name}", count)))

    return kept(cast.bench, ["draft", DRAFTED, cast.key, *casting.system_key(cast.bench, system)], make)


def screened(cast: casting.Cast, passes: int, reference: frechet.Reference, projection: frechet.Projection) -> Any:
    """Rivals of the same number of passes, nearest to the reference first: [(name, distance), system]."""
    found = []
    for rival in systems.rivals(passes):
        rows = projection(draft_rows(cast, rival)["embedding"].astype(np.float64))
        found.append((round(reference.distance(rows), 3), rival))
    return sorted(found, key=lambda pair: pair[0])


def measure(bench: Bench) -> dict[str, Any]:
    if bench.teacher is None:
        return {"missing": MISSING}
    judge = judging.ready(bench)
    if judge is None:
        return {"missing": judging.MISSING}
    results: dict[str, Any] = {"passes": {}, "clips": max(8, bench.clips)}
    with voices.crew(bench) as pool:
        cast = casting.cast(bench, pool)
        student = bench.renderer.networks.student
        teacher = systems.load_teacher(bench.teacher, student)
        reference = casting.real_rows(cast, "reference")
        groups = C.groups_of(cast.asked)
        spaces = {space: reference[space].astype(np.float64) for space in ("timbre", "embedding")}
        projections = {space: frechet.Projection.fit(real) for space, real in spaces.items()}
        settled = frechet.Reference.of(projections["embedding"](spaces["embedding"]))
        walls: dict[str, float] = {}
        pairs = []
        for passes in PASSES:
            order = screened(cast, passes, settled, projections["embedding"])
            pairs.append((passes, order, systems.System("student", passes), order[0][1]))
        for _, _, own, rival in pairs:
            for system in (own, rival):
                wall = casting.wall_ms(bench, system, cast.given[0], teacher)
                walls[system.name] = round(wall["network"] + wall["decoding"], 1)
        for passes, order, own, rival in pairs:
            rows = {system.name: casting.system_rows(cast, system) for system in (own, rival)}
            entry: dict[str, Any] = {"rival": rival.name, "wall": {name: walls[name] for name in rows}}
            for space, real in spaces.items():
                moved = {name: projections[space](value[space].astype(np.float64)) for name, value in rows.items()}
                entry[space] = frechet.compare(moved, projections[space](real), groups, rival.name, RESAMPLES, 0)
            entry["screened"] = [[one.name, distance] for distance, one in order]
            results["passes"][str(passes)] = entry
    return results


def table(results: dict[str, Any]) -> Table:
    header = ["", "Frechet distance, timbre", "Frechet distance, judge", "wall, ms", "student wins"]
    title = "What distillation is worth"
    if "missing" in results:
        return Table(title, header, [], [results["missing"]])
    rows = []
    for passes, entry in results["passes"].items():
        names = [f"student, {passes} step{'s' if passes != '1' else ''}", entry["rival"]]
        for name in names:
            cells = [_cell(entry[space][name], name != entry["rival"]) for space in ("timbre", "embedding")]
            rows.append([name, *cells, f"{entry['wall'][name]:.0f}", _verdict(entry, name) if name == names[0] else ""])
    count = {passes: len(entry["screened"]) for passes, entry in results["passes"].items()}
    remarks = [
        "Each student stands above the best undistilled setting of as many passes of the network: Euler and Heun, grids"
        f" bent by {', '.join(f'{s:g}' for s in systems.SHIFTS)}, with guidance (two passes a call) and without;"
        f" {', '.join(f'{n} settings of {p}' for p, n in count.items())} passes. Chosen by the judge's distance over"
        " a quarter of the clips, decoded without the vocoder, then scored like all others.",
        f"{results['clips']} clips; after x: the student's distance over the rival's, intervals by paired bootstrap"
        " over songs. Wins: the whole interval lies below 1.",
    ]
    return Table(title, header, rows, remarks)


def _cell(entry: dict[str, Any], ratio: bool) -> str:
    low, high = entry["interval"]
    share = "x{:.2f} [{:.2f}, {:.2f}]".format(entry["ratio"], *entry["ratio interval"]) if ratio else ""
    return f"{entry['distance']:.1f} [{low:.1f}, {high:.1f}] {share}".strip()


def _verdict(entry: dict[str, Any], name: str) -> str:
    won = [entry[space][name]["ratio interval"][1] < 1 for space in ("timbre", "embedding")]
    return {2: "on both", 1: "timbre" if won[0] else "judge", 0: "no"}[sum(won)]
