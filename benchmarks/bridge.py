"""What it costs to talk to an engine: OSC, ZeroMQ and shared memory, while it idles and while it renders without pause.

    python -m benchmarks.bridge [--bundle DIR | --fake] [--count 1000] [--audio-count 100]

    codec        encode and decode of a ping and of a generate, ours and python-osc's, in this process
    OSC          /attacca/ping to /attacca/pong, socket to socket: our codec on a plain socket and python-osc's blocking
                 server, each in a process of its own with its own client; and the engine itself
    audio        6 s of stereo float32 (2.3 MB): over ZeroMQ from another process (ipc, tcp, with and without a copy),
                 and written to a timeline cache and read again. Its floor is one copy of so many bytes

What is compared takes turns, call by call.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import click
import numpy as np

from benchmarks import echo, line, stage
from benchmarks.line import Found, Told
from benchmarks.machine import process_cpu_s
from benchmarks.soak import Background
from bridge.client import Engine as Client
from bridge.demo_engine import Engine, engine_process
from bridge.osc import codec as osc_codec
from bridge.timeline.cache import EngineSide, PluginSide
from engine.errors import Unavailable

Action = Callable[[], object]
WAIT_S = 5.0
MESSAGES: dict[str, tuple[str, str, tuple[Any, ...]]] = {
    "ping": ("/attacca/ping", "s", ("a token",)),
    "generate": ("/attacca/generate", "ssidsi", ("take 17", "warm house, round bass", 4, 122.5, "4/4", 7)),
}


def in_turn(actions: dict[str, Action], count: int, rows: Found, suffix: str = "") -> None:
    """Figures in seconds of `count` calls of each, one after another, after a tenth that does not count."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    try:
        for turn in range(-max(1, count // 10), count):
            for name, action in actions.items():
                begin = time.perf_counter()
                action()
                if turn >= 0:
                    times[name].append(time.perf_counter() - begin)
    finally:
        rows |= {name + suffix: line.figures(values) for name, values in times.items() if values}


def codecs() -> dict[str, Action]:
    """Encode and decode of each message, by our codec and by python-osc."""
    from pythonosc.osc_message import OscMessage
    from pythonosc.osc_message_builder import OscMessageBuilder

    def ours(address: str, tags: str, args: tuple[Any, ...]) -> object:
        return osc_codec.decode(osc_codec.encode(address, tags, args))

    def theirs(address: str, tags: str, args: tuple[Any, ...]) -> object:
        builder = OscMessageBuilder(address)
        for value, tag in zip(args, tags, strict=True):
            builder.add_arg(value, tag)
        return OscMessage(builder.build().dgram).params

    return {
        f"codec, {name}, {whose}": partial(way, *said)
        for name, said in MESSAGES.items()
        for whose, way in {"ours": ours, "python-osc": theirs}.items()
    }


def our_ping(udp: socket.socket, port: int) -> None:
    udp.sendto(osc_codec.encode(*MESSAGES["ping"]), ("127.0.0.1", port))
    (reply,) = osc_codec.decode(udp.recv(65_536))
    assert reply.address == "/attacca/pong"


@contextmanager
def pings(engine_port: int) -> Iterator[dict[str, Action]]:
    """Round trips by who answers."""
    from pythonosc.osc_message import OscMessage
    from pythonosc.udp_client import SimpleUDPClient

    with ExitStack() as stack:
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.settimeout(WAIT_S)
        ours = stack.enter_context(echo.echoing("osc"))
        theirs = SimpleUDPClient("127.0.0.1", stack.enter_context(echo.echoing("python-osc")), timeout=WAIT_S)
        stack.callback(theirs.close)

        def their_ping() -> None:
            theirs.send_message("/attacca/ping", "a token")
            assert OscMessage(theirs.receive(WAIT_S)).address == "/attacca/pong"

        yield {
            "OSC, our codec": lambda: our_ping(udp, ours),
            "OSC, python-osc": their_ping,
            "OSC, the engine": lambda: our_ping(udp, engine_port),
        }


def fetch(dealer: Any, how: bytes) -> None:
    """2.3 MB over ZeroMQ, as an array."""
    dealer.send(how)
    _, frame = dealer.recv_multipart(copy=False)
    audio = np.frombuffer(frame.buffer, np.float32).reshape(echo.AUDIO_SHAPE)
    assert audio[-1, 0] != 0.0


@contextmanager
def audio_ways() -> Iterator[dict[str, Action]]:
    """2.3 MB of audio from there to here, by the way it takes."""
    import zmq

    with ExitStack() as stack:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.term)
        ways: dict[str, Action] = {}
        for name, url in (("ipc", stack.enter_context(echo.ipc_url())), ("tcp", "tcp://127.0.0.1:*")):
            dealer = context.socket(zmq.DEALER)
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.setsockopt(zmq.RCVTIMEO, round(1000 * WAIT_S))
            stack.callback(dealer.close)
            dealer.connect(stack.enter_context(echo.echoing("zmq", url)))
            for how, said in ((b"c", "copied"), (b"n", "not copied")):
                ways[f"ZeroMQ {name}, {said}"] = partial(fetch, dealer, how)
        yield ways | stack.enter_context(cached())


@contextmanager
def cached() -> Iterator[dict[str, Action]]:
    """A timeline cache: written and read; and a copy of as many bytes."""
    audio = np.random.default_rng(1).normal(0, 0.1, echo.AUDIO_SHAPE).astype(np.float32)
    target = np.empty_like(audio)
    with stage.cache_dir() as folder, ExitStack() as stack:
        plugin = PluginSide.create("bridge", 48_000, 0.5, folder)
        stack.callback(plugin.close)
        cache = EngineSide.attach(plugin.path)
        stack.callback(cache.close)
        cache.publish_map(())

        def both() -> None:
            cache.write(0, audio)
            assert cache.read(0, len(audio))[1].all()

        yield {
            "cache, written": lambda: cache.write(0, audio),
            "cache, written and read": both,
            "one copy": lambda: np.copyto(target, audio),
        }


def all_ways(engine: Engine, count: int, audio_count: int, rows: Found, suffix: str) -> None:
    with pings(int(engine.osc.rpartition(":")[2])) as actions:
        in_turn(actions, count, rows, suffix)
    with audio_ways() as actions:
        in_turn(actions, audio_count, rows, suffix)


def measured(told: Told, count: int, audio_count: int) -> Callable[[Found], None]:
    """The body of a run."""

    def body(found: Found) -> None:
        rows: Found = {}
        found["seconds"] = rows
        in_turn(codecs(), 5 * count, rows)
        with engine_process(*told.engine_options) as engine:
            with Client(engine.zmq) as client:
                found["runtime"] = client.health().runtime
            try:
                all_ways(engine, count, audio_count, rows, "")
                pid, begin_s, cpu_s = engine.ready["pid"], time.monotonic(), process_cpu_s(engine.ready["pid"])
                with Background(engine.zmq) as pressing:
                    all_ways(engine, count, audio_count, rows, ", rendering")
                cores = (process_cpu_s(pid) - cpu_s) / (time.monotonic() - begin_s)
            except TimeoutError as error:
                raise Unavailable(f"an answer did not come within {WAIT_S:g} s: is the machine overloaded?") from error
        found |= {"renders": pressing.renders, "engine_cores": line.tidy(cores)}

    return body


def show(found: Found) -> None:
    rows = [[name, str(row["n"]), *line.us(row)] for name, row in found.get("seconds", {}).items()]
    line.table(f"the bridge, {found['bundle']}", ("what", "n", "min us", "p50", "p95", "p99"), rows)
    if "renders" in found:
        click.echo(f"rendering: {found['renders']} bars meanwhile, {found['engine_cores']:.2f} cores of the engine")


@click.command(help=line.help_text(__doc__))
@click.option("--count", type=click.IntRange(10, 1_000_000), default=1000, show_default=True, help="Messages a way.")
@click.option("--audio-count", type=click.IntRange(2, 100_000), default=100, show_default=True, help="Audio a way.")
@line.options(with_fake=True)
def main(count: int, audio_count: int, **shared: Any) -> None:
    told = line.told(**shared)
    line.run("bridge", told, measured(told, count, audio_count), show)


if __name__ == "__main__":
    main()
