"""The last stage before ears or disk: non-finite scrubbed, true-peak limited, hard-clipped.

Order: `scrub` (NaN, Inf and anything above +60 dBFS become silence and are counted), then
pedalboard's `BrickwallLimiter` with a ceiling of -1.5 dBFS and a four times oversampled side
chain, then a clip at -1 dBFS that only acts if the limiter has failed.

What was measured (tests/test_safety.py; true peak by 16 times oversampling): the limiter's side
chain reads up to 0.46 dB too little when white noise in bursts is up to 40 dB too loud, so a
ceiling of -1.1 lets -0.64 dBTP through and -1.5 holds -1.02. It looks 5 ms ahead, and that
delay is compensated to the sample. While no true peak passes its ceiling it multiplies by
exactly 1: a clean signal passes bit-exact, and the stage stays engaged all the time, so nothing
is switched and nothing can click. Once it has acted, its gain comes back to within 0.002 dB of 1
and stays there (the float release stalls): what follows a limited peak is not bit-exact again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from plugin_host.chain import Effect
from plugin_host.stage import Planar, Stage, scrub

CEILING_DB: Final = -1.0
LIMITER_DB: Final = -1.5
NOTICED: Final = 10 ** (-0.01 / 20)
CEILING: Final = float(np.float32(10 ** (CEILING_DB / 20)))


class Safety:
    """Scrub, limiter, clip. All calls from one thread.

    The limiter withholds its first `latency_frames`; the sound itself is never shifted: frame k
    that comes out is frame k that went in.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        limiter = Effect("BrickwallLimiter", {"ceiling_db": LIMITER_DB, "true_peak": True})
        self._limiter = Stage(limiter, rate_hz, channels)
        self._scrubbed_in = 0
        self.clipped_samples = 0
        self.limited_frames = 0
        self._dry: Planar = np.zeros((channels, 0), np.float32)

    @property
    def latency_frames(self) -> int:
        return self._limiter.latency_frames

    @property
    def scrubbed_samples(self) -> int:
        return self._scrubbed_in + self._limiter.scrubbed_samples

    def process(self, audio: Planar) -> Planar:
        """[channels, frames], scrubbed in place, to [channels, frames that are ready], nothing above -1 dBFS."""
        self._scrubbed_in += scrub(audio)
        out = self._limiter.process(audio)
        self._compare(audio, out)
        self.clipped_samples += int(np.count_nonzero(np.abs(out) > CEILING))
        return np.clip(out, -CEILING, CEILING, out=out)

    def _compare(self, audio: Planar, out: Planar) -> None:
        """Count the frames that came out more than 0.01 dB softer than they went in."""
        dry = np.concatenate([self._dry, audio], axis=1)
        self._dry = dry[:, out.shape[1] :]
        softer = np.abs(out) < np.abs(dry[:, : out.shape[1]]) * NOTICED
        self.limited_frames += int(np.count_nonzero(softer.any(axis=0)))
