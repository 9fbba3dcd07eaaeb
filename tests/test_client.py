"""The Python client: ten readable lines, and what happens when things go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bridge.client import Engine, connect, default_endpoint, generate_request, new_request
from bridge.commands.player import by_engine
from bridge.curve import create_keys
from bridge.protocol import Failed
from bridge.serve import Server
from engine import errors
from engine.events import Accepted
from engine.types import Report
from tests.bridge_helpers import fake_server
from tests.waiting import WAIT_S, wait


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with fake_server(tmp_path, 0.02, osc="off") as server:
        yield server


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    assert server.zeromq is not None
    with connect(server.zeromq.endpoint) as engine:
        yield engine


def test_ten_lines(engine: Engine, tmp_path: Path) -> None:
    take = engine.generate("warm house, round bass", bars=4, tempo=122)
    assert take.audio.shape == (377_705, 2) and take.audio.dtype == np.float32
    assert [len(bar) for bar in take.bars] == list(take.report.bar_frames)
    assert np.array_equal(np.concatenate(take.bars), take.audio)
    more = engine.continue_((take.audio, take.rate), bars=2, tempo=122)
    assert more.rate == 48_000 and more.lead_in is not None and more.lead_in.shape == (960, 2)
    audio, rate = soundfile.read(take.save(tmp_path / "out.wav"), dtype="float32")
    assert rate == take.rate and np.array_equal(audio, take.audio)


def test_a_file_is_continued_by_its_path(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "in.flac", 0.1 * np.ones((88_200, 1)), 44_100)
    monkeypatch.chdir(tmp_path)
    take = engine.continue_("in.flac", bars=1, source_bars=2, meter="3/4")
    assert (len(take.audio), take.rate, take.report.channels) == (44_100, 44_100, 1)


def test_a_file_reaches_an_engine_elsewhere_as_audio(tmp_path: Path) -> None:
    """127.0.0.2 is this machine, but not one of the names that the client takes for it."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (96_000, 2))
    soundfile.write(tmp_path / "in.wav", sound, 48_000, subtype="PCM_24")
    create_keys(tmp_path / "keys")
    request = new_request("continue", "", 2, 120, source=str(tmp_path / "in.wav"), at_bar=1)
    with fake_server(tmp_path, osc="off", zmq="tcp://0.0.0.0:*", curve_keys=tmp_path / "keys") as server:
        assert server.zeromq is not None
        where = server.zeromq.endpoint.replace("0.0.0.0", "127.0.0.2")
        with connect(where, keys=tmp_path / "keys") as engine:
            (tmp_path / "in.wav").rename(tmp_path / "moved.wav")
            with pytest.raises(errors.BadAudio):
                by_engine(engine, request)
            (tmp_path / "moved.wav").rename(tmp_path / "in.wav")
            assert by_engine(engine, request).audio.shape == (192_000, 2)
            sent, inline = engine.continue_request(tmp_path / "in.wav", 2, 120)
    assert sent.source is None and inline is not None
    np.testing.assert_array_equal(inline, soundfile.read(tmp_path / "in.wav", dtype="float32")[0])


