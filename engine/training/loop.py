"""A training stage under a time budget: schedule by the clock, EMA, checkpoints, a progress bar.

Checkpoints are safetensors (weights, averages, Adam's moments) beside a small JSON with the seconds
spent, so that a stage stopped anywhere goes on where it was. One stage runs at a time.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

CHECKPOINT_SECONDS = 120.0


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

    folder: where this stage's checkpoint and losses.jsonl live. decay: of the average.
    """

    def __init__(self, name: str, module: nn.Module, seconds: float, folder: Path, lr: float, decay: float) -> None:
        self.name, self.module, self.seconds, self.folder, self.lr = name, module, seconds, folder, lr
        self.optimizer = torch.optim.AdamW(module.parameters(), lr, betas=(0.9, 0.98), weight_decay=0.01)
        self.average = Averaged(module, decay)
        self.spent, self.steps = 0.0, 0
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
        state = load_file(str(self.checkpoint))
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                parameter.copy_(state[f"model.{name}"])
                self.average.values[name].copy_(state[f"average.{name}"])
                moments = {k: state[f"{k}.{name}"] for k in ("exp_avg", "exp_avg_sq")}
                self.optimizer.state[parameter] = {"step": torch.tensor(float(self.steps)), **moments}

    def save(self) -> None:
        tensors: dict[str, Tensor] = {}
        for name, parameter in self.module.named_parameters():
            state = self.optimizer.state.get(parameter, {})
            tensors[f"model.{name}"] = parameter.detach().contiguous()
            tensors[f"average.{name}"] = self.average.values[name]
            for key in ("exp_avg", "exp_avg_sq"):
                tensors[f"{key}.{name}"] = state.get(key, torch.zeros_like(parameter))
        temporary = self.checkpoint.with_suffix(".part")
        save_file(tensors, str(temporary))
        temporary.replace(self.checkpoint)
        note = {"spent": self.spent, "steps": self.steps}
        self.checkpoint.with_suffix(".json").write_text(json.dumps(note))

    def progress(self, console: Console) -> Iterator[float]:
        """Yield 0..1 until the budget is spent; saves every two minutes, on Ctrl-C and at the end."""
        text = TextColumn("{task.description} {task.fields[note]}")
        last = saved = time.monotonic()
        with Progress(text, BarColumn(), TimeRemainingColumn(), console=console) as bar:
            self.task = bar.add_task(self.name, total=self.seconds, note="")
            bar.update(self.task, completed=self.spent)
            self.bar = bar
            try:
                while self.spent < self.seconds:
                    fraction = self.spent / self.seconds
                    for group in self.optimizer.param_groups:
                        group["lr"] = self.lr * cosine(fraction)
                    yield fraction
                    now = time.monotonic()
                    self.spent, last = self.spent + now - last, now
                    bar.update(self.task, completed=min(self.spent, self.seconds))
                    if now - saved > CHECKPOINT_SECONDS:
                        self.save()
                        saved = now
            finally:
                self.save()

    def step(self, loss: Tensor) -> None:
        """Backward, clip to norm 1, optimiser, average."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        self.average.update(self.module, self.steps)

    def note(self, **values: float) -> None:
        """Show values on the bar and append them to losses.jsonl."""
        row = {"stage": self.name, "step": self.steps, "seconds": round(self.spent, 1), **values}
        with (self.folder / "losses.jsonl").open("a") as out:
            out.write(json.dumps(row) + "\n")
        shown = " ".join(f"{key} {value:.3f}" for key, value in values.items())
        self.bar.update(self.task, note=f"step {self.steps} {shown}")


def run(stage: Stage, console: Console, one: Callable[[float], dict[str, Tensor]], every: int) -> None:
    """Drive a stage: `one(progress)` returns losses, the entry 'loss' is minimised.

    The running means of all entries are noted every `every` steps (no host sync in between).
    """
    sums: dict[str, Tensor] = {}
    for fraction in stage.progress(console):
        losses = one(fraction)
        stage.step(losses["loss"])
        for key, value in losses.items():
            sums[key] = sums.get(key, torch.zeros(())) + value.detach()
        if stage.steps % every == 0:
            stage.note(**{key: float(value) / every for key, value in sums.items()})
            sums = {}
    stage.average.copy_to(stage.module)
