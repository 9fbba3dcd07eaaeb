"""Freed memory stays with the process: the same arrays again cost no page faults. A start is not collected."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import weakref

import pytest

from engine.runtimes.memory import freeze, uncollected

FAULTS = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from engine.runtimes.memory import keep_freed
    assert keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    held = [np.ones(3 << 20) for _ in range(4)]
work()
before = faults()
for _ in range(5):
    work()
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_arrays_of_megabytes_are_kept_at_hand() -> None:
    def run(how: str) -> int:
        return int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)

    assert run("keep") < 100 < run("give back")


def test_the_collector_is_held_back_and_put_back() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="a start that fails"), uncollected():
        raise ValueError("a start that fails")
    assert gc.isenabled()


class Loop:
    """Garbage that counting references does not find."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("held_back", [False, True])
def test_garbage_goes_before_the_freeze_unless_collecting_is_held_back(held_back: bool) -> None:
    with uncollected() if held_back else contextlib.nullcontext():
        left = weakref.ref(Loop())
        try:
            freeze()
            assert (left() is not None) == held_back
        finally:
            gc.unfreeze()
            gc.collect()
