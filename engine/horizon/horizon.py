"""What a live session's horizon is told: where the head is, what the cache holds, what the player asks for.

*Threading*: as `engine.horizon`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.horizon.agenda import Agenda
from engine.horizon.places import Grid, Point, Quantise, up
from engine.horizon.plans import Change, Head, Hold, Job
from engine.horizon.stock import FOREVER

MAX_PENDING = 64


@dataclass
class Horizon(Agenda):
    """The state of one session: `Agenda` on `Stock` on `Way`, each of which knows those below it."""

    def see(self, head: Head, jumped: bool = False) -> bool:
        """The head is here now. True where it was located elsewhere (a loop's own jump is none)."""
        before, self.head = self.head, head
        if not jumped:
            self._loops.rolled_on(head)
            return False
        for first, end in self._later:
            self.fresh.remove(first, end)
        self._later.clear()
        if self._loops.jumped(before, head, self.grid):
            return False
        self._call_in()
        return True

    def wrote(self, first: int, end: int) -> None:
        """The cache now holds what is wanted in first..end."""
        self.found(first, end)
        self._advance(first, end)

    def spared(self, first: int, end: int) -> None:
        """The cache had no room for first..end: it is not there, and rendering it again would not help."""
        self.fresh.add(first, end)
        self._advance(first, end)

    def regrid(self, grid: Grid) -> None:
        """The tempo map changed: nothing in the cache is valid, nothing is held, the running job is void."""
        self.grid, self.hold, self.running = grid, None, None
        self._loops.forget()
        self._call_in()
        self.playable.clear()
        self.fresh.clear()

    def change(self, kind: str, quantise: Quantise) -> Change:
        """The player asked for something: where it takes hold. All that is heard after it is stale.

        Where the head is about to run out of bars, the render that is on its way to it comes first.
        """
        at = self.commit(quantise)
        job = self.running
        if job is not None and job.at.frame < at.frame < job.end and self._runs_out():
            at = up(self.grid, job.end, "now")
        self._serial += 1
        full = len(self._pending) >= MAX_PENDING
        old = [c for c in self._pending if c.kind == kind and (full or c.at.frame == at.frame)]
        change = Change(self._serial, kind, at, tuple(c.serial for c in old))
        self._pending = [*(c for c in self._pending if c not in old), change]
        if self.hold is None:
            self._stale_from(at.frame)
        return change

    def began(self, job: Job) -> None:
        """This job was submitted; the changes that it follows are no longer pending."""
        self.running, self._written = job, job.at.frame
        self._pending = [change for change in self._pending if change.serial not in job.obeys]

    def ended(self) -> None:
        """The running job came to its end, whatever way."""
        self.running = None

    def begin_hold(self, bars: int) -> Hold | None:
        """Repeat the last `bars` whole bars before the commit point; None where the cache lacks them."""
        at = self.commit("bar")
        first = at.bar - bars
        if not self.playable.holds(self.grid.frame(first), at.frame):
            return None
        self.hold = Hold(at, first, bars)
        self._stale_from(at.frame)
        return self.hold

    def release(self) -> Change:
        """End the hold: from the next bar on, new bars are rendered that continue the held ones."""
        self.hold = None
        return self.change("release", "bar")

    def _advance(self, first: int, end: int) -> None:
        if self.running is not None and self.running.at.frame <= first:
            self._written = max(self._written, end)

    def _call_in(self) -> None:
        """Whatever is pending is due at once."""
        self._pending = [replace(change, at=Point(-FOREVER, 0)) for change in self._pending]

    def _stale_from(self, frame: int) -> None:
        """All that is heard from `frame` on is to be rendered again; a running job ends there."""
        self._spoil(frame)
        job = self.running
        if job is not None and job.at.frame < frame < job.end:
            self.running = replace(job, end=frame, seam=False)
