"""What may be worked out while nobody waits: a renderer that can, and a bounded list of what to prepare for.

*Threading*: `Rehearsals` locks nothing. The resident calls it with its one lock held; its work is bounded by `most`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from engine.types import Audio, Request

MAX_REHEARSALS = 16


@runtime_checkable
class Rehearses(Protocol):
    """A renderer that can work out beforehand what a request will need."""

    def rehearse(self, request: Request, inline: Audio | None, cancelled: Callable[[], bool]) -> None:
        """Nothing comes of it but that `render` of this request is sooner done. Raises Cancelled and BadRequest."""
        ...


class Rehearsal(NamedTuple):
    """A request that may come, until a time (monotonic seconds)."""

    request: Request
    inline: Audio | None
    due_s: float


class Rehearsals:
    """One for each name, oldest first; a newer one takes the older one's place."""

    def __init__(self, most: int = MAX_REHEARSALS) -> None:
        self.most = most
        self._waiting: dict[str, Rehearsal] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, name: str, rehearsal: Rehearsal) -> bool:
        """False where too many names wait."""
        self._waiting.pop(name, None)
        if len(self._waiting) >= self.most:
            return False
        self._waiting[name] = rehearsal
        return True

    def pop(self, now_s: float) -> Rehearsal | None:
        """The next that is not too late; those that are, are let go."""
        while self._waiting:
            found = self._waiting.pop(next(iter(self._waiting)))
            if found.due_s > now_s:
                return found
        return None
