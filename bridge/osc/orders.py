"""What an OSC message asks to be made, and the file that comes of it. Bars of edits are counted from 1, as in a DAW.

*Threading*: `asked` is pure. An `Order` is filled by the loop's thread; `Order.write` runs on the writer's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge.files.edits import Span, parse_bars
from bridge.files.folder import RenderFolder
from bridge.files.splicing import Put, splice
from bridge.osc.socket import Peer
from engine import controls
from engine.errors import BadRequest
from engine.types import Audio, BarAudio, PromptPart, Report, Request

Values = tuple[Any, ...]


@dataclass(frozen=True)
class Asked:
    """A request, and where its bars go: into the source's file, or (None) into one of their own."""

    request: Request
    put: Put | None = None


@dataclass(eq=False)
class Order:
    """Whom to answer, what was asked, and the bars so far."""

    sender: Peer
    asked: Asked
    bars: list[Audio] = field(default_factory=list)
    lead_in: list[Audio] = field(default_factory=list)

    def take(self, bar: BarAudio) -> None:
        (self.bars if bar.first_frame >= 0 else self.lead_in).append(bar.audio)

    def write(self, folder: RenderFolder, report: Report) -> tuple[Path, int]:
        """(the file that `done` names, its frames). Raises what writing and reading files raise."""
        new, source = np.concatenate(self.bars), self.asked.request.source
        if self.asked.put is None or source is None:
            return folder.write(report.id, new, report.rate), report.frames
        nothing = np.zeros((0, report.channels), np.float32)
        path, lead_in = folder.name(report.id), np.concatenate([nothing, *self.lead_in])
        return path, splice(Path(source), path, self.asked.request, new, lead_in, self.asked.put)


def asked(address: str, values: Values) -> Asked:
    """What a checked message asks for. Raises BadRequest."""
    request_id, *own, tempo, meter, seed = values
    place: dict[str, Any] = {
        "id": request_id,
        "tempo": f"{tempo:.3f}",
        "meter": meter or "4/4",
        "seed": None if seed < 0 else seed,
    }
    return MAKERS[address](place, *own)


def _generate(place: dict[str, Any], prompt: str, bars: int) -> Asked:
    return Asked(Request(kind="generate", bars=bars, prompts=(PromptPart(text=prompt),) if prompt else (), **place))


def _continue(place: dict[str, Any], path: str, bars: int) -> Asked:
    return Asked(Request(kind="continue", bars=bars, source=path, **place))


def _fill(place: dict[str, Any], path: str, bars: str) -> Asked:
    return Asked(Request(kind="continue", source=path, edit="fill", **_span(parse_bars(bars)), **place), "inside")


def _vary(place: dict[str, Any], path: str, bars: str, strength: float) -> Asked:
    place |= _span(parse_bars(bars))
    return Asked(Request(kind="continue", source=path, edit="vary", strength=strength, **place), "inside")


def _accompany(place: dict[str, Any], path: str, bars: str, parts: str) -> Asked:
    span = parse_bars(bars)
    if span.keep:
        raise BadRequest("A part plays through: name one range of bars.")
    played = controls.parse_parts(parts) if parts else None
    place |= {"at_bar": span.at_bar, "bars": span.bars}
    return Asked(Request(kind="continue", source=path, under=True, parts=played, **place))


def _loop(place: dict[str, Any], path: str, bars: int) -> Asked:
    if not path:
        return Asked(Request(kind="generate", bars=bars, edit="loop", **place))
    return Asked(Request(kind="continue", source=path, bars=bars, edit="loop", **place))


def _extend(place: dict[str, Any], path: str, end: str, bars: int) -> Asked:
    if end not in ("front", "back"):
        raise BadRequest(f"A file is extended at its front or back; got {end!r}.")
    if end == "front":
        return Asked(Request(kind="continue", source=path, bars=bars, edit="front", **place), "front")
    return Asked(Request(kind="continue", source=path, bars=bars, **place), "behind")


def _span(span: Span) -> dict[str, Any]:
    return {"at_bar": span.at_bar, "bars": span.bars, "keep": span.keep}


MAKERS: dict[str, Callable[..., Asked]] = {
    f"/attacca/{make.__name__[1:]}": make for make in (_generate, _fill, _vary, _accompany, _loop, _extend)
} | {"/attacca/continue": _continue}
