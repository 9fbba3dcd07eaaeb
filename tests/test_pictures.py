"""Spectrogram pictures: a tone stands in its row, a click in its column, lines on the bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bridge.files import pictures


@pytest.mark.parametrize("rate", [22_050, 48_000, 96_000])
@pytest.mark.parametrize("hz", [200.0, 1000.0, 6000.0])
def test_a_tone_stands_in_its_row(rate: int, hz: float) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(rate) / rate).astype(np.float32)[:, None]
    level = pictures.spectrogram_db(tone, rate)
    row = int(level[:, pictures.WIDTH // 2].argmax())
    top = min(pictures.HIGHEST_HZ, rate / 2)
    found = pictures.LOWEST_HZ * (top / pictures.LOWEST_HZ) ** ((row + 0.5) / pictures.HEIGHT)
    assert found == pytest.approx(hz, rel=0.08)


def test_a_click_stands_in_its_column() -> None:
    audio = np.zeros((48_000, 2), np.float32)
    audio[12_000] = 1
    level = pictures.spectrogram_db(audio, 48_000)
    assert int(level.mean(axis=0).argmax()) == pytest.approx(pictures.WIDTH / 4, abs=2)
    assert level[:, pictures.WIDTH // 2].max() == pictures.FLOOR_DB


def test_bar_lines_are_drawn_where_they_belong(tmp_path: Path) -> None:
    silence = np.zeros((80_000, 1), np.float32)
    pictures.save_spectrogram(tmp_path / "x.png", silence, 8000, [0, 20_000, 60_000], "bars")
    with Image.open(tmp_path / "x.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    row = pixels[pictures.TITLE + pictures.HEIGHT // 2, pictures.MARGIN :]
    lines = np.flatnonzero((row == pictures.LINE).all(axis=1)).tolist()
    assert lines == [0, pictures.WIDTH // 4, 3 * pictures.WIDTH // 4]


def test_very_short_audio_has_a_picture() -> None:
    assert pictures.draw(np.ones((1, 2), np.float32), 8000, [0], "one frame").size[0] > pictures.WIDTH
