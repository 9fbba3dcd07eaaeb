"""The last stage before ears or disk: non-finite scrubbed, DC blocked, true-peak limited, hard-clipped.

Order: `scrub` (NaN, Inf and anything above +60 dBFS become silence and are counted), `DcBlock` (acts only
where there is DC), a clip at +6 dBFS, pedalboard's `BrickwallLimiter` with a ceiling of -1.1 dBFS and a four
times oversampled side chain, then a clip at -1 dBFS that only acts if the limiter has failed.

What was measured (tests/test_safety.py; true peak by 16 times oversampling): shown peaks that are 20 dB and
more too loud, the limiter's side chain reads too little and lets up to -0.05 dBTP through; behind the clip at
+6 dBFS a ceiling of -1.1 holds -1.07 dBTP. It looks 5 ms ahead, and that delay is compensated to the sample.
While no true peak passes its ceiling it multiplies by exactly 1: a clean signal passes bit-exact, and the stage
stays engaged all the time, so nothing is switched and nothing can click. 50 ms after an overload its gain is
back to within 0.5 dB of 1, later within 0.002 dB, where it stays (the float release stalls): what follows a
limited peak is not bit-exact again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from plugin_host.chain import Effect
from plugin_host.dc import DcBlock
from plugin_host.stage import Planar, Stage, scrub

CEILING_DB: Final = -1.0
LIMITER_DB: Final = -1.1
RELEASE_MS: Final = 15.0
LOUDEST: Final = 2.0
"""What the limiter is shown at most: +6 dBFS."""
NOTICED: Final = 10 ** (-0.01 / 20)
CEILING: Final = float(np.float32(10 ** (CEILING_DB / 20)))


class Safety:
    """Scrub, DC block, clip, limiter, clip. All calls from one thread.

    The limiter withholds its first `latency_frames`; the sound itself is never shifted: frame k
    that comes out is frame k that went in.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        limiter = Effect("BrickwallLimiter", {"ceiling_db": LIMITER_DB, "release_ms": RELEASE_MS, "true_peak": True})
        self._limiter = Stage(limiter, rate_hz, channels)
        self._dc = DcBlock(rate_hz, channels)
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

    @property
    def dc_frames(self) -> int:
        """Frames from which an offset was subtracted."""
        return self._dc.blocked_frames

    def reset(self) -> None:
        """As if nothing had been heard; what was counted stays."""
        self._limiter.reset()
        self._dc.reset()
        self._dry = self._dry[:, :0]

    def process(self, audio: Planar) -> Planar:
        """[channels, frames], scrubbed in place, to [channels, frames that are ready], nothing above -1 dBFS."""
        self._scrubbed_in += scrub(audio)
        audio = self._dc.process(audio)
        np.clip(audio, -LOUDEST, LOUDEST, out=audio)
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
