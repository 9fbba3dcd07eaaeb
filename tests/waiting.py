"""Waiting for a state instead of for a time; used wherever a test waits for a thread, a process or a server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

WAIT_S = 60.0
"""How long a busy machine may take for what usually takes milliseconds."""


def wait(condition: Callable[[], Any], what: str = "", timeout_s: float = WAIT_S, pause_s: float = 0.002) -> Any:
    """What `condition` finds, within the time; it is asked once more when that is over."""
    end = time.monotonic() + timeout_s
    over = False
    while not over:
        over = time.monotonic() >= end
        if found := condition():
            return found
        time.sleep(pause_s)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def within(seconds: float, condition: Callable[[], Any]) -> bool:
    """Whether it comes true within so many seconds."""
    try:
        return bool(wait(condition, timeout_s=seconds, pause_s=0.01))
    except AssertionError:
        return False


def quickest(attempt: Callable[[], float], enough: float, most: int = 20) -> float:
    """The shortest time of some attempts, which end with the first that is short enough: others may hold the processor
    in any of them."""
    best = attempt()
    for _ in range(most - 1):
        if best < enough:
            break
        best = min(best, attempt())
    return best
