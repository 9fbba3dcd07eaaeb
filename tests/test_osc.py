"""The OSC server by its socket."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.osc import codec as osc_codec
from bridge.osc.client import OscClient, build
from bridge.osc.codec import decode, encode
from bridge.osc.server import OscServer
from bridge.osc.socket import split_address
from bridge.serve import Options, Server
from engine.errors import BadRequest, NoEngine, Refused, Unavailable
from tests.bridge_helpers import fake_server
from tests.test_osc_codec import bundle
from tests.waiting import WAIT_S, quickest, wait


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with fake_server(tmp_path, 0.02) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[OscClient]:
    assert server.osc is not None
    with OscClient(server.osc.address) as client:
        yield client


def generate(client: OscClient, request_id: str = "a", bars: int = 2, prompt: str = "house") -> None:
    client.send("/attacca/generate", request_id, prompt, bars, 120.0, "4/4", 3)


def test_generate_answers_with_progress_and_a_file(client: OscClient, tmp_path: Path) -> None:
    generate(client)
    first = client.receive()
    assert first.address == "/attacca/progress" and first.args[0] == "a" and 0 <= float(first.args[1]) <= 1
    done = client.wait_for("/attacca/done")
    request_id, path, frames, rate, compute_s = done.args
    assert (request_id, frames, rate) == ("a", 192_000, 48_000) and 0.04 <= float(compute_s) < 60
    audio, file_rate = soundfile.read(str(path))
    assert audio.shape == (192_000, 2) and file_rate == 48_000
    assert Path(str(path)).parent == tmp_path
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_continue_follows_a_file(client: OscClient, tmp_path: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, 0.1 * np.ones((44_100, 1)), 44_100)
    client.send("/attacca/continue", "c", str(source), 3, 240.0, "4/4", -1)
    done = client.wait_for("/attacca/done", "/attacca/fail")
    assert done.args[2:4] == (3 * 44_100, 44_100), done
    assert soundfile.info(str(done.args[1])).channels == 1


def test_a_float_only_sender_is_understood(client: OscClient) -> None:
    client.send_raw(encode("/attacca/generate", "ssffsf", ("pd", "house", 1.0, 120.0, "4/4", 3.0)))
    assert client.wait_for("/attacca/done", "/attacca/fail").args[:1] == ("pd",)


@pytest.mark.parametrize(
    ("datagram", "code", "says"),
    [
        (build("/attacca/generate", "x", "p", 0, 120.0, "4/4", 1), "bad-request", "1 to 256"),
        (build("/attacca/generate", "x", "p", 4, 401.0, "4/4", 1), "bad-request", "20 to 400"),
        (build("/attacca/generate", "x", "p", 4, 120.0, "4/3", 1), "bad-request", "meter"),
        (build("/attacca/continue", "x", "/not/there.wav", 4, 120.0, "", 1), "bad-audio", "not/there.wav"),
        (encode("/attacca/generate", "s", ("x",)), "bad-request", "s:id s:prompt"),
        (build("/attacca/cancel", "x"), "bad-request", "no request 'x'"),
    ],
)
def test_mistakes_come_back_as_one_sentence(client: OscClient, datagram: bytes, code: str, says: str) -> None:
    client.send_raw(datagram)
    fail = client.wait_for("/attacca/fail", "/attacca/done")
    assert fail.args[:2] == ("x", code)
    assert says.lower() in str(fail.args[2]).lower() and "\n" not in str(fail.args[2])


def test_cancel_and_panic_are_answered_within_100_ms(client: OscClient) -> None:
    """The best of some: other programs may hold the processor for longer than that."""

    def waited(*how: str) -> float:
        generate(client, "long", 200)
        client.wait_for("/attacca/progress")
        begin = time.monotonic()
        client.send(*how)
        assert client.wait_for("/attacca/fail").args[:2] == ("long", "cancelled")
        return time.monotonic() - begin

    for how in (("/attacca/cancel", "long"), ("/attacca/panic",)):
        assert quickest(lambda how=how: waited(*how), 0.1) < 0.1


def test_state_that_was_set_goes_into_later_requests(server: Server, client: OscClient) -> None:
    seen = []
    assert server.resident is not None
    render = server.resident.renderer.render

    def spy(request, *rest, **named):  # type: ignore[no-untyped-def]
        seen.append(request)
        return render(request, *rest, **named)

    server.resident.renderer.render = spy  # type: ignore[method-assign]
    client.send("/attacca/prompt", "warm house", 1.0, "rain", 0.25)
    client.send("/attacca/style", "/sounds/a.wav", 0.5)
    client.send("/attacca/intensity", 0.0, -30.0, 4.0, -12.0)
    client.send("/attacca/melody", 60, 0.0, 1.0, 100.0, 67, 1.5, 0.5, 80.0)
    generate(client, "filled", 1, prompt="")
    client.wait_for("/attacca/done")
    generate(client, "own", 1, prompt="mine")
    client.wait_for("/attacca/done")
    for address in ("/attacca/prompt", "/attacca/style", "/attacca/intensity", "/attacca/melody"):
        client.send(address)
    generate(client, "cleared", 1, prompt="")
    client.wait_for("/attacca/done")
    filled, own, cleared = seen
    style = ("", "/sounds/a.wav", 0.5)
    told = [("warm house", None, 1.0), ("rain", None, 0.25), style]
    assert [(p.text, p.audio, p.weight) for p in filled.prompts] == told
    assert [(p.beat, p.db) for p in filled.intensity] == [(0, -30), (4, -12)]
    assert [(n.pitch, n.beat, n.length, n.velocity) for n in filled.melody] == [(60, 0, 1, 100), (67, 1.5, 0.5, 80)]
    assert [(p.text, p.audio, p.weight) for p in own.prompts] == [("mine", None, 1.0), style]
    assert own.melody == filled.melody
    assert cleared.prompts == () and cleared.intensity is None and cleared.melody is None


def drain(client: OscClient, seconds: float = 0.15) -> list[osc_codec.Message]:
    """What came and comes in the next moment."""
    found = []
    while True:
        try:
            found.append(client.receive(seconds))
        except NoEngine:
            return found


def all_heard(client: OscClient) -> list[tuple[object, ...]]:
    """The arguments of what comes, something at least."""
    return [message.args for message in (client.receive(WAIT_S), *drain(client))]


def test_sender_and_subscribers_get_one_copy_each(server: Server, client: OscClient) -> None:
    assert server.osc is not None
    with OscClient(server.osc.address) as listener:
        listener.send("/attacca/subscribe", listener.port)
        client.send("/attacca/ping", "one")
        assert all_heard(client) == [("one",)]
        assert all_heard(listener) == [("one",)]
        listener.send("/attacca/ping", "own")
        assert all_heard(listener) == [("own",)]
        client.send("/attacca/subscribe", listener.port)  # a sender without a port that anybody hears
        client.send("/attacca/ping", "two")
        assert all_heard(listener) == [("two",)] and drain(client) == []
        client.send("/attacca/subscribe", 0)
        client.send("/attacca/ping", "three")
        assert all_heard(client) == [("three",)] and drain(listener) == []


def test_scheduled_messages_wait_and_far_ones_are_dropped(server: Server, client: OscClient) -> None:
    assert server.osc is not None
    begin = time.time()
    client.send_raw(bundle(begin + 1.5, build("/attacca/ping", "later")))
    client.send_raw(bundle(begin + 3600, build("/attacca/ping", "never")))
    client.send_raw(bundle(begin - 5, build("/attacca/ping", "past")))
    assert client.receive().args == ("past",)
    assert client.receive().args == ("later",)
    assert time.time() - begin > 1.49
    assert server.osc.counts == {"late": 1, "too far ahead": 1}


def test_garbage_is_counted_and_serving_goes_on(server: Server, client: OscClient) -> None:
    assert server.osc is not None
    for datagram in (
        b"x",
        b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 0),
        encode("/nobody", "", ()),
        encode("/attacca/pong", "s", ("x",)),
    ):
        client.send_raw(datagram)
    client.send("/attacca/ping", "still")
    assert client.receive().args == ("still",)
    assert server.osc.counts == {"malformed": 2, "unknown": 2}


def test_a_full_disk_is_a_fail_and_leaves_nothing(
    server: Server, client: OscClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        generate(client)
        fail = client.wait_for("/attacca/fail", "/attacca/done")
    assert fail.args[:2] == ("a", "unavailable") and "disk" in str(fail.args[2])
    assert os.listdir(tmp_path) == []
    generate(client)
    assert client.wait_for("/attacca/fail", "/attacca/done").address == "/attacca/done"


def test_names_from_the_wire_stay_in_the_folder(client: OscClient, tmp_path: Path) -> None:
    generate(client, "../../etc/passwd\x01", 1)
    path = Path(str(client.wait_for("/attacca/done").args[1]))
    assert path.parent == tmp_path and path.name.startswith("_etc_passwd_")


def test_a_port_in_use_is_said_in_a_sentence(server: Server, tmp_path: Path) -> None:
    assert server.osc is not None
    with pytest.raises(Unavailable, match="choose a port with --osc"):
        Server(Options(fake=True, zmq="off", osc=server.osc.address, render_dir=tmp_path))


def test_a_render_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="not there"):
        Server(Options(fake=True, zmq="off", osc="127.0.0.1:0", render_dir=tmp_path / "no"))


@pytest.mark.parametrize("text", ["127.0.0.1", ":9810", "127.0.0.1:x", "127.0.0.1:70000", ""])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(BadRequest, match="HOST:PORT"):
        split_address(text)


def test_beyond_loopback_only_named_senders_without_paths(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="--osc-allow"):
        Server(Options(fake=True, zmq="off", osc="0.0.0.0:0", render_dir=tmp_path))
    with pytest.raises(BadRequest, match="--osc-allow"):
        Server(Options(fake=True, zmq="off", osc="0.0.0.0:0", osc_allow=("nonsense",), render_dir=tmp_path))
    with fake_server(tmp_path, zmq="off", osc="0.0.0.0:0", osc_allow=("192.0.2.0/24",)) as server:
        osc = server.osc
        assert isinstance(osc, OscServer)
        sent: list[tuple[osc_codec.Message, object]] = []

        class Wire:
            """Stands in for the socket's sending half, since no second machine is here."""

            def send(self, data: bytes, target: object) -> None:
                sent.append((decode(data)[0], target))

        osc._socket, real = Wire(), osc._socket  # type: ignore[assignment]
        near, far, stranger = ("127.0.0.1", 5), ("192.0.2.7", 6), ("198.51.100.1", 7)
        osc._datagram(build("/attacca/ping", "s"), stranger)
        assert sent == [] and osc.counts["strangers"] == 1
        osc._datagram(build("/attacca/continue", "c", "/etc/passwd", 1, 120.0, "", 1), far)
        assert sent[0][0].args[:2] == ("c", "refused") and sent[0][1] == far
        osc._datagram(build("/attacca/style", "/etc/passwd", 1.0), far)
        assert sent.pop()[0].args[:2] == ("", "refused")
        osc._datagram(build("/attacca/subscribe", 9), far)
        osc._reply(near, "/attacca/done", "a", "/private/a.wav", 1, 48_000, 0.1)
        assert {(target, message.args[1]) for message, target in sent[1:]} == {
            (near, "/private/a.wav"),
            (("192.0.2.7", 9), ""),
        }
        osc._socket = real


def test_a_ping_waits_for_no_loop(server: Server, client: OscClient) -> None:
    """What else the engine has to do does not hold up an answer."""
    holds, let = threading.Event(), threading.Event()

    def hold() -> None:
        holds.set()
        assert let.wait(30)

    server.loop.call(hold)
    assert holds.wait(WAIT_S)
    try:
        client.send("/attacca/ping", "meanwhile")
        assert client.receive(20).args == ("meanwhile",)
    finally:
        let.set()


def test_a_bug_in_a_handler_is_told_and_ends_nothing(
    server: Server, client: OscClient, capsys: pytest.CaptureFixture[str]
) -> None:
    assert server.osc is not None
    server.osc._handlers["/attacca/panic"] = lambda sender, values: 1 // 0  # type: ignore[assignment]
    client.send("/attacca/panic")
    client.send("/attacca/ping", "still")
    assert client.receive(10).args == ("still",)
    wait(lambda: "ZeroDivisionError" in capsys.readouterr().err, "the bug to be told")
    assert server.loop.callback_errors == 1
    server.loop.callback_errors = 0
