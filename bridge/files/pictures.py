"""Spectrogram pictures with bar lines, by numpy and Pillow alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bridge.files.wavefile import write_whole
from engine.types import Audio

WIDTH, HEIGHT, MARGIN, TITLE = 1200, 320, 44, 22
WINDOW_SECONDS = 2048 / 48_000
LOWEST_HZ, HIGHEST_HZ = 30.0, 20_000.0
FLOOR_DB = -80.0
LABELS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
STOPS = np.array([[4, 5, 18], [60, 20, 100], [170, 50, 95], [245, 130, 50], [252, 250, 190]], np.float64)
LINE, LABEL, SHADE = (120, 220, 255), (225, 225, 230), (20, 21, 28)


def spectrogram_db(audio: Audio, rate: int, columns: int = WIDTH, rows: int = HEIGHT) -> NDArray[np.float64]:
    """Power in dB below its loudest point, [rows, columns], lowest row first, frequency logarithmic.

    audio: [frames, channels]. Each column is the Hann-windowed spectrum centred on its share of the
    whole; each row the strongest bin of its share of LOWEST_HZ to the smaller of HIGHEST_HZ and rate / 2.
    """
    size = max(64, round(WINDOW_SECONDS * rate))
    mono = np.pad(audio.mean(axis=1, dtype=np.float64), size // 2 + 1)
    centres = ((np.arange(columns) + 0.5) * len(audio) / columns).astype(np.int64)
    blocks = np.lib.stride_tricks.sliding_window_view(mono, size)[centres]
    power = np.abs(np.fft.rfft(blocks * np.hanning(size), axis=1)) ** 2
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, rate / 2), rows + 1) * size / rate
    low = np.clip(np.round(edges).astype(np.int64), 0, power.shape[1] - 1)
    picture = np.maximum.reduceat(power, low[:-1], axis=1).T
    reference = max(float(picture.max()), 1e-12)
    level_db: NDArray[np.float64] = np.maximum(10 * np.log10(np.maximum(picture, 1e-30) / reference), FLOOR_DB)
    return level_db


def colours(level_db: NDArray[np.float64]) -> NDArray[np.uint8]:
    """dB to RGB, highest frequency on top: [rows, columns, 3]."""
    place = (level_db[::-1] - FLOOR_DB) / -FLOOR_DB * (len(STOPS) - 1)
    return np.stack([np.interp(place, range(len(STOPS)), STOPS[:, c]) for c in range(3)], axis=-1).astype(np.uint8)


def draw(audio: Audio, rate: int, bar_lines: Sequence[int], title: str) -> Image.Image:
    """The picture. bar_lines: frames from the start of `audio`; each gets a line and its number."""
    image = Image.new("RGB", (MARGIN + WIDTH + 8, TITLE + HEIGHT + TITLE), SHADE)
    image.paste(Image.fromarray(colours(spectrogram_db(audio, rate))), (MARGIN, TITLE))
    pen = ImageDraw.Draw(image)
    pen.text((MARGIN, 5), title, fill=LABEL)
    top = min(HIGHEST_HZ, rate / 2)
    for hz in (hz for hz in LABELS_HZ if hz < top):
        y = TITLE + HEIGHT * (1 - np.log(hz / LOWEST_HZ) / np.log(top / LOWEST_HZ))
        pen.text((4, y - 6), f"{hz / 1000:g}k" if hz >= 1000 else f"{hz}", fill=LABEL)
        pen.line([(MARGIN - 4, y), (MARGIN, y)], fill=LABEL)
    for bar, frame in enumerate(bar_lines):
        x = MARGIN + min(WIDTH - 1, frame * WIDTH / max(1, len(audio)))
        pen.line([(x, TITLE), (x, TITLE + HEIGHT)], fill=LINE)
        pen.text((x + 3, TITLE + HEIGHT + 4), f"{bar + 1}", fill=LABEL)
    return image


def save_spectrogram(path: Path, audio: Audio, rate: int, bar_lines: Sequence[int], title: str) -> None:
    """Writes the PNG whole or not at all. audio: [frames, channels], not empty."""
    assert len(audio) > 0
    buffer = io.BytesIO()
    draw(audio, rate, bar_lines, title).save(buffer, format="PNG")
    write_whole(path, buffer.getbuffer())
