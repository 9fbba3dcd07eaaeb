"""What a schema cannot check: whether the fields of a request make sense together."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import msgspec

from engine.controls.curve import checked
from engine.controls.harmony import parse_chords, parse_key
from engine.errors import BadRequest
from engine.timing import Meter, TempoMap, check_length, shown, tempo_from_length
from engine.types import PART_NAMES, Note, Part, Request


def parse_parts(text: str) -> tuple[Part, ...]:
    """The parts to play, from "drums,bass"; BadRequest for unknown or doubled names."""
    names = [name.strip().lower() for name in text[:200].split(",")]
    if len(text) > 200 or not set(names) <= set(PART_NAMES) or len(set(names)) < len(names):
        raise BadRequest(f"Parts are one or more of {', '.join(PART_NAMES)}, separated by commas; got {shown(text)}.")
    return cast(tuple[Part, ...], tuple(names))


def request_map(request: Request, frames: int = 0, rate: int = 48_000) -> TempoMap:
    """The tempo map of a request; IN's `frames` at `rate` matter only where source_bars gives the tempo."""
    meter = Meter.parse(request.meter)
    if request.source_bars is not None:
        return TempoMap.constant(tempo_from_length(frames, rate, request.source_bars, meter), meter)
    if request.tempo is None:
        raise BadRequest("A request needs a tempo from 20 to 400 quarters per minute.")
    return TempoMap.parse(request.tempo, meter)


def check(request: Request) -> None:
    """Raises BadRequest, with one sentence, for a request that cannot be rendered as it stands.

    Ranges are checked again, so that a request built in Python is held to what the wire allows. What
    depends on IN's length is left to `check_targets` and `timing.anchor`, once it is known.
    """
    _check_schema(request)
    _check_kind(request)
    meter = Meter.parse(request.meter)
    if request.source_bars is None:
        check_length(request_map(request), request.bars, request.at_bar or 0)
    _check_prompts(request)
    if request.key is not None:
        parse_key(request.key)
    if request.chords is not None:
        parse_chords(request.chords, 1, meter)
    if request.parts is not None:
        parse_parts(",".join(request.parts))
    check_targets(request, request.bars * meter.bar_quarters)


def _check_prompts(request: Request) -> None:
    for part in request.prompts:
        if (part.audio is None) == (part.text == ""):
            raise BadRequest("A prompt is either text or audio (a path): give exactly one of them.")
    if request.prompts and request.style is None and not sum(p.weight for p in request.prompts) > 0:
        raise BadRequest("At least one prompt needs a weight above 0; weights run from 0 to 100.")


def check_targets(request: Request, quarters: Fraction) -> None:
    """Curve points and melody notes must lie within the new bars, `quarters` long."""
    if request.intensity is not None:
        checked([(point.beat, point.db) for point in request.intensity], quarters)
    if request.melody is not None:
        _check_melody(request.melody, quarters)


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
            "at_bar": request.at_bar,
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
