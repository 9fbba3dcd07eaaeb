"""Real-time priority for the threads that make sound, where the system permits it.

Threading: `hasten` is about the thread that calls it, once, when it begins. `calm_interpreter` is about the process and
belongs to a process of our own.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from typing import Final

PRIORITY: Final = 4
"""The player thread's: below the callback's, which is 5 on a server with JACK's default of 10."""
HELPER_PRIORITY: Final = 3
"""Of threads beside (main, recorder, OSC): each holds the interpreter's lock now and then, and must not be kept from
going on then by whoever else computes on this machine; but they come after sound."""
SWITCH_SECONDS: Final = 0.0005


def hasten(priority: int = PRIORITY) -> str | None:
    """Have this thread scheduled as real time (SCHED_FIFO). Answers None, or why not and what to do, in a sentence."""
    if not hasattr(os, "sched_setscheduler"):
        return "no real-time priority: this system has none to ask for; sound is prepared further ahead instead"
    try:
        policy = os.SCHED_FIFO | getattr(os, "SCHED_RESET_ON_FORK", 0)
        os.sched_setscheduler(threading.get_native_id(), policy, os.sched_param(priority))
    except OSError as error:
        return (
            f"no real-time priority ({error.strerror}): add '@audio - rtprio 95' to /etc/security/limits.d/audio.conf,"
            " join the group audio and log in again"
        )
    return None


def calm_interpreter() -> None:
    """Have threads take turns every half millisecond, and no garbage collection in the middle of a block."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.disable()
