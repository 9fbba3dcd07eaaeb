"""What the speed of Attacca is to be, and what the newest lines say about it: reached or missed, by how much, and why.

Pure functions of lines. A target that no line speaks of is said to be unmeasured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Line = dict[str, Any]
Lines = dict[str, Line]
"""The newest line of each benchmark."""
FLAT_MB = 10.0
"""Growth in 1000 requests that counts as none: less than one render's arrays."""


class Verdict(NamedTuple):
    """One row of the table. found and limit as text; ratio: found over target, or its inverse, so that <= 1 is reached.

    ratio None: not measured.
    """

    what: str
    target: str
    found: str
    ratio: float | None
    limit: str = ""

    @property
    def missed(self) -> bool:
        return self.ratio is not None and self.ratio > 1.0

    @property
    def reached(self) -> str:
        """yes, or missed by which factor."""
        if self.ratio is None:
            return "not measured"
        if not self.missed:
            return "yes"
        return f"no, by a factor of {self.ratio:.2f}" if self.ratio < 10 else f"no, by a factor of {self.ratio:.0f}"


def pick_of(rtf: Line) -> str:
    """The runtime whose figures count: what the engine picks, else the fastest of 12 s at 4 steps."""
    named = str(rtf.get("pick", {}).get("runtime"))
    if any(row["runtime"] == named for row in rtf["cases"]):
        return named
    rows = [row for row in rtf["cases"] if case_key(row) == ("plain", 12, 4)]
    return str(min(rows, key=lambda row: row["compute_s"]["p50"])["runtime"]) if rows else named


def case_key(row: Line) -> tuple[str, int, int]:
    return row["kind"], round(row["window_s"]), row["steps"]


def case(rtf: Line | None, runtime: str, kind: str, window_s: int, steps: int) -> Line | None:
    """A case of a line by what it is."""
    for row in (rtf or {}).get("cases", ()):
        if row["runtime"] == runtime and case_key(row) == (kind, window_s, steps):
            return dict(row)
    return None


def stage_limit(rtf: Line, runtime: str, kind: str, window_s: int, steps: int) -> str:
    """Which stage takes most of a case, from the line's stage times."""
    for row in rtf.get("stages", ()):
        if row["runtime"] == runtime and case_key(row) == (kind, window_s, steps):
            spent = sorted(row["stages_s"].items(), key=lambda item: -item[1])
            total = sum(value for _, value in spent)
            first, second = spent[0], spent[1]
            return (
                f"{first[0]}: {1000 * first[1]:.0f} of {1000 * total:.0f} ms, then {second[0]}: {1000 * second[1]:.0f}"
            )
    return ""


def arithmetic_limit(rtf: Line, runtime: str, steps: int) -> str:
    """The least that the networks' arithmetic takes on that machine in the runtime's type."""
    kind = "int8" if "int8" in runtime else "float32"
    at_least = rtf.get("work", {}).get("floor_s", {}).get(f"{steps} steps, {kind}")
    if at_least is None:
        return ""
    return f"the networks' arithmetic alone: {1000 * at_least:.0f} ms in {kind} ({12 / at_least:.0f} times real time)"


def joined(*sentences: str) -> str:
    return "; ".join(sentence for sentence in sentences if sentence)


def times_real_time(lines: Lines, steps: int, wanted: float) -> Verdict:
    what = f"12 s stereo 48 kHz, {steps} step{'s' * (steps > 1)}, decoding included, p50"
    rtf = lines.get("rtf")
    runtime = pick_of(rtf) if rtf else ""
    found = case(rtf, runtime, "plain", 12, steps)
    if rtf is None or found is None:
        return Verdict(what, f"{wanted:g} times real time", "", None)
    times, factor = found["times_real_time"]["p50"], found["rtf"]["p50"]
    limit = joined(stage_limit(rtf, runtime, "plain", 12, steps), arithmetic_limit(rtf, runtime, steps))
    text = f"{times:.1f} times (RTF {factor:.4f}), {runtime}, {found['threads']} threads"
    return Verdict(what, f"{wanted:g} times real time", text, wanted / times, limit)


def over_eager(lines: Lines) -> Verdict:
    what, rtf = "the engine's pick over torch eager fp32, 12 s, 4 steps, p50", lines.get("rtf")
    runtime = pick_of(rtf) if rtf else ""
    ours, eager = case(rtf, runtime, "plain", 12, 4), case(rtf, "torch-eager", "plain", 12, 4)
    if rtf is None or ours is None or eager is None:
        return Verdict(what, "at least 3 times as fast", "", None)
    gain = eager["compute_s"]["p50"] / ours["compute_s"]["p50"]
    text = f"{gain:.2f} times ({runtime}, {ours['threads']} threads; eager {eager['threads']})"
    return Verdict(what, "at least 3 times as fast", text, 3.0 / gain, stage_limit(rtf, runtime, "plain", 12, 4))


def over_plain(lines: Lines, kind: str, most: float) -> Verdict:
    what, rtf = f"{kind} over plain, equal window of 12 s, without encoding the context, p50", lines.get("rtf")
    runtime = pick_of(rtf) if rtf else ""
    plain, other = case(rtf, runtime, "plain", 12, 4), case(rtf, runtime, kind, 12, 4)
    if plain is None or other is None:
        return Verdict(what, f"at most {most:g}", "", None)
    ratio = other["net_s"]["p50"] / plain["net_s"]["p50"]
    context = f"; context {1000 * other['context_s']['p50']:.0f} ms apart" if kind == "continuing" else ""
    return Verdict(what, f"at most {most:g}", f"{ratio:.2f}{context}", ratio / most, "what the condition stage adds")


