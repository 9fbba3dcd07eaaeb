"""200 000 generated packets, and some thousands at the sockets of a live engine.

No crash, no hang, no growing memory; and afterwards it still serves.
"""

from __future__ import annotations

import contextlib
import math
import random
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import zmq

from bridge import addresses, protocol
from bridge.client import connect
from bridge.osc import codec as osc_codec
from bridge.osc.client import OscClient, build
from bridge.osc.socket import split_address
from engine.errors import BadRequest, NoEngine
from tests.bridge_helpers import engine_process
from tests.waiting import wait

OSC_PACKETS = 110_000
ZMQ_PACKETS = 90_000
GROWTH_MB = 48
SLOWEST_S = 0.25

GOOD_OSC = [
    build("/attacca/generate", "f", "house", 1, 400.0, "4/4", 1),
    build("/attacca/continue", "f", "/nowhere.wav", 1, 400.0, "7/8", -1),
    build("/attacca/cancel", "f"),
    build("/attacca/prompt", "house", 1.0, "rain", 0.5),
    build("/attacca/intensity", 0.0, -20.0, 2.0, -6.0),
    build("/attacca/melody", 60, 0.0, 1.0, 100.0),
    build("/attacca/ping", "x"),
    build("/attacca/subscribe", 0),
    build("/attacca/panic"),
    build("/attacca/live/hold", 2),
    build("/attacca/live/recall", 3, 0),
    build("/attacca/live/policy", "now"),
    build("/attacca/live/quantise", "beat"),
    build("/attacca/live/panic"),
]
GOOD_FIELDS = {
    "id": "f",
    "kind": "generate",
    "bars": 1,
    "tempo": "400",
    "meter": "4/4",
    "prompts": [{"text": "house", "weight": 1.0}],
    "intensity": [{"beat": 0.0, "db": -20.0}],
    "melody": [{"pitch": 60, "beat": 0.0, "length": 1.0}],
    "strengths": {"melody": 1.0},
}
PROJECT_FIELDS = {
    "meter": "0:4/4,8:7/8",
    "tempo": "0:400,4+1.5:90",
    "source_offset": "-96000/7",
    "at_bar": 3,
    "at_beat": 1.5,
    "piece_ms": 50,
}
GOOD_LIVE: list[tuple[bytes, dict[str, object]]] = [
    (b"live", {"action": "hold", "bars": 2, "id": "f"}),
    (b"live", {"action": "recall", "bar": -1, "take": 0, "instance": "nobody", "id": "f"}),
    (b"live", {"action": "policy", "policy": "now", "id": "f"}),
    (b"live", {"action": "quantise", "quantise": "beat", "id": "f"}),
    (b"live", {"action": "tempo-map", "tempo": "0:120,4+1.5:90", "meter": "0:4/4,8:7/8", "id": "f"}),
    (b"live", {"action": "panic", "id": "f"}),
    (b"live?", {"traces": 9}),
    (b"subscribe", {"on": True, "live": True}),
]
ODD_VALUES = [
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    1e308,
    math.nan,
    math.inf,
    "",
    "\0",
    "x" * 5000,
    [],
    [[]] * 9,
    {},
    b"\xff",
    "1/0",
    "-1/3",
    "0:4/4,8:7/8",
    "0:120,0:90,4+99:20",
    "7:4/4",
    -(2**63),
]
NUMBERS = [struct.pack(">f", v) for v in (math.nan, math.inf, -math.inf, 3e38, 0.0)] + [
    struct.pack(">i", v) for v in (-(2**31), -4, -1, 0, 1, 3, 2**31 - 1)
]


