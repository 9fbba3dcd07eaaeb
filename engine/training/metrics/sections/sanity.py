"""Random requests of every kind: none silent, clipped, non-finite or off by a sample."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any, cast

import numpy as np
import soxr

from engine.timing import Meter
from engine.training.metrics.bench import FIRST_SEED, Bench, Song
from engine.training.metrics.prompts import DRUM_PROMPTS, OTHER_PROMPTS
from engine.training.metrics.sanity import expected_lines, faults
from engine.training.metrics.table import Table
from engine.types import MODEL_RATE_HZ, Audio, InlineAudio, PromptPart, Request

CLIPS = 200
METERS = ("4/4", "4/4", "3/4", "6/8", "7/8", "5/4", "2/4", "9/8", "12/8")
RATES_HZ = (8_000, 11_025, 22_050, 44_100, 44_100, 47_999, 48_000, 48_000, 88_200, 96_000)
TEMPI = ("7200/61", "60", "119.98", "174", "133.333", "90.5")
LONGEST_SECONDS = 4.0
Rng = np.random.Generator


def random_tempo(rng: Rng) -> str:
    if rng.random() < 0.3:
        return str(rng.choice(TEMPI))
    return f"{rng.uniform(50, 220):.3f}"


def random_request(index: int, rng: Rng) -> Request:
    """A short generation; tempi, meters, rates, steps, guidance and channels at random."""
    tempo, meter = random_tempo(rng), str(rng.choice(METERS))
    bar_seconds = float(Meter.parse(meter).bar_quarters * 60 / Fraction(tempo))
    texts = [text for text, _, _ in DRUM_PROMPTS] + list(OTHER_PROMPTS)
    text = str(rng.choice(texts))
    return Request(
        id=f"sanity-{index}",
        kind="generate",
        bars=max(1, min(int(rng.integers(1, 5)), int(LONGEST_SECONDS / bar_seconds))),
        tempo=tempo,
        meter=meter,
        rate=int(rng.choice(RATES_HZ)),
        channels=int(rng.integers(1, 3)),
        seed=FIRST_SEED + index,
        steps=int(rng.integers(1, 5)),
        guidance=None if rng.random() < 0.5 else round(float(rng.uniform(1, 6)), 2),
        prompts=(PromptPart(text=text),) if text else (),
    )


def with_context(request: Request, song: Song, rng: Rng) -> tuple[Request, Audio, int]:
    """The request as a continuation of 1 to 4 bars of `song` at its tempo, at a random rate; and those bars."""
    rate, bars = int(rng.choice(RATES_HZ)), int(rng.integers(1, min(4, song.bars) + 1))
    frames = expected_lines(song.tempo, Meter.parse(song.meter).bar_quarters, 0, bars, rate)[-1]
    audio = song.audio(0, song.line(bars))
    resampled = np.asarray(soxr.resample(audio, MODEL_RATE_HZ, rate, "HQ"), np.float32)
    fitted = np.pad(resampled, ((0, max(0, frames - len(resampled))), (0, 0)))[:frames]
    changed = {
        "kind": "continue",
        "tempo": song.facts["tempo"],
        "meter": song.meter,
        "inline": InlineAudio(rate=rate, channels=2, frames=frames),
    }
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    return Request(**{**fields, **changed}), fitted, bars


def one(bench: Bench, index: int, rng: Rng) -> tuple[Request, list[str]]:
    """Render one random request and list its faults."""
    request, inline, first_bar = random_request(index, rng), None, 0
    if index % 2:
        song = bench.songs[int(rng.integers(len(bench.songs)))]
        request, inline, first_bar = with_context(request, song, rng)
    quarters = Meter.parse(request.meter).bar_quarters
    rate, channels = cast(int, request.rate), cast(int, request.channels)
    lines = expected_lines(Fraction(cast(str, request.tempo)), quarters, first_bar, request.bars, rate)
    bars = [bar.audio for bar in bench.bars(request, inline)]
    return request, faults(bars, [b - a for a, b in pairwise(lines)], channels)


def measure(bench: Bench) -> dict[str, Any]:
    rng = np.random.default_rng(FIRST_SEED)
    count = bench.scaled(CLIPS)
    offenders = []
    for index in bench.track(range(count), "sanity"):
        request, found = one(bench, index, rng)
        if found:
            about = f"{request.kind} {request.bars} bars {request.tempo} {request.meter} {request.rate} Hz"
            text = request.prompts[0].text if request.prompts else ""
            offenders.append({"index": index, "request": about, "prompt": text, "faults": found})
    return {"clips": count, "with_context": count // 2, "offenders": offenders}


def table(results: dict[str, Any]) -> Table:
    bad = results["offenders"]
    rows = [[str(results["clips"]), str(results["with_context"]), str(len(bad))]]
    remarks = ["Bounds: peak over -40 dBFS and RMS over -60, every sample finite and below 1, every bar exact."]
    remarks += [f"{o['request']} ({o['prompt']}): {'; '.join(o['faults'])}" for o in bad]
    return Table("Nothing broken", ["clips", "of them continuations", "offenders"], rows, remarks)
