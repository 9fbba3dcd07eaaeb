"""A part played by amsynth: one process a stem (`amsynth_host`), exact places, measured lag and level."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from engine.errors import Unavailable
from engine.training.corpus.amsynth_bank import AmsynthPatch
from engine.training.corpus.levels import RATE_HZ, Stem
from engine.training.corpus.played import Played, middle_key, played
from engine.training.corpus.song import Part
from engine.training.corpus.sweep import swept
from engine.training.corpus.synth import Calibration
from engine.training.corpus.synths import TEST_FRAMES, measured_of, octave_of

Curve = NDArray[np.float32]
PLUGIN = Path("/usr/lib/vst/amsynth_vst.so")
PACKAGE = "amsynth (and pip install dawdreamer)"
PRE_ROLL = 2048
_SECONDS_ALLOWED = 300
_NO_DIRECT = butter(1, 15.0, "highpass", fs=RATE_HZ, output="sos")  # narrow pulses have a mean


def installed() -> bool:
    """Whether the plugin and its host are there."""
    return PLUGIN.is_file() and importlib.util.find_spec("dawdreamer") is not None


def render_amsynth(patch: AmsynthPatch, part: Part, tempo: float, frames: int, sweep: Curve) -> Stem:
    """Stereo stem [2, frames] at 48 kHz of a part, calibrated like the sampled instruments.

    sweep: octaves, one per 64 frames; as DawDreamer moves no knob of amsynth while it plays, a filter behind it
    closes as the mixer's does for samples. Raises Unavailable where amsynth or its host is missing or fails.
    """
    if not part.notes:
        return np.zeros((2, frames), np.float32)
    measured = calibration(patch, octave_of(middle_key(part)))
    stem = _played(patch, played(part, tempo, measured.lag_frames), frames)
    return swept(stem * np.float32(measured.gain), np.minimum(sweep, np.float32(0.0)) * np.float32(1.5))


@lru_cache(maxsize=1024)
def calibration(patch: AmsynthPatch, octave: int) -> Calibration:
    """Lag and gain of a patch around the C of an octave, from one held note."""
    key = np.array([12.0 * octave])
    one = Played(np.zeros(1, np.int64), np.array([TEST_FRAMES], np.int64), key, key, np.ones(1))
    return measured_of(_played(patch, one, TEST_FRAMES))


def _played(patch: AmsynthPatch, notes: Played, frames: int) -> Stem:
    """The notes through the patch, [2, frames] from frame 0 on; the sound before frame 0 is cut off."""
    events = [
        [round(key), round(min(1.27, velocity) * 100), max(0, start + PRE_ROLL) / RATE_HZ, max(1, hold - 1) / RATE_HZ]
        for start, hold, key, velocity in zip(
            notes.starts.tolist(), notes.holds.tolist(), notes.keys.tolist(), notes.velocities.tolist(), strict=True
        )
    ]
    job = {"plugin": str(PLUGIN), "frames": frames + PRE_ROLL, "values": dict(patch.values), "notes": events}
    return np.asarray(sosfilt(_NO_DIRECT, _hosted(job)), np.float32)[:, PRE_ROLL:]


def _hosted(job: dict[str, object]) -> Stem:
    if not installed():
        raise Unavailable(f"amsynth cannot be used. Try: apt-get install {PACKAGE}")
    with tempfile.TemporaryDirectory(prefix="attacca-amsynth-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(job))
        command = [sys.executable, "-m", "engine.training.corpus.amsynth_host", name]
        here = {**os.environ, "HOME": name, "XDG_DATA_HOME": name, "PYTHONPATH": os.pathsep.join(sys.path)}
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=here, timeout=_SECONDS_ALLOWED)
        except (OSError, subprocess.TimeoutExpired) as broken:
            raise Unavailable(f"amsynth does not run: {broken}") from broken
        if done.returncode != 0 or not (folder / "sound.raw").is_file():
            raise Unavailable(f"amsynth failed ({done.returncode}): {done.stderr.strip()[-200:]}")
        return np.fromfile(folder / "sound.raw", np.float32).reshape(-1, 2).T.copy()
