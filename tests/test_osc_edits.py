"""Edits over OSC: datagrams to a running engine, files that come back, samples that stay, and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.client import connect
from bridge.demo_engine import Engine, engine_process
from bridge.files import edits, splicing, wavefile
from bridge.osc.client import OscClient
from bridge.osc.codec import encode
from bridge.osc.orders import MAKERS, asked
from engine.errors import BadAudio, Unavailable
from engine.types import Request
from tests.bridge_helpers import fake_server
from tests.tiny_bundle import make_bundle

LOOP = Path(__file__).resolve().parent.parent / "bridge" / "samples" / "loop_mika.flac"
LINE, SEAM = 44_100 * 2, 882
PLACE = (120.0, "4/4", 5)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp("osc")
    bundle = make_bundle(home / "tiny").folder
    with engine_process("--bundle", str(bundle), "--runtime", "torch", "--render-dir", str(home)) as engine:
        yield engine


@pytest.fixture
def client(engine: Engine) -> Iterator[OscClient]:
    with OscClient(engine.osc) as client:
        yield client


def done(client: OscClient, address: str, *values: object) -> np.ndarray:
    """The samples of the file that comes back [frames, channels]."""
    client.send(address, "e", *values, *PLACE)  # type: ignore[arg-type]
    reply = client.wait_for("/attacca/done", "/attacca/fail", timeout_s=120)
    assert reply.address == "/attacca/done", reply.args
    samples, rate = soundfile.read(str(reply.args[1]), always_2d=True)
    assert reply.args[0] == "e" and reply.args[2:4] == (len(samples), rate) and rate == 44_100
    return np.asarray(samples)


def source() -> np.ndarray:
    return wavefile.read_exact(LOOP).samples


def test_a_fill_comes_back_in_its_file(engine: Engine, client: OscClient) -> None:
    was, now = source(), done(client, "/attacca/fill", str(LOOP), "3-4")
    assert now.shape == was.shape
    assert np.array_equal(now[: 2 * LINE - SEAM], was[: 2 * LINE - SEAM])
    assert not np.array_equal(now[2 * LINE :], was[2 * LINE :])
    with connect(engine.zmq) as zeromq:
        same = edits.fill(zeromq, LOOP, "3-4", tempo=120, seed=5)
    assert np.array_equal(now, same.audio.astype(np.float32)), "what ZeroMQ gives for the same request"


def test_bars_between_those_of_an_edit_stay(client: OscClient) -> None:
    was, now = source(), done(client, "/attacca/vary", str(LOOP), "1,4", 0.5)
    assert np.array_equal(now[LINE : 3 * LINE - SEAM], was[LINE : 3 * LINE - SEAM])
    assert all(not np.array_equal(now[k * LINE : (k + 1) * LINE], was[k * LINE : (k + 1) * LINE]) for k in (0, 3))


def test_a_file_grows_at_its_front_and_back(client: OscClient) -> None:
    was = source()
    longer = done(client, "/attacca/extend", str(LOOP), "front", 1)
    assert np.array_equal(longer[-len(was) :], was) and len(longer) == len(was) + LINE
    longer = done(client, "/attacca/extend", str(LOOP), "back", 1)
    assert np.array_equal(longer[: len(was) - SEAM], was[: len(was) - SEAM]) and len(longer) == len(was) + LINE


def test_parts_and_loops_come_alone(client: OscClient) -> None:
    assert done(client, "/attacca/accompany", str(LOOP), "2-3", "bass").shape[0] == 2 * LINE
    assert done(client, "/attacca/loop", str(LOOP), 1).shape[0] == LINE
    client.send("/attacca/loop", "l", "", 2, 120.0, "4/4", 1)
    reply = client.wait_for("/attacca/done", "/attacca/fail", timeout_s=120)
    assert reply.args[2:4] == (192_000, 48_000)


@pytest.mark.parametrize(
    ("values", "code", "says"),
    [
        (("/attacca/fill", str(LOOP), "4-3"), "bad-request", "counted from 1"),
        (("/attacca/fill", str(LOOP), "4-6"), "bad-request", "bar"),
        (("/attacca/fill", "/not/there.wav", "1"), "bad-audio", "not/there.wav"),
        (("/attacca/vary", str(LOOP), "1", 0.0), "bad-request", "strength"),
        (("/attacca/accompany", str(LOOP), "1,3", "bass"), "bad-request", "one range"),
        (("/attacca/accompany", str(LOOP), "1", "tuba"), "bad-request", "drums"),
        (("/attacca/extend", str(LOOP), "side", 1), "bad-request", "front or back"),
        (("/attacca/loop", str(LOOP), 0), "bad-request", "1 to 256"),
    ],
)
def test_mistakes_are_sentences(client: OscClient, values: tuple[str | int | float, ...], code: str, says: str) -> None:
    address, *rest = values
    client.send(str(address), "e", *rest, *PLACE)
    fail = client.wait_for("/attacca/fail", "/attacca/done", timeout_s=60)
    assert fail.args[:2] == ("e", code) and says in str(fail.args[2]), fail.args


def test_a_sender_elsewhere_names_no_files(tmp_path: Path) -> None:
    with fake_server(tmp_path, zmq="off", osc="0.0.0.0:0", osc_allow=("192.0.2.0/24",)) as server:
        assert server.osc is not None
        sent: list[tuple[str, str]] = []
        server.osc._fail = lambda sender, request_id, error: sent.append((request_id, error.code))  # type: ignore[method-assign]
        for address in ("/attacca/fill", "/attacca/extend"):
            values = ("f", "/etc/passwd", "1") if address.endswith("fill") else ("f", "/etc/passwd", "back", 1)
            tags = "sss" if address.endswith("fill") else "sssi"
            datagram = encode(address, f"{tags}fsi", (*values, 120.0, "", 1))
            server.osc._datagram(datagram, ("192.0.2.7", 6))
        assert sent == [("f", "refused")] * 2


def test_key_chords_and_parts_are_set_and_cleared(tmp_path: Path) -> None:
    with fake_server(tmp_path) as server:
        assert server.osc is not None and server.resident is not None
        seen: list[Request] = []
        render = server.resident.renderer.render

        def spy(request, *rest, **named):  # type: ignore[no-untyped-def]
            seen.append(request)
            return render(request, *rest, **named)

        server.resident.renderer.render = spy  # type: ignore[method-assign]
        with OscClient(server.osc.address) as client:
            for wrong in (("/attacca/key", "H?"), ("/attacca/chords", "Am Q"), ("/attacca/parts", "tuba")):
                client.send(*wrong)
                assert client.wait_for("/attacca/fail").args[1] == "bad-request"
            client.send("/attacca/key", "F# dorian")
            client.send("/attacca/chords", "F#m7 B7")
            client.send("/attacca/parts", "bass", "drums")
            client.send("/attacca/generate", "a", "house", 1, 120.0, "", 1)
            assert client.wait_for("/attacca/done", "/attacca/fail").address == "/attacca/done"
            for address in ("/attacca/key", "/attacca/chords", "/attacca/parts"):
                client.send(address)
            client.send("/attacca/generate", "b", "house", 1, 120.0, "", 1)
            assert client.wait_for("/attacca/done", "/attacca/fail").address == "/attacca/done"
        first, second = seen
        assert (first.key, first.chords, first.parts) == ("F# dorian", "F#m7 B7", ("bass", "drums"))
        assert (second.key, second.chords, second.parts) == (None, None, None)


def test_every_maker_is_in_the_table() -> None:
    from bridge.addresses import BY_ADDRESS

    assert set(MAKERS) < set(BY_ADDRESS)
    assert asked("/attacca/loop", ("x", "", 2, 120.0, "", -1)).request.seed is None


# ---- files with new bars in them -----------------------------------------------------------------


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_splicing_is_what_the_commands_do(tmp_path: Path, subtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splicing, "BLOCK_FRAMES", 1_000)
    rng = np.random.default_rng(0)
    path, rate = tmp_path / "in.wav", 8_000
    soundfile.write(path, rng.uniform(-0.9, 0.9, (4 * 4_000 + 7, 2)), rate, subtype=subtype)
    original = wavefile.read_exact(path)
    new, lead_in = (rng.uniform(-1, 1, (n, 2)).astype(np.float32) for n in (4_000, 160))
    made = type("Made", (), {"audio": new, "lead_in": lead_in})
    request = Request(
        id="x", kind="continue", bars=1, tempo="120", meter="1/1", at_bar=1, edit="fill", source=str(path)
    )
    frames = splicing.splice(path, tmp_path / "out.wav", request, new, lead_in, "inside")
    spliced = wavefile.read_exact(tmp_path / "out.wav")
    assert frames == len(original.samples) and spliced.subtype == wavefile.holding_subtype(subtype)
    assert np.array_equal(spliced.samples, edits.replaced(original, request, made))
    assert not list(tmp_path.glob(".*"))


def test_a_source_that_changed_or_a_full_disk_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(path, np.zeros((16_000, 1)), 8_000)
    request = Request(id="x", kind="continue", bars=1, tempo="120", source=str(path), edit="front")
    stereo, mono = (np.zeros((16_000, n), np.float32) for n in (2, 1))
    with pytest.raises(BadAudio, match="no longer what it was"):
        splicing.splice(path, out, request, stereo, stereo[:0], "front")
    with pytest.raises(BadAudio, match="any more"):
        splicing.splice(tmp_path / "gone.wav", out, request, mono, mono[:0], "front")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(Unavailable, match="disk"):
        splicing.splice(path, out, request, mono, mono[:0], "front")
    assert [file.name for file in tmp_path.iterdir()] == ["in.wav"]
