"""What the codec sees of sound: log-mel of left and right, and a long-window view of the lows.

Audio is float32 [frames, 2] at 48 kHz. Feature frame i is centred at sample 512 i. A frame has
`CHANNELS` = 2 x 128 mel levels (left, then right) and 81 low bands, all in dB re a full-scale
sine, floored at -80 dB. A semitone at E1 moves a 2048-sample mel by less than any codec's error,
so the lows get a window of 8192 samples and 24 bands an octave of their own.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

RATE_HZ = 48_000
HOP = 512
WINDOW = 2048
BINS = WINDOW // 2 + 1
MELS = 128
MEL_TOP_HZ = 20_000.0
MEL_CORNER_HZ = 1_000.0
LOW_BANDS = 81
LOW_FIRST_HZ = 32.0
LOW_BANDS_PER_OCTAVE = 24
LOW_DECIMATION = 16
DECIMATOR_REACH = 256
LOW_WINDOW = 8192 // LOW_DECIMATION
FLOOR_DB = -80.0
CHANNELS = 2 * MELS + LOW_BANDS
FRAME_RATE_HZ = RATE_HZ / HOP


def frame_count(frames: int) -> int:
    """Number of feature frames of `frames` samples."""
    return 1 + frames // HOP


@lru_cache(maxsize=1)
def mel_edges_hz() -> NDArray[np.float64]:
    """The 130 corner frequencies; near 0 Hz they lie one STFT bin apart, so that no band is empty."""
    top = math.log1p(MEL_TOP_HZ / MEL_CORNER_HZ)
    return MEL_CORNER_HZ * np.expm1(np.linspace(0.0, top, MELS + 2))


@lru_cache(maxsize=4)
def mel_filters(device: str = "cpu") -> torch.Tensor:
    """Triangular power filters [BINS, MELS], each with area 1."""
    edges = mel_edges_hz()
    bins = np.arange(BINS) * RATE_HZ / WINDOW
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    weights = np.maximum(0.0, np.minimum(rise, fall))
    return torch.from_numpy((weights / weights.sum(1, keepdims=True)).T).float().contiguous().to(device)


@lru_cache(maxsize=4)
def hann(device: str = "cpu") -> torch.Tensor:
    return torch.hann_window(WINDOW, device=device)


def stft(wave: torch.Tensor, hop: int) -> torch.Tensor:
    """Complex spectrum [..., frames, BINS] of wave [..., samples], full-scale sine = 1."""
    flat = wave.reshape(-1, wave.shape[-1])
    window = hann(str(wave.device))
    spectrum = torch.stft(flat, WINDOW, hop, window=window, center=True, pad_mode="constant", return_complex=True)
    scaled = spectrum.transpose(1, 2) * (4.0 / WINDOW)
    return scaled.reshape(*wave.shape[:-1], *scaled.shape[1:])


def to_db(amplitude: torch.Tensor) -> torch.Tensor:
    return 20.0 * torch.log10(amplitude.clamp_min(10.0 ** (FLOOR_DB / 20.0)))


def mel_db(wave: torch.Tensor) -> torch.Tensor:
    """Log-mel [..., T, MELS] in dB of wave [..., samples]."""
    spectrum = stft(wave, HOP)
    power = spectrum.real.square() + spectrum.imag.square()
    return to_db((power @ mel_filters(str(wave.device))).sqrt())


@lru_cache(maxsize=1)
def low_centres_hz() -> NDArray[np.float64]:
    steps = np.arange(LOW_BANDS) / LOW_BANDS_PER_OCTAVE
    return np.asarray(LOW_FIRST_HZ * 2.0**steps)


@lru_cache(maxsize=4)
def decimator(device: str = "cpu") -> torch.Tensor:
    """A windowed-sinc low-pass at 900 Hz with 513 taps, shape [1, 1, 513]."""
    taps = np.arange(-DECIMATOR_REACH, DECIMATOR_REACH + 1)
    kernel = np.sinc(taps * 1800 / RATE_HZ) * np.blackman(len(taps))
    return torch.from_numpy(kernel / kernel.sum()).float()[None, None].to(device)


@lru_cache(maxsize=4)
def low_kernels(device: str = "cpu") -> torch.Tensor:
    """Windowed complex tones at the band centres as conv weights [2 x LOW_BANDS, 1, LOW_WINDOW]."""
    time = (np.arange(LOW_WINDOW) - LOW_WINDOW / 2) * LOW_DECIMATION / RATE_HZ
    window = np.hanning(LOW_WINDOW + 1)[:-1]
    tones = np.exp(-2j * np.pi * low_centres_hz()[:, None] * time) * window * (2 / window.sum())
    both = np.concatenate([tones.real, tones.imag])
    return torch.from_numpy(both).float()[:, None].to(device)


def low_db(wave: torch.Tensor) -> torch.Tensor:
    """Level [..., T, LOW_BANDS] in dB of the mono wave [..., samples] under 8192-sample windows."""
    count, device = frame_count(wave.shape[-1]), str(wave.device)
    padded = torch.nn.functional.pad(wave.reshape(-1, 1, wave.shape[-1]), (DECIMATOR_REACH, DECIMATOR_REACH))
    slow = torch.nn.functional.conv1d(padded, decimator(device), stride=LOW_DECIMATION)
    slow = torch.nn.functional.pad(slow, (LOW_WINDOW // 2, LOW_WINDOW))
    parts = torch.nn.functional.conv1d(slow, low_kernels(device), stride=HOP // LOW_DECIMATION)
    level = (parts[:, :LOW_BANDS].square() + parts[:, LOW_BANDS:].square()).sqrt()
    return to_db(level[:, :, :count].transpose(1, 2)).reshape(*wave.shape[:-1], count, LOW_BANDS)


@torch.no_grad()
def analyse_tensor(audio: torch.Tensor) -> torch.Tensor:
    """Features [..., T, CHANNELS] in dB of audio [..., frames, 2] at 48 kHz."""
    wave = audio.transpose(-1, -2).contiguous()
    left, right = mel_db(wave).unbind(-3)
    return torch.cat([left, right, low_db(wave.mean(-2))], dim=-1)


def analyse(audio: NDArray[np.float32]) -> NDArray[np.float16]:
    """Features [T, CHANNELS] as float16 of audio [frames, 2] at 48 kHz; T = 1 + frames // 512."""
    return analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio))).half().numpy()
