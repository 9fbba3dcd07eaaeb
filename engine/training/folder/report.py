"""What became of a folder's files: a table for people, an object for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.training.folder.convert import Outcome

SHOWN = 40


@dataclass(frozen=True)
class Report:
    """outcomes: of each file that was looked at. splits: songs in train, valid, test. waiting: files not begun."""

    folder: str
    outcomes: list[Outcome]
    splits: dict[str, int]
    waiting: int
    made: str

    @property
    def used(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.used]

    @property
    def left_out(self) -> list[Outcome]:
        return [one for one in self.outcomes if not one.used]

    @property
    def minutes(self) -> float:
        return sum(one.seconds for one in self.used) / 60.0

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON: totals, then files used and left out."""
        return {
            "folder": self.folder, "made": self.made, "minutes": round(self.minutes, 2), "songs": self.splits,
            "used": [asdict(one) for one in self.used], "waiting": self.waiting,
            "left_out": [{"file": one.file, "reason": one.reason} for one in self.left_out],
        }  # fmt: skip

    def summary(self) -> str:
        """One sentence."""
        text = f"{len(self.used)} of {len(self.outcomes)} sounds are used ({self.minutes:.1f} minutes)"
        text += f", {len(self.left_out)} left out" if self.left_out else ""
        return (
            text
            + (f", {self.waiting} wait for the next run: their share of the time is up" if self.waiting else "")
            + "."
        )

    def show(self, console: Console) -> None:
        """The summary, a row a file (the least sure first where there are many), and the reasons."""
        console.print(self.summary())
        if self.used:
            console.print(self._table())
        for one in self.left_out:
            console.print(f"  left out: {escape(one.file)} - {escape(one.reason)}", highlight=False)

    def _table(self) -> Table:
        rows = sorted(self.used, key=lambda one: min(one.tempo_sure, one.beat_sure))
        title = None if len(rows) <= SHOWN else f"the {SHOWN} least sure of {len(rows)}"
        table = Table(
            "sound", "seconds", "tempo (sure)", "first beat (sure)", "key (sure)", "remarks", title=title, box=None
        )
        for one in rows[:SHOWN]:
            key = f"{one.key} {one.key_from} ({one.key_sure:.2f})" if one.key else "-"
            table.add_row(
                escape(one.file), f"{one.seconds:.1f}", f"{one.tempo:g} {one.tempo_from} ({one.tempo_sure:.2f})",
                f"{one.first_beat_seconds:.3f} ({one.beat_sure:.2f}, bar {one.downbeat_sure:.2f})", escape(key),
                escape("; ".join(one.remarks)),
            )  # fmt: skip
        return table