def one_bar(lines: Lines) -> Verdict:
    what = "one bar (2 s), 4 steps, 4 s of context, request to cache, p99"
    found = lines.get("latency", {}).get("seconds", {}).get("into a cache")
    if found is None:
        return Verdict(what, "60 ms", "", None)
    rtf = lines.get("rtf")
    limit = stage_limit(rtf, pick_of(rtf), "continuing", 6, 4) if rtf else ""
    text = f"{1000 * found['p99']:.0f} ms (p50 {1000 * found['p50']:.0f})"
    return Verdict(what, "60 ms", text, found["p99"] / 0.060, limit)


def busy(lines: Lines) -> Verdict:
    what = "one core kept busy: p95 of a bar over the idle p50"
    found = lines.get("latency", {}).get("seconds", {})
    if "into a cache" not in found or "into a cache, busy" not in found:
        return Verdict(what, "at most 2", "", None)
    ratio = found["into a cache, busy"]["p95"] / found["into a cache"]["p50"]
    return Verdict(what, "at most 2", f"{ratio:.2f}", ratio / 2.0, "threads that wait for one that shares its core")


def ready(lines: Lines) -> Verdict:
    what = "process start to ready, warm file cache, p50"
    found = lines.get("latency", {}).get("seconds", {}).get("ready")
    if found is None:
        return Verdict(what, "3 s", "", None)
    return Verdict(what, "3 s", f"{found['p50']:.2f} s", found["p50"] / 3.0, "imports, loading, warm-up")


def memory(lines: Lines) -> Verdict:
    what = "resident memory of the serving engine"
    found = lines.get("latency", {}).get("memory")
    if not found or not found.get("requests"):
        return Verdict(what, "under 1024 MiB, flat over 1000 requests", "", None)
    most, grows = found["peak_mb"], found.get("mb_in_1000")
    text = f"peak {most:.0f} MiB, {grows:+.1f} MiB in 1000" if grows is not None else f"peak {most:.0f} MiB"
    text += f" (over {found['requests']} requests)"
    ratio = max(most / 1024, (grows or 0.0) / FLAT_MB)
    return Verdict(what, f"under 1024 MiB, flat ({FLAT_MB:g} MiB) over 1000 requests", text, ratio)


def osc_codec(lines: Lines) -> Verdict:
    what, rows = "OSC codec, encode and decode, p99", lines.get("bridge", {}).get("seconds", {})
    names = [name for name in rows if name.startswith("codec") and name.endswith("ours")]
    if not names:
        return Verdict(what, "30 us", "", None)
    worst = max(rows[name]["p99"] for name in names)
    return Verdict(what, "30 us", f"{1e6 * worst:.1f} us", worst / 30e-6)


def osc_socket(lines: Lines) -> Verdict:
    what, rows = "OSC round trip, socket to socket, p99", lines.get("bridge", {}).get("seconds", {})
    if "OSC, our codec" not in rows or "OSC, python-osc" not in rows:
        return Verdict(what, "below python-osc in the same run", "", None)
    ours, theirs = rows["OSC, our codec"]["p99"], rows["OSC, python-osc"]["p99"]
    text = f"{1e6 * ours:.0f} us against {1e6 * theirs:.0f}"
    return Verdict(what, "below python-osc in the same run", text, ours / theirs)


def osc_rendering(lines: Lines) -> Verdict:
    what, rows = "OSC round trip to the engine while it renders, p99", lines.get("bridge", {}).get("seconds", {})
    if "OSC, the engine, rendering" not in rows:
        return Verdict(what, "1 ms", "", None)
    found = rows["OSC, the engine, rendering"]["p99"]
    return Verdict(what, "1 ms", f"{1000 * found:.2f} ms", found / 1e-3, "the interpreter's lock and the cores")


def on_gpu(lines: Lines) -> Verdict:
    what = "12 s on an H200, controls and outpainting in the graph, 4 steps, p50"
    gpu = lines.get("gpu", {})
    rows = [row for row in gpu.get("cases", ()) if row["path"] == "graph" and row["steps"] == 4]
    if not rows:
        return Verdict(what, "3 ms", "", None)
    worst = max(row["seconds"]["p50"] for row in rows)
    return Verdict(what, "3 ms", f"{1000 * worst:.2f} ms on {gpu.get('runs_on', gpu['device'])}", worst / 3e-3)


ALL: tuple[Callable[[Lines], Verdict], ...] = (
    lambda lines: times_real_time(lines, 4, 100.0),
    lambda lines: times_real_time(lines, 1, 180.0),
    over_eager,
    one_bar,
    lambda lines: over_plain(lines, "continuing", 1.1),
    lambda lines: over_plain(lines, "controlled", 1.05),
    busy,
    ready,
    memory,
    osc_codec,
    osc_socket,
    osc_rendering,
    on_gpu,
)


def verdicts(lines: Lines) -> list[Verdict]:
    """All targets against the newest lines."""
    return [judge(lines) for judge in ALL]
