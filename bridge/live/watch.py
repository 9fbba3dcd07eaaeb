"""What the live sessions of this machine do, as rows: from their files, and from the engine where one answers.

*Threading*: one thread calls `look`. It waits for an engine for a quarter of a second at most, and tries one that
does not answer again after two seconds.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from bridge.live.messages import LiveSessionStatus
from bridge.timeline.cache import discover
from bridge.timeline.structs import CacheInfo
from engine.errors import AttaccaError

if TYPE_CHECKING:
    from bridge.client import Engine

ASK_S = 0.25
AGAIN_S = 2.0
NOTES = 256


class Watch:
    """Looks again and again; `close` it."""

    def __init__(self, notes: int = 8) -> None:
        """notes: how many of the last ones a row tells."""
        self._notes = notes
        self._engine: Engine | None = None
        self._not_before_s = 0.0
        self.sessions: tuple[LiveSessionStatus, ...] = ()
        """What the engine said at the last look, with its newest notes."""

    def look(self) -> list[dict[str, Any]]:
        """A row for each cache; with what its engine says where that answers."""
        self.sessions = self._ask()
        told = {status.instance: status for status in self.sessions}
        return [row(info) | said(told.get(info.instance), self._notes) for info in discover()]

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _ask(self) -> tuple[LiveSessionStatus, ...]:
        if self._engine is None and time.monotonic() < self._not_before_s:
            return ()
        try:
            if self._engine is None:
                from bridge.client import Engine

                self._engine = Engine(connect_timeout_s=ASK_S)
            return self._engine.live_status(timeout_s=ASK_S, notes=NOTES).sessions
        except AttaccaError:
            with contextlib.suppress(AttaccaError):
                self.close()
            self._not_before_s = time.monotonic() + AGAIN_S
            return ()


def row(info: CacheInfo) -> dict[str, Any]:
    """What a cache's file says."""
    from bridge.live.peek import peek

    found: dict[str, Any] = {
        "instance": info.instance,
        "state": state(info),
        "title": info.title,
        "rate": info.rate,
        "minutes": round(info.minutes, 2),
        "bytes": info.bytes,
        "layout": info.version,
    }
    status = peek(info.path)
    if status is not None and info.engine_attached:
        found |= {
            "engine_pid": status.pid,
            "bars_ready": round(status.bars_ready, 3),
            "latency_s": round(status.latency_s, 4),
            "renders": status.renders,
            "committed_frame": status.committed_frame,
            "ready_until_frame": status.ready_until_frame,
        }
    return found


def state(info: CacheInfo) -> str:
    if not info.creator_alive:
        return "stale"
    if not info.whole:
        return "in the making"
    return "live" if info.engine_attached else "waits for an engine"


def said(status: LiveSessionStatus | None, notes: int) -> dict[str, Any]:
    """What an engine says of a session, in a row's words; nothing where it says nothing."""
    if status is None:
        return {}
    return {
        "session": status.state,
        "rolling": status.rolling,
        "bar": status.bar,
        "beat": None if status.quarter is None else round(status.quarter, 3),
        "tempo": status.tempo,
        "meter": status.meter,
        "bars_ready": round(status.bars_ready, 3),
        "look_ahead_bars": status.look_ahead_bars,
        "p50_s": round(status.first_piece_s.p50, 4),
        "p99_s": round(status.first_piece_s.p99, 4),
        "misses": status.misses,
        "missed_frames": status.missed_frames,
        "late_frames": status.late_frames,
        "failures": status.failures,
        "policy": status.policy,
        "steered": status.steered,
        "notes": [
            {"bar": note.bar, "beat": round(note.quarter, 3), "pitch": note.pitch, "velocity": note.velocity}
            for note in status.notes[-notes:]
        ],
        "error": status.error,
    }
