"""What `attacca live` shows: lines, a table on a terminal, JSON; and how it stops."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bridge.commands import live_view
from bridge.live.watch import Watch
from tests.live_helpers import host, stage

ROOT = Path(__file__).resolve().parent.parent
LIVE = [sys.executable, "-m", "bridge.cli", "live"]
BASE: dict[str, Any] = {
    "instance": "abc", "state": "live", "title": "Keys", "rate": 48_000, "minutes": 5.0, "engine_pid": 7,
    "bars_ready": 1.5, "latency_s": 0.2, "renders": 9, "session": "ready", "rolling": True, "bar": 11, "beat": 1.5,
    "tempo": 97.5, "meter": "4/4", "look_ahead_bars": 2, "p50_s": 0.07, "p99_s": 0.09, "misses": 2,
    "missed_frames": 256, "steered": {"intensity": -12.0}, "error": "",
    "notes": [{"pitch": 60, "velocity": 9}, {"pitch": 70, "velocity": 9}],
}  # fmt: skip


def drawn(rows: list[dict[str, Any]]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(live_view.table(rows))
    return console.export_text()


def test_a_row_says_where_it_is_what_is_ready_and_what_was_missed() -> None:
    for text in (live_view.line(BASE), drawn([BASE])):
        assert "plays 12.2.5, 97.5 in 4/4" in text
        assert "p50 70 ms, p99 90 ms" in text
        assert "2 misses, 256 frames" in text
        assert "C4 A#4" in text
    assert "1.5 of 2" in drawn([BASE]) and "intensity -12" in drawn([BASE])
    calm = BASE | {"missed_frames": 0, "misses": 0, "p50_s": 0.0, "rolling": False, "notes": []}
    assert "no miss" in live_view.line(calm) and "stands at 12.2.5" in live_view.line(calm)
    assert "not measured yet" in live_view.line(calm)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bar": None}, "start its transport"), ({"error": "no sound: do this"}, "no sound: do this"),
        ({"session": "held"}, "(held)"), ({"title": "[red]x[/"}, "[red]x[/"),
    ],
)  # fmt: skip
def test_what_is_unusual_is_shown(changes: dict[str, Any], says: str) -> None:
    assert says in drawn([BASE | changes])


def test_without_an_engine_or_a_plugin_it_says_what_to_do() -> None:
    bare = {name: BASE[name] for name in ("instance", "title", "rate", "minutes")}
    assert "attacca serve starts one" in drawn([bare | {"state": "waits for an engine"}])
    assert "attacca live clean" in drawn([bare | {"state": "stale"}])
    assert "ATTACCA_ZMQ" in drawn([bare | {"state": "live", "bars_ready": 1}])
    assert "put Attacca on a track" in drawn([])


def test_the_meter_is_full_where_all_is_ready() -> None:
    assert live_view.meter(2.0, 2).startswith("########")
    assert live_view.meter(9.0, 2).startswith("########")
    assert live_view.meter(0.0, 2).startswith("........")
    assert live_view.meter(0.0, 0).startswith("........")


def test_on_a_terminal_it_is_drawn_over_itself_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240") as h:
        assert s.server.zeromq is not None
        h.ready(2)
        h.play(48_000, speed=1)
        environment = {
            **os.environ, "ATTACCA_CACHE_DIR": str(tmp_path), "ATTACCA_ZMQ": s.server.zeromq.endpoint,
            "TERM": "xterm", "COLUMNS": "180", "LINES": "40",
        }  # fmt: skip
        master, terminal = pty.openpty()
        begun_s = time.monotonic()
        ours = subprocess.Popen(LIVE, cwd=ROOT, env=environment, stdout=terminal, stderr=terminal, stdin=terminal)
        os.close(terminal)
        shown = b""
        try:
            while time.monotonic() - begun_s < 100 and shown.count(b"first sound") < 4:
                if select.select([master], [], [], 0.5)[0]:
                    shown += os.read(master, 65_536)
            watched_s = time.monotonic() - begun_s
            ours.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # the terminal is gone with its last process
                while time.monotonic() - begun_s < 110 and select.select([master], [], [], 30)[0]:
                    shown += os.read(master, 65_536)
            assert ours.wait(30) == 0
        finally:
            ours.kill()
            ours.wait()
            os.close(master)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "bars ready" in text and " of 2" in text and "stands at" in text, text[-1500:]
    assert "Traceback" not in text
    assert shown.count(b"first sound") <= live_view.REFRESH_HZ * watched_s + 3, "drawn at a bounded rate"
    assert b"\x1b[?25h" in shown[-200:], "the cursor is back"


def test_scripts_get_lines_of_json_and_an_engine_that_goes_is_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, "ATTACCA_CACHE_DIR": str(tmp_path)}
    with host(tmp_path, "240") as h:
        with stage(tmp_path) as s:
            assert s.server.zeromq is not None
            environment["ATTACCA_ZMQ"] = s.server.zeromq.endpoint
            h.ready(2)
            command = [*LIVE, "--json", "--seconds", "2.5"]
            ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
            rows = [json.loads(line)["caches"][0] for line in ran.stdout.splitlines()]
            assert ran.returncode == 0 and 1 <= len(rows) <= 10  # a line a second, and what a busy machine adds
            assert all(row["session"] == "ready" and row["bars_ready"] >= 2 for row in rows)
        ran = subprocess.run(LIVE, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "waits for an engine" in ran.stdout


def test_who_watches_does_not_wait_for_an_engine_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    watch = Watch()
    try:
        watch.look()
        begun_s = time.monotonic()
        for _ in range(5):
            assert watch.look() == []
        assert time.monotonic() - begun_s < 10
    finally:
        watch.close()
