"""Used by the tests of the resident engine and the bridge: listeners, renderers that misbehave, servers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge.serve import Options, Server, serving
from engine.errors import Cancelled
from engine.events import Accepted, Ended, Event
from engine.fake import FakeRenderer
from engine.types import Audio, BarAudio, Rendered, Request


def ask(request_id: str = "a", bars: int = 2, **fields: Any) -> Request:
    return Request(id=request_id, kind="generate", bars=bars, tempo=fields.pop("tempo", "240"), **fields)


@dataclass
class Heard:
    """A listener that keeps everything, and holds each request to one beginning and one end."""

    events: list[Event] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def of(self, request_id: str) -> list[Event]:
        return [event for event in self.events if event.id == request_id]

    def ends(self, request_id: str) -> list[Ended]:
        return [event for event in self.of(request_id) if isinstance(event, Ended)]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), f"not within {timeout_s} s: {self.events[-3:]}"

    def end(self, request_id: str = "a", timeout_s: float = 60.0) -> Ended:
        self.wait_for(lambda: bool(self.ends(request_id)), timeout_s)
        return self.ends(request_id)[0]

    def assert_well_formed(self, request_id: str) -> None:
        """Accepted first and once, one Ended last; or a refusal alone."""
        events = self.of(request_id)
        assert sum(isinstance(event, Ended) for event in events) == 1
        assert isinstance(events[-1], Ended)
        accepted = [k for k, event in enumerate(events) if isinstance(event, Accepted)]
        assert accepted == ([] if len(events) == 1 and events[-1].ending == "refused" else [0])


class Gate(FakeRenderer):
    """Renders one request each time it is let; notes in which order they came and on which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.permits = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.order: list[str] = []
        self.threads_seen: set[int] = set()

    def warm_up(self) -> None:
        self.threads_seen.add(threading.get_ident())

    def render(
        self,
        request: Request,
        inline: Audio | None,
        emit: Callable[[BarAudio], None],
        progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Rendered:
        self.threads_seen.add(threading.get_ident())
        if not request.id.startswith("canary-"):
            self.order.append(request.id)
            self.began.release()
            while not self.permits.acquire(timeout=0.005):
                if cancelled():
                    raise Cancelled("stopped at the gate")
        return super().render(request, inline, emit, progress, cancelled)


class Wrong(FakeRenderer):
    """Breaks its contract in one named way, but for the canary."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def render(
        self,
        request: Request,
        inline: Audio | None,
        emit: Callable[[BarAudio], None],
        progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Rendered:
        if request.id.startswith("canary-") or not request.id.startswith("wrong"):
            return super().render(request, inline, emit, progress, cancelled)
        if self.how == "raises":
            raise ZeroDivisionError("by\nzero")
        if self.how == "stops":
            raise Cancelled("no reason")
        bars: list[BarAudio] = []
        rendered = super().render(request, inline, bars.append, progress, cancelled)
        for bar in self.broken(bars):
            emit(bar)
        return rendered

    def broken(self, bars: list[BarAudio]) -> list[BarAudio]:
        first, second = bars
        nan = np.full_like(first.audio, np.nan)
        late = BarAudio(bar=1, first_frame=second.first_frame + 1, rate=second.rate, audio=second.audio, last=True)
        return {
            "nan": [BarAudio(bar=0, first_frame=0, rate=first.rate, audio=nan, last=False), second],
            "gap": [first, late],
            "short": [first],
            "twice": [first, second, second],
        }[self.how]


@contextmanager
def fake_server(render_dir: Path, seconds_per_bar: float = 0.0, **options: Any) -> Iterator[Server]:
    """A fake engine in this process on free ports."""
    settings = {"zmq": "tcp://127.0.0.1:*", "osc": "127.0.0.1:0", "live": False, **options}
    with serving(Options(fake=True, render_dir=render_dir, fake_seconds_per_bar=seconds_per_bar, **settings)) as server:
        yield server
        assert server.loop.callback_errors == 0


ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import sys
from pathlib import Path
from bridge.serve import Options, serve
zmq, ready, renders = sys.argv[1:]
code = serve(Options(fake=True, zmq=zmq, osc="127.0.0.1:0", ready_file=Path(ready), render_dir=Path(renders),
                     fake_seconds_per_bar=0.02))
print("torch" in sys.modules, "onnxruntime" in sys.modules, "rtmidi" in sys.modules, flush=True)
sys.exit(code)
"""


@contextmanager
def engine_process(
    tmp_path: Path, zmq: str = "tcp://127.0.0.1:*"
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-c", SCRIPT, zmq, str(tmp_path / "ready.json"), str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready "), (line, process.poll() is not None and process.stderr.read())  # type: ignore[union-attr]
        yield process, json.loads(line.removeprefix("ready "))
    finally:
        process.kill()
        process.communicate()
