"""Bars for long work: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = """
from bridge.commands.progress import progress
with progress("generate, 9 bars") as advance:
    for k in range(11):
        advance(k / 10)
print("done")
"""


def test_on_a_terminal_there_is_a_bar_and_it_goes() -> None:
    master, terminal = pty.openpty()
    ours = subprocess.Popen(
        [sys.executable, "-c", WORK], cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(terminal)
    try:
        assert ours.communicate(timeout=60)[0] == b"done\n"
        shown = os.read(master, 65_536)
    finally:
        ours.kill()
        os.close(master)
    assert b"generate, 9 bars" in shown and shown.endswith(b"\x1b[2K"), "the line is cleared"


def test_elsewhere_there_is_nothing() -> None:
    ran = subprocess.run([sys.executable, "-c", WORK], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("done\n", "")
