"""Lines of results as Markdown: a section for each benchmark, each table with its command, machine and commit.

Pure functions: the same line gives the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.floor import sentence
from benchmarks.targets import Line, Verdict, pick_of

Cells = Sequence[str]


def table(headings: Cells, rows: Iterable[Cells]) -> str:
    """A Markdown table; nothing where it has no rows."""
    kept = [[cell.replace("|", "/") for cell in row] for row in rows]
    if not kept:
        return ""
    lines = [headings, ["---"] * len(headings), *kept]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def source(line: Line) -> str:
    """Where a table comes from."""
    used = line.get("usage")
    spent = (
        f"; {used['wall_s']:.0f} s, {used['cpu_s']:.0f} s of processor time, {used['steal_s']:.1f} s stolen, "
        f"load {used['load_before']} to {used['load_after']}"
        if used
        else f"; load {line['load'][0]}"
    )
    command = line.get("command", f"python -m benchmarks.{line['benchmark']}")
    machine = f"{line['device']}, {line['cores']} cores"
    text = f"`{command}`, `{line['bundle']}`, {machine}, commit {line['commit']}, {line['when'][:10]}{spent}."
    if "runtime" in line:
        text += f" Runtime {line['runtime']}."
    return text + (f" {sentence(line['floor']).replace('floor', 'Floor', 1)}." if "floor" in line else "")


def ms(row: Line, digits: int = 0) -> list[str]:
    return [f"{1000 * row[q]:.{digits}f}" for q in ("min", "p50", "p95", "p99")]


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    rows = [[one.what, one.target, one.found or "-", one.reached, one.limit if one.missed else ""] for one in verdicts]
    return table(("on two free cores", "target", "found", "reached", "next limit"), rows)


def quality_table(line: Line) -> str:
    """The shipped bundle's own evaluation, as its model card has it."""
    return table(("quality of the same bundle", "found", "target", "reached"), line.get("quality", ()))


def rtf(line: Line) -> str:
    cases = table(
        ("kind", "new audio", "steps", "runtime", "threads", "min ms", "p50", "p95", "p99", "RTF p50",
         "times real time", "context ms", "first bar ms", "cpu s"),
        [
            [row["kind"], f"{row['audio_s']:g} s", str(row["steps"]), row["runtime"], str(row["threads"]),
             *ms(row["compute_s"]), f"{row['rtf']['p50']:.4f}", f"{row['times_real_time']['p50']:.1f}",
             f"{1000 * row['context_s']['p50']:.1f}", f"{1000 * row['first_bar_s']['p50']:.0f}", f"{row['cpu_s']:.2f}"]
            for row in line["cases"]
        ],
    )  # fmt: skip
    said = " ".join(f"It says: {text}." for text in line.get("pick", {}).get("said", ())[-1:])
    parts = [f"The engine picks **{pick_of(line)}** here. {said}\n", cases, stage_table(line)]
    if (work := line.get("work")) is not None:
        least = ", ".join(f"{name}: {1000 * value:.0f} ms" for name, value in work["floor_s"].items())
        parts.append(
            f"The arithmetic of 12 s: {work['denoiser_gflop_a_step']:.1f} GFLOP a step, "
            f"{work['codec_and_vocoder_gflop']:.1f} GFLOP of codec and vocoder. No 12 s can take less than {least}.\n"
        )
    parts += [f"{name} is left out: {why}\n" for name, why in line.get("left_out", {}).items()]
    return "\n".join(part for part in parts if part)


def stage_table(line: Line) -> str:
    names = list(dict.fromkeys(stage for row in line.get("stages", ()) for stage in row["stages_s"]))
    rows = [
        [row["runtime"], f"{row['kind']}, {row['window_s']} s", str(row["steps"]),
         *(f"{1000 * row['stages_s'].get(name, 0.0):.1f}" for name in names)]
        for row in line.get("stages", ())
    ]  # fmt: skip
    return table(("ms by stage, runtime", "window", "steps", *names), rows)


def latency(line: Line) -> str:
    rows = [
        [name, str(row["n"]), *ms(row, 1), f"{1000 * row['cpu_s']:.0f}" if "cpu_s" in row else "-"]
        for name, row in line["seconds"].items()
    ]
    parts = [table(("what", "n", "min ms", "p50", "p95", "p99", "engine's cpu ms"), rows)]
    seconds = line["seconds"]
    if "first" in seconds and "one bar" in seconds:
        ratio = seconds["first"]["p50"] / seconds["one bar"]["p50"]
        parts.append(f"The first request of a fresh engine takes {ratio:.2f} times a steady one's p50.\n")
    if "idle_core_share" in line:
        parts.append(f"An engine that waits uses {100 * line['idle_core_share']:.2f} % of a core.\n")
    if line.get("memory", {}).get("requests"):
        rows = [[str(count), f"{mb:.0f}"] for count, mb in line["memory"]["mb"]]
        parts.append(table(("requests", "resident MiB"), rows))
    return "\n".join(parts)


def bridge(line: Line) -> str:
    rows = [
        [name, str(row["n"]), *(f"{1e6 * row[q]:.1f}" for q in ("min", "p50", "p95", "p99"))]
        for name, row in line["seconds"].items()
    ]
    text = table(("what", "n", "min us", "p50", "p95", "p99"), rows)
    if "renders" in line:
        text += f"\nRendering: {line['renders']} bars meanwhile, {line['engine_cores']:.2f} cores of the engine.\n"
    return text


