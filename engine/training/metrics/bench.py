"""What all sections share: the bundle's renderer, held-out songs, seeds, where results go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from engine.models import features as F
from engine.models.synthesis import Synthesis
from engine.render.generate import ModelRenderer
from engine.timing import Meter, TempoMap
from engine.training import data
from engine.types import MODEL_RATE_HZ, Audio, BarAudio, InlineAudio, Request

T = TypeVar("T")
FRAME_SAMPLES = F.HOP
FIRST_SEED = 90_000


@dataclass
class Song:
    """A held-out song: its facts, and its sound and features when they are asked for."""

    path: Path
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts = data.metadata(self.path)

    @property
    def tempo(self) -> Fraction:
        return Fraction(self.facts["tempo"])

    @property
    def meter(self) -> str:
        return "{}/{}".format(*self.facts["meter"])

    @property
    def bars(self) -> int:
        return int(self.facts["bars"])

    @cached_property
    def tempo_map(self) -> TempoMap:
        return TempoMap.constant(self.tempo, Meter.parse(self.meter))

    @property
    def bar_seconds(self) -> float:
        return float(self.tempo_map.seconds_at(self.tempo_map.bar_start_quarters(1)))

    def line(self, bar: int) -> int:
        """First sample of a bar."""
        return self.tempo_map.sample_at(self.tempo_map.bar_start_quarters(bar), MODEL_RATE_HZ)

    def audio(self, first: int = 0, last: int | None = None) -> Audio:
        """Samples first to last of the mix, float32 [frames, 2]."""
        from safetensors import safe_open

        with safe_open(str(self.path), "numpy") as file:
            piece = file.get_slice("audio")[first : self.facts["frames"] if last is None else last]
        return np.asarray(piece, np.float32) / np.float32(32768.0)

    def array(self, name: str) -> np.ndarray:
        """One stored array, whole."""
        return data.read(self.path, (name,))[name]


@dataclass
class Bench:
    """The evaluation's workplace. clips: the size asked for (400 is full); teacher: a stage checkpoint.

    corpus: the built corpus, whose training split the judge learns from; judge: its file, once it is there;
    ears: the bundle whose joint space of text and sound listens, if there is one;
    cache: where rows that cost much are kept, OUT/cache unless two bundles share one; memo: what sections share.
    """

    renderer: ModelRenderer
    songs: list[Song]
    clips: int
    out: Path
    console: Console
    teacher: Path | None = None
    corpus: Path | None = None
    judge: Path | None = None
    ears: Path | None = None
    cache: Path = Path()
    memo: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cache == Path():
            self.cache = self.out / "cache"

    def scaled(self, full: int) -> int:
        """`full` at 400 clips, fewer in proportion below, at least 2."""
        return max(2, min(full, round(full * self.clips / 400)))

    def track(self, items: Sequence[T] | Iterable[T], name: str, total: int | None = None) -> Iterator[T]:
        from rich.progress import track

        return iter(track(items, f"{name:24s}", total=total, console=self.console))

    def render(self, request: Request, inline: Audio | None = None) -> Audio:
        """The new bars as one array [frames, channels]."""
        return np.concatenate([bar.audio for bar in self.bars(request, inline)])

    def bars(self, request: Request, inline: Audio | None = None) -> list[BarAudio]:
        """The new bars; the seam's lead-in is dropped."""
        emitted: list[BarAudio] = []
        self.renderer.render(request, inline, emitted.append, lambda _: None, lambda: False)
        return [bar for bar in emitted if bar.first_frame >= 0]

    @torch.no_grad()
    def coded(self, features: Tensor) -> Tensor:
        """Features [T, CHANNELS] dB through the codec, whole patches only."""
        codec = self.renderer.made_by
        whole = features[: len(features) // 8 * 8]
        return codec.decode(codec.encode(whole[None]))[0]

    def spoken(self, features: Tensor, seed: int = 0) -> Audio:
        """Sound [512 T, 2] of features; sample 0 is frame 0's centre (1024 warm-up samples are dropped)."""
        margin = torch.cat([features, features[-4:]])
        audio = Synthesis(self.renderer.made_by.levels, seed=seed, width=self.renderer.noise_width).push(margin)
        start = F.WINDOW // 2
        return np.ascontiguousarray(audio[start : start + FRAME_SAMPLES * len(features)], np.float32)

    def reconstructed(self, audio: Audio) -> Audio:
        """Sound through codec and vocoder, cut to the length of what went in."""
        padded = np.pad(audio, ((0, 8 * FRAME_SAMPLES), (0, 0)))
        return self.spoken(self.coded(F.analyse_tensor(torch.from_numpy(padded))))[: len(audio)]


def continuation(name: str, audio: Audio, tempo: str, meter: str, bars: int, seed: int) -> Request:
    """A request that follows `audio` (48 kHz stereo) which travels beside it."""
    inline = InlineAudio(rate=MODEL_RATE_HZ, channels=audio.shape[1], frames=len(audio))
    return Request(id=name, kind="continue", bars=bars, tempo=tempo, meter=meter, seed=seed, inline=inline)
