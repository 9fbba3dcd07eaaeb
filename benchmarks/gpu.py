"""How fast the networks run on one device: eager against CUDA graphs, plain, controlled and outpainting, batch 1.

    python -m benchmarks.gpu [--bundle DIR] [--device cuda] [--repeats 50] [--json]

What is timed is sampling in 1, 2, 4 and 8 steps, the codec's decoder and the vocoder's magnitudes for one window of
144 latents (12.3 s): no phases, no fitting to bars, no sockets. Outpainting knows the first third of the
window. DITTO-2: 70 steps of Adam on the initial noise through one student step and the codec's
decoder, towards an intensity curve. Appends one line to results.jsonl, with the device.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from benchmarks.line import RESULTS
from bridge.commands import measure
from bridge.commands.bundles import bundle_path
from engine import bundle as bundles
from engine.diffusion.consistency import consistency
from engine.diffusion.jumps import jump_lengths, mean_velocity, pinned
from engine.models import features as F
from engine.models.codec import LATENT_HOP, LATENTS, PATCH
from engine.models.denoiser import FRAME_FEATURES, SUB_FRAMES, Conditions, Denoiser
from engine.models.load import Networks, load_networks
from engine.training import devices

WINDOW, KNOWN = 144, 48
STEPS = (1, 2, 4, 8)
KINDS = ("plain", "controlled", "outpainting")
DITTO_STEPS = 70
GUIDANCE = 1.5
Case = tuple[Conditions, Tensor]


def conditions(kind: str, width: int, generator: torch.Generator) -> Conditions:
    """One window's conditions on the CPU: beat flags only, every frame feature set, or a known first third."""
    frames = torch.zeros(1, WINDOW, SUB_FRAMES, FRAME_FEATURES)
    frames[..., :7] = torch.rand(frames[..., :7].shape, generator=generator)
    if kind == "controlled":
        frames = torch.rand(frames.shape, generator=generator)
    known = torch.zeros(1, WINDOW, 1)
    if kind == "outpainting":
        known[:, :KNOWN] = 1.0
    context = torch.randn(1, WINDOW, LATENTS, generator=generator) * known
    empty = torch.zeros(1, WINDOW, LATENTS)
    return Conditions(
        context, known, empty, torch.zeros(1, WINDOW, 1), frames, torch.rand(1, width, generator=generator)
    )


def jump(student: Denoiser, given: Conditions, noise: Tensor, steps: int) -> Tensor:
    """Latents in `steps` jumps, or by consistency steps for a student without jumps; all on the noise's device."""
    guidance, z, at = torch.full_like(noise[:, 0, 0], GUIDANCE), noise, torch.ones_like(noise[:, 0, 0])
    if not student.config.jumps:
        for index in range(steps):
            time_ = at * (1.0 - index / steps)
            clean = consistency(student, z, time_, guidance, given)
            z = clean + (1.0 - (index + 1) / steps) * (noise - clean)
        return clean
    for length in jump_lengths(steps):
        z = z - length * mean_velocity(student, z, at, torch.full_like(at, length), guidance, given)
        at = at - length
        z = pinned(z, noise, at, given)
    return z


def rendered(networks: Networks, steps: int, device: devices.Device) -> Callable[[Case], dict[str, Tensor]]:
    """Conditions and noise to levels and spreads of the spectrum."""

    @torch.no_grad()
    def step(case: Case) -> dict[str, Tensor]:
        given, noise = case
        with devices.autocast(device):
            mels = networks.codec.decode(jump(networks.student, given, noise, steps)).float()
            both = mels[..., : 2 * F.MELS].reshape(1, -1, 2, F.MELS).transpose(1, 2).flatten(0, 1)
            low = mels[..., 2 * F.MELS :].repeat_interleave(2, dim=0)
            level, spread = networks.vocoder(both, low)
        return {"level": level, "spread": spread}

    return step