def mutated(data: bytes, dice: random.Random) -> bytes:
    """One to three of: a byte flipped, a word replaced, cut short, made longer, a piece doubled."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0:
                data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
            case 1:
                at &= ~3
                data = data[:at] + dice.choice(NUMBERS) + data[at + 4 :]
            case 2:
                data = data[:at]
            case 3:
                data += dice.randbytes(dice.randrange(9))
            case 4:
                data = data[:at] + data[at // 2 :]
    return data


def osc_packet(dice: random.Random) -> bytes:
    """Mutated messages, bundles with sizes that lie, deep nesting, noise."""
    kind = dice.random()
    if kind < 0.1:
        return dice.randbytes(dice.randrange(80))
    data = dice.choice(GOOD_OSC)
    if kind < 0.5:
        return mutated(data, dice)
    for _ in range(dice.choice((1, 1, 2, 3, 5, 40))):
        size = len(data) if dice.random() < 0.7 else dice.choice((0, -4, 1, 2**31 - 1, len(data) + 4))
        data = b"#bundle\0" + struct.pack(">Qi", dice.choice((1, 1, 0, 2**64 - 1)), size) + data
    return mutated(data, dice) if kind < 0.8 else data


def zmq_packet(dice: random.Random) -> list[bytes]:
    """Wrong frames, odd values in every field, mutated msgpack, audio sizes that lie."""
    kind = dice.random()
    if kind < 0.1:
        return [dice.randbytes(dice.randrange(12)) for _ in range(dice.randrange(5))]
    if kind < 0.3:
        tag, live = dice.choice(GOOD_LIVE)
        odd = {dice.choice([*live, "bars", "take", "nonsense"]): dice.choice(ODD_VALUES)} if dice.random() < 0.8 else {}
        body = msgspec.msgpack.encode(live | odd)
        return [tag, mutated(body, dice) if dice.random() < 0.3 else body]
    fields: dict[str, object] = dict(GOOD_FIELDS)
    if dice.random() < 0.4:
        names = dice.sample(list(PROJECT_FIELDS), dice.randint(1, len(PROJECT_FIELDS)))
        fields |= {name: PROJECT_FIELDS[name] for name in names}
    audio: list[bytes] = []
    if kind < 0.5:
        more = [*PROJECT_FIELDS, "nonsense", "inline", "source", "rate", "seed"]
        fields[dice.choice([*fields, *more])] = dice.choice(ODD_VALUES)
    elif kind < 0.6:
        frames = dice.choice((1, 3, 10, 2**40))
        fields |= {"kind": "continue", "inline": {"rate": 8_000, "channels": dice.choice((1, 2, 9)), "frames": frames}}
        audio = [b"\0" * dice.choice((0, 4, 40, 80))]
    tag = dice.choice((b"request", b"request", b"request", b"cancel", b"ping", b"subscribe", b"health?", b"audio", b""))
    body = msgspec.msgpack.encode(fields)
    return [tag, mutated(body, dice) if kind > 0.7 else body, *audio]


def try_osc(packet: bytes) -> bool:
    """Decode and check as the server does; only the two announced exceptions may come."""
    try:
        messages = osc_codec.decode(packet)
    except osc_codec.Malformed:
        return False
    for message in messages:
        row = addresses.BY_ADDRESS.get(message.address)
        assert all(isinstance(v, str) or math.isfinite(v) for v in message.args)
        if row is not None:
            with contextlib.suppress(BadRequest):
                addresses.check(row, message.args)
    return True


def try_zmq(packet: list[bytes]) -> bool:
    try:
        protocol.decode(list(packet), "to engine")
    except protocol.Malformed:
        protocol.request_id(list(packet))
        return False
    return True


def rss_mb(pid: int | None = None) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def test_200_000_packets_against_the_validators() -> None:
    dice = random.Random(20)
    jobs: list[tuple[int, Callable[[], bool]]] = [
        (OSC_PACKETS, lambda: try_osc(osc_packet(dice))),
        (ZMQ_PACKETS, lambda: try_zmq(zmq_packet(dice))),
    ]
    for count, attempt in jobs:
        taken, slowest, begin_mb = 0, 0.0, 0.0
        for k in range(count):
            if k == count // 10:
                begin_mb = rss_mb()
            before = time.thread_time()
            taken += attempt()
            slowest = max(slowest, time.thread_time() - before)
        assert rss_mb() - begin_mb < GROWTH_MB
        assert 0.01 < taken / count < 0.6, "the generator must reach both sides of the fence"
        assert slowest < SLOWEST_S


def test_thousands_at_a_live_engine_and_it_still_serves(tmp_path: Path) -> None:
    dice = random.Random(21)
    with engine_process(tmp_path) as (process, ready), OscClient(ready["osc"]) as osc:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        begin_mb = 0.0
        for turn in range(60):
            if turn == 10:
                begin_mb = rss_mb(process.pid)
            rough_socket(ready["zmq"], context, dice)
            for _ in range(50):
                osc.send_raw(osc_packet(dice) or b"\0")
            wait(lambda turn=turn: serves(osc, f"turn {turn}"), "a pong")
        noise_at_the_port(ready["zmq"], dice)
        context.term()
        assert process.poll() is None
        with connect(ready["zmq"]) as engine:
            metrics = engine.metrics()
            assert len(engine.generate(bars=2).bars) == 2
            assert engine.health(canary=True).ok
        assert metrics.dropped["bugs"] == 0 and metrics.failed == 0
        assert metrics.dropped["osc malformed"] > 1_000 and metrics.dropped["zmq malformed"] > 500
        assert rss_mb(process.pid) - begin_mb < GROWTH_MB
        osc.send("/attacca/prompt")
        osc.send("/attacca/intensity")
        osc.send("/attacca/melody")
        osc.send("/attacca/generate", "last", "house", 1, 240.0, "4/4", 1)
        while (reply := osc.wait_for("/attacca/done", "/attacca/fail")).args[0] != "last":
            pass
        assert reply.address == "/attacca/done"


def serves(osc: OscClient, token: str) -> bool:
    """Whether a ping is answered; datagrams may get lost where a busy engine's buffer is full."""
    osc.send("/attacca/panic")
    osc.send("/attacca/subscribe", 0)  # the noise may have sent our replies elsewhere
    osc.send("/attacca/ping", token)
    with contextlib.suppress(NoEngine):
        while osc.wait_for("/attacca/pong", timeout_s=2.0).args != (token,):
            pass
        return True
    return False


def rough_socket(endpoint: str, context: zmq.Context[zmq.Socket[bytes]], dice: random.Random) -> None:
    """A client that talks nonsense, waits for one pong, and goes."""
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.connect(endpoint)
    for _ in range(40):
        dealer.send_multipart(zmq_packet(dice) or [b""])
    dealer.send_multipart(protocol.encode(protocol.Ping(token="mark")))
    while True:
        assert dealer.poll(30_000), "the engine went silent"
        tag, body, *_ = dealer.recv_multipart()
        if tag == b"pong" and msgspec.msgpack.decode(body)["token"] == "mark":
            break
    dealer.close()


def noise_at_the_port(endpoint: str, dice: random.Random) -> None:
    """Bytes that are no ZMTP."""
    for _ in range(20):
        with socket.create_connection(split_address(endpoint.removeprefix("tcp://"))) as tcp:
            tcp.sendall(dice.randbytes(dice.randrange(1, 400)))
