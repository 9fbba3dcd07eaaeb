"""The model's renderer: condition, sample, decode, fit. `render` is those four stages and no more.

*Threading*: the resident's worker thread alone calls `warm_up` and `render`. Cancellation is looked
at before each denoiser step and each piece of decoding (some 10 ms of work each).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.bundle import Bundle
from engine.errors import Cancelled
from engine.models import features as F
from engine.models.codec import PATCH
from engine.models.load import Networks
from engine.models.prompt import sentence_encoder, sharpened
from engine.models.vocoder import WIDTH
from engine.render.adherence import Collected, Judge
from engine.render.condition import Material, Place, PromptSense, gather, place_of
from engine.render.decode import PRE_SAMPLES, Begun, Decoder
from engine.render.fit import Fitter
from engine.render.job import Job, rising
from engine.render.level import carried_gain_db, part_gain_db
from engine.render.line import AFTER
from engine.render.past import UNSURE, Pasts
from engine.render.planned import Planning, heard_before
from engine.render.reference import References
from engine.render.rehearse import rehearse
from engine.render.ringing import ringing
from engine.render.source import Check, unchecked
from engine.render.strengths import strengths_of
from engine.render.windows import Edits, edited_of, windows
from engine.runtimes.base import Runtime
from engine.runtimes.eager import TorchRuntime
from engine.types import MODEL_RATE_HZ, SEAM_SECONDS, Audio, BarAudio, InlineAudio, PromptPart, Rendered, Request

FIRST_FRAMES = 14
PIECE_FRAMES = 160
"""Frames of the first piece that is spoken, counted from time zero: 100 ms and all that looks ahead. Each later one is
twice as long, up to 1.7 s: what a piece costs beyond its frames (those to both sides of it, the network's weights back
in the cache) is paid where there is time."""
WARM_START = 10
WARM_FRAMES = 32
"""What is spoken before time zero: a third of a second, in which phases come apart that a draft begins together."""
KEPT_TEXTS = 64


class ModelRenderer:
    """`engine.types.Renderer` over a bundle's networks. Sound is made by `made_by`; words are read and sound is heard
    in torch.

    makeup_db: what decoding loses, measured at export. lag_samples at 48 kHz: how much later attacks
    leave codec and vocoder than they went in (`benchmarks.grid` measures it), taken back here. noise_width: how far the
    noise of left and right is parted, so that what is heard is as wide as what went in.
    ride: whether gain follows an intensity curve (evaluation turns it off, to score the trained
    condition alone).
    """

    def __init__(self, bundle: Bundle, networks: Networks, made_by: Runtime | None = None) -> None:
        """made_by: what runs codec, denoiser and vocoder; None is torch."""
        self.source, self.networks = bundle, networks
        self.made_by: Runtime = made_by or TorchRuntime(networks)
        self.bundle, self.runtime, self.threads = bundle.name, self.made_by.name, self.made_by.threads
        self.makeup_db = float(bundle.config.get("makeup_db", 0.0))
        self.lag_samples = int(bundle.config.get("lag_samples", 0))
        self.noise_width = float(bundle.config.get("noise_width", WIDTH))
        self.ride = True
        self.references, self.pasts = References(networks), Pasts(networks, self.made_by.encode)
        self.judge = Judge(networks)
        self.planning = Planning(bundle)
        self._words = lru_cache(maxsize=KEPT_TEXTS)(self._read)

    def info(self) -> dict[str, Any]:
        return {
            "bundle": self.bundle,
            "runtime": self.runtime,
            "threads": self.threads,
            "styles": self.source.styles,
            "training": self.source.manifest.get("training", {}),
        }

    def warm_up(self) -> None:
        """A render of four bars and its continuation, so that the first request pays for nothing."""
        sentence_encoder()
        heard: list[BarAudio] = []
        warm = Request(id="warm-up", kind="generate", bars=4, tempo="120", key="C major", seed=0, steps=1)
        self.render(warm, None, heard.append, lambda _: None, lambda: False)
        past = np.concatenate([bar.audio for bar in heard])
        shape = InlineAudio(rate=MODEL_RATE_HZ, channels=past.shape[1], frames=len(past))
        warm = Request(id="warm-up", kind="continue", bars=1, tempo="120", seed=0, steps=1, inline=shape)
        self.render(warm, past, lambda _: None, lambda _: None, lambda: False)

    def prompt_sense(self, request: Request, check: Check = unchecked) -> PromptSense:
        """The weighted mean of the prompts' vectors (None without a prompt) and the level that goes with it.

        Texts and audio references mix alike; audio that cannot be heard raises `BadAudio`.
        """
        width = self.networks.student.config.prompt
        levels = np.array(self.source.config["levels_db"], np.float32)
        parts = prompt_parts(request)
        if not parts or request.strengths.prompt == 0:
            return PromptSense(width, None, float(levels.mean()))
        rows = [self._vector(part, check) for part in parts]
        weights = np.array([part.weight for part in parts], np.float32)
        vector = np.asarray(weights @ np.stack(rows) / weights.sum(), np.float32)
        return PromptSense(width, vector, float(vector[: len(levels)] @ levels))

    def _vector(self, part: PromptPart, check: Check) -> NDArray[np.float32]:
        """The prompt vector [styles + tags] of one voice of the mix."""
        if part.audio is not None:
            return self.references.vector(part.audio, check)
        return self._words(part.text)

    def _read(self, text: str) -> NDArray[np.float32]:
        with torch.no_grad():
            head = self.networks.prompt
            vector = sharpened(head(sentence_encoder().embed([text]))[0], head.styles)
        return np.asarray(vector.numpy(), np.float32)

    def render(
        self,
        request: Request,
        inline: Audio | None,
        emit: Callable[[BarAudio], None],
        progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Rendered:
        """Emit the bars of `request`, whole or in pieces; see `engine.types.Renderer`."""

        def check() -> None:
            if cancelled():
                raise Cancelled("cancelled while it was prepared")

        place = place_of(request, inline, check)
        started = time.perf_counter()
        sense, reach = self.prompt_sense(request, check), AFTER if request.edit else 0
        request, plan = self.planning.planned(request, place, sense, partial(heard_before, place, self.pasts), check)
        material = gather(request, place, self.pasts, sense, check, reach)
        edited = edited_of(request, place, material, sense, self.pasts, self.made_by, check)
        context_seconds = time.perf_counter() - started
        seed = fresh_seed() if request.seed is None else request.seed
        fitter = Fitter(place.rate, place.channels, place.lines, self._seam(request, place), request.piece_ms)
        voices, heard = prompt_parts(request), Collected([])
        judged = self.judge.wants(request, voices)
        if judged:
            emit = heard.passing(emit)
        if edited is not None:
            emit = edited.mending(emit)
        if (rings := ringing(request, place)) is not None:
            emit = rings.over(emit)
        progress = rising(progress)
        job = Job(request, place, material, self._guidance(request, place), seed, cancelled, progress)
        for audio, last in self._sound(job, edited):
            for bar in fitter.feed(audio, last):
                emit(bar)
            progress(max(0.0, fitter.frames_out / place.lines[-1]))
        bar_frames = tuple(int(n) for n in np.diff(place.lines))
        adherence = self.judge.adherence(request, place, voices, heard.audio, check) if judged else None
        return Rendered(
            frames=place.lines[-1],
            rate=place.rate,
            channels=place.channels,
            seed=seed,
            bar_frames=bar_frames,
            context_seconds=context_seconds,
            adherence=adherence,
            plan=plan,
            remarks=tuple(place.remarks),
        )

    def rehearse(self, request: Request, inline: Audio | None, cancelled: Callable[[], bool]) -> None:
        """Work out beforehand what `request` would ask of its context; raises Cancelled between two answers."""

        def check() -> None:
            if cancelled():
                raise Cancelled("cancelled while it was rehearsed")

        rehearse(request, inline, self.pasts, check)

    def _seam(self, request: Request, place: Place) -> int:
        if request.edit == "loop":
            return round(SEAM_SECONDS * place.rate)
        if place.source is None:
            return 0
        return min(place.anchor.start_frame, round(SEAM_SECONDS * place.rate))

    def _decoder(self, material: Material, seed: int) -> tuple[Decoder, int, int]:
        """A warm decoder, the feature frames that it speaks before time zero, and its first sample from there."""
        known = material.sure[-WARM_START:]
        begin = (material.before - UNSURE - len(known)) * PATCH
        target = self._target(material, begin)
        warm = min(WARM_FRAMES, (len(known) + UNSURE) * PATCH)
        unheard = (len(known) + UNSURE) * PATCH - warm
        tuning, leads = material.tuning_cents, material.low_leads
        leads = None if leads is None else leads[begin:]
        decoder = Decoder(
            self.made_by, self.made_by.levels, known, seed % 4096, target, tuning, unheard, self.noise_width, leads
        )
        decoder.gain_db = self.makeup_db
        return decoder, warm, -warm * F.HOP - PRE_SAMPLES - self.lag_samples

    def _guidance(self, request: Request, place: Place) -> Tensor:
        """The strengths of the conditions [1, GROUPS]; what the bundle cannot follow is remarked."""
        guidance, remarks = strengths_of(request, self.networks.student.config, place.source is not None)
        place.remarks.extend(remarks)
        return guidance

    def _windows(self, job: Job, edited: Edits) -> Iterator[Tensor]:
        return windows(job, edited, self.networks, self.made_by, self._speak)

    def _speak(self, job: Job, made: Tensor) -> Iterator[Audio]:
        """Sound [n, 2] at 48 kHz from time zero on of latents from -UNSURE on, as `_sound` speaks them."""
        decoder, warm, first = self._decoder(job.material, job.seed)
        decoder.push(made, True)
        self._carry_level(job.request, job.material, decoder)
        for audio in _pieces(decoder, piece_sizes(warm + FIRST_FRAMES), True, job.cancelled):
            yield audio[max(0, -first) :]
            first += len(audio)

    def _sound(self, job: Job, edited: Edits) -> Iterator[tuple[Audio, bool]]:
        """48 kHz pieces from exactly one second before time zero to the end of the last bar."""
        place = job.place
        decoder, warm, start = self._decoder(job.material, job.seed)
        silence = np.zeros((max(0, MODEL_RATE_HZ + start), 2), np.float32)
        drop = max(0, -MODEL_RATE_HZ - start)
        yield silence, False
        left = math.ceil(place.seconds * MODEL_RATE_HZ) + MODEL_RATE_HZ + MODEL_RATE_HZ // 50 - len(silence)
        made, sizes = -UNSURE, piece_sizes(warm + FIRST_FRAMES)
        for window in self._windows(job, edited):
            decoder.push(window, made + len(window) >= place.latents)
            if made < 0:
                place.remarks.extend(self._carry_level(job.request, job.material, decoder))
            made += len(window)
            for audio in _pieces(decoder, sizes, made >= place.latents, job.cancelled):
                kept, drop = audio[drop:], max(0, drop - len(audio))
                yield kept[:left], False
                left -= len(kept)
        yield np.zeros((max(0, left), 2), np.float32), True

    def _target(self, material: Material, begin: int) -> NDArray[np.float32] | None:
        """The level to ride towards, from the decoder's first frame on, frame `begin` of the material."""
        return None if material.target_db is None or not self.ride else material.target_db[begin:]

    def _carry_level(self, request: Request, material: Material, decoder: Decoder) -> list[str]:
        """The gain that gives the new bars the context's loudness, where no curve says else; remarks on it."""
        if material.level_db is None or request.intensity is not None:
            return []
        made = decoder.features[len(decoder.features) // 2 :]
        if request.under:
            gain_db, remark = part_gain_db(material.level_db, made)
            decoder.gain_db = self.makeup_db + gain_db
            return [remark] if remark else []
        decoder.gain_db = self.makeup_db + carried_gain_db(material.level_db, made)
        return []


def piece_sizes(first: int) -> Iterator[int]:
    """Frames of the pieces that are spoken: a small first one, then larger ones up to PIECE_FRAMES."""
    yield first
    size = FIRST_FRAMES
    while True:
        size = min(2 * size, PIECE_FRAMES)
        yield size


def _pieces(decoder: Decoder, sizes: Iterator[int], last: bool, cancelled: Callable[[], bool]) -> Iterator[Audio]:
    """Speak what is ready, piece by piece: while a whole one is spoken, the network looks at the next."""
    before: Begun | None = None
    while (ready := decoder.ready(last)) > 0:
        if cancelled():
            raise Cancelled("cancelled while it was decoded")
        frames = min(next(sizes), ready)
        ahead = decoder.look(frames)
        if before is not None:
            yield decoder.finish(before)
        before = decoder.begin(ahead)
        if decoder.synthesis.position == 0:  # the first sound leaves before the network looks at the next
            yield decoder.finish(before)
            before = None
    if before is not None:
        yield decoder.finish(before)


def prompt_parts(request: Request) -> list[PromptPart]:
    """The voices that count in a request's mix of prompts, its `style` the last of them."""
    style = () if request.style is None else (PromptPart(audio=request.style),)
    voices = (*request.prompts, *style)
    return [part for part in voices if part.weight > 0 and (part.audio is not None or part.text.strip())]


def fresh_seed() -> int:
    """A seed for a request that names none; reported in the reply."""
    return int(np.random.SeedSequence().generate_state(1)[0])
