"""How well the bars that were returned follow what was asked for: measured on their sound, after the last one is out.

Costs some milliseconds, and only where there is a target. *Threading*: used by the renderer's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from engine.control.extract import mfcc_rows, row_edges, self_similarity
from engine.control.targets import form_similarity
from engine.controls import intensity_envelope, monophonic, sample_curve
from engine.controls.form import parse_form
from engine.models.joint import Joint, pieces
from engine.models.load import Networks
from engine.models.prompt import sentence_encoder
from engine.render.condition import Place
from engine.render.partial import acting
from engine.render.reference import features_of, read_start
from engine.render.source import Check, Source, to_stereo
from engine.timing import quarters_at_centres
from engine.types import MODEL_RATE_HZ, Adherence, Audio, BarAudio, PromptPart, Request

HOP, FRAMES_PER_SECOND = 480, 100
MELODY_STEP = 5
EDGE_SECONDS = 0.05
CHROMA_RATE_HZ, CHROMA_WINDOW = 12_000, 4096
LOWEST_PITCH, PITCHES = 36, 72
QUALITY = 17.0
KEPT = 64
Array = NDArray[np.float64]


@dataclass
class Collected:
    """Takes the bars on their way out, so that they can be judged."""

    bars: list[Audio]

    @property
    def audio(self) -> Audio:
        """All of them [frames, channels]."""
        return np.concatenate(self.bars)

    def passing(self, emit: Callable[[BarAudio], None]) -> Callable[[BarAudio], None]:
        """`emit`, seen."""

        def seen(bar: BarAudio) -> None:
            if bar.first_frame >= 0:
                self.bars.append(bar.audio)
            emit(bar)

        return seen


class Judge:
    """Knows texts and references that it has met. One for each renderer."""

    def __init__(self, networks: Networks) -> None:
        self.joint = networks.listener if isinstance(networks.listener, Joint) else None
        self.vectors: dict[object, NDArray[np.float32]] = {}

    def wants(self, request: Request, voices: list[PromptPart]) -> bool:
        """Whether there is something to judge."""
        likened = self.joint is not None and bool(voices) and request.strengths.prompt != 0
        told = (request.intensity, request.melody, request.form)
        return request.measure and (likened or any(target is not None for target in told))

    def adherence(
        self, request: Request, place: Place, voices: list[PromptPart], audio: Audio, check: Check
    ) -> Adherence:
        """audio [frames, channels]: all new bars, at place.rate. `check` is called between steps and may raise."""
        count = len(audio) * FRAMES_PER_SECOND // place.rate + 1
        quarters = quarters_at_centres(
            place.tempo_map, place.anchor.start_seconds, HOP, MODEL_RATE_HZ, count, place.anchor.start_quarters
        )
        new = made_anew(request, place, count)
        check()
        level = None if request.intensity is None else intensity_error_db(request, audio, place.rate, quarters, new)
        check()
        sung = None if request.melody is None else melody_accuracy(request, audio, place.rate, quarters, new)
        text, style = self._likeness(request, voices, audio, place.rate, check)
        form = None if request.form is None else form_error(request, place, audio, check)
        return Adherence(
            intensity_error_db=level,
            melody_accuracy=sung,
            text_similarity=text,
            style_similarity=style,
            form_error=form,
        )

    def _likeness(
        self, request: Request, voices: list[PromptPart], audio: Audio, rate: int, check: Check
    ) -> tuple[float | None, float | None]:
        """Cosines of the sound with the words, and with the references, each a mix by weight; None without any."""
        words = [voice for voice in voices if voice.audio is None]
        sounds = [voice for voice in voices if voice.audio is not None]
        if self.joint is None or request.strengths.prompt == 0 or len(audio) < rate // 5 or not voices:
            return None, None
        mine = self._heard(Source(audio, rate), check)
        found: list[float | None] = []
        for group in (words, sounds):
            if not group:
                found.append(None)
                continue
            mix = sum(voice.weight * self._vector(voice, check) for voice in group)
            found.append(float(mine @ mix / max(1e-9, float(np.linalg.norm(mix)))))
        return found[0], found[1]

    def _vector(self, voice: PromptPart, check: Check) -> NDArray[np.float32]:
        """The unit vector of a voice of the mix, kept for the next time."""
        key: object = voice.text
        if voice.audio is not None:
            state = Path(voice.audio).stat()
            key = (voice.audio, state.st_mtime_ns, state.st_size)
        if key not in self.vectors:
            check()
            if len(self.vectors) >= KEPT:
                self.vectors.pop(next(iter(self.vectors)))
            made = self._read(voice.text) if voice.audio is None else self._heard(read_start(voice.audio), check)
            self.vectors[key] = made
        return self.vectors[key]

    @torch.no_grad()
    def _read(self, text: str) -> NDArray[np.float32]:
        assert self.joint is not None
        return np.asarray(self.joint.text(sentence_encoder().embed([text]))[0].numpy(), np.float32)

    @torch.no_grad()
    def _heard(self, source: Source, check: Check) -> NDArray[np.float32]:
        assert self.joint is not None
        features = features_of(Source(to_stereo(source.audio), source.rate), check)
        heard = self.joint.listen(pieces(features)).embedding.mean(0)
        return np.asarray(torch.nn.functional.normalize(heard, dim=0).numpy(), np.float32)


def form_error(request: Request, place: Place, audio: Audio, check: Check) -> float | None:
    """Mean squared error of the self-similarity of audio [frames, channels] from its form; None under a second."""
    wanted = form_similarity(list(parse_form(request.form or "", request.bars)), [n / place.rate for n in place.lines])
    features = features_of(Source(to_stereo(audio), place.rate), check)[None]
    edges = row_edges(features.shape[1])[: len(wanted) + 1]
    if len(edges) < 3:
        return None
    found = self_similarity(mfcc_rows(features, edges))[0]
    return float((found - wanted[: len(found), : len(found)]).square().mean())


def made_anew(request: Request, place: Place, count: int) -> NDArray[np.bool_]:
    """Which moments [count], every 10 ms, lie in bars that were not kept."""
    new = np.ones(count, bool)
    for bar in request.keep:
        edges = [frame * FRAMES_PER_SECOND / place.rate for frame in place.lines[bar : bar + 2]]
        new[round(edges[0]) : round(edges[1])] = False
    return new


def intensity_error_db(
    request: Request, audio: Audio, rate: int, quarters: Array, new: NDArray[np.bool_]
) -> float | None:
    """Root mean square distance in dB from the curve where it acts; None where it acts nowhere."""
    assert request.intensity is not None
    _, level = intensity_envelope(audio, rate)
    count = min(len(level), len(quarters))
    judged = (acting(request.only, "intensity", quarters) & new)[:count]
    if not judged.any():
        return None
    wanted = sample_curve(request.intensity, quarters[:count])
    return float(np.sqrt(np.square(level[:count] - wanted)[judged].mean()))


def melody_accuracy(request: Request, audio: Audio, rate: int, quarters: Array, new: NDArray[np.bool_]) -> float | None:
    """Share of 20 Hz frames, 50 ms off note edges, whose strongest pitch class is the note's; None without any."""
    assert request.melody is not None
    seconds = np.arange(len(quarters)) / FRAMES_PER_SECOND
    wanted, clear = np.full(len(quarters), -1), np.ones(len(quarters), bool)
    for note in monophonic(request.melody):
        edges = np.interp([note.beat, note.beat + note.length], quarters, seconds)
        wanted[(quarters >= note.beat) & (quarters < note.beat + note.length)] = note.pitch % 12
        clear &= np.abs(seconds[:, None] - edges).min(axis=1) > EDGE_SECONDS
    judged = (wanted >= 0) & clear & acting(request.only, "melody", quarters) & new
    at = np.arange(0, len(quarters), MELODY_STEP)
    at = at[judged[at]]
    if len(at) == 0:
        return None
    return float((strongest(audio, rate, seconds[at]) == wanted[at]).mean())