def deadlines(line: Line) -> str:
    parts = [
        table(
            ("block", "seconds", "frames missed", "late", "an idle thread's", "p99 ms", "its p99", "engine cores"),
            [
                [str(row["block"]), f"{row['seconds']:g}", str(row["missed_frames"]),
                 str(row["player"]["over_half_a_block"]), str(row["control"]["over_half_a_block"]),
                 f"{row['player']['p99_ms']:.2f}", f"{row['control']['p99_ms']:.2f}", f"{row['engine_cores']:.2f}"]
                for row in line["blocks"]
            ],
        ),
        table(
            ("look-ahead of a bar, load", "bars", "min ms", "p50", "p95", "p99", "safe in this run, ms"),
            [[row["load"], str(row["bars"]), *ms(row["needed_s"]), f"{1000 * row['safe_s']:.0f}"]
             for row in line["look_ahead"]],
        ),
        table(
            ("JACK graph of two plugins, engine", "seconds", "xruns", "DSP load %", "bars rendered"),
            [["on" if row["engine"] else "off", f"{row['seconds']:g}", str(row["xruns"]),
              f"{row['dsp_load_percent']:.1f}", str(row["renders"])] for row in line.get("graph", ())],
        ),
    ]  # fmt: skip
    if "steady" in line:
        steady = line["steady"]
        parts.append(
            f"Steady live mode: {steady['engine_cores']:.2f} cores of the engine over {steady['seconds']:g} s, "
            f"{steady['missed_frames']} frames missed.\n"
        )
    parts += [f"{name} is left out: {why}\n" for name, why in line.get("left_out", {}).items()]
    return "\n".join(part for part in parts if part)


def peers(line: Line) -> str:
    rows = [
        [row["recipe"], "random" if row["random_weights"] else "the bundle's", *ms(row["seconds"]),
         f"{1000 * row['sampling_s']['p50']:.0f}", f"{row['rtf']['p50']:.4f}", f"{row['times_real_time']['p50']:.1f}",
         f"{row['sampling_gflop']:.0f}"]
        for row in line["recipes"]
    ]  # fmt: skip
    headings = ("recipe", "weights", "min ms", "p50", "p95", "p99", "of it sampling", "RTF p50", "times real time",
                "sampling GFLOP")  # fmt: skip
    sizes = ", ".join(f"{name} {count / 1e6:.1f} M" for name, count in line["parameters"].items())
    intro = (
        f"{line['audio_s']:g} s each, PyTorch, {line['threads']} threads, decoded by our codec and vocoder. Random "
        f"weights measure speed alone. Parameters: {sizes}.\n"
    )
    return f"{intro}\n{table(headings, rows)}"


def growth(line: Line) -> str:
    bars = table(
        ("bars", "audio", "min ms", "p50", "p95", "p99", "times real time", "first bar ms", "cpu s", "MiB", "peak MiB"),
        [
            [str(row["bars"]), f"{row['audio_s']:g} s", *ms(row["compute_s"]),
             f"{row['audio_s'] / row['compute_s']['p50']:.1f}", f"{1000 * row['first_bar_s']['p50']:.0f}",
             f"{row['cpu_s']:.1f}", f"{row['memory_mb']:.0f}", f"{row['peak_mb']:.0f}"]
            for row in line["bars"]
        ],
    )  # fmt: skip
    clients = table(
        ("clients", "requests", "min ms", "p50", "p95", "p99", "bars a second", "all accounted for", "MiB"),
        [
            [str(row["clients"]), str(row["requests"]), *ms(row["seconds"]), f"{row['bars_a_second']:.1f}",
             "yes" if row["accounted"] else "NO", f"{row['memory_mb']:.0f}"]
            for row in line["clients"]
        ],
    )  # fmt: skip
    batch = table(
        ("windows in a batch", "min ms", "p50", "p95", "p99", "ms a window", "MiB"),
        [
            [str(row["batch"]), *ms(row["seconds"]), f"{1000 * row['seconds_each']:.0f}", f"{row['memory_mb']:.0f}"]
            for row in line["batch"]
        ],
    )
    return f"{bars}\n{clients}\n{batch}"


def gpu(line: Line) -> str:
    rows = [
        [row["kind"], str(row["steps"]), row["path"],
         *(f"{1000 * row['seconds'][q]:.2f}" for q in ("p50", "p95", "p99")),
         f"{row['real_time_factor']['p50']:.5f}"]
        for row in line["cases"]
    ]  # fmt: skip
    return table(("kind", "steps", "path", "p50 ms", "p95", "p99", "RTF p50"), rows)


Section = Callable[[Line], str]
SECTIONS: dict[str, tuple[str, Section, dict[str, Any]]] = {
    "rtf": ("Real-time factors", rtf, {"rtf": "times real time by length", "stages": "time by stage"}),
    "latency": ("Latency, starts and memory", latency, {"latency": "latencies", "memory": "memory over requests"}),
    "bridge": ("The bridge", bridge, {}),
    "deadlines": ("Deadlines", deadlines, {"look_ahead": "look-ahead by load"}),
    "peers": ("The seeds' recipes beside ours", peers, {"peers": "times real time by recipe"}),
    "growth": ("Growth", growth, {"growth": "bars, clients and batch"}),
    "gpu": ("On a GPU", gpu, {}),
}
"""By benchmark: heading, text, and the pictures that may go with it, with what they show."""
