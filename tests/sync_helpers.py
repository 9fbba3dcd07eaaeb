"""For the tests of sync sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bridge.sync.position import HostPosition
from tests.waiting import wait


class Source(Protocol):
    """What tells positions."""

    def position(self) -> HostPosition | None: ...


def wait_for(source: Source, wanted: Callable[[HostPosition], bool]) -> HostPosition:
    """The first position that is as wanted."""

    def found() -> HostPosition | None:
        position = source.position()
        return position if position is not None and wanted(position) else None

    position: HostPosition = wait(found, "the position that is wanted", pause_s=0.01)
    return position
