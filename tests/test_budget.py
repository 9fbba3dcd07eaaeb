"""Budget arithmetic: shares, ledgers and what stopping costs; with a clock of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from engine.errors import BadRequest, Unavailable
from engine.training import budget, curves, pipeline
from engine.training.budget import CONTINUED, LONGER, NEEDS, TRAINED, Ledger, Plan, shares

STAGES = tuple(NEEDS)
QUIET = Console(quiet=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(
    st.lists(st.sampled_from(STAGES), min_size=1, unique=True),
    st.floats(0, 1e6, allow_subnormal=False),
    st.sampled_from(["cpu", "cuda"]),
    st.floats(0.1, 8),
)
def test_shares_add_up_keep_floors_and_are_never_negative(names, left, device, slow):
    found = shares(names, left, device, slow)
    assert list(found) == names and min(found.values()) >= 0
    assert sum(found.values()) == pytest.approx(left, abs=1e-6)
    floors = [NEEDS[name].floor_s * slow for name in names]
    if left >= sum(floors):
        assert all(found[name] >= floor - 1e-6 for name, floor in zip(names, floors, strict=True))


def test_a_gpu_spends_half_on_sound_and_a_cpu_most_on_the_denoiser():
    gpu, cpu = (Plan.of(30, device).seconds for device in ("cuda", "cpu"))
    assert 0.4 < sum(gpu[name] for name in ("codec", "vocoder", "polish")) / 1800 < 0.6
    assert sum(cpu[name] for name in ("teacher", "student")) > sum(cpu[n] for n in ("codec", "vocoder", "polish"))
    assert Plan.of(75).corpus_hours == pytest.approx(cpu_corpus_hours(75), rel=0.01)
    assert [name for name, *_ in Plan.of(2).rows()] == list(STAGES)


def cpu_corpus_hours(minutes: float) -> float:
    """Oracle: rendered at 35 times real time in the corpus' share of what the floors leave, and in its floor."""
    floors = {
        "corpus": 14,
        "prompt": 18,
        "codec": 6,
        "vocoder": 3,
        "polish": 2,
        "lows": 3,
        "joint": 3,
        "planner": 0,
        "encode": 4,
    }
    floors |= {"teacher": 3, "student": 3, "export": 10, "evaluation": 0}
    weights = [0.24, 0.005, 0.13, 0.09, 0.06, 0.02, 0.025, 0.03, 0.07, 0.25, 0.12, 0.01, 0.03]
    seconds = 14 + (60 * minutes - sum(floors.values())) * 0.24 / sum(weights)
    return seconds * 35 / 3600


def walk(ledger: Ledger, clock: Clock, excess: dict[str, float], stages: tuple[str, ...] = STAGES) -> None:
    """Each stage takes what it is allotted, times its excess, and half a second passes between two."""
    for name in stages:
        if ledger.done(name):
            continue
        clock.now += 0.5
        seconds = ledger.allotment_s(name, stages, "cpu", 1.0)
        with ledger.measured(name):
            clock.now += seconds * excess.get(name, 1.0)


@given(st.dictionaries(st.sampled_from(STAGES[:-2]), st.floats(0.2, 1.5)), st.floats(2, 500))
def test_whatever_single_stages_take_the_whole_keeps_its_budget(excess, minutes):
    clock = Clock()
    ledger = Ledger(Path("/nonexistent"), 60 * minutes, clock)
    ledger.save = lambda: None  # type: ignore[method-assign]
    walk(ledger, clock, excess)
    assert clock.now - 100 <= 1.1 * 60 * minutes
    assert clock.now - 100 >= 0.9 * 60 * minutes


def stopped(ledger: Ledger, clock: Clock) -> None:
    with ledger.measured("corpus"):
        clock.now += 10
        raise KeyboardInterrupt


def test_a_stage_stopped_twice_gets_no_more_time_than_one_that_was_not(tmp_path):
    clock = Clock()
    whole = Ledger(tmp_path / "whole.json", 600.0, clock)
    wanted = whole.allotment_s("corpus", STAGES, "cpu", 1.0)
    for _ in range(2):
        ledger = Ledger.open(tmp_path / "ledger.json", 600.0, clock)
        with pytest.raises(KeyboardInterrupt):
            stopped(ledger, clock)
        assert not ledger.done("corpus")
        clock.now += 1000  # between two runs nothing is charged
    ledger = Ledger.open(tmp_path / "ledger.json", 600.0, clock)
    assert ledger.entry("corpus").seconds == 20
    assert ledger.allotment_s("corpus", STAGES, "cpu", 1.0) == pytest.approx(wanted - 20)
    ledger.settle("codec", 33.0)
    ledger.settle("codec", 12.0)
    assert ledger.spent_s() == 53 and ledger.entry("codec").seconds == 33


