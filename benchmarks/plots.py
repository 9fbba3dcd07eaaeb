"""Pictures of lines: small PNGs on a light ground, the same bytes for the same line and the same matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.targets import Line
from engine.errors import Unavailable

SIZE, WIDE, DPI = (6.4, 3.0), (9.6, 2.9), 90


def new_figure(columns: int = 1, size: tuple[float, float] = SIZE) -> tuple[Any, list[Any]]:
    """A figure without any backend's state, and its axes. Raises Unavailable without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Unavailable("the report draws with matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="tight")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for one in axes:
        one.grid(True, alpha=0.3)
        one.set_axisbelow(True)
    return figure, axes


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})


def rtf(line: Line, path: Path) -> bool:
    """Times real time over length, plain, at 4 steps, by runtime; False where there is one length alone."""
    rows = [row for row in line["cases"] if row["kind"] == "plain" and row["steps"] == 4]
    if len({row["audio_s"] for row in rows}) < 2:
        return False
    figure, (axis,) = new_figure()
    for name in dict.fromkeys(row["runtime"] for row in rows):
        mine = sorted((row["audio_s"], row["times_real_time"]["p50"]) for row in rows if row["runtime"] == name)
        axis.plot(*zip(*mine, strict=True), marker="o", label=name)
    axis.axhline(100, color="0.6", linestyle="--", linewidth=1)
    axis.set(xlabel="seconds of audio", ylabel="times real time, p50", title="plain, 4 steps", ylim=(0, None))
    axis.legend(fontsize="small")
    save(figure, path)
    return True


def stages(line: Line, path: Path) -> bool:
    """Milliseconds by stage, a bar for each runtime and case."""
    rows = line.get("stages", [])
    if not rows:
        return False
    figure, (axis,) = new_figure(size=(7.6, 1.0 + 0.32 * len(rows)))
    names = list(dict.fromkeys(stage for row in rows for stage in row["stages_s"]))
    labels = [f"{row['runtime']}, {row['kind']} {row['window_s']} s, {row['steps']}" for row in rows]
    left = [0.0] * len(rows)
    for stage in names:
        widths = [1000 * row["stages_s"].get(stage, 0.0) for row in rows]
        axis.barh(range(len(rows)), widths, left=left, label=stage)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axis.set_yticks(range(len(rows)), labels, fontsize="small")
    axis.invert_yaxis()
    axis.set(xlabel="ms (last number: steps)")
    axis.legend(fontsize="x-small", ncol=2)
    save(figure, path)
    return True


def latency(line: Line, path: Path) -> bool:
    """p50, p95 and p99 of what a client waits for, idle and beside a busy core."""
    rows = line["seconds"]
    names = [name for name in ("one bar", "into a cache", "first bar", "cancel") if name in rows]
    if not names:
        return False
    figure, (axis,) = new_figure()
    shown = [
        (name + suffix, rows[name + suffix]) for name in names for suffix in ("", ", busy") if name + suffix in rows
    ]
    for offset, quantile in zip((-0.25, 0.0, 0.25), ("p50", "p95", "p99"), strict=True):
        places = [index + offset for index in range(len(shown))]
        axis.bar(places, [1000 * row[quantile] for _, row in shown], 0.25, label=quantile)
    axis.set_xticks(range(len(shown)), [name.replace(", ", "\n") for name, _ in shown], fontsize="small")
    axis.set(ylabel="ms")
    axis.legend(fontsize="small")
    save(figure, path)
    return True


def memory(line: Line, path: Path) -> bool:
    """Resident memory over requests."""
    rows = line.get("memory", {}).get("mb", [])
    if len(rows) < 3:
        return False
    figure, (axis,) = new_figure()
    axis.plot(*zip(*rows, strict=True), marker="o")
    axis.set(xlabel="requests", ylabel="resident MiB", ylim=(0, None))
    save(figure, path)
    return True


def look_ahead(line: Line, path: Path) -> bool:
    """The look-ahead that a bar needs, by load."""
    rows = line.get("look_ahead", [])
    if not rows:
        return False
    figure, (axis,) = new_figure()
    for offset, quantile in zip((-0.25, 0.0, 0.25), ("p50", "p99", "safe"), strict=True):
        values = [1000 * (row["safe_s"] if quantile == "safe" else row["needed_s"][quantile]) for row in rows]
        axis.bar([index + offset for index in range(len(rows))], values, 0.25, label=quantile)
    axis.set_xticks(range(len(rows)), [row["load"] for row in rows])
    axis.set(ylabel="look-ahead, ms")
    axis.legend(fontsize="small")
    save(figure, path)
    return True


def peers(line: Line, path: Path) -> bool:
    """Times real time by recipe, logarithmic."""
    rows = line.get("recipes", [])
    if not rows:
        return False
    figure, (axis,) = new_figure(size=(6.8, 0.9 + 0.28 * len(rows)))
    colours = ["#4c72b0" if row["random_weights"] else "#dd8452" for row in rows]
    axis.barh([row["recipe"] for row in rows], [row["times_real_time"]["p50"] for row in rows], color=colours)
    axis.axvline(1, color="0.4", linewidth=1)
    axis.invert_yaxis()
    axis.set(xscale="log", xlabel="times real time, p50, decoding included")
    save(figure, path)
    return True


def growth(line: Line, path: Path) -> bool:
    """Cost over bars, clients and batch."""
    if not line.get("bars") or not line.get("clients"):
        return False
    figure, (bars, clients, batch) = new_figure(3, WIDE)
    rows = line["bars"]
    bars.plot([row["bars"] for row in rows], [row["compute_s"]["p50"] for row in rows], marker="o", label="s, p50")
    bars.plot([row["bars"] for row in rows], [row["peak_mb"] / 1024 for row in rows], marker="s", label="peak GiB")
    bars.set(xlabel="bars in a request", xscale="log", yscale="log")
    bars.legend(fontsize="x-small")
    rows = line["clients"]
    for quantile in ("p50", "p99"):
        ys = [1000 * row["seconds"][quantile] for row in rows]
        clients.plot([row["clients"] for row in rows], ys, marker="o", label=quantile)
    clients.set(xlabel="clients at once", ylabel="ms a bar", ylim=(0, None))
    clients.legend(fontsize="x-small")
    rows = line.get("batch", [])
    batch.plot([row["batch"] for row in rows], [1000 * row["seconds_each"] for row in rows], marker="o")
    batch.set(xlabel="windows in a batch", ylabel="ms a window", ylim=(0, None))
    save(figure, path)
    return True


Plot = Callable[[Line, Path], bool]
PLOTS: dict[str, dict[str, Plot]] = {
    "rtf": {"rtf": rtf, "stages": stages},
    "latency": {"latency": latency, "memory": memory},
    "deadlines": {"look_ahead": look_ahead},
    "peers": {"peers": peers},
    "growth": {"growth": growth},
}
"""By benchmark: pictures by file name. Each draws, or says that the line has nothing for it."""
