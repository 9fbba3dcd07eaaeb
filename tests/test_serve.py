"""`serve` as a process: ready without torch, clean at the end, honest when it cannot start."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bridge.client import connect
from bridge.loop import Loop
from bridge.serve import Options, serve
from engine.errors import BadRequest, NoEngine, Unavailable
from tests.bridge_helpers import engine_process
from tests.waiting import WAIT_S


def test_ready_without_torch_and_clean_at_the_end(tmp_path: Path) -> None:
    with engine_process(tmp_path) as (process, ready):
        assert json.loads((tmp_path / "ready.json").read_text()) == ready
        assert ready["pid"] == process.pid and ready["bundle"] == "fake" and ready["canary_ok"]
        with connect(ready["zmq"]) as engine:
            assert len(engine.generate(bars=2).bars) == 2
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out, err) == (0, "False False False\n", "")
        assert not (tmp_path / "ready.json").exists()
        assert [name for name in os.listdir(tmp_path) if ".part" in name] == []


def test_a_killed_engine_is_noticed(tmp_path: Path) -> None:
    with engine_process(tmp_path) as (process, ready):
        engine = connect(ready["zmq"], silence_s=4.0)
        stream = engine.stream(engine_request(bars=250))
        bars = iter(stream)
        next(bars)
        process.kill()
        process.wait()
        with pytest.raises(NoEngine, match="attacca serve"):
            list(bars)
        engine.close()


def engine_request(bars: int) -> Any:
    from bridge.client import generate_request

    return generate_request(bars=bars, tempo=240)


def test_an_engine_that_comes_back_on_its_port_is_found_again(tmp_path: Path) -> None:
    with engine_process(tmp_path) as (_, ready):
        endpoint = ready["zmq"]
        engine = connect(endpoint)
        engine.generate(bars=1)
    with engine_process(tmp_path, endpoint):
        assert engine.ping(WAIT_S) < WAIT_S
        assert len(engine.generate(bars=1).bars) == 1
    engine.close()


def test_sigint_ends_it_too(tmp_path: Path) -> None:
    with engine_process(tmp_path) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 0


def test_nothing_to_serve() -> None:
    with pytest.raises(BadRequest, match="nothing to serve"):
        serve(Options(fake=True, zmq="off", osc="off"))


def test_a_ready_file_that_cannot_be_written_frees_the_port(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(Unavailable, match="ready file"):
        serve(Options(fake=True, zmq="tcp://127.0.0.1:*", osc="off", ready_file=tmp_path / "no" / "x"), said.append)
    assert said == []


def test_the_loop_runs_timers_in_order_and_survives_its_callbacks(capsys: pytest.CaptureFixture[str]) -> None:
    loop, ran = Loop(), []
    loop.call_in(0.03, lambda: ran.append("late"))
    loop.call_in(0.01, lambda: ran.append("early"))
    loop.call(lambda: ran.append("now"))
    loop.call(lambda: ran.append(str(1 // 0)))
    loop.call_in(0.04, loop.stop)
    loop.run()
    loop.close()
    assert ran == ["now", "early", "late"]
    assert loop.callback_errors == 1 and "ZeroDivisionError" in capsys.readouterr().err
