"""Threads that ask to be scheduled first."""

from __future__ import annotations

import os
import threading

from bridge.hurry import NICENESS, hurry


def niceness_after(asks: int) -> tuple[list[bool], int]:
    """What a thread of its own got, and its niceness then."""
    got: list[bool] = []
    found: list[int] = []

    def run() -> None:
        got.extend(hurry() for _ in range(asks))
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return got, found[0]


def test_a_thread_hurries_where_it_may_and_goes_on_where_it_may_not() -> None:
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    got, niceness = niceness_after(2)
    assert len(got) == 2 and niceness == (min(NICENESS, before) if got[0] else before)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before, "no other thread is touched"
