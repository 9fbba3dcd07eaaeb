"""Whether an edit makes sense: its fields together, and its bars in the source."""

from __future__ import annotations

from fractions import Fraction

from engine.errors import BadRequest
from engine.timing import Anchor, TempoMap
from engine.timing.anchoring import TOLERANCE_MS
from engine.types import Only, Request

IN_THE_MIDDLE = ("fill", "vary")
FROM_NOISE = ("fill", "front")
NO_NOISE = {
    "vary": "a variation begins from what its bars hold",
    "loop": "a loop's end is made to fit a beginning that is there by then",
}


def check_edit(request: Request) -> None:
    """BadRequest for fields that do not go with each other; what depends on the source is left to `check_bars`."""
    if request.edit is None:
        _refuse_without(request)
        return
    if request.edit != "loop" and request.kind != "continue":
        raise BadRequest(f"The edit {request.edit!r} needs a source: send it as a continuation.")
    if request.under:
        raise BadRequest("An edit replaces bars of the source, under sounds with them: ask for one of them.")
    if request.edit != "loop" and request.strengths.context == 0:
        raise BadRequest(f"The edit {request.edit!r} lives on its context; leave strengths.context away.")
    if request.refine is not None and request.edit not in FROM_NOISE:
        raise BadRequest(
            f"refine searches the noise that bars begin from, but {NO_NOISE[request.edit]}; leave one of them away."
        )
    if request.at_beat:
        raise BadRequest("An edit makes whole bars; leave at_beat away.")
    if request.edit in IN_THE_MIDDLE and request.at_bar is None:
        raise BadRequest(f"The edit {request.edit!r} needs at_bar, its first bar (counted from 0).")
    if request.edit == "front" and (request.at_bar is not None or request.source_offset is not None):
        raise BadRequest("New bars at the front lie right before the source; leave at_bar and source_offset away.")
    if request.strength is not None and request.edit != "vary":
        raise BadRequest("strength says how far a variation goes; it goes with edit vary alone.")
    _check_keep(request)


def _refuse_without(request: Request) -> None:
    if request.keep:
        raise BadRequest("keep lists bars that stay within an edit; give edit fill or vary, too.")
    if request.strength is not None:
        raise BadRequest("strength says how far a variation goes; it goes with edit vary alone.")


def _check_keep(request: Request) -> None:
    if not request.keep:
        return
    if request.edit not in IN_THE_MIDDLE:
        raise BadRequest(f"keep goes with the edits fill and vary, not with {request.edit!r}.")
    if min(request.keep) < 1 or max(request.keep) > request.bars - 2:
        raise BadRequest(
            f"keep lists bars between the first and the last of the {request.bars} new ones, which are made anew; got"
            f" {', '.join(map(str, request.keep))}."
        )


def check_only(request: Request, quarters: Fraction) -> None:
    """BadRequest where a target is to act on nothing, past the end of the new bars, or was not given."""
    for name in Only.__struct_fields__:
        stretch = getattr(request.only, name)
        if stretch is None:
            continue
        if getattr(request, name) is None:
            raise BadRequest(f"only.{name} says where {name} acts, but there is none; give it, too.")
        if not stretch.begin < stretch.end <= quarters:
            raise BadRequest(
                f"only.{name} runs from a beat to a later one, at most {quarters}, where the new bars end; got"
                f" {stretch.begin:g} to {stretch.end:g}."
            )


def check_bars(request: Request, frames: int, rate: int, tempo_map: TempoMap, place: Anchor) -> None:
    """BadRequest where the bars of a fill or a variation are not all inside of a source of `frames` at `rate`."""
    if request.edit not in IN_THE_MIDDLE:
        return
    end = place.frame_of(tempo_map.bar_start_quarters(place.start_bar + request.bars), tempo_map, rate)
    if (end - frames) * 1000 <= TOLERANCE_MS * rate:
        return
    bars = place.start_bar
    while place.frame_of(tempo_map.bar_start_quarters(bars + 1), tempo_map, rate) <= frames:
        bars += 1
    whole = bars if bars > place.start_bar else "fewer"
    raise BadRequest(
        f"Bars {place.start_bar + 1} to {place.start_bar + request.bars} are not all in the input, which has {whole}"
        " whole bars; name bars that it has, or extend it."
    )
