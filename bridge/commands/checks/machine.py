"""What the system permits: priority, locked memory, shared memory; what crashed hosts left in it.

*Threading*: real-time priority is asked for by a thread of its own that ends at once, so that nobody keeps it.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading

from bridge.commands.checks.line import Line

LIMITS = "/etc/security/limits.d/audio.conf"
LEAST_LOCKED_MB = 256
INSTANCE_MINUTES, INSTANCE_RATE = 5.0, 48_000
"""What a plugin asks for unless told otherwise."""
ROOMY_INSTANCES = 4


def check_realtime() -> Line:
    """Whether audio threads may run before all others."""
    if not hasattr(os, "sched_setscheduler"):
        return Line("realtime", "missing", f"{sys.platform} has no SCHED_FIFO for us", "Use larger blocks.")
    refused: list[str] = []

    def ask() -> None:
        try:
            policy = os.SCHED_FIFO | getattr(os, "SCHED_RESET_ON_FORK", 0)
            os.sched_setscheduler(0, policy, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
        except OSError as error:
            refused.append(error.strerror or "refused")

    thread = threading.Thread(target=ask, name="attacca-doctor")
    thread.start()
    thread.join()
    if refused:
        way_out = f"Add '@audio - rtprio 95' to {LIMITS}, yourself to the group audio, and log in again."
        return Line("realtime", "missing", f"no real-time priority ({refused[0]})", way_out)
    return Line("realtime", "ok", "SCHED_FIFO is permitted")


def check_memory_lock() -> Line:
    """Whether audio memory can be kept from being swapped out."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY or os.geteuid() == 0:
        return Line("memory lock", "ok", "unlimited" if soft == resource.RLIM_INFINITY else "as root, unlimited")
    if soft < LEAST_LOCKED_MB << 20:
        way_out = f"Add '@audio - memlock unlimited' to {LIMITS}, yourself to the group audio, and log in again."
        return Line("memory lock", "missing", f"only {soft / 2**20:.0f} MiB may be locked", way_out)
    return Line("memory lock", "ok", f"{soft / 2**20:.0f} MiB")


def check_shared_memory() -> Line:
    """Room for timeline caches: each plugin makes one."""
    from bridge.timeline import layout
    from bridge.timeline.files import cache_folder

    folder = cache_folder()
    one = layout.total_bytes(layout.pages_for(INSTANCE_MINUTES, INSTANCE_RATE))
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        way_out = "Mount a tmpfs there, or name a folder with ATTACCA_CACHE_DIR, for the host and the engine alike."
        return Line("shared memory", "missing", f"{folder} is not there or cannot be written", way_out)
    free = shutil.disk_usage(folder).free
    text = f"{folder}: {free / 2**20:.0f} MiB free; a plugin takes {one / 2**20:.0f}"
    if free < ROOMY_INSTANCES * one:
        way_out = f"sudo mount -o remount,size=2G {folder} (in a container: --shm-size=2g), or ATTACCA_CACHE_DIR=DIR."
        return Line("shared memory", "missing", text, way_out)
    return Line("shared memory", "ok", text)


def check_caches() -> Line:
    """What crashed hosts left in shared memory."""
    from bridge.timeline.cache import discover

    found = discover()
    stale = [info for info in found if not info.creator_alive]
    if stale:
        size = sum(info.bytes for info in stale) / 2**20
        return Line(
            "caches", "missing", f"{len(stale)} left by crashed hosts hold {size:.0f} MiB", "attacca live clean."
        )
    return Line("caches", "ok", f"{len(found)} in use, none left over")
