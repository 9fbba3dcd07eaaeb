"""A part played by Csound: one subprocess a stem, exact places, measured lag and level.

Csound (LGPL) is a command of the system, never imported.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import Unavailable
from engine.training.corpus.csound_bank import CsoundPatch
from engine.training.corpus.levels import Stem
from engine.training.corpus.orchestra import AFTER, BEFORE, BLOCK, HEADER, KINDS, PRE_ROLL, RATE_HZ
from engine.training.corpus.played import Played, middle_key, played
from engine.training.corpus.song import Part
from engine.training.corpus.synth import Calibration
from engine.training.corpus.synths import TEST_FRAMES, lowest_octaves, measured_of, octave_of

Curve = NDArray[np.float32]
PACKAGE = "csound"
_SECONDS_ALLOWED = 600


def installed() -> bool:
    """Whether the csound command is there."""
    return shutil.which("csound") is not None


def render_csound(patch: CsoundPatch, part: Part, tempo: float, frames: int, sweep: Curve) -> Stem:
    """Stereo stem [2, frames] at 48 kHz of a part, calibrated like the sampled instruments.

    sweep: octaves of cutoff, one per 64 frames; it never closes below the part's usual fundamental. Notes are
    struck on multiples of 32 frames. Raises Unavailable where csound is missing or fails.
    """
    if not part.notes:
        return np.zeros((2, frames), np.float32)
    middle = middle_key(part)
    measured = calibration(patch, octave_of(middle))
    values = dict(patch.values)
    lowest = min(0.0, lowest_octaves(values["icut"], values["itrack"], middle))
    shut = np.maximum(sweep, np.float32(lowest))
    stem = _played(patch, played(part, tempo, measured.lag_frames), frames, shut)
    return stem * np.float32(measured.gain)


@lru_cache(maxsize=1024)
def calibration(patch: CsoundPatch, octave: int) -> Calibration:
    """Lag and gain of a patch around the C of an octave, from one held note."""
    key = np.array([12.0 * octave])
    one = Played(np.zeros(1, np.int64), np.array([TEST_FRAMES], np.int64), key, key, np.ones(1))
    return measured_of(_played(patch, one, TEST_FRAMES, np.zeros(2, np.float32)))


def _played(patch: CsoundPatch, notes: Played, frames: int, sweep: Curve) -> Stem:
    """The notes through the patch's instrument, [2, frames] from frame 0 on."""
    settings = "\n".join(f"{name} = {value}" for name, value in patch.values)
    before = BEFORE.replace("instr 1\n", f"instr 1\n{settings}\n", 1)
    lines = []
    for index, (start, hold) in enumerate(zip(notes.starts.tolist(), notes.holds.tolist(), strict=True)):
        seconds = max(0, round((start + PRE_ROLL) / BLOCK)) * BLOCK / RATE_HZ
        lines.append(
            f"i1 {seconds:.9f} {max(BLOCK, hold) / RATE_HZ:.9f} {notes.keys[index]:g} {notes.before[index]:g} "
            f"{notes.velocities[index]:.4f} {index}"
        )
    curve = "\n".join(f"{octaves:.4f}" for octaves in sweep.tolist())
    return perform(before + KINDS[patch.kind] + AFTER, lines, frames + PRE_ROLL, curve)[:, PRE_ROLL:]


def perform(instruments: str, score: list[str], frames: int, sweep: str = "0\n0") -> Stem:
    """What csound makes of instruments and score lines: [2, frames], floats. Raises Unavailable."""
    if not installed():
        raise Unavailable(f"csound is not installed. Try: apt-get install {PACKAGE}")
    with tempfile.TemporaryDirectory(prefix="attacca-csound-") as folder:
        place = Path(folder)
        (place / "stem.orc").write_text(HEADER + instruments)
        (place / "stem.sco").write_text("\n".join([*score, f"f0 {frames / RATE_HZ + 0.01:.6f}", "e", ""]))
        (place / "sweep.txt").write_text(sweep)
        command = ["csound", "-d", "-m0", "-f", "-h", "-o", "stem.raw", "stem.orc", "stem.sco"]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=_SECONDS_ALLOWED)
        except (OSError, subprocess.TimeoutExpired) as broken:
            raise Unavailable(f"csound does not run: {broken}") from broken
        if done.returncode != 0 or not (place / "stem.raw").is_file():
            said = [line for line in done.stderr.splitlines() if "rror" in line][:1]
            raise Unavailable(f"csound failed ({done.returncode}): {' '.join(said) or 'it wrote no sound'}")
        sound = np.fromfile(place / "stem.raw", np.float32).reshape(-1, 2).T
    out = np.zeros((2, frames), np.float32)
    length = min(frames, sound.shape[1])
    out[:, :length] = sound[:, :length]
    return out
