"""Real-time factors: compute time over audio time (RTF as in AudioLCM), by length, steps, kind of request and runtime.

    python -m benchmarks.rtf [--quick | --full] [--repeats 20] [--grid-repeats 5] [--runtime torch --runtime onnx-int8]

    plain        from a prompt
    controlled   with an intensity curve, a melody, chords and a key
    continuing   after 4 s of sound that was never heard before; context and new bars fill the plain one's window.
                 Encoding the context is listed apart, and inside the compute time

All runtimes are held warm in one process, which keeps its memory as an engine's does, and take turns, request by
request. Compute time is from dequeue to the last sample. "torch-eager" is PyTorch as it comes; "torch" has its weights
packed; the engine's own pick is named.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks import breakdown, floor, line, runtimes
from benchmarks.line import Found, Told
from bridge.commands.measure import SECONDS_PER_BAR
from engine.errors import AttaccaError
from engine.resident import Resident
from engine.runtimes.memory import keep_freed
from engine.types import Report

BARS, STEPS = (1, 2, 3, 4, 6, 8, 15), (1, 2, 4, 8)
"""1, 2, 4 and 8 bars of 2 s, and 2, 6, 12 and 30 s."""


class Case(NamedTuple):
    """kind: of `runtimes.KINDS`; bars: of 2 s, of the whole window."""

    kind: str
    bars: int
    steps: int

    @property
    def new_bars(self) -> int:
        return max(1, self.bars - runtimes.CONTEXT_BARS) if self.kind == "continuing" else self.bars

    @property
    def audio_s(self) -> int:
        return self.new_bars * SECONDS_PER_BAR


HEAD = (Case("plain", 6, 4), Case("plain", 6, 1), Case("controlled", 6, 4), Case("continuing", 6, 4))
"""What the targets speak of."""
QUICK = (*HEAD, Case("plain", 1, 4), Case("continuing", 3, 4), Case("plain", 4, 4))
FULL = tuple(dict.fromkeys((*QUICK, *(Case("plain", bars, steps) for bars in BARS for steps in STEPS))))


class Heard(NamedTuple):
    report: Report
    cpu_s: float


Rows = dict[tuple[str, Case], list[Heard]]


def measure_all(
    warm: dict[str, Resident], cases: tuple[Case, ...], repeats: int, grid_repeats: int, rows: Rows
) -> None:
    """Fills `rows` round by round, the runtimes in turn; one round comes first that does not count."""
    requests = runtimes.Requests()
    for turn in range(-1, repeats):
        for case in cases:
            if case not in HEAD and turn >= grid_repeats:
                continue
            order = sorted(warm, key=lambda name: (list(warm).index(name) + turn) % len(warm))
            for name in order:
                request, inline = requests.make(case.kind, case.bars, case.steps, turn + 2)
                cpu_s = time.process_time()
                report = runtimes.ask(warm[name], request, inline)
                if turn >= 0:
                    rows[name, case].append(Heard(report, time.process_time() - cpu_s))


def row(name: str, case: Case, heard: list[Heard]) -> Found:
    """A case on one runtime as it goes into the line."""
    reports = [one.report for one in heard]
    audio_s = reports[0].audio_seconds
    compute = line.figures([report.compute_seconds for report in reports])
    return {
        "runtime": name,
        "kind": case.kind,
        "bars": case.new_bars,
        "steps": case.steps,
        "window_s": case.bars * SECONDS_PER_BAR,
        "audio_s": audio_s,
        "compute_s": compute,
        "context_s": line.figures([report.context_seconds for report in reports]),
        "net_s": line.figures([report.compute_seconds - report.context_seconds for report in reports]),
        "first_bar_s": line.figures([report.first_bar_seconds for report in reports]),
        "rtf": {q: line.tidy(compute[q] / audio_s) for q in line.QUANTILES},
        "times_real_time": {q: line.tidy(audio_s / compute[q]) for q in line.QUANTILES},
        "cpu_s": line.tidy(sum(one.cpu_s for one in heard) / len(heard)),
        "threads": reports[0].threads,
    }


def stages(warm: dict[str, Resident], repeats: int = 5) -> list[Found]:
    """Seconds by stage of 12 s at 4 steps and at 1, and of a bar after 4 s, by runtime; the median of all renders."""
    requests, found = runtimes.Requests(), []
    for name, resident in warm.items():
        for case in (Case("plain", 6, 4), Case("plain", 6, 1), Case("continuing", 3, 4)):
            taken: list[dict[str, float]] = []
            with breakdown.clocked() as clock:
                for turn in range(-1, repeats):
                    request, inline = requests.make(case.kind, case.bars, case.steps, turn + 2)
                    compute_s = runtimes.ask(resident, request, inline).compute_seconds
                    spent = clock.take()
                    spent["rest"] = compute_s - sum(spent.values())
                    taken.append(spent)
            names = {stage for spent in taken[1:] for stage in spent}
            middle = {stage: sorted(spent.get(stage, 0.0) for spent in taken[1:])[repeats // 2] for stage in names}
            ordered = sorted(middle.items(), key=lambda item: -item[1])
            found.append({"runtime": name, "kind": case.kind, "steps": case.steps, "window_s": 2 * case.bars,
                          "stages_s": {stage: line.tidy(max(0.0, value)) for stage, value in ordered}})  # fmt: skip
    return found


def work(folder: Path, at_most: Found) -> Found:
    """The arithmetic of 12 s, by network, and the least time that it takes here by type, at 1 and 4 steps."""
    import torch

    from benchmarks.gpu import WINDOW, conditions
    from engine import bundle
    from engine.models import features as F
    from engine.models.codec import LATENTS, PATCH
    from engine.models.load import load_networks

    networks = load_networks(bundle.load(folder))
    generator = torch.Generator().manual_seed(1)
    given = conditions("plain", networks.student.config.globals_width, generator)
    z, one = torch.zeros(1, WINDOW, LATENTS), torch.ones(1)
    mel, low = torch.zeros(2, WINDOW * PATCH, F.MELS), torch.zeros(2, WINDOW * PATCH, F.LOW_BANDS)
    step = floor.work_of(networks.student, lambda: networks.student(z, one, one, given, one))
    fixed = floor.work_of(networks.codec, lambda: networks.codec.decode(z))
    fixed += floor.work_of(networks.vocoder, lambda: networks.vocoder(mel, low))
    return {
        "denoiser_gflop_a_step": line.tidy(step.operations / 1e9),
        "codec_and_vocoder_gflop": line.tidy(fixed.operations / 1e9),
        "floor_s": {
            f"{steps} steps, {kind}": line.tidy((step.times(steps) + fixed).floor_s(at_most, kind))
            for steps in (1, 4)
            for kind in at_most["gemm_g_per_s"]
        },
    }


def quality(folder: Path) -> list[list[str]]:
    """[what, found, target, reached] of the student at 1 and 4 steps, from the bundle's model card."""
    card = folder / "MODEL_CARD.md"
    lines = card.read_text().splitlines() if card.exists() else []
    cells = [[cell.strip() for cell in row.strip("| ").split("|")] for row in lines if row.startswith("| student, ")]
    told = [row for row in cells if len(row) == 5 and row[0].startswith(("student, 1 step:", "student, 4 steps:"))]
    return [[what, found, target, reached] for what, found, _, target, reached in told]


