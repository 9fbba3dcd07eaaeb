"""Training helpers: devices, stages beside each other, validation, resuming; on the CPU."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from engine.errors import Unavailable
from engine.training import devices, loop

QUIET = Console(quiet=True)


@dataclass
class Pair:
    left: Tensor
    right: Tensor


class Named(NamedTuple):
    value: Tensor
    name: str


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1))
        self.register_buffer("seen", torch.zeros(2))


class Clock:
    """A second passes each time somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def batch() -> dict[str, object]:
    pair = Pair(torch.arange(2.0), torch.ones(3))
    return {"a": [pair, 3], "b": (torch.zeros(1), Named(torch.full((2,), 5.0), "x"))}


def test_every_tensor_of_a_nested_batch_moves_and_the_rest_stays():
    moved = devices.to_device(batch(), torch.device("meta"))
    assert [t.device.type for t in devices.tensors(moved)] == ["meta"] * 4
    assert moved["a"][1] == 3 and moved["b"][1].name == "x" and isinstance(moved["a"][0], Pair)
    same = devices.to_device(batch(), devices.CPU)
    assert [t.tolist() for t in devices.tensors(same)] == [[0.0, 1.0], [1.0] * 3, [0.0], [5.0, 5.0]]
    assert devices.device_of(devices.to_device(Line(), torch.device("meta"))).type == "meta"


def test_devices_are_chosen_by_name_and_a_missing_gpu_is_said():
    assert devices.choose("cpu") == devices.CPU
    if not torch.cuda.is_available():
        assert devices.choose("auto") == devices.CPU
        with pytest.raises(Unavailable, match="--device cpu"):
            devices.choose("cuda")
    assert "no GPU" in devices.describe(devices.CPU)


def test_autocast_computes_products_in_bf16_and_generators_repeat():
    with devices.autocast(devices.CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    first, again = (torch.randn(3, generator=devices.generator(devices.CPU, 4)) for _ in range(2))
    assert torch.equal(first, again)


def test_a_step_on_the_cpu_is_not_wrapped():
    def step(_: object) -> dict[str, Tensor]:
        return {}

    assert devices.captured(step, devices.CPU) is step


def stage_of(folder: Path, seconds: float, **more: object) -> loop.Stage:
    return loop.Stage("line", Line(), seconds, folder, lr=0.1, decay=0.5, clock=Clock(), **more)


def towards_three(stage: loop.Stage):
    def one(target: Tensor) -> dict[str, Tensor]:
        return {"loss": (stage.module.slope - target).square().sum()}

    return one


def test_a_fed_stage_learns_as_one_that_feeds_itself(tmp_path):
    fed = stage_of(tmp_path / "fed", 300.0)
    loop.run(fed, QUIET, towards_three(fed), every=20, feed=lambda: torch.tensor([3.0]))
    assert float(fed.module.slope.detach()) == pytest.approx(3.0, abs=0.3)


def test_no_time_at_all_still_makes_one_step(tmp_path):
    stage = stage_of(tmp_path, 0.0)
    loop.run(stage, QUIET, towards_three(stage), every=20, feed=lambda: torch.tensor([3.0]))
    assert stage.steps == 1
    again = stage_of(tmp_path, 0.0)
    loop.run(again, QUIET, towards_three(again), every=20, feed=lambda: torch.tensor([3.0]))
    assert again.steps == 1


def test_the_best_averages_by_validation_are_kept_and_survive_a_restart(tmp_path):
    """The score is best where the slope passes 1 on its way to 3: not where it ends."""

    def score(module: nn.Module) -> float:
        assert isinstance(module, Line) and not module.training
        return abs(float(module.slope.detach()) - 1.0)

    stage = loop.Stage("line", Line(), 600.0, tmp_path, lr=0.01, decay=0.5, clock=Clock())
    loop.run(stage, QUIET, towards_three(stage), every=2, feed=lambda: torch.tensor([3.0]), validate=score)
    rows = [json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    scores = [row["validation"] for row in rows if "validation" in row]
    assert len(scores) >= 3
    assert score(stage.module.eval()) == pytest.approx(min(scores), abs=1e-5) and scores[-1] > min(scores)
    again = loop.Stage("line", Line(), 600.0, tmp_path, lr=0.01, decay=0.5)
    assert again.best is not None and again.best[0] == pytest.approx(min(scores))


def test_a_checkpoint_holds_the_buffers_too(tmp_path):
    stage = stage_of(tmp_path, 0.0)
    stage.module.seen += 7.0
    loop.run(stage, QUIET, towards_three(stage), every=20, feed=lambda: torch.tensor([3.0]))
    assert stage_of(tmp_path, 0.0).module.seen.tolist() == [7.0, 7.0]


def test_a_stage_beside_another_is_scheduled_and_saved_with_it(tmp_path):
    judge = loop.Stage("judge", Line(), 30.0, tmp_path, lr=1.0, decay=0.5)
    stage = stage_of(tmp_path, 30.0, beside=(judge,))

    def one(_: float) -> dict[str, Tensor]:
        judge.step((judge.module.slope + 1.0).square().sum())
        return towards_three(stage)(torch.tensor([3.0]))

    loop.run(stage, QUIET, one, every=20)
    assert judge.steps == stage.steps == 30
    assert judge.optimizer.param_groups[0]["lr"] == pytest.approx(10 * stage.optimizer.param_groups[0]["lr"])
    again = loop.Stage("judge", Line(), 30.0, tmp_path, lr=1.0, decay=0.5)
    assert again.steps == judge.steps and torch.equal(again.module.slope, judge.module.slope)
