"""A bundle of untrained networks, made by the tests themselves: the real renderer without shipped weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import bundle
from engine.models.codec import MEL_WIDTH, Codec
from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.models.listener import Listener
from engine.models.load import Networks, config_of, save_networks
from engine.models.prompt import PromptHead
from engine.models.vocoder import Vocoder
from engine.types import Audio, BarAudio, Rendered, Renderer, Request

STYLES, TAGS = ("house", "jazz"), ("fast", "slow", "piano")
MEAN_DB = -56.0


def untrained(seed: int = 0) -> Networks:
    """Small networks whose every condition reaches the sound; levels near -20 dBFS."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        config = DenoiserConfig(prompt=len(STYLES) + len(TAGS), width=64, layers=2, heads=2)
        sizes = len(STYLES), len(TAGS)
        networks = Networks(Codec(), Vocoder(), Denoiser(config), PromptHead(*sizes), Listener(*sizes))
        networks.codec.mean[:MEL_WIDTH] = MEAN_DB * 2**0.5
        networks.codec.mean[2 * MEL_WIDTH :] = MEAN_DB
        networks.codec.up.weight *= 0.4
        for layer in (networks.student.output, networks.student.modulation, networks.student.guidance_input):
            torch.nn.init.normal_(layer.weight, std=0.1)
    for module in vars(networks).values():
        module.eval().requires_grad_(False)
    return networks


def make_bundle(folder: Path, name: str = "tiny") -> bundle.Bundle:
    """Save and seal the untrained networks in `folder`."""
    networks = untrained()
    save_networks(networks, folder)
    (folder / bundle.CARD).write_text("Untrained: for tests.\n")
    return bundle.seal(folder, {"name": name, "config": config_of(networks, STYLES, TAGS, [-12.0, -18.0])})


@dataclass
class Take:
    """What a render gave: the lead-in apart from the bars."""

    lead_in: Audio
    bars: list[BarAudio]
    rendered: Rendered
    progress: list[float] = field(default_factory=list)

    @property
    def audio(self) -> Audio:
        return np.concatenate([bar.audio for bar in self.bars])


def play(
    renderer: Renderer, request: Request, inline: Audio | None = None, cancelled: Callable[[], bool] = lambda: False
) -> Take:
    """Render a request and hold its bars to the contract: in order, contiguous, one last."""
    heard: list[BarAudio] = []
    progress: list[float] = []
    rendered = renderer.render(request, inline, heard.append, progress.append, cancelled)
    bars = [bar for bar in heard if bar.first_frame >= 0]
    assert [bar.bar for bar in bars] == list(range(request.bars))
    assert [bar.last for bar in bars] == [False] * (request.bars - 1) + [True]
    edges = np.cumsum([0, *rendered.bar_frames])
    assert [bar.first_frame for bar in bars] == edges[:-1].tolist()
    assert [len(bar.audio) for bar in bars] == list(rendered.bar_frames)
    assert rendered.frames == edges[-1] and all(bar.rate == rendered.rate for bar in heard)
    assert all(bar.audio.dtype == np.float32 and bar.audio.shape[1] == rendered.channels for bar in heard)
    before = [bar for bar in heard if bar.first_frame < 0]
    assert heard[: len(before)] == before and len(before) <= 1
    assert all(bar.first_frame == -len(bar.audio) for bar in before)
    lead_in = before[0].audio if before else np.zeros((0, rendered.channels), np.float32)
    return Take(lead_in, bars, rendered, progress)


def ask(bars: int = 1, tempo: str = "120", **fields: Any) -> Request:
    """A generation, or with `source` or `inline` a continuation; one step and seed 5 unless said otherwise."""
    kind = "continue" if {"source", "inline"} & fields.keys() else "generate"
    given = {"seed": 5, "steps": 1, **fields}
    return Request(id="t", kind=kind, bars=bars, tempo=None if "source_bars" in fields else tempo, **given)
