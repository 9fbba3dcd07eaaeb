"""The pipeline's stages, one function each; every one goes on where it stopped and, once finished, only loads.

corpus -> prompt -> codec -> vocoder -> polish -> lows -> joint -> encode -> teacher -> student
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from torch import nn

from engine.models.codec import Codec
from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.models.joint import Joint
from engine.models.load import Networks
from engine.models.prompt import PromptHead
from engine.models.vocoder import Vocoder
from engine.training import (
    codec,
    data,
    devices,
    encode,
    finished,
    joint,
    lows,
    polish,
    prompt,
    shortcut,
    teacher,
    vocoder,
    windows,
)
from engine.training.adherence import Judges
from engine.training.budget import CORPUS_TIMES_REAL_TIME
from engine.training.data import Latents
from engine.training.prompt import Vocabulary
from engine.training.workshop import Workshop

FEWEST_SONGS = 12
"""Of a composed corpus: the twelfth is the first that is held out for validation."""
FEWEST_ENCODED = 4
VARIANTS_FROM_SECONDS = 60.0
"""Encoding gets augmented variants too when it has this long."""
POOL_START_SECONDS = 8.0
VALIDATION_WINDOW = 144
BATCHES = {"codec": (12, 128), "vocoder": (4, 64), "polish": (4, 32), "lows": (32, 256), "joint": (48, 128),
           "teacher": (8, 256), "student": (8, 128)}  # fmt: skip
"""Examples a step on a CPU, and on a GPU where a stage's train function takes `batch`."""


class _EnoughError(Exception):
    """The corpus stage has spent its time."""


def corpus(shop: Workshop) -> None:
    """Compose and render, or read the user's folder, until the time is up; what is there is kept."""
    if shop.ledger.done("corpus") and shop.files():
        return
    with shop.working("corpus") as (left, entry):
        before = len(shop.files()) + len(shop.files("valid")) + len(shop.files("test"))
        if shop.source is not None:
            _own_sounds(shop, left)
        else:
            _composed(shop, left)
        entry.made["songs"] = len(shop.files()) + len(shop.files("valid")) + len(shop.files("test"))
        entry.made["rendered"] = entry.made.get("rendered", 0) + entry.made["songs"] - before


def _composed(shop: Workshop, seconds: float) -> None:
    from engine.training.corpus.build import build

    deadline = time.monotonic() + seconds
    here = 2.0 * seconds * CORPUS_TIMES_REAL_TIME * shop.workers / 2 / 3600.0  # more than can be done: time decides
    hours = shop.corpus_hours or max(FEWEST_SONGS * 46.0 / 3600.0, here)
    with Progress(console=shop.console) as bar:
        task = bar.add_task("corpus")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if shop.corpus_hours is None and time.monotonic() > deadline and done >= FEWEST_SONGS:
                raise _EnoughError

        with contextlib.suppress(_EnoughError):
            build(shop.corpus, hours, shop.workers, shop.seed, tell, **shop.settings.get("corpus", {}))


def _own_sounds(shop: Workshop, seconds: float) -> None:
    from engine.training.folder.prepare import prepare
    from engine.training.folder.progress import shown

    deadline = time.monotonic() + seconds
    assert shop.source is not None
    with shown(shop.console) as tell:
        report = prepare(shop.source, shop.corpus, tell, lambda: time.monotonic() > deadline)
    report.show(shop.console)


def prompt_head(shop: Workshop) -> tuple[PromptHead, Vocabulary]:
    """The prompt head and what its vectors mean."""
    held = shop.facts("prompt")
    if shop.ledger.done("prompt") and held:
        vocabulary = Vocabulary(tuple(held["styles"]), tuple(held["tags"]))
        head = PromptHead(len(vocabulary.styles), len(vocabulary.tags))
        finished.fill(shop.folder, "prompt", head)
        return head, vocabulary
    with shop.working("prompt"):
        facts = [data.metadata(path) for path in shop.files()]
        head, vocabulary = prompt.train(facts, shop.seed, shop.console, **shop.offered(prompt.train, "prompt"))
        finished.keep(shop.folder, "prompt", head, styles=vocabulary.styles, tags=vocabulary.tags)
    return head, vocabulary


