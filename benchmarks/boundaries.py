"""Where bars are cut: the renderer's own placement and fitter on cheap sound, against sums by hand."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from engine.render.condition import place_of
from engine.render.fit import Fitter
from engine.types import MODEL_RATE_HZ, Audio, InlineAudio, Request

RATES_HZ = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 47_999, 48_000, 88_200, 96_000, 192_000)
MAX_SECONDS = 40
PULSE_SECONDS = 0.0004
BARS = 25


@dataclass(frozen=True)
class Case:
    """A request and its grid in plain numbers. tempi: (from bar, quarters a minute); bars counted from IN's first."""

    tempi: tuple[tuple[int, Fraction], ...]
    meter: tuple[int, int]
    rate: int
    source_rate: int
    source_bars: int
    bars: int

    def line(self, bar: int, rate: int) -> int:
        """Oracle: the frame of a bar line, summed bar by bar: floor(x + 1/2)."""
        quarters, seconds = Fraction(4 * self.meter[0], self.meter[1]), Fraction(0)
        for k in range(bar):
            seconds += quarters * 60 / next(tempo for first, tempo in reversed(self.tempi) if first <= k)
        return floor(seconds * rate + Fraction(1, 2))

    def request(self) -> tuple[Request, Audio | None]:
        tempo = str(self.tempi[0][1])
        if len(self.tempi) > 1:
            tempo = ",".join(f"{bar}:{bpm}" for bar, bpm in self.tempi)
        fields: dict[str, Any] = {"id": "b", "bars": self.bars, "tempo": tempo, "meter": "{}/{}".format(*self.meter)}
        if self.source_bars == 0:
            return Request(kind="generate", rate=self.rate, **fields), None
        frames = self.line(self.source_bars, self.source_rate)
        sent = InlineAudio(rate=self.source_rate, channels=1, frames=frames)
        audio = np.full((frames, 1), 0.1, np.float32)
        return Request(kind="continue", rate=self.rate, inline=sent, **fields), audio


def draw(rng: np.random.Generator) -> Case:
    """A random case of at most MAX_SECONDS: half with steps of tempo, two thirds continuing something."""
    while True:
        steps = int(rng.integers(2, 6)) if rng.random() < 0.5 else 1
        starts = [0, *sorted(rng.choice(np.arange(1, BARS), steps - 1, replace=False).tolist())]
        tempi = [Fraction(int(rng.integers(20_000, 400_001)), 1000) for _ in starts]
        if steps == 1 and rng.random() < 0.4:
            tempi = [Fraction(int(rng.integers(2_000, 40_000)), int(rng.choice([61, 97, 101])))]
        meter = (int(rng.integers(1, 14)), int(rng.choice([2, 4, 8, 16, 32])))
        rates = rng.choice(RATES_HZ, 2)
        case = Case(
            tuple(zip(starts, tempi, strict=True)), meter, int(rates[0]), int(rates[1]), int(rng.integers(0, 3)), BARS
        )
        in_range = all(20 <= tempo <= 400 for tempo in tempi)
        seconds = case.line(case.source_bars + BARS, 1000) / 1000
        source_seconds = case.line(case.source_bars, 1000) / 1000
        if in_range and 1 < seconds < MAX_SECONDS and (case.source_bars == 0 or source_seconds > 0.5):
            return case


def pulses(lines: list[int], rate: int) -> Audio:
    """48 kHz sound from one second before time zero: a short pulse centred on each line."""
    total = 2 * MODEL_RATE_HZ + round(lines[-1] / rate * MODEL_RATE_HZ)
    wave = np.zeros((total, 2), np.float32)
    reach = round(6 * PULSE_SECONDS * MODEL_RATE_HZ)
    for line in lines:
        centre = (1 + line / rate) * MODEL_RATE_HZ
        index = np.arange(round(centre) - reach, round(centre) + reach)
        shape = np.exp(-0.5 * ((index - centre) / (PULSE_SECONDS * MODEL_RATE_HZ)) ** 2)
        wave[index] += (0.3 * shape[:, None]).astype(np.float32)
    return wave


def run(case: Case) -> tuple[list[int], list[float]]:
    """(error of each bar line in samples, distance of each line's pulse from its cut in samples)."""
    request, inline = case.request()
    place = place_of(request, inline)
    start = case.line(case.source_bars, case.rate)
    expected = [case.line(case.source_bars + k, case.rate) - start for k in range(case.bars + 1)]
    fitter, bars = Fitter(place.rate, 1, place.lines, 0), []
    wave = pulses(place.lines, place.rate)
    for first in range(0, len(wave), 50_000):
        bars += list(fitter.feed(wave[first : first + 50_000], first + 50_000 >= len(wave)))
    edges = [0, *np.cumsum([len(bar.audio) for bar in bars]).tolist()]
    errors = [abs(edge - line) for edge, line in zip(edges, expected, strict=True)]
    if inline is not None:
        errors.append(abs(place.anchor.start_frame - len(inline)))
    sound = np.concatenate([bar.audio for bar in bars])[:, 0]
    shortest = min(len(bar.audio) for bar in bars)
    reach = min(round(5 * PULSE_SECONDS * case.rate), shortest // 2)
    return errors, [_centroid(sound, edge, reach) for edge in edges[1:-1]] if reach > 2 else []


def _centroid(sound: Audio, edge: int, reach: int) -> float:
    """Where the pulse's centre of mass lies after the cut, in samples."""
    piece = np.abs(sound[edge - reach : edge + reach + 1]).astype(np.float64)
    return float((piece * np.arange(-reach, reach + 1)).sum() / piece.sum())


def measure(bars: int, rng: np.random.Generator) -> dict[str, Any]:
    """Errors over at least `bars` bars of random cases."""
    cases = [draw(rng) for _ in range(-(-bars // BARS))]
    found = [run(case) for case in cases]
    errors, content = [e for row, _ in found for e in row], [c for _, row in found for c in row]
    return {
        "bars": BARS * len(cases),
        "cases": len(cases),
        "rates_hz": sorted({case.rate for case in cases}),
        "meters": len({case.meter for case in cases}),
        "tempo_steps": sum(len(case.tempi) > 1 for case in cases),
        "max_error_samples": max(errors),
        "max_content_error_samples": round(max(abs(c) for c in content), 4),
    }
