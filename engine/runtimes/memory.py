"""How this process keeps its memory: freed arrays stay with it, and what a start makes is not searched for garbage.

Sound is made in arrays of some megabytes, which glibc gives back to the system one by one; to ask again, page fault by
page fault, costs a tenth of a short render. A start makes some 300 000 Python objects that stay; to look through them
again and again, as the collector does while they become more, takes a tenth of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed(megabytes: int = 64) -> bool:
    """Keep up to `megabytes` of freed memory at hand; False where the C library is not glibc."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    size = megabytes << 20
    told = [mallopt(M_MMAP_THRESHOLD, 32 << 20), mallopt(M_TRIM_THRESHOLD, 4 * size), mallopt(M_TOP_PAD, size)]
    return all(told)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Holds the garbage collector back."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def freeze() -> None:
    """Keep the collector off what is there now. What garbage there is goes first, unless collecting is held back."""
    if gc.isenabled():
        gc.collect()
    gc.freeze()
