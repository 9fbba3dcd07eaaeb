"""Every runtime that loads here, each behind a warm resident engine, and requests that all of them get.

*Threading*: the residents have a worker thread each; one request is under way at a time, so that they do not meet.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.commands import measure
from engine.errors import AttaccaError
from engine.events import Ended, Event
from engine.resident import Resident
from engine.types import Audio, CurvePoint, InlineAudio, Note, PromptPart, Renderer, Report, Request

EAGER = "torch-eager"
"""The networks as they are saved: no packed weights, nothing exported. What the engine's own pick is held against."""
NAMES = (EAGER, "torch", "onnx", "onnx-int8")
KINDS = ("plain", "controlled", "continuing")
CONTEXT_BARS = 2
"""4 s at 120."""


def load(folder: Path, name: str, say: Callable[[str], None] = lambda _: None) -> Renderer:
    """A renderer by a runtime's name; `say` hears what is picked and built. Raises an AttaccaError."""
    from engine.render.load import load_renderer

    return eager(folder) if name == EAGER else load_renderer(folder, "cpu", name, say)


def eager(folder: Path) -> Renderer:
    """torch in float32 as PyTorch runs it."""
    from engine import bundle
    from engine.models.load import load_networks
    from engine.render.generate import ModelRenderer

    checked = bundle.load(folder)
    return ModelRenderer(checked, load_networks(checked))


@contextmanager
def residents(folder: Path, names: Sequence[str]) -> Iterator[tuple[dict[str, Resident], dict[str, str]]]:
    """(warm engines by runtime, why others are left out). Raises AttaccaError where none loads."""
    warm: dict[str, Resident] = {}
    left_out: dict[str, str] = {}
    try:
        for name in names:
            try:
                resident = Resident(load(folder, name))
            except AttaccaError as error:
                left_out[name] = str(error)
                continue
            warm[name] = resident
            resident.start()
        if not warm:
            raise AttaccaError("; ".join(left_out.values()))
        yield warm, left_out
    finally:
        for resident in warm.values():
            resident.close()


def ask(resident: Resident, request: Request, inline: Audio | None = None) -> Report:
    """Submit a request, wait for its end, let its audio go. RuntimeError says why it did not end as done."""
    heard: queue.SimpleQueue[Event] = queue.SimpleQueue()
    resident.submit(request, inline, heard.put)
    while not isinstance(event := heard.get(timeout=600.0), Ended):
        pass
    if event.report is None:
        raise RuntimeError(f"{event.ending}: {event.text}")
    return event.report


class Requests:
    """Requests of bars of 2 s (4/4 at 120), all with the same prompt; numbered, so that each has another seed.

    A continuing one follows 4 s that were not heard before, and with them fills the same window as a plain one.
    """

    def __init__(self) -> None:
        from benchmarks.first_piece import contexts

        self._contexts, self._rate = contexts()
        self._turn = 0

    def make(self, kind: str, bars: int, steps: int, seed: int) -> tuple[Request, Audio | None]:
        """bars: of the whole window, context included. kind: one of KINDS."""
        self._turn += 1
        fields: dict[str, Any] = {
            "id": f"bench-{self._turn}", "tempo": measure.TEMPO, "steps": steps, "seed": seed,
            "prompts": (PromptPart(text=measure.PROMPT),),
        }  # fmt: skip
        if kind == "continuing":
            return self.after(fields, max(1, bars - CONTEXT_BARS))
        if kind == "controlled":
            fields |= controls(bars)
        return Request(kind="generate", bars=bars, **fields), None

    def after(self, fields: dict[str, Any], bars: int) -> tuple[Request, Audio]:
        """Bars that follow 4 s of the shipped loop, another stretch each time."""
        audio = self._contexts[self._turn * 97 % len(self._contexts)]
        shape = InlineAudio(rate=self._rate, channels=audio.shape[1], frames=len(audio))
        return Request(kind="continue", bars=bars, inline=shape, **fields), audio


def controls(bars: int) -> dict[str, Any]:
    """A curve, a note a beat, chords and a key over so many bars of 4/4."""
    scale = (69, 71, 72, 74, 76, 77, 79, 81)
    notes = tuple(Note(pitch=scale[beat % 8], beat=float(beat), length=0.9) for beat in range(4 * bars))
    curve = (CurvePoint(beat=0.0, db=-24.0), CurvePoint(beat=4.0 * bars, db=-12.0))
    return {"intensity": curve, "melody": notes, "chords": "Am F C G", "key": "A minor"}
