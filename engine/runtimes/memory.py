"""How this process keeps its memory: freed arrays stay with it, so that a render after a pause pays no page faults.

Sound is made in arrays of some megabytes, which glibc gives back to the system one by one; to ask again costs a
tenth of a short render.
"""

from __future__ import annotations

import ctypes
import sys

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
