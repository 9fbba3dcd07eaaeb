"""The bundle, the ports that an engine serves at, and how fast it renders here."""

from __future__ import annotations

import contextlib
import socket

from bridge.commands.bundles import bundle_path
from bridge.commands.checks.line import Line

SLOWEST_TIMES_REAL_TIME = 2.0


def check_bundle() -> Line:
    from bridge.commands.study import read_info

    path = bundle_path()
    facts = read_info(path)
    return Line("bundle", "ok", f"{facts.get('name', path.name)} passes its self-check ({path})")


def check_ports() -> Line:
    from bridge.client import default_endpoint
    from bridge.protocol import DEFAULT_OSC, DEFAULT_ZMQ

    host, _, port = DEFAULT_ZMQ.removeprefix("tcp://").rpartition(":")
    osc_host, _, osc_port = DEFAULT_OSC.rpartition(":")
    free = [
        is_free(socket.SOCK_STREAM, host, int(port)),
        is_free(socket.SOCK_DGRAM, osc_host, int(osc_port)),
    ]
    if all(free):
        return Line("ports", "ok", f"{port} and {osc_port} are free")
    if engine_answers():
        return Line("ports", "ok", f"an engine is running at {default_endpoint()}")
    taken = " and ".join(name for name, yes in zip((port, osc_port), free, strict=True) if not yes)
    return Line("ports", "failed", f"{taken} in use by another program", "Give others with --zmq and --osc.")


def is_free(kind: socket.SocketKind, host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def engine_answers() -> bool:
    from bridge.commands.player import running_engine

    with contextlib.ExitStack() as stack:
        return running_engine(stack) is not None


def check_speed() -> Line:
    from bridge.commands.player import in_process
    from engine.types import PromptPart, Request

    prompts = (PromptPart(text="steady drums and bass"),)
    request = Request(id="doctor", kind="generate", bars=4, tempo="120", seed=1, prompts=prompts)
    report = in_process(request, bundle_path(), "auto").report
    text = f"{report.times_real_time:.1f}x real time ({report.runtime}, {report.threads} threads)"
    if report.times_real_time < SLOWEST_TIMES_REAL_TIME:
        return Line("speed", "failed", text, "Close other programs, or run the engine on a faster machine.")
    return Line("speed", "ok", text)
