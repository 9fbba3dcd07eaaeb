"""The render that shows the engine still works: one bar, always the same bytes.

The first one, at warm-up, sets the digest; later ones must repeat it, because the same
bundle, seed and request give the same bytes.

*Threading*: used by the resident's worker thread alone; `ok`, `text` and `at_s` are read by
others, one plain attribute at a time.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from engine.types import Audio, BarAudio, Request

PREFIX = "canary-"


def canary_request(serial: int) -> Request:
    """One bar at 120, seed 1, ahead of everything."""
    return Request(id=f"{PREFIX}{serial}", kind="generate", bars=1, tempo="120", seed=1, priority=9)


class Canary:
    """Hears the bars of a canary render and judges it."""

    def __init__(self) -> None:
        self.ok = False
        self.text = "no canary render yet"
        self.at_s = -math.inf
        self._first: str | None = None
        self._parts: list[Audio] = []

    def hear(self, bar: BarAudio) -> None:
        self._parts.append(bar.audio)

    def judge(self, now_s: float, failure: str | None) -> None:
        """Close a canary render: `failure` is why it did not end, if it did not."""
        audio = np.concatenate(self._parts) if self._parts else np.zeros((0, 1), np.float32)
        self._parts = []
        digest = hashlib.sha256(audio.tobytes()).hexdigest()
        fault = failure or _fault(audio)
        if fault is None and self._first not in (None, digest):
            fault = "the canary render differs from the first one"
        if fault is None:
            self._first = digest
        self.ok, self.text, self.at_s = fault is None, fault or "as expected", now_s


def _fault(audio: Audio) -> str | None:
    if len(audio) == 0:
        return "the canary render is empty"
    peak = float(np.abs(audio).max())
    if not np.isfinite(peak):
        return "the canary render holds non-finite samples"
    if peak < 1e-4:
        return "the canary render is silent"
    if peak > 1.0:
        return f"the canary render is clipped (peak {peak:.2f})"
    return None