def pick(folder: Path) -> Found:
    """What `--runtime auto` takes here, and what it says about that."""
    said: list[str] = []
    renderer = runtimes.load(folder, "auto", said.append)
    return {"runtime": renderer.runtime, "threads": renderer.threads, "said": said}


def measured(told: Told, names: tuple[str, ...], cases: tuple[Case, ...], repeats: int, grid_repeats: int) -> Any:
    """The body of a run: fills cases as far as they were measured, then stages, work and quality."""

    def body(found: Found) -> None:
        rows: Rows = defaultdict(list)
        keep_freed()
        with runtimes.residents(told.folder, names) as (warm, left_out):
            found["left_out"] = left_out
            try:
                measure_all(warm, cases, repeats, grid_repeats, rows)
            finally:
                ordered = [(name, case) for case in cases for name in warm if rows[name, case]]
                found["cases"] = [row(name, case, rows[name, case]) for name, case in ordered]
            found["stages"] = stages(warm)
        found["work"] = work(told.folder, found["floor"])
        found["quality"] = quality(told.folder)
        try:
            found["pick"] = pick(told.folder)
        except AttaccaError as error:
            found["pick"] = {"runtime": "none", "why": str(error)}

    return body


HEADINGS = ("kind", "new", "steps", "runtime", "min ms", "p50", "p95", "p99", "RTF p50", "x real time", "context ms")


def cells(case: Found) -> list[str]:
    factor, times = f"{case['rtf']['p50']:.4f}", f"{case['times_real_time']['p50']:.1f}"
    context = f"{1000 * case['context_s']['p50']:.1f}"
    where = [case["kind"], f"{case['audio_s']:g} s", str(case["steps"]), case["runtime"]]
    return [*where, *line.ms(case["compute_s"], 0), factor, times, context]


def show(found: Found) -> None:
    line.table(f"real-time factors, {found['bundle']}", HEADINGS, map(cells, found.get("cases", ())))
    for one in found.get("stages", ()):
        parts = ", ".join(f"{stage} {1000 * value:.0f}" for stage, value in one["stages_s"].items())
        click.echo(f"{one['runtime']}, {one['kind']}, {one['window_s']} s, {one['steps']} steps, ms: {parts}")
    if "work" in found:
        floors = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in found["work"]["floor_s"].items())
        click.echo(f"no 12 s can take less here than: {floors}")
    for name, why in found.get("left_out", {}).items():
        click.echo(f"{name} is left out: {why}")
    if "pick" in found:
        click.echo(f"the engine picks {found['pick']['runtime']}")


@click.command(help=line.help_text(__doc__))
@click.option("--quick", is_flag=True, help="The cases that have targets and three more; the default.")
@click.option("--full", is_flag=True, help="All lengths at 1, 2, 4 and 8 steps as well.")
@click.option("--repeats", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Of cases with targets.")
@click.option("--grid-repeats", type=click.IntRange(1, 10_000), default=5, show_default=True, help="Of the others.")
@click.option("--runtime", "names", multiple=True, type=click.Choice(runtimes.NAMES), help="Else all that load here.")
@line.options()
def main(quick: bool, full: bool, repeats: int, grid_repeats: int, names: tuple[str, ...], **shared: Any) -> None:
    if quick and full:
        raise click.UsageError("--quick and --full exclude each other")
    told = line.told(**shared)
    cases = FULL if full else QUICK
    line.run("rtf", told, measured(told, names or runtimes.NAMES, cases, repeats, grid_repeats), show)


if __name__ == "__main__":
    main()
