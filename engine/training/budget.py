"""How a time budget is spent: a share for each stage of what is left, and what must be kept for the end.

A stage's allotment is computed when it starts, from the time that is really left: a stage that ran over
takes from all later ones, one that finished early gives to them. Floors are what a stage cannot do with
less (two free cores, scaled by `slowness`); they are set aside before anything is shared.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from engine.whole import whole

LEAST_MINUTES, MOST_MINUTES = 0.5, 10_000.0
REFERENCE_GFLOPS = 100.0
CORPUS_TIMES_REAL_TIME = 35.0


@dataclass(frozen=True)
class Need:
    """A stage's floor in seconds and its share of what is left over, on a CPU and on a GPU.

    per_second: steps of a trained stage (or hours of corpus an hour) on two cores, to say what a budget buys.
    """

    floor_s: float
    cpu: float
    gpu: float
    per_second: float = 0.0
    unit: str = ""


NEEDS = {
    "corpus": Need(14.0, 0.24, 0.12, CORPUS_TIMES_REAL_TIME / 60.0, "minutes of music"),
    "prompt": Need(18.0, 0.005, 0.005),
    "codec": Need(6.0, 0.13, 0.14, 9.6, "steps"),
    "vocoder": Need(3.0, 0.09, 0.12, 7.9, "steps"),
    "polish": Need(2.0, 0.06, 0.24, 0.6, "steps"),
    "lows": Need(3.0, 0.02, 0.02, 20.0, "steps"),
    "joint": Need(3.0, 0.025, 0.02, 3.0, "steps"),
    "planner": Need(0.0, 0.03, 0.02, 1.2, "steps"),
    "encode": Need(4.0, 0.07, 0.04, 1.4, "songs"),
    "teacher": Need(3.0, 0.25, 0.2, 1.5, "steps"),
    "student": Need(3.0, 0.12, 0.1, 0.9, "steps"),
    "export": Need(10.0, 0.01, 0.005),
    "evaluation": Need(0.0, 0.03, 0.02),
}
TRAINED = ("codec", "vocoder", "polish", "lows", "joint", "planner", "teacher", "student")
CONTINUED = ("corpus", "encode", "teacher", "student", "export", "evaluation")
"""Stages of a run that starts from a bundle: its codec, vocoder, prompt head and listener stay."""
OPTIONAL = ("planner",)
"""Stages that a run may leave out, where it has little time."""
BETWEEN = "loading"
LONGER = ("teacher", "student", "export", "evaluation")
"""Stages that a finished run goes on with when it is given more time."""


def shares(stages: Iterable[str], left_s: float, device: str = "cpu", slowness: float = 1.0) -> dict[str, float]:
    """Seconds for each of `stages` out of `left_s`: its floor, and its share of what the floors leave.

    They add up to `left_s`; where that is less than the floors, it is shared as the floors are.
    """
    names = list(stages)
    floors = {name: NEEDS[name].floor_s * slowness for name in names}
    weights = {name: NEEDS[name].gpu if device == "cuda" else NEEDS[name].cpu for name in names}
    left_s, kept = max(0.0, left_s), sum(floors.values())
    if left_s <= kept:
        return {name: left_s * floors[name] / kept if kept else 0.0 for name in names}
    total = sum(weights.values())
    return {name: floors[name] + (left_s - kept) * weights[name] / total for name in names}


@dataclass(frozen=True)
class Plan:
    """What a budget buys. Seconds for each stage, hours of corpus."""

    corpus_hours: float
    seconds: dict[str, float]

    @staticmethod
    def of(
        budget_minutes: float, device: str = "cpu", stages: Iterable[str] = tuple(NEEDS), slowness: float = 1.0
    ) -> Plan:
        seconds = shares(stages, 60.0 * budget_minutes, device, slowness)
        hours = seconds.get("corpus", 0.0) * CORPUS_TIMES_REAL_TIME / 3600.0
        return Plan(hours, seconds)

    def rows(self) -> list[tuple[str, str, str]]:
        """(stage, minutes, what that is on two cores) for people."""
        found = []
        for name, seconds in self.seconds.items():
            need = NEEDS[name]
            made = f"about {need.per_second * seconds:.0f} {need.unit}" if need.unit else ""
            found.append((name, f"{seconds / 60:.1f}", made))
        return found


def slowness(rounds: int = 12, clock: Callable[[], float] = time.perf_counter, seconds: float = 0.6) -> float:
    """How many times slower than one free reference core a matrix product runs here now, 0.1 to 40.

    It takes at least `rounds` products and `seconds`, so that what others leave of the cores counts.
    """
    a = torch.ones(512, 512)
    torch.mm(a, a)
    started, done = clock(), 0
    while done < rounds or (done < 100_000 and clock() - started < seconds):
        torch.mm(a, a)
        done += 1
    gflops = done * 2 * 512**3 / max(1e-9, clock() - started) / 1e9
    return min(40.0, max(0.1, REFERENCE_GFLOPS / gflops))


def least_minutes(stages: Iterable[str], slow: float) -> float:
    """What the stages cannot do with less, on a machine that is `slow` times slower than the reference."""
    return sum(NEEDS[name].floor_s for name in stages) * slow / 60.0


@dataclass
class Entry:
    """What one stage took: seconds of wall time in all runs (base: those of earlier legs), and what it made."""

    seconds: float = 0.0
    base: float = 0.0
    done: bool = False
    made: dict[str, float] = field(default_factory=dict)


@dataclass
class Ledger:
    """What the stages of OUT have taken so far, kept in a file, so that a run stopped anywhere goes on.

    budget_s is for all stages together, over all runs. leg: how often the run was given more time
    after it had finished.
    """

    path: Path
    budget_s: float
    clock: Callable[[], float] = time.monotonic
    leg: int = 1
    entries: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opened, self.earlier_s = self.clock(), 0.0

    @staticmethod
    def open(path: Path, budget_s: float, clock: Callable[[], float] = time.monotonic) -> Ledger:
        ledger = Ledger(path, budget_s, clock)
        if path.is_file():
            note = json.loads(path.read_text())
            ledger.leg = note["leg"]
            ledger.entries = {name: Entry(**row) for name, row in note["stages"].items()}
            ledger.earlier_s = sum(entry.seconds for entry in ledger.entries.values())
        return ledger

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        named = sum(entry.seconds for name, entry in self.entries.items() if name != BETWEEN)
        self.entry(BETWEEN).seconds = max(0.0, self.spent_s() - named)
        rows = {name: vars(entry) for name, entry in self.entries.items()}
        with whole(self.path) as part:
            part.write_text(json.dumps({"budget_s": self.budget_s, "leg": self.leg, "stages": rows}, indent=1) + "\n")

    def entry(self, name: str) -> Entry:
        return self.entries.setdefault(name, Entry())

    def done(self, name: str) -> bool:
        return self.entry(name).done

    def spent_s(self) -> float:
        """Seconds of all runs since this file was begun, those between stages included."""
        return self.earlier_s + self.clock() - self.opened

    def settle(self, name: str, seconds: float) -> None:
        """A run that was killed charged nothing: the stage has taken at least `seconds`."""
        entry = self.entry(name)
        self.earlier_s += max(0.0, seconds - entry.seconds)
        entry.seconds = max(entry.seconds, seconds)

    def allotment_s(self, name: str, stages: Iterable[str], device: str, slow: float) -> float:
        """Seconds that stage `name` may still take. stages: all of this run, in order.

        What it has taken in this leg counts, so that stopping and going on again buys nothing.
        """
        waiting = [other for other in stages if not self.done(other)]
        taken = self.entry(name).seconds - self.entry(name).base
        left = self.budget_s - self.spent_s() + taken
        return max(0.0, shares(waiting, left, device, slow)[name] - taken)

    def reopen(self, names: Iterable[str]) -> None:
        """Let finished stages be continued: another leg."""
        self.leg += 1
        for name in names:
            self.entry(name).done, self.entry(name).base = False, self.entry(name).seconds

    def measured(self, name: str) -> _Measured:
        """A context whose wall time is charged to the stage; leaving it without an error marks the stage done."""
        return _Measured(self, name)

    def minutes(self) -> dict[str, float]:
        return {name: round(entry.seconds / 60.0, 2) for name, entry in self.entries.items() if entry.seconds}


class _Measured:
    def __init__(self, ledger: Ledger, name: str) -> None:
        self.ledger, self.name = ledger, name

    def __enter__(self) -> Entry:
        self.started = self.ledger.clock()
        return self.ledger.entry(self.name)

    def __exit__(self, kind: Any, *_: object) -> None:
        entry = self.ledger.entry(self.name)
        entry.seconds += self.ledger.clock() - self.started
        entry.done = kind is None
        self.ledger.save()
