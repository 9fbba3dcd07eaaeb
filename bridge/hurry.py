"""Threads that wake up to answer, and do little: they ask to be scheduled before those that compute.

*Threading*: called by the thread that it is about, once, when it begins.
"""

from __future__ import annotations

import os
import threading

NICENESS = -11


def hurry() -> bool:
    """Have this thread scheduled before ordinary ones; False where that is not permitted. It is never put back."""
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, min(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
    except OSError:
        return False
    return True
