"""The seam: what was there fades into what is new over its last 20 ms, by equal power."""

from __future__ import annotations

import numpy as np

from engine.types import Audio


def join(source: Audio, new: Audio, lead_in: Audio, seam_frames: int) -> Audio:
    """ALL = source, its last frames faded into lead_in, then new; all [frames, channels], one rate.

    lead_in: the generated sound right before `new` (missing frames count as silence). Everything before
    the last seam_frames of source has equal values, and ALL[len(source):] equals new.
    """
    seam = min(seam_frames, len(source))
    result = np.concatenate([source, new])
    if seam == 0:
        return result
    entering = np.zeros((seam, source.shape[1]), np.float32)
    count = min(seam, len(lead_in))
    if count:
        entering[seam - count :] = lead_in[len(lead_in) - count :]
    angle = (np.arange(seam) + 0.5) / seam * (np.pi / 2)
    out, into = np.cos(angle)[:, None], np.sin(angle)[:, None]
    result[len(source) - seam : len(source)] = source[-seam:] * out + entering * into
    return result.astype(np.float32)
