"""Pictures of the results, one file a section that has something to draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(name: str, results: dict[str, Any], out: Path) -> None:
    """Write OUT/<name>.png where the section `name` has a picture."""
    painter = {"beat": _beat, "control": _control, "comparison": _comparison, "belonging": _belonging}.get(name)
    if painter is not None:
        figure = painter(results)
        figure.savefig(out / f"{name}.png", dpi=110)


def _figure(columns: int = 1, rows: int = 1, width: float = 7.5, height: float = 4.0) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _bars(axis: Any, names: list[str], values: list[float], edges: list[tuple[float, float]]) -> None:
    """Horizontal bars with intervals, the first on top."""
    at = list(range(len(names)))
    low = [max(0.0, value - edge[0]) for value, edge in zip(values, edges, strict=True)]
    high = [max(0.0, edge[1] - value) for value, edge in zip(values, edges, strict=True)]
    axis.barh(at, values, xerr=[low, high], color="#4c72b0", ecolor="#222222", capsize=3)
    axis.set_yticks(at, names)
    axis.invert_yaxis()


def _beat(results: dict[str, Any]) -> Any:
    """Sorted F of every clip, one line a row."""
    figure, axes = _figure()
    for name, row in results["rows"].items():
        clips = sorted(row["clips"])
        share = [(i + 0.5) / len(clips) for i in range(len(clips))]
        axes[0][0].plot(share, clips, label=f"{name}: mean {row['f']['mean']:.2f}")
    axes[0][0].set(xlabel="share of clips", ylabel="Beat-F, 70 ms", title="Beats against the grid", ylim=(0, 1.02))
    axes[0][0].legend()
    return figure


def _control(results: dict[str, Any]) -> Any:
    """Wanted and found level of one clip of each kind."""
    figure, axes = _figure(3, 2, 11, 5)
    for axis, example in zip(axes.flat, results["intensity"]["examples"], strict=False):
        for key, style in (("wanted", "--"), ("found", "-")):
            seconds = [i / 10 for i in range(len(example[key]))]
            axis.plot(seconds, example[key], style, label=key)
        axis.set(title=example["kind"], xlabel="s", ylabel="dBFS")
    axes[0][0].legend()
    return figure


def _comparison(results: dict[str, Any]) -> Any:
    """Distances of all systems, and distance against wall time of those that have one."""
    rows = results["rows"]
    figure, axes = _figure(2, 1, 12, 0.9 + 0.3 * len(rows))
    entries = [r["timbre"] for r in rows.values()]
    _bars(axes[0][0], list(rows), [e["distance"] for e in entries], [tuple(e["interval"]) for e in entries])
    axes[0][0].set(xlabel="Frechet distance to held-out clips, timbre", title=f"{results['clips']} clips a row")
    for kind in ("student", "teacher"):
        found = {name: r for name, r in rows.items() if name.startswith(kind) and "wall" in r}
        points = sorted((r["wall"]["network"] + r["wall"]["decoding"], r["timbre"]["distance"], name.split(", ")[1])
                        for name, r in found.items())  # fmt: skip
        if points:
            axes[0][1].plot([p[0] for p in points], [p[1] for p in points], "o-", label=kind)
        for wall, distance, steps in points:
            axes[0][1].annotate(steps, (wall, distance), textcoords="offset points", xytext=(4, 4))
    first = next(iter(rows))
    axes[0][1].axhline(rows[first]["timbre"]["distance"], linestyle=":", color="black", label=first)
    axes[0][1].set(xscale="log", xlabel="ms a clip, decoding included", ylabel="Frechet distance, timbre")
    axes[0][1].legend()
    return figure


def _belonging(results: dict[str, Any]) -> Any:
    figure, axes = _figure()
    rows = results["rows"]
    means = [r["nearest"]["mean"] for r in rows.values()]
    _bars(axes[0][0], list(rows), means, [tuple(r["nearest"]["interval"]) for r in rows.values()])
    axes[0][0].axvline(1 / results["among"], linestyle=":", color="black")
    axes[0][0].set(xlabel=f"nearest to its own context among {results['among']}", xlim=(0, 1.02))
    return figure
