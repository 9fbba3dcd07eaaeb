"""Gets a request rendered: by a running engine when there is one, else in this process."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bridge.client import Engine, connect, default_endpoint
from bridge.commands.bundles import bundle_path
from bridge.commands.common import remark
from bridge.commands.progress import progress
from engine.errors import AttaccaError, NoEngine
from engine.events import BarReady, Ended, Event, Progress
from engine.types import Audio, BarAudio, Report, Request

if TYPE_CHECKING:
    from engine.resident import Resident

CONNECT_SECONDS = 0.5
GIVEN = ("kind", "bars", "tempo", "source", "inline")
"""What `continue_request` is given or makes itself; the other fields of a request go along as they are."""


class Take(NamedTuple):
    """A finished request. audio: [frames, channels]; lead_in: what a seam fades in, before it."""

    audio: Audio
    lead_in: Audio
    report: Report


def assemble(bars: list[BarAudio], report: Report) -> Take:
    """Puts bars in their places. Every frame of the report must be there exactly once."""
    audio = np.zeros((report.frames, report.channels), np.float32)
    lead_in = [bar.audio for bar in bars if bar.first_frame < 0]
    filled = 0
    for bar in (bar for bar in bars if bar.first_frame >= 0):
        assert bar.first_frame == filled, "a bar is missing"
        audio[filled : filled + len(bar.audio)] = bar.audio
        filled += len(bar.audio)
    assert filled == report.frames, "the last bar is missing"
    return Take(audio, np.concatenate([no_lead_in(report), *lead_in]), report)


def no_lead_in(report: Report) -> Audio:
    return np.zeros((0, report.channels), np.float32)


def render_all(
    requests: list[Request], bundle: Path | None = None, device: str = "auto", runtime: str | None = None
) -> Iterator[Take]:
    """Renders requests one after another; what is loaded is loaded once.

    Here where a bundle or a runtime is named, else by a running engine if there is one.
    """
    if bundle is None and runtime is None:
        with contextlib.ExitStack() as stack:
            engine = running_engine(stack)
            if engine is not None:
                remark(f"using the running engine at {engine.endpoint}")
                for request in requests:
                    yield by_engine(engine, request)
                return
        remark(f"no engine answers at {default_endpoint()}; rendering in this process (attacca serve keeps one warm)")
    yield from all_in_process(requests, bundle_path(bundle), device, runtime)


def running_engine(stack: contextlib.ExitStack) -> Engine | None:
    """The engine at ATTACCA_ZMQ or the default endpoint, until `stack` closes; None where nobody answers."""
    try:
        return stack.enter_context(connect(connect_timeout_s=CONNECT_SECONDS))
    except NoEngine:
        return None


def by_engine(engine: Engine, request: Request) -> Take:
    """Has an engine render. What it is to continue travels as a path, to an engine elsewhere as audio."""
    inline = None
    if request.source is not None:
        fields = {name: getattr(request, name) for name in request.__struct_fields__}
        fields = {name: value for name, value in fields.items() if name not in GIVEN}
        request, inline = engine.continue_request(Path(request.source), request.bars, request.tempo, **fields)
    with progress(label_of(request)) as advance:
        take = engine.take(request, inline, on_progress=advance)
    return Take(take.audio, no_lead_in(take.report) if take.lead_in is None else take.lead_in, take.report)


def in_process(request: Request, bundle: Path, device: str, runtime: str | None = None) -> Take:
    """Loads the bundle, renders, and lets go of it. Raises what the request ended with."""
    (take,) = all_in_process([request], bundle, device, runtime)
    return take


def all_in_process(requests: list[Request], bundle: Path, device: str, runtime: str | None = None) -> Iterator[Take]:
    """As `in_process`, one take after another."""
    from engine.render.load import load_renderer
    from engine.resident import Resident

    resident = Resident(load_renderer(bundle, device, runtime, remark))
    resident.start()
    try:
        for request in requests:
            yield collect_from(resident, request)
    finally:
        resident.close()


def collect_from(resident: Resident, request: Request) -> Take:
    """Submits a request and waits for its end. Raises an AttaccaError with the end's code if it failed."""
    events: queue.Queue[Event] = queue.Queue()
    resident.submit(request, None, events.put)
    bars: list[BarAudio] = []
    with progress(label_of(request)) as advance:
        while not isinstance(event := events.get(), Ended):
            if isinstance(event, BarReady):
                bars.append(event.bar)
            elif isinstance(event, Progress):
                advance(event.fraction)
    if event.report is None:
        raise ended(event.code, event.text)
    return assemble(bars, event.report)


def label_of(request: Request) -> str:
    """What a progress bar says."""
    return f"{request.kind}, {request.bars} bars"


def ended(code: str, text: str) -> AttaccaError:
    error = AttaccaError(text)
    error.code = code
    return error