def _given(shop: Workshop, function: Callable[..., Any], name: str, **more: Any) -> dict[str, Any]:
    """What a trained stage's function is offered; the size of its batches is noted."""
    small, large = BATCHES[name]
    if shop.device.type == "cuda":
        more = {"batch": large, **more}
    taken = shop.offered(function, name, **more)
    shop.ledger.entry(name).made["batch"] = taken.get("batch", small)
    return taken


def _samples(shop: Workshop, name: str) -> None:
    made = shop.ledger.entry(name).made
    made["samples"] = made.get("steps", 0) * made.get("batch", BATCHES[name][0])
    shop.ledger.save()


def coder(shop: Workshop) -> Codec:
    def train(seconds: float) -> Codec:
        more = _given(shop, codec.train, "codec")
        return codec.train(shop.files(), seconds, shop.folder, shop.seed, shop.console, **more)

    model = shop.make("codec", Codec, train, lambda made: codec.measure(made, shop.held_out()))
    _samples(shop, "codec")
    return model


def voice(shop: Workshop, model: Codec) -> Vocoder:
    def train(seconds: float) -> Vocoder:
        more = _given(shop, vocoder.train, "vocoder")
        return vocoder.train(shop.files(), model, seconds, shop.folder, shop.seed, shop.console, **more)

    made = shop.make("vocoder", Vocoder, train)
    _samples(shop, "vocoder")
    return made


def polished(shop: Workshop, model: Codec, speaker: Vocoder) -> None:
    """Codec's decoder and vocoder, trained on by the sound they make; both are changed in place."""

    def train(seconds: float) -> _Pair:
        more = _given(shop, polish.train, "polish")
        polish.train(shop.files(), model, speaker, seconds, shop.folder, shop.seed, shop.console, **more)
        return _Pair(model.cpu(), speaker.cpu())

    shop.make("polish", lambda: _Pair(model, speaker), train, lambda made: codec.measure(made.codec, shop.held_out()))
    _samples(shop, "polish")


def basses(shop: Workshop, model: Codec) -> None:
    """The codec's network for the lows, added in place."""

    def train(seconds: float) -> Codec:
        more = _given(shop, lows.train, "lows")
        return lows.train(shop.files(), model, seconds, shop.folder, shop.seed, shop.console, **more)

    shop.make("lows", lambda: model, train, lambda made: lows.measure(made, shop.held_out()))
    _samples(shop, "lows")


class _Pair(nn.Module):
    def __init__(self, model: Codec, speaker: Vocoder) -> None:
        super().__init__()
        self.codec, self.vocoder = model, speaker


def ears(shop: Workshop, vocabulary: Vocabulary) -> Joint:
    """The network that listens."""

    def train(seconds: float) -> Joint:
        more = _given(shop, joint.train, "joint")
        return joint.train(shop.files(), vocabulary, seconds, shop.folder, shop.seed, shop.console, **more)

    model = shop.make("joint", lambda: Joint(len(vocabulary.styles), len(vocabulary.tags)), train)
    _samples(shop, "joint")
    return model


def songs(shop: Workshop, model: Codec, head: PromptHead) -> list[Latents]:
    """The training songs as latents, as many as there is time for, with variants when there is much."""
    files = shop.files()
    entry = shop.ledger.entry("encode")
    if not shop.ledger.done("encode"):
        with shop.working("encode") as (left, entry):
            variants = left >= VARIANTS_FROM_SECONDS * shop.slow and shop.workers > 0
            count, entry.made["each_s"] = _affordable(shop, files, model, variants, left, entry.made.get("each_s", 0.0))
            made = _encoded(shop, files[:count], model, variants, shop.workers if count > 64 else 1)
            entry.made |= {"songs": count, "variants": float(variants), "encoded": len(made)}
            _prompted(made, head)
        return made
    count, variants = int(entry.made["songs"]), bool(entry.made["variants"])
    return _prompted(_encoded(shop, files[:count], model, variants, 1), head)