def strongest(audio: Audio, rate: int, seconds: Array) -> NDArray[np.int64]:
    """The strongest pitch class [n] of the mono mix at each moment: a constant-Q transform over six octaves."""
    mono = np.asarray(soxr.resample(audio.mean(axis=1), rate, CHROMA_RATE_HZ, "HQ"), np.float32)
    padded = np.pad(mono, CHROMA_WINDOW)
    first = np.round(seconds * CHROMA_RATE_HZ).astype(int) + CHROMA_WINDOW // 2
    frames = np.lib.stride_tricks.sliding_window_view(padded, CHROMA_WINDOW)[np.minimum(first, len(mono))]
    real, imaginary = _kernels()
    level = np.hypot(frames @ real, frames @ imaginary)
    return np.asarray(level.reshape(len(level), -1, 12).sum(axis=1).argmax(axis=1))


@lru_cache(maxsize=1)
def _kernels() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Real and imaginary parts [CHROMA_WINDOW, PITCHES] of windowed tones from C2 on, the longer the lower."""
    at = np.arange(CHROMA_WINDOW) - CHROMA_WINDOW / 2
    hertz = 440.0 * 2.0 ** ((LOWEST_PITCH + np.arange(PITCHES) - 69) / 12)
    length = np.minimum(CHROMA_WINDOW, QUALITY * CHROMA_RATE_HZ / hertz)
    turn = np.clip(at[:, None] / length, -0.5, 0.5)
    window = (0.5 + 0.5 * np.cos(2 * np.pi * turn)) / length
    phase = 2 * np.pi * at[:, None] * hertz / CHROMA_RATE_HZ
    return (window * np.cos(phase)).astype(np.float32), (window * np.sin(phase)).astype(np.float32)
