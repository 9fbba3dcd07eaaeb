"""What every stage of the pipeline needs: where, how long, on which device, from which seed, and whom to tell."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table
from torch import nn

from engine.training import data, devices, finished
from engine.training.budget import NEEDS, TRAINED, Entry, Ledger, Plan

M = TypeVar("M", bound=nn.Module)
SETUP_SHARE = 0.6
"""Of a trained stage's floor: what passes before its first step."""


@dataclass
class Workshop:
    """One run. corpus: songs by split; folder: the stages' files; stages: those of this run, in order."""

    corpus: Path
    folder: Path
    plan: Plan
    seed: int
    console: Console
    ledger: Ledger
    device: devices.Device = devices.CPU
    stages: tuple[str, ...] = tuple(NEEDS)
    slow: float = 1.0
    corpus_hours: float | None = None
    source: Path | None = None
    workers: int = field(default_factory=lambda: max(1, os.cpu_count() or 1))
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By stage: further arguments for its `train` (tests make networks small and steps few), or for `corpus.build`
    (synths, composer)."""

    @property
    def out(self) -> Path:
        return self.folder.parent

    def files(self, split: str = "train") -> list[Path]:
        return data.song_files(self.corpus, split)

    def held_out(self) -> list[Path]:
        """Validation songs; of a corpus that is too small to have any, the last song."""
        return self.files("valid") or self.files()[-1:]

    def checkpoint(self, name: str) -> dict[str, Any]:
        """What a stage's checkpoint says of itself: spent seconds and steps, 0 where there is none."""
        path = self.folder / f"{name}.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {"spent": 0.0, "steps": 0}
        return found

    @contextmanager
    def working(self, name: str) -> Iterator[tuple[float, Entry]]:
        """(seconds the stage may still take, its entry); its time is charged and noted as it leaves."""
        entry = self.ledger.entry(name)
        self.ledger.settle(name, float(self.checkpoint(name)["spent"]))
        seconds = self.ledger.allotment_s(name, self.stages, self.device.type, self.slow)
        try:
            with self.ledger.measured(name):
                yield seconds, entry
        finally:
            if name in TRAINED:
                entry.made["steps"] = self.checkpoint(name)["steps"]
                entry.made["trained_seconds"] = round(float(self.checkpoint(name)["spent"]), 2)
            self.ledger.save()

    def train_seconds(self, name: str, left_s: float) -> float:
        """What `Stage` is told: seconds trained before, and those left without what the set-up takes."""
        setup = SETUP_SHARE * NEEDS[name].floor_s * self.slow
        return float(self.checkpoint(name)["spent"]) + max(0.0, left_s - setup)

    def make(
        self,
        name: str,
        build: Callable[[], M],
        train: Callable[[float], M],
        measure: Callable[[M], dict[str, Any]] = lambda _: {},
    ) -> M:
        """The module of a stage: as the finished stage left it, or trained (resumed) and then left so."""
        if self.ledger.done(name) and finished.facts(self.folder, name) is not None:
            module = build()
            finished.fill(self.folder, name, module)
            return module
        with self.working(name) as (left, _):
            module = train(self.train_seconds(name, left)).cpu().eval()
            finished.keep(self.folder, name, module, **measure(module))
        return module

    def facts(self, name: str) -> dict[str, Any]:
        return finished.facts(self.folder, name) or {}

    def offered(self, function: Callable[..., Any], name: str, **more: Any) -> dict[str, Any]:
        """Those of device, the stage's settings and `more` that a stage's train function takes."""
        given = {"device": self.device, **more, **self.settings.get(name, {})}
        taken = inspect.signature(function).parameters
        return {key: value for key, value in given.items() if key in taken}

    def announce(self) -> None:
        """The plan as a table."""
        hardware = devices.describe(self.device)
        table = Table(
            "stage", "minutes", "on two free cores", title=f"{self.ledger.budget_s / 60:g} minutes, {hardware}"
        )
        for row in self.plan.rows():
            table.add_row(*row)
        self.console.print(table)

    def summary(self) -> list[dict[str, Any]]:
        """What each stage took and made, in order."""
        rows = []
        for name, entry in self.ledger.entries.items():
            row: dict[str, Any] = {"stage": name, "minutes": round(entry.seconds / 60.0, 2), **entry.made}
            seconds = entry.made.get("trained_seconds", entry.seconds)
            count = entry.made.get("samples", entry.made.get("songs", entry.made.get("steps")))
            if count and seconds > 0:
                row["per_second"] = round(count / seconds, 2)
            rows.append(row)
        return rows

    def report(self) -> None:
        """The summary as a table."""
        table = Table("stage", "minutes", "steps", "samples or songs", "a second", title="what each stage took")
        for row in self.summary():
            count = row.get("samples", row.get("songs"))
            cells = (row.get("steps"), count, row.get("per_second"))
            table.add_row(
                row["stage"], f"{row['minutes']:.2f}", *("" if cell is None else f"{cell:g}" for cell in cells)
            )
        spent, budget = self.ledger.spent_s() / 60, self.ledger.budget_s / 60
        self.console.print(table, f"{spent:.1f} of {budget:g} minutes")
