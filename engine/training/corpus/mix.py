"""A song's stems become a stereo mix and two sub-mixes; pedalboard is imported here and in `channels` alone.

`channels` has what a part goes through before it is summed, and the bus of the drums. Per side (a random partition of
the song's groups into A and B): reverb that pumps with the kick, delay, mono lows. All that is linear runs on the
sides; the bus's gains (compressor, loudness, limiter) are curves computed from A + B and applied to A, B and the mix
alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pedalboard import (
    Delay,
    HighpassFilter,
    HighShelfFilter,
    LowpassFilter,
    LowShelfFilter,
    PeakFilter,
    Plugin,
    Reverb,
)
from pedalboard._pedalboard import Pedalboard
from scipy.signal import butter, sosfilt

from engine.training.corpus import tempomap
from engine.training.corpus.channels import drum_bus, kick_envelope, processed
from engine.training.corpus.levels import (
    RATE_HZ,
    Stem,
    block_power,
    compressor_gain,
    from_db,
    limiter_gain,
    loudness_lufs,
)
from engine.training.corpus.partition import split_groups
from engine.training.corpus.song import MixSettings, Part, Song
from engine.types import PART_NAMES

CEILING_DB = -1.0
LOUDNESS_RANGE_LUFS = (-20.0, -8.0)
POWER_HOP = 512
_SIDE_HIGHPASS = butter(2, 150.0, "highpass", fs=RATE_HZ, output="sos").astype(np.float32)
_SEND_HIGHPASS = butter(1, 250.0, "highpass", fs=RATE_HZ, output="sos").astype(np.float32)


@dataclass(frozen=True, slots=True)
class Mixed:
    """A rendered song. Audio is float32 [frames, 2] at 48 kHz.

    groups_a, groups_b: names of the groups in each sub-mix. group_power: mean power of each
    group's part of the mix [frames // 512, 5] in blocks of 512 frames, in PART_NAMES order.
    """

    mix: Stem
    a: Stem
    b: Stem
    groups_a: tuple[str, ...]
    groups_b: tuple[str, ...]
    group_power: NDArray[np.float32]
    loudness_lufs: float


class Player(Protocol):
    """What plays the parts: one fluidsynth, or a rack of several sources."""

    def render(self, part: Part, tempo: float, frames: int) -> Stem:
        """Calibrated stem [2, frames] of one part."""
        ...


@dataclass(slots=True)
class _Side:
    """A sub-mix while it is summed: dry sound and what goes to reverb and delay, [2, frames]."""

    dry: Stem
    reverb: Stem
    delay: Stem


def song_frames(song: Song) -> int:
    """Exact length of a song in frames: floor(bars x bar x 60 / tempo x 48000 + 1/2), its ritard counted."""
    exact = tempomap.end_seconds(song) * RATE_HZ
    return floor((2 * exact + 1) / 2)


def render_song(synth: Player, song: Song) -> Mixed:
    """Render and mix a song; everything random comes from the song's own seed."""
    rng = np.random.default_rng([song.seed, 0x6D6978])
    frames, song = song_frames(song), tempomap.even(song)
    groups_a, groups_b = split_groups(song, rng)
    sides = {name: _new_side(frames) for name in ("a", "b")}
    powers = np.zeros((frames // POWER_HOP, len(PART_NAMES)), np.float32)
    duck = kick_envelope(song, frames)
    for index, group in enumerate(PART_NAMES):
        parts = [part for part in song.parts if part.group == group and part.notes]
        if parts:
            side = sides["a" if group in groups_a else "b"]
            dry = _mix_group(synth, song, parts, side, duck, rng)
            powers[:, index] = block_power(dry, POWER_HOP)
    a, b = (_with_effects(side, song, duck, np.random.default_rng(song.seed)) for side in sides.values())
    return _bus(song, a, b, groups_a, groups_b, powers, rng)


def _new_side(frames: int) -> _Side:
    return _Side(*(np.zeros((2, frames), np.float32) for _ in range(3)))


# --- parts --------------------------------------------------------------------------------


def _mix_group(synth: Player, song: Song, parts: list[Part], side: _Side, duck: Stem, rng: np.random.Generator) -> Stem:
    """Add a group's parts to its side; returns the group's dry sound [2, frames]."""
    frames = side.dry.shape[1]
    total = np.zeros((2, frames), np.float32)
    for part in parts:
        stem = processed(synth.render(part, float(song.tempo), frames), part, duck, rng)
        total += stem
        if part.reverb_send_db > -60.0:
            side.reverb += stem * np.float32(from_db(part.reverb_send_db))
        if part.delay_send_db is not None and part.delay_send_db > -60.0:
            side.delay += stem * np.float32(from_db(part.delay_send_db))
    if parts[0].group == "drums":
        total = drum_bus(total, max(part.drive_db for part in parts), rng)
    side.dry += total
    return total


# --- sides --------------------------------------------------------------------------------


def _with_effects(side: _Side, song: Song, duck: Stem, rng: np.random.Generator) -> Stem:
    """Dry, delay and reverb of a side [2, frames], side signal high-passed at 150 Hz.

    Linear in the side, and the random settings are the same for both sides of a song.
    """
    settings = song.mix
    predelay, rt60_s = rng.uniform(0.010, 0.040), settings.rt60_s * rng.uniform(0.8, 1.25)
    feedback, crossed, share = float(rng.uniform(0.25, 0.45)), rng.random() < 0.6, float(rng.uniform(0.3, 0.9))
    pumped_db = share * max((part.duck_db for part in song.parts), default=0.0)
    reverb_in = side.reverb
    if side.delay.any():
        echo = _echo(side.delay, song, feedback, crossed)
        side.dry += echo
        reverb_in = reverb_in + np.float32(0.3) * echo
    if reverb_in.any():
        room = _reverb(reverb_in, settings, float(predelay), float(rt60_s))
        if pumped_db > 0.5:
            room *= np.float32(1.0) - np.float32(1.0 - from_db(-pumped_db)) * duck
        side.dry += room
    middle, wide = side.dry.mean(axis=0), 0.5 * (side.dry[0] - side.dry[1])
    wide = np.asarray(sosfilt(_SIDE_HIGHPASS, wide), np.float32)
    return np.stack([middle + wide, middle - wide])


def _echo(send: Stem, song: Song, feedback: float, crossed: bool) -> Stem:
    """Tempo delay, low-passed. Crossed: mono in, left first, right half a delay time later (ping-pong)."""
    seconds = min(1.9, float(song.mix.delay_beats * 60 / float(song.tempo)))
    board = Pedalboard([Delay(seconds, feedback, 1.0), LowpassFilter(4500.0), HighpassFilter(250.0)])
    if not crossed:
        return board(send, RATE_HZ)
    middle = board(send.mean(axis=0, keepdims=True), RATE_HZ)[0]
    shift = min(send.shape[1], round(0.5 * seconds * RATE_HZ))
    later = np.concatenate([np.zeros(shift, np.float32), middle[: len(middle) - shift]])
    return np.stack([middle, later * np.float32(0.8)])


def _reverb(send: Stem, settings: MixSettings, predelay_s: float, rt60_s: float) -> Stem:
    """The song's room. Comb feedback for the wanted decay: RT60 = 3 T / -log10 g (Schroeder)."""
    feedback = 10.0 ** (-3.0 * 0.0345 / max(0.2, rt60_s))
    room = float(np.clip((feedback - 0.7) / 0.28, 0.0, 1.0))
    damping = {"room": 0.6, "plate": 0.25, "hall": 0.45, "spring": 0.5}.get(settings.reverb, 0.5)
    delayed = np.zeros_like(send)
    shift = round(predelay_s * RATE_HZ)
    delayed[:, shift:] = send[:, : send.shape[1] - shift]
    delayed = np.asarray(sosfilt(_SEND_HIGHPASS, delayed), np.float32)
    board = Reverb(room, damping, wet_level=1.0, dry_level=0.0, width=1.0)
    return board(delayed, RATE_HZ) * np.float32(0.9)


# --- bus ----------------------------------------------------------------------------------


def _colour(song: Song, rng: np.random.Generator) -> Pedalboard:
    """The bus's tone: two gentle shelves, a bell and, where the style wants it, a low-pass."""
    effects: list[Plugin] = [
        LowShelfFilter(110.0, float(rng.normal(0.0, 1.0))),
        HighShelfFilter(6000.0, float(rng.normal(1.0, 1.5))),
        PeakFilter(float(np.exp(rng.uniform(np.log(250.0), np.log(5000.0)))), float(rng.normal(0.0, 1.0)), 0.7),
    ]
    if song.mix.bus_lowpass_hz is not None:
        effects += [LowpassFilter(song.mix.bus_lowpass_hz)]
    return Pedalboard(effects)


def _bus(
    song: Song, a: Stem, b: Stem, groups_a: tuple[str, ...], groups_b: tuple[str, ...],
    powers: NDArray[np.float32], rng: np.random.Generator,
) -> Mixed:  # fmt: skip
    """Tone, compressor, tape, loudness and limiter, the gains shared by mix, A and B."""
    board = _colour(song, rng)
    a, b = board(a, RATE_HZ), board(b, RATE_HZ)
    gain = compressor_gain(a + b, song.mix.bus_gain_reduction_db)
    a, b = a * gain, b * gain
    mix = a + b
    if song.mix.tape > 0.0:
        knee = (float(np.quantile(np.abs(mix[:, ::16]), 0.998)) + 1e-9) / song.mix.tape
        mix, a, b = (_tape(signal, knee) for signal in (mix, a, b))
    target = float(np.clip(rng.normal(song.mix.loudness_lufs, 1.5), *LOUDNESS_RANGE_LUFS))
    level = np.float32(from_db(target - loudness_lufs(mix)))
    last = limiter_gain(mix * level, CEILING_DB) * level
    mix, a, b = (_clipped(signal * last) for signal in (mix, a, b))
    heard = block_power(np.broadcast_to(gain * last, (1, len(gain))), POWER_HOP)
    return Mixed(
        mix.T, a.T, b.T, groups_a, groups_b,
        powers * heard[:, None].astype(np.float32), loudness_lufs(mix),
    )  # fmt: skip


def _tape(signal: Stem, knee: float) -> Stem:
    """Soft saturation with unit slope at zero: knee x tanh(x / knee)."""
    shaped: Stem = np.tanh(signal / np.float32(knee)) * np.float32(knee)
    return shaped


def _clipped(signal: Stem) -> Stem:
    ceiling = from_db(CEILING_DB)
    return np.clip(signal, -ceiling, ceiling).astype(np.float32)
