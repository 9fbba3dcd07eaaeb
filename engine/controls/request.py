"""What a schema cannot check: whether the fields of a request make sense together."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import msgspec

from engine.controls.curve import checked
from engine.controls.edits import check_edit, check_only
from engine.controls.form import check_form
from engine.controls.harmony import check_chords, parse_key
from engine.controls.melody import check_range
from engine.errors import BadRequest
from engine.timing import (
    Anchor,
    TempoMap,
    anchor,
    beginning,
    check_length,
    parse_meters,
    parse_offset,
    shown,
    snapped_beat,
    tempo_from_length,
)
from engine.types import PART_NAMES, Note, Part, Request


def parse_parts(text: str) -> tuple[Part, ...]:
    """The parts to play, from "drums,bass"; BadRequest for unknown or doubled names."""
    names = [name.strip().lower() for name in text[:200].split(",")]
    if len(text) > 200 or not set(names) <= set(PART_NAMES) or len(set(names)) < len(names):
        raise BadRequest(f"Parts are one or more of {', '.join(PART_NAMES)}, separated by commas; got {shown(text)}.")
    return cast(tuple[Part, ...], tuple(names))


def request_map(request: Request, frames: int = 0, rate: int = 48_000) -> TempoMap:
    """The tempo map of a request; IN's `frames` at `rate` matter only where source_bars gives the tempo."""
    meters = parse_meters(request.meter)
    if request.source_bars is not None:
        meter = meters[0][1]
        return TempoMap.constant(tempo_from_length(frames, rate, request.source_bars, meter), meter)
    if request.tempo is None:
        raise BadRequest("A request needs a tempo from 20 to 400 quarters per minute.")
    return TempoMap.parse(request.tempo, meters)


def on_grid(request: Request, frames: int, rate: int) -> tuple[TempoMap, Anchor]:
    """A checked request's tempo map and where its new bars lie on it; IN has `frames` at `rate`.

    A generation has no IN: `rate` is that of its new bars. Raises BadRequest for what only IN's length tells.
    """
    tempo_map = request_map(request, frames, rate)
    offset = None if request.source_offset is None else parse_offset(request.source_offset)
    at_beat = request.at_beat or 0.0
    if request.kind == "generate":
        place = beginning(rate, tempo_map, request.at_bar or 0, at_beat, offset)
    else:
        first = 0 if request.edit == "front" else request.at_bar
        place = anchor(frames, rate, tempo_map, first, at_beat, offset)
    check_length(tempo_map, request.bars, place.start_bar)
    if len(tempo_map.meters) > 1:
        _check_over(request, tempo_map, place.start_bar)
    return tempo_map, place


def check(request: Request) -> None:
    """Raises BadRequest, with one sentence, for a request that cannot be rendered as it stands.

    Ranges are checked again, so that a request built in Python is held to what the wire allows. What
    depends on IN's length is left to `check_targets` and `timing.anchor`, once it is known.
    """
    _check_schema(request)
    _check_kind(request)
    _check_place(request)
    _check_prompts(request)
    check_edit(request)
    check_form(request)
    if request.key is not None:
        parse_key(request.key)
    if request.parts is not None:
        parse_parts(",".join(request.parts))


def _check_place(request: Request) -> None:
    """The new bars' place, as far as it is known without IN, and what is laid over them."""
    meters, first_bar = parse_meters(request.meter), request.at_bar or 0
    if request.source_offset is not None:
        parse_offset(request.source_offset)
    if request.source_bars is not None:
        if len(meters) > 1 or request.source_offset is not None:
            raise BadRequest("source_bars takes IN for whole bars of one meter; on a project's grid give its tempo.")
        tempo_map = TempoMap.constant(120, meters[0][1])
    else:
        tempo_map = request_map(request)
        check_length(tempo_map, request.bars, first_bar)
    if request.at_beat is not None:
        if request.at_bar is None and request.kind == "continue":
            raise BadRequest("at_beat counts from a bar line: give at_bar, too.")
        snapped_beat(tempo_map, first_bar, request.at_beat)
    if len(meters) == 1 or request.at_bar is not None or request.kind == "generate":
        _check_over(request, tempo_map, first_bar)


def _check_over(request: Request, tempo_map: TempoMap, first_bar: int) -> None:
    """Chords, curve and melody over the new bars from first_bar on."""
    if request.chords is not None:
        check_chords(request.chords, tempo_map.meters_over(first_bar, request.bars))
    start, end = (tempo_map.bar_start_quarters(first_bar + k) for k in (0, request.bars))
    check_targets(request, end - start)


def _check_prompts(request: Request) -> None:
    for part in request.prompts:
        if (part.audio is None) == (part.text == ""):
            raise BadRequest("A prompt is either text or audio (a path): give exactly one of them.")
    if request.prompts and request.style is None and not sum(p.weight for p in request.prompts) > 0:
        raise BadRequest("At least one prompt needs a weight above 0; weights run from 0 to 100.")


def check_targets(request: Request, quarters: Fraction) -> None:
    """Curve points and melody notes must lie within the new bars, `quarters` long.

    What a live player plays (it comes in pieces) is taken as it is.
    """
    if request.intensity is not None:
        checked([(point.beat, point.db) for point in request.intensity], quarters)
    if request.melody is not None:
        _check_melody(request.melody, quarters)
        if request.piece_ms is None:
            check_range(request.melody)
    if request.only is not None:
        check_only(request, quarters)


def _check_melody(notes: tuple[Note, ...], quarters: Fraction) -> None:
    if not notes:
        raise BadRequest("A melody needs at least one note; leave it away for none.")
    late = max(note.beat for note in notes)
    if Fraction(late) >= quarters:
        raise BadRequest(
            f"The melody has a note at beat {late:g}, past the end of the new bars; notes start from beat 0 to"
            f" before {quarters}."
        )


def _check_schema(request: Request) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(request), Request)
    except (msgspec.ValidationError, TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"The request is not valid: {str(error)[:300]}.") from None


def _check_kind(request: Request) -> None:
    if request.kind == "generate":
        given = {
            "source": request.source,
            "inline": request.inline,
            "source_bars": request.source_bars,
            "under": request.under or None,
        }
        extra = [name for name, value in given.items() if value is not None]
        if extra:
            raise BadRequest(f"{' and '.join(extra)} belong to a continuation; a generation starts from nothing.")
        if request.tempo is None:
            raise BadRequest("A generation needs a tempo from 20 to 400 quarters per minute.")
        return
    if (request.source is None) == (request.inline is None):
        raise BadRequest("A continuation needs exactly one of source (a path) and inline audio.")
    if (request.tempo is None) == (request.source_bars is None):
        raise BadRequest("A continuation needs exactly one of tempo (20 to 400) and source_bars (1 to 256).")