def _affordable(
    shop: Workshop, files: list[Any], model: Codec, variants: bool, left_s: float, known_s: float
) -> tuple[int, float]:
    """How many songs `left_s` seconds encode, from how long the first few take, and how long one does.

    known_s: what a run that was stopped found (the first few are in the cache by now).
    """
    started = time.monotonic()
    few = min(FEWEST_ENCODED, len(files))
    _encoded(shop, files[:few], model, variants, 1)
    each = max(1e-3, known_s, (time.monotonic() - started) / few)
    rest = left_s - few * each
    alone, pooled = rest / each, (rest - POOL_START_SECONDS * shop.slow) * shop.workers / each
    return min(len(files), few + max(0, int(alone), int(pooled) if pooled > 64 else 0)), each


def _encoded(shop: Workshop, files: list[Any], model: Codec, variants: bool, workers: int) -> list[Latents]:
    return encode.encoded(files, model, shop.out / "latents", shop.seed, variants, workers, shop.console)


def _prompted(made: list[Latents], head: PromptHead) -> list[Latents]:
    """The songs with prompt vectors of their captions; every text is embedded once."""
    texts = list(dict.fromkeys(text for song in made for text in song.facts["captions"]))
    with torch.no_grad():
        vectors = dict(zip(texts, head(prompt.embed_all(texts)).numpy().astype(np.float32), strict=True))
    for song in made:
        song.prompts = np.stack([vectors[text] for text in song.facts["captions"]])
    return made


def taught(
    shop: Workshop, networks: Networks, vocabulary: Vocabulary, train_songs: list[Latents], start: Denoiser | None
) -> Denoiser:
    """The teacher, judged on held-out songs as it learns."""
    config = start.config if start is not None else DenoiserConfig(prompt=vocabulary.width)
    config = replace(config, **{"jumps": False, **shop.settings.get("denoiser", {})})

    @lru_cache(maxsize=1)
    def valid() -> list[Latents]:
        files = shop.held_out()
        return _prompted(_encoded(shop, files, networks.codec, False, 1), networks.prompt)

    def judge(model: nn.Module) -> float:
        assert isinstance(model, Denoiser)
        return _validation(model, valid())

    def train(seconds: float) -> Denoiser:
        more = _given(shop, teacher.train, "teacher", start=start, validate=judge)
        return teacher.train(train_songs, config, seconds, shop.folder, shop.seed, shop.console, **more)

    def measure(model: Denoiser) -> dict[str, Any]:
        return {"validation_loss": judge(model), "config": vars(model.config)}

    held = shop.facts("teacher").get("config")
    model = shop.make("teacher", lambda: Denoiser(DenoiserConfig(**held) if held else config), train, measure)
    _samples(shop, "teacher")
    return model


@torch.no_grad()
def _validation(model: Denoiser, valid: list[Latents], batches: int = 8) -> float:
    """Velocity error on held-out songs: the same windows, times and noise each time, where the model is."""
    rng, device = np.random.default_rng(0), devices.device_of(model)
    generator = devices.generator(device, 0)
    losses = [
        teacher.velocity_loss(model, *windows.batch(valid, teacher.BATCH, VALIDATION_WINDOW, rng, device), generator)
        for _ in range(batches)
    ]
    return float(torch.stack(losses).mean())


def distilled(
    shop: Workshop, networks: Networks, guide: Denoiser, train_songs: list[Latents], start: Denoiser | None
) -> Denoiser:
    """The student, from a mean of the teacher's weights and an earlier student's, scored on what it is asked for."""
    listener = networks.listener
    judges = Judges(networks.codec, listener, guide.config.prompt) if isinstance(listener, Joint) else None

    def train(seconds: float) -> Denoiser:
        begin = None if start is None else shortcut.between(start, guide)
        more = _given(shop, shortcut.train, "student", start=begin, judges=judges)
        return shortcut.train(guide, train_songs, seconds, shop.folder, shop.seed, shop.console, **more)

    def build() -> Denoiser:
        return Denoiser(DenoiserConfig(**shop.facts("student")["config"]))

    model = shop.make("student", build, train, lambda made: {"config": vars(made.config)})
    _samples(shop, "student")
    return model
