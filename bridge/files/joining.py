"""IN and NEW as one file: the seam in IN's last 20 ms, everything before it with IN's exact sample values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge.files.wavefile import AudioFile
from engine.controls import on_grid
from engine.types import SEAM_SECONDS, Audio, Request


def join_exactly(original: AudioFile, request: Request, new: Audio, lead_in: Audio) -> NDArray[np.float64]:
    """ALL, float64 [frames, channels]: IN up to where NEW begins (padded where it begins later), then NEW.

    new: [frames, channels] at IN's rate and channels. lead_in: what came with a negative first frame.
    """
    from engine.render.join import join

    start = new_starts_at(original, request)
    exact = np.zeros((start, original.samples.shape[1]))
    held = min(start, len(original.samples))
    exact[:held] = original.samples[:held]
    seam = min(start, round(SEAM_SECONDS * original.rate))
    whole: NDArray[np.float64] = join(exact.astype(np.float32), new, lead_in, seam).astype(np.float64)
    assert len(whole) == start + len(new), "the join lost or made frames"
    whole[: start - seam] = exact[: start - seam]
    return whole


def new_starts_at(original: AudioFile, request: Request) -> int:
    """The frame, from IN's first, at which NEW begins."""
    _, place = on_grid(request, len(original.samples), original.rate)
    return place.start_frame
