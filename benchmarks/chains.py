"""Drums of generated music against the bar lines: along chains of continuations, and in held-out clips beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.models import features as F
from engine.models.codec import PATCH
from engine.models.load import Networks
from engine.models.synthesis import Synthesis
from engine.render.join import join
from engine.training.data import metadata, read
from engine.training.metrics.onsets import BANDS, Band, Times, event_offsets, offsets_ms, onsets_ms, pooled
from engine.types import MODEL_RATE_HZ, SEAM_SECONDS, Audio, BarAudio, InlineAudio, PromptPart, Renderer, Request

PROMPTS = (
    "four-on-the-floor house, punchy kick, claps and open hats",
    "driving techno, hard kick on every beat, tight closed hats",
)
LINKS_BARS = (8, 16)
STYLES = ("house", "techno")
SEAM_FRAMES = round(SEAM_SECONDS * MODEL_RATE_HZ)
CLIP_SECONDS = 30


@dataclass(frozen=True)
class Chain:
    """Links of 8 and 16 bars, each following the whole so far, at a tempo in 4/4; seeds rise with the links."""

    tempo: str
    prompt: str
    seed: int
    bars: int

    def line_frame(self, beat: int) -> int:
        """Oracle: the frame of a beat, floor(x + 1/2)."""
        return floor(Fraction(beat * 60 * MODEL_RATE_HZ) / Fraction(self.tempo) + Fraction(1, 2))

    def lines_ms(self, first_bar: int, last_bar: int) -> Times:
        """Beats of bars first to last, both counted from 1, in ms from the first bar line."""
        beats = np.arange(4 * (first_bar - 1), 4 * last_bar)
        return np.asarray(beats * float(60_000 / Fraction(self.tempo)))

    def links(self) -> Iterator[int]:
        left, index = self.bars, 0
        while left > 0:
            yield min(left, LINKS_BARS[index % 2])
            left -= LINKS_BARS[index % 2]
            index += 1


def render(renderer: Renderer, chain: Chain, steps: int) -> tuple[Audio, int]:
    """The whole chain at 48 kHz [frames, 2] and the greatest error of a bar line in samples."""
    audio = np.zeros((chain.line_frame(4 * chain.bars) + 64, 2), np.float32)
    end, bar, error = 0, 0, 0
    for index, bars in enumerate(chain.links()):
        for piece in _link(renderer, chain, audio[:end], bars, chain.seed + index, steps):
            if piece.first_frame < 0:
                audio[end - SEAM_FRAMES : end] = join(
                    audio[end - SEAM_FRAMES : end], audio[:0], piece.audio, SEAM_FRAMES
                )
                continue
            audio[end : end + len(piece.audio)] = piece.audio
            end, bar = end + len(piece.audio), bar + 1
            error = max(error, abs(end - chain.line_frame(4 * bar)))
    return audio[:end], error


def _link(renderer: Renderer, chain: Chain, past: Audio, bars: int, seed: int, steps: int) -> list[BarAudio]:
    fields: dict[str, Any] = {"id": "link", "bars": bars, "tempo": chain.tempo, "seed": seed, "steps": steps}
    fields["prompts"] = (PromptPart(text=chain.prompt),)
    request = Request(kind="generate", **fields)
    if len(past):
        sent = InlineAudio(rate=MODEL_RATE_HZ, channels=2, frames=len(past))
        request = Request(kind="continue", inline=sent, **fields)
    heard: list[BarAudio] = []
    renderer.render(request, past if len(past) else None, heard.append, lambda _: None, lambda: False)
    return heard


def spans(bars: int) -> dict[str, tuple[int, int]]:
    """The places of a chain that are compared: bar 1, bar 64 and the last, and eight bars around each."""
    middle = min(64, max(1, bars // 2))
    near = min(8, bars)
    return {
        "bar 1": (1, 1),
        f"bar {middle}": (middle, middle),
        f"bar {bars}": (bars, bars),
        f"bars 1-{near}": (1, near),
        f"bars {max(1, middle - near + 1)}-{middle}": (max(1, middle - near + 1), middle),
        f"bars {bars - near + 1}-{bars}": (bars - near + 1, bars),
        "all bars": (1, bars),
    }


def chain_offsets(audio: Audio, chain: Chain, band: Band) -> dict[str, Times]:
    """Signed offsets in ms at each beat of each place."""
    found = onsets_ms(audio, band)
    return {name: offsets_ms(found, chain.lines_ms(*bars)) for name, bars in spans(chain.bars).items()}


@dataclass(frozen=True)
class Clip:
    """The beginning of a held-out song. events [n, 2]: ms and General MIDI key of each drum written."""

    style: str
    audio: Audio
    events: np.ndarray
    lines_ms: Times


def held_out(corpus: Path, most: int) -> list[Clip]:
    """Test songs in STYLES with a kick on most beats."""
    clips: list[Clip] = []
    for path in sorted((corpus / "test").glob("*.safetensors")):
        facts = metadata(path)
        if facts["style"] not in STYLES or facts["meter"] != [4, 4] or len(clips) == most:
            continue
        arrays = read(path, ("audio", "onsets_ms"))
        audio = arrays["audio"][: CLIP_SECONDS * MODEL_RATE_HZ].astype(np.float32) / np.float32(32_767)
        last_ms = 1000.0 * len(audio) / MODEL_RATE_HZ - 200.0
        beat_ms = float(60_000 / Fraction(facts["tempo"]))
        lines = np.arange(0.0, last_ms, beat_ms)
        events = arrays["onsets_ms"]
        clips.append(Clip(facts["style"], audio, events[events[:, 0] < last_ms], lines))
    return clips


@torch.no_grad()
def decoded(networks: Networks, audio: Audio, through_codec: bool = True) -> Audio:
    """Sound through analysis, codec and vocoder and back [frames, 2]: what the decoder does to time."""
    count = len(audio) // (PATCH * F.HOP) * PATCH
    features = F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio)))[:count]
    if through_codec:
        features = networks.codec.decode(networks.codec.encode(features[None]))[0]
    synthesis, pieces = Synthesis(networks.vocoder), []
    for first in range(0, count, 12 * PATCH):
        pieces.append(synthesis.push(features[first : first + 12 * PATCH]))
    sound = np.concatenate(pieces)[F.WINDOW // 2 :]
    return np.asarray(sound, np.float32)


def corpus_rows(clips: list[Clip], networks: Networks, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """By band: the detector against written events, clips against their lines, and both decoded.

    "lag" is decoded minus original at the same line, where both are heard.
    """
    rows: dict[str, dict[str, Any]] = {band.name: {} for band in BANDS}
    again = {way: [decoded(networks, clip.audio, way == "codec") for clip in clips] for way in ("codec", "vocoder")}
    for band in BANDS:
        events, lines, chance, lags = [], [], [], {way: [] for way in again}  # type: ignore[var-annotated]
        through: list[Times] = []
        for index, clip in enumerate(clips):
            found = onsets_ms(clip.audio, band)
            events.append(event_offsets(clip.audio, clip.events, band, found))
            lines.append(offsets_ms(found, clip.lines_ms))
            chance.append(offsets_ms(found, np.sort(rng.uniform(0.0, clip.lines_ms[-1], len(clip.lines_ms)))))
            for way, sounds in again.items():
                there = offsets_ms(
                    onsets_ms(sounds[index], band),
                    clip.lines_ms[clip.lines_ms < 1000.0 * len(sounds[index]) / MODEL_RATE_HZ - 100.0],
                )
                lags[way].append(there - lines[-1][: len(there)])
                if way == "codec":
                    through.append(there)
        rows[band.name] = {
            "detector at written events": pooled(events, rng),
            "held-out, beats": pooled(lines, rng),
            "held-out, random times": pooled(chance, rng),
            "held-out through codec and vocoder, beats": pooled(through, rng),
            "lag of codec and vocoder": pooled(lags["codec"], rng),
            "lag of vocoder alone": pooled(lags["vocoder"], rng),
        }
    return rows