def test_another_leg_spends_what_the_new_budget_adds(tmp_path):
    clock = Clock()
    ledger = Ledger.open(tmp_path / "ledger.json", 600.0, clock)
    walk(ledger, clock, {})
    again = Ledger.open(tmp_path / "ledger.json", 900.0, clock)
    assert all(again.done(name) for name in STAGES) and again.leg == 1
    before = again.spent_s()
    again.reopen(LONGER)
    walk(again, clock, {})
    assert again.leg == 2 and again.done("codec")
    assert again.spent_s() == pytest.approx(900, rel=0.02) and before == pytest.approx(600, rel=0.02)
    assert Ledger.open(tmp_path / "ledger.json", 900.0, clock).leg == 2
    assert again.minutes()["teacher"] > 1


def test_budgets_out_of_bounds_and_missing_gpus_are_refused(tmp_path):
    with pytest.raises(BadRequest, match=r"0\.5 to 10000"):
        pipeline.prepare(0.1, tmp_path, "cpu", 1, QUIET)
    if not pipeline.devices.torch.cuda.is_available():
        with pytest.raises(Unavailable, match="--device cpu"):
            pipeline.prepare(75, tmp_path, "cuda", 1, QUIET)
    shop = pipeline.prepare(75, tmp_path, "cpu", 1, QUIET)
    assert set(shop.plan.seconds) == set(STAGES) and set(TRAINED) < set(STAGES)
    assert 0.1 <= budget.slowness() <= 40


def test_a_budget_that_this_machine_cannot_keep_is_refused_before_anything_is_done(tmp_path, monkeypatch):
    """Floors add up to 69 s on two free cores: a machine four times slower needs 4.6 minutes."""
    monkeypatch.setattr(pipeline, "slowness", lambda: 4.0)
    with pytest.raises(BadRequest, match=r"all stages need 4\.6 minutes at the least"):
        pipeline.prepare(2.5, tmp_path, "cpu", 1, QUIET)
    assert not (tmp_path / "stages").exists()
    shop = pipeline.prepare(4.7, tmp_path, "cpu", 1, QUIET)
    shop.ledger.entry("corpus").seconds = 20.0
    shop.ledger.save()
    assert pipeline.prepare(1.0, tmp_path, "cpu", 1, QUIET).slow == 4.0  # what was begun goes on
    assert budget.least_minutes(CONTINUED, 1.0) == pytest.approx(34 / 60)


def test_slowness_is_what_the_clock_says_of_a_second_of_products():
    """Oracle: a clock that stands still between its readings but for `each` seconds a product."""
    for each, expected in ((2 * 512**3 / 100e9, 1.0), (2 * 512**3 / 10e9, 10.0), (1.0, 40.0)):
        ticks = iter(range(1_000_000))
        found = budget.slowness(1, clock=lambda step=each, ticks=ticks: step * next(ticks), seconds=20 * each)
        assert found == pytest.approx(expected, rel=0.15)


def test_curves_are_drawn_from_what_can_be_read(tmp_path):
    log = tmp_path / "losses.jsonl"
    assert not curves.draw(log, tmp_path / "losses.png")
    rows = [{"stage": "a", "step": n, "seconds": 1.0, "loss": 1 / (n + 1), "l1": 0.0} for n in range(3)]
    rows.append({"stage": "b", "step": 5, "seconds": 2.0, "validation": 0.7})
    log.write_text("\n".join(map(json.dumps, rows)) + '\n{"stage": "a", "st')
    found = curves.read(log)
    assert [len(found[name]) for name in "ab"] == [3, 1]
    assert curves.series(found["a"]) == {"loss": ([0, 1, 2], [1, 0.5, 1 / 3]), "l1": ([0, 1, 2], [0.0] * 3)}
    assert curves.draw(log, tmp_path / "losses.png")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