def test_bars_stream_before_the_last_is_there(engine: Engine, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second bar is held back until the first is here."""
    seen, here = list[float](), threading.Event()

    def hold(progress: Callable[[float], None], cancelled: Callable[[], bool], bar: int, bars: int) -> None:
        assert bar == 0 or here.wait(WAIT_S)
        progress(bar / bars)

    assert server.resident is not None
    monkeypatch.setattr(server.resident.renderer, "_wait", hold)
    stream = engine.stream(generate_request(bars=10, tempo=240), on_progress=seen.append)
    bars = iter(stream)
    arrivals = [next(bars)]
    here.set()
    arrivals += bars
    assert [bar.bar for bar in arrivals] == list(range(10))
    assert [bar.last for bar in arrivals] == [False] * 9 + [True]
    assert stream.report is not None and stream.report.audio_seconds == 10.0
    assert seen == sorted(seen) and seen[0] >= 0 and seen[-1] <= 1


def test_cancel_from_another_thread(engine: Engine) -> None:
    request = generate_request(bars=256)

    def cancel() -> None:
        wait(lambda: engine.metrics().rendering, "the request to be rendered")
        engine.cancel(request.id)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(errors.Cancelled):
        engine.take(request)
    thread.join()


def test_a_timeout_takes_the_request_back(engine: Engine) -> None:
    with pytest.raises(errors.Expired, match="timeout_s"):
        engine.generate(bars=200, timeout_s=0.1)
    assert engine.generate(bars=1).report.frames == 96_000
    metrics = engine.metrics()
    assert (metrics.cancelled, metrics.done) == (1, 1)


def test_a_deadline_is_the_engines_own(engine: Engine) -> None:
    with pytest.raises(errors.Expired, match="deadline"):
        engine.generate(bars=200, deadline_ms=50)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"bars": 0}, "from 1 to 256"),
        ({"tempo": 19}, "20 to 400"),
        ({"tempo": "fast"}, "20 to 400"),
        ({"meter": "4/5"}, "meter"),
        ({"rate": 7_000}, "8000 to 192000"),
        ({"guidance": float("nan")}, "from 1 to 6"),
        ({"loudness": 11}, "loudness"),
    ],
)
def test_mistakes_are_bad_requests(engine: Engine, fields: dict, says: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(errors.BadRequest) as caught:
        engine.generate("x", **fields)
    assert says.lower() in str(caught.value).lower()


def test_audio_that_is_none(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    for source in (tmp_path / "text.wav", tmp_path / "nowhere.wav", (np.full((9, 1), np.nan, np.float32), 48_000)):
        with pytest.raises(errors.BadAudio):
            engine.continue_(source, tempo=120)
    assert engine.health().ok


@pytest.mark.parametrize(
    ("audio", "says"),
    [
        (np.full((9_000, 2), 1_000, np.int16), "int16"),
        (np.zeros((9_000, 2, 2), np.float32), "3 dimensions"),
        ([[0.1], [0.2, 0.3]], "frames, channels"),
        (np.zeros((9_000, 2), np.float32), "silent"),
    ],
    ids=["integers", "dimensions", "ragged", "silent"],
)
def test_arrays_that_are_no_sound(engine: Engine, audio: Any, says: str) -> None:
    with pytest.raises(errors.BadAudio, match=says):
        engine.continue_((audio, 48_000), tempo=120)


def test_a_list_of_floats_is_mono_sound(engine: Engine) -> None:
    assert engine.continue_(([0.1, -0.1] * 24_000, 48_000), bars=1, tempo=120).audio.shape == (96_000, 1)


def test_an_id_may_not_be_used_twice_at_once(engine: Engine) -> None:
    stream = engine.stream(generate_request(bars=50, id="mine"))
    with pytest.raises(errors.Refused, match="mine"):
        engine.take(generate_request(bars=1, id="mine"))
    stream.cancel()
    with pytest.raises(errors.Cancelled):
        list(stream)


def test_several_threads_share_an_engine(engine: Engine) -> None:
    frames: dict[int, int] = {}

    def work(k: int) -> None:
        frames[k] = len(engine.generate(bars=1 + k % 3).audio) + 0 * engine.health().threads

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert frames == {k: 96_000 * (1 + k % 3) for k in range(8)}


def test_watching_others(engine: Engine, server: Server) -> None:
    assert server.zeromq is not None
    heard: list[object] = []
    there = threading.Event()

    def watch() -> None:
        with connect(server.zeromq.endpoint) as watcher:  # type: ignore[union-attr]
            watcher.generate(bars=1)
            there.set()
            for event in watcher.watch(timeout_s=WAIT_S):
                heard.append(event)
                if isinstance(event, Report | Failed):
                    return

    thread = threading.Thread(target=watch)
    thread.start()
    assert there.wait(WAIT_S)
    wait(lambda: any(client.subscribed for client in server.zeromq.peers), "the watcher to subscribe")  # type: ignore[union-attr]
    report = engine.generate(bars=3).report
    thread.join()
    assert isinstance(heard[0], Accepted) and heard[-1] == report


def test_health_info_metrics_ping(engine: Engine) -> None:
    assert engine.health(canary=True).canary_ok
    assert engine.info().detail["bundle"] == engine.info().bundle == "fake"
    assert 0 <= engine.ping() < WAIT_S
    assert engine.metrics().submitted == 0


def test_panic_takes_back_everything(engine: Engine) -> None:
    stream = engine.stream(generate_request(bars=200))
    engine.panic()
    with pytest.raises(errors.Cancelled):
        list(stream)


def test_nobody_there_says_what_to_do() -> None:
    with pytest.raises(errors.NoEngine, match="attacca serve"):
        connect("tcp://127.0.0.1:9", connect_timeout_s=0.2)
    with pytest.raises(errors.NoEngine, match="no endpoint"):
        connect("nonsense")


def test_the_default_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTACCA_ZMQ", "tcp://127.0.0.1:1234")
    assert default_endpoint() == "tcp://127.0.0.1:1234"
    monkeypatch.delenv("ATTACCA_ZMQ")
    assert default_endpoint() == "tcp://127.0.0.1:9800"


def test_requests_from_python_values() -> None:
    request = new_request("generate", {"house": 1.0, "rain": 0.2}, 4, Fraction(7200, 61), seed=None, key="C minor")
    assert request.tempo == "7200/61" and request.key == "C minor" and request.seed is None
    assert [(part.text, part.weight) for part in request.prompts] == [("house", 1.0), ("rain", 0.2)]
    assert generate_request("").prompts == generate_request(None).prompts == ()
    for prompt in (3, ["house"], b"house"):
        with pytest.raises(errors.BadRequest, match="prompt"):
            generate_request(prompt)  # type: ignore[arg-type]
    assert generate_request().id != generate_request().id
