"""Freed memory stays with the process: the same arrays again cost no page faults."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
