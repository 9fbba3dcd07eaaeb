"""A training stage under a time budget: schedule by the clock, EMA, checkpoints, a progress bar.

Checkpoints are safetensors (weights, averages, Adam's moments, buffers, the best averages so far) beside a
small JSON with the seconds spent, so that a stage stopped anywhere goes on where it was. One stage
runs at a time, on the device its module is on. On a GPU nothing here waits for the device between two notes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.training import devices
from engine.whole import whole

CHECKPOINT_SECONDS = 120.0
VALIDATION_SHARE = 0.05
VALIDATIONS = 8
Losses = dict[str, Tensor]


class Averaged:
    """Exponential moving average of a module's parameters."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {n: p.detach().clone().float() for n, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        names = list(self.values)
        current = dict(module.named_parameters())
        torch._foreach_lerp_([self.values[n] for n in names], [current[n].detach() for n in names], 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        for name, parameter in module.named_parameters():
            parameter.copy_(self.values[name])


def cosine(progress: float, warm_up: float = 0.02, floor: float = 0.03) -> float:
    """Learning-rate factor at progress 0..1: a linear warm-up, then a half cosine."""
    if progress < warm_up:
        return (progress + 1e-4) / warm_up
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


class Stage:
    """One model trained for `seconds`; iterate `progress()` and call `step(loss)`.

    folder: where this stage's checkpoint and losses.jsonl live. decay: of the average. The module must be on
    its device already. beside: stages that are scheduled and saved with this one (a discriminator), and
    stepped by whoever computes their loss.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        seconds: float,
        folder: Path,
        lr: float,
        decay: float,
        *,
        beside: tuple[Stage, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.module, self.seconds, self.folder, self.lr = name, module, seconds, folder, lr
        self.device, self.beside, self.clock = devices.device_of(module), beside, clock
        self.optimizer = devices.adamw(module.parameters(), lr, self.device)
        self.average = Averaged(module, decay)
        self.spent, self.steps, self.resumed_steps = 0.0, 0, 0
        self.best: tuple[float, dict[str, Tensor]] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.resume()

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.name}.safetensors"

    def resume(self) -> None:
        if not self.checkpoint.exists():
            return
        note = json.loads(self.checkpoint.with_suffix(".json").read_text())
        if note["steps"] == 0:
            return
        self.spent, self.steps = note["spent"], note["steps"]
        self.resumed_steps = self.steps
        state = load_file(str(self.checkpoint), device=str(self.device))
        count = torch.tensor(float(self.steps), device=self.device if self.device.type == "cuda" else None)
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                parameter.copy_(state[f"model.{name}"])
                self.average.values[name].copy_(state[f"average.{name}"])
                moments = {k: state[f"{k}.{name}"] for k in ("exp_avg", "exp_avg_sq")}
                self.optimizer.state[parameter] = {"step": count.clone(), **moments}
            for name, buffer in self.module.named_buffers():
                if (held := state.get(f"buffer.{name}")) is not None and held.shape == buffer.shape:
                    buffer.copy_(held)
        if note.get("best") is not None:
            self.best = note["best"], {name: state[f"best.{name}"] for name in self.average.values}

    def save(self) -> None:
        tensors: dict[str, Tensor] = {}
        for name, parameter in self.module.named_parameters():
            state = self.optimizer.state.get(parameter, {})
            tensors[f"model.{name}"] = parameter.detach().contiguous()
            tensors[f"average.{name}"] = self.average.values[name]
            for key in ("exp_avg", "exp_avg_sq"):
                tensors[f"{key}.{name}"] = state.get(key, torch.zeros_like(parameter)).contiguous()
        for name, buffer in self.module.named_buffers():
            tensors[f"buffer.{name}"] = buffer.detach().clone(memory_format=torch.contiguous_format)
        if self.best is not None:
            tensors |= {f"best.{name}": value for name, value in self.best[1].items()}
        note = {"spent": self.spent, "steps": self.steps, "best": self.best and self.best[0]}
        with whole(self.checkpoint) as part:
            save_file(tensors, str(part))
        self.checkpoint.with_suffix(".json").write_text(json.dumps(note))
        for other in self.beside:
            other.spent = self.spent
            other.save()

    def progress(self, console: Console) -> Iterator[float]:
        """Yield 0..1 until the budget is spent, once at least; saves every two minutes, on Ctrl-C and at the end."""
        text = TextColumn("{task.description} {task.fields[note]}")
        last = saved = self.clock()
        pace, tried = devices.Pace(self.device), False
        with Progress(text, BarColumn(), TimeRemainingColumn(), console=console) as bar:
            self.task = bar.add_task(self.name, total=self.seconds, note="")
            bar.update(self.task, completed=self.spent)
            self.bar = bar
            try:
                while self.spent < self.seconds or not (self.steps or tried):
                    tried = True
                    fraction = min(1.0, self.spent / self.seconds) if self.seconds > 0 else 1.0
                    for stage in (self, *self.beside):
                        devices.set_rate(stage.optimizer, stage.lr * cosine(fraction))
                    yield fraction
                    pace.step()
                    now = self.clock()
                    self.spent, last = self.spent + now - last, now
                    bar.update(self.task, completed=min(self.spent, self.seconds))
                    if now - saved > CHECKPOINT_SECONDS:
                        self.save()
                        saved = now
            finally:
                self.save()

    def descend(self, loss: Tensor) -> None:
        """Backward, clip to norm 1, optimiser: the part of a step that a CUDA graph can hold."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()

    def follow(self) -> None:
        """Count the step and move the average."""
        self.steps += 1
        self.average.update(self.module, self.steps)

    def step(self, loss: Tensor) -> None:
        """Backward, clip to norm 1, optimiser, average."""
        self.descend(loss)
        self.follow()

    @torch.no_grad()
    def judge(self, validate: Callable[[nn.Module], float]) -> float:
        """Score the averaged weights (lower is better) and keep them if they are the best so far."""
        own = {name: parameter.detach().clone() for name, parameter in self.module.named_parameters()}
        training = self.module.training
        self.average.copy_to(self.module)
        self.module.eval()
        value = float(validate(self.module))
        if math.isfinite(value) and (self.best is None or value < self.best[0]):
            self.best = value, {name: tensor.clone() for name, tensor in self.average.values.items()}
        for name, parameter in self.module.named_parameters():
            parameter.copy_(own[name])
        self.module.train(training)
        self.note(validation=value)
        return value

    @torch.no_grad()
    def conclude(self) -> None:
        """Give the module its final weights: the best averages where any were judged, else the last."""
        if self.best is not None:
            self.average.values = {name: value.clone() for name, value in self.best[1].items()}
            self.save()
        self.average.copy_to(self.module)

    def note(self, **values: float) -> None:
        """Show values on the bar and append them to losses.jsonl."""
        row = {"stage": self.name, "step": self.steps, "seconds": round(self.spent, 1), **values}
        with (self.folder / "losses.jsonl").open("a") as out:
            out.write(json.dumps(row) + "\n")
        shown = " ".join(f"{key} {value:.3f}" for key, value in values.items())
        self.bar.update(self.task, note=f"step {self.steps} {shown}")


class Judging:
    """When a stage's averages are judged: about VALIDATIONS times, and for at most VALIDATION_SHARE of its time."""

    def __init__(self, stage: Stage, validate: Callable[[nn.Module], float] | None) -> None:
        self.stage, self.validate = stage, validate
        self.next_s = stage.spent + stage.seconds / VALIDATIONS
        self.cost_s = 0.0

    def look(self) -> None:
        """Judge if it is time."""
        if self.validate is None or self.stage.spent < self.next_s:
            return
        started = self.stage.clock()
        self.stage.judge(self.validate)
        self.cost_s = self.stage.clock() - started
        self.next_s = self.stage.spent + max(self.stage.seconds / VALIDATIONS, self.cost_s / VALIDATION_SHARE)

    def last(self) -> None:
        """Judge the last averages, if earlier ones were judged: they must beat those."""
        if self.validate is not None and self.stage.best is not None:
            self.stage.judge(self.validate)


class _Means:
    """Running means of losses, summed where they are made: only `taken` waits for the device."""

    def __init__(self) -> None:
        self.sums: Losses = {}
        self.count = 0

    def add(self, losses: Losses) -> None:
        self.count += 1
        for key, value in losses.items():
            self.sums[key] = self.sums[key] + value.detach() if key in self.sums else value.detach().clone()

    def taken(self) -> dict[str, float]:
        """The means of what was added since the last time."""
        found = {key: float(value) / self.count for key, value in self.sums.items()}
        self.sums, self.count = {}, 0
        return found


def run(
    stage: Stage,
    console: Console,
    one: Callable[..., Losses],
    every: int,
    *,
    feed: Callable[[], Any] | None = None,
    validate: Callable[[nn.Module], float] | None = None,
    generators: tuple[torch.Generator, ...] = (),
) -> None:
    """Drive a stage: `one(progress)` returns losses, the entry 'loss' is minimised.

    feed: makes a batch on the host; then `one(batch)` is called with it on the stage's device, and on a GPU
    the whole step is replayed as a CUDA graph (fixed shapes; generators: those on the device it draws from).
    validate: scores the module's averaged weights, lower is better; the best are kept.
    The running means of all entries are noted every `every` steps and at the end (no host sync in between).
    """
    means, judging = _Means(), Judging(stage, validate)

    def whole(batch: Any) -> Losses:
        losses = one(devices.to_device(batch, stage.device))
        stage.descend(losses["loss"])
        return {key: value.detach() for key, value in losses.items()}

    replay = devices.captured(whole, stage.device, console, generators)
    for fraction in stage.progress(console):
        if feed is None:
            losses = one(fraction)
            stage.descend(losses["loss"])
        else:
            losses = replay(feed())
        stage.follow()
        means.add(losses)
        if stage.steps % every == 0:
            stage.note(**means.taken())
            judging.look()
    if means.count:
        stage.note(**means.taken())
    judging.last()
    stage.conclude()
