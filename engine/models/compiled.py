"""How the loops of the synthesis are compiled: to machine code at their first call, kept on disk for later starts.

Compiled loops run without Python's lock. The code is kept in `__pycache__` beside its source, or in the user's cache
where that cannot be written; without either it is compiled anew in each process, which takes some seconds. A compiled
function calls compiled functions of its own file alone, and takes constants as they were when it was compiled: numba
looks at that one file to tell whether what it kept is stale. Touch it where a constant of another file changes;
`tests/test_synthesis.py` fails until that is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])
ASSUMED = {"reassoc", "contract", "arcp", "nsz", "afn"}
"""What the compiler may do with sums and products. NaN and infinity stay what they are."""


def compiled(function: Function) -> Function:
    """The function as machine code. Indices are not checked."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": ASSUMED}
    try:
        return cast(Function, njit(cache=True, **options)(function))
    except RuntimeError:  # no folder to keep it in
        return cast(Function, njit(**options)(function))


def inlined(function: Function) -> Function:
    """The function as a part of the compiled ones that call it."""
    return cast(Function, njit(inline="always", error_model="numpy", fastmath=ASSUMED)(function))