def timed(work: Callable[[], Any], repeats: int, device: devices.Device) -> dict[str, float]:
    """Seconds of `repeats` calls after five that do not count: n, p50, p95, p99."""

    def finish() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    seconds = []
    for index in range(repeats + 5):
        finish()
        started = time.perf_counter()
        work()
        finish()
        if index >= 5:
            seconds.append(time.perf_counter() - started)
    return measure.figures(seconds)._asdict()


def cases(networks: Networks, device: devices.Device, repeats: int) -> list[dict[str, Any]]:
    """Every kind at every number of steps, eager and as a graph (where there is one)."""
    generator, rows = torch.Generator().manual_seed(1), []
    for kind in KINDS:
        given = conditions(kind, networks.student.config.globals_width, generator)
        case = devices.to_device((given, torch.randn(1, WINDOW, LATENTS, generator=generator)), device)
        new = WINDOW - KNOWN if kind == "outpainting" else WINDOW
        for steps in STEPS:
            step = rendered(networks, steps, device)
            paths = {"eager": step}
            if device.type == "cuda":
                paths["graph"] = devices.captured(step, device)
            for path, run in paths.items():
                found = timed(lambda run=run, case=case: run(case), repeats, device)  # type: ignore[misc]
                audio = new * LATENT_HOP / F.RATE_HZ
                rtf = {name: found[name] / audio for name in ("p50", "p95", "p99")}
                rows.append({"kind": kind, "steps": steps, "path": path, "seconds": found, "real_time_factor": rtf})
    return rows


def ditto_seconds(networks: Networks, device: devices.Device, rounds: int = DITTO_STEPS) -> float:
    """Seconds to optimise one window's noise towards a level that rises by 20 dB."""
    generator = torch.Generator().manual_seed(2)
    given = devices.to_device(conditions("plain", networks.student.config.globals_width, generator), device)
    noise = devices.to_device(torch.randn(1, WINDOW, LATENTS, generator=generator), device).requires_grad_(True)
    wanted = torch.linspace(-40.0, -20.0, WINDOW * PATCH, device=device)
    optimizer = torch.optim.Adam([noise], 0.05)
    started = time.perf_counter()
    for _ in range(rounds):
        with devices.autocast(device):
            mels = networks.codec.decode(jump(networks.student, given, noise, 1))[..., : 2 * F.MELS]
        loss = (mels.float().mean(-1)[0] - wanted).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return round(time.perf_counter() - started, 3)


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path))
@click.option("--device", "name", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--repeats", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--ditto", type=click.IntRange(1, 1000), default=DITTO_STEPS, show_default=True, help="Steps of Adam.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where the line is appended.")
@click.option("--json", "as_json", is_flag=True, help="Print the line instead of a table.")
def main(bundle: Path | None, name: str, repeats: int, ditto: int, results: Path, as_json: bool) -> None:
    device = devices.choose(name)
    checked = bundles.load(bundle_path(bundle))
    networks = load_networks(checked)
    for module in vars(networks).values():
        module.to(device)
    line = {
        "benchmark": "gpu", **measure.facts(checked.name), "runs_on": devices.describe(device),
        "window_latents": WINDOW, "cases": cases(networks, device, repeats), "ditto_steps": ditto,
        "ditto_seconds": ditto_seconds(networks, device, ditto),
    }  # fmt: skip
    measure.append(results, line)
    if as_json:
        click.echo(json.dumps(line, allow_nan=False))
        return
    rows = []
    for row in line["cases"]:
        milliseconds = [f"{1000 * row['seconds'][q]:.1f}" for q in ("p50", "p95", "p99")]
        factor = f"{row['real_time_factor']['p50']:.5f}"
        rows.append([row["kind"], str(row["steps"]), row["path"], *milliseconds, factor])
    headings = ("kind", "steps", "path", "p50 ms", "p95 ms", "p99 ms", "RTF p50")
    measure.print_table(f"{checked.name}, {line['runs_on']}: 12.3 s windows, batch 1", headings, rows)
    click.echo(f"DITTO-2, {ditto} steps: {line['ditto_seconds']} s a window")


if __name__ == "__main__":
    main()
