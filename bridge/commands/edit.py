"""fill, vary, accompany, loop, extend: edits of a file on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from bridge.commands.common import Real, Whole, remark
from bridge.commands.delivery import Making, check_takes, deliver
from bridge.commands.menu import examples
from bridge.commands.options import (
    output_option,
    prompt_option,
    shared_options,
    source_bars_option,
    tempo_option,
    wav,
    with_options,
)
from bridge.commands.render import make_request, source_file
from bridge.files import edits, joining, wavefile
from engine.errors import BadRequest
from engine.types import MAX_BARS, MODEL_RATE_HZ, Request

RANGE = "3-4,7"
STRENGTH_HELP = "How far from IN: near 0 hardly, 1 as fill. Rounded to eighths."
new_option = click.option("--new", type=wav, metavar="NEW.wav", help="Also write the new bars alone.")
source_options = with_options(
    click.argument("source", type=wav, metavar="IN"), prompt_option, tempo_option, source_bars_option
)


@click.command(epilog=examples("attacca fill song.wav --bars 3-4 --tempo 120 -o mended.wav"))
@source_options
@click.option("--bars", required=True, metavar=RANGE, help="Bars to replace, counted from 1; several at once.")
@output_option("IN with its new bars")
@new_option
@shared_options
def fill(source: Path, bars: str, new: Path | None, output: Path, **options: Any) -> None:
    """New bars in the place of some of IN's, from what lies before and after them. All else keeps its samples."""
    _replace(source, edits.parse_bars(bars), new, output, {"edit": "fill", **options})


@click.command(epilog=examples("attacca vary loop.wav --source-bars 4 --strength 0.3 --takes 4 -o other.wav"))
@source_options
@click.option("--bars", metavar=RANGE, help="Bars to vary, counted from 1; without it, all of IN.")
@click.option("--strength", type=Real(0, 1), default=0.5, show_default=True, help=STRENGTH_HELP)
@output_option("IN with its new bars")
@new_option
@shared_options
def vary(source: Path, bars: str | None, new: Path | None, output: Path, **options: Any) -> None:
    """A new take on bars of IN that keeps more or less of them."""
    if options["strength"] == 0:
        raise BadRequest("A strength of 0 would change nothing; it begins above 0.")
    span = None if bars is None else edits.parse_bars(bars)
    _replace(source, span, new, output, {"edit": "vary", **options})


def _replace(source: Path, span: edits.Span | None, new: Path | None, output: Path, options: dict[str, Any]) -> None:
    making = Making.of(options)
    original = source_file(source, making, options, [("-o", output), ("--new", new)])
    span = span or edits.Span(0, bars_of(original, options))
    place = {"source": str(source.resolve()), "at_bar": span.at_bar, "bars": span.bars, "keep": span.keep}
    request = make_request("continue", original, **place, **options)
    for made in deliver(request, making):
        if new:
            made.write(new, made.take.audio, original.rate)
        made.write(output, edits.replaced(original, request, made.take), original.rate, original.subtype)


@click.command(epilog=examples("attacca accompany drums.wav --tempo 120 --parts bass -o bass.wav --mixed both.wav"))
@source_options
@click.option("--bars", metavar=RANGE, help="Where it plays, counted from 1; without it, under all of IN.")
@output_option("the part alone")
@click.option("--mixed", type=wav, metavar="ALL.wav", help="Also write IN and the part together.")
@shared_options
def accompany(source: Path, bars: str | None, mixed: Path | None, output: Path, **options: Any) -> None:
    """A part under what is there: --parts bass, say."""
    making = Making.of(options)
    original = source_file(source, making, options, [("-o", output), ("--mixed", mixed)])
    span = edits.Span(0, bars_of(original, options)) if bars is None else edits.parse_bars(bars)
    if span.keep:
        raise BadRequest("A part plays through: name one range of bars.")
    place = {"source": str(source.resolve()), "at_bar": span.at_bar, "bars": span.bars, "under": True}
    request = make_request("continue", original, **place, **options)
    for made in deliver(request, making):
        if mixed:
            together = edits.laid_over(original, request, made.take)
            warn_of_peak(together)
            made.write(mixed, together, original.rate, original.subtype)
        made.write(output, made.take.audio, original.rate)


def warn_of_peak(samples: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """A sum may go beyond full scale; the float file holds it, a player will not."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 1.0:
        remark(f"The mix peaks at {20 * np.log10(peak):+.1f} dBFS; turn it down before it is played.")


@click.command(epilog=examples('attacca loop --prompt "dub techno" --tempo 124 --bars 4 -o loop.wav'))
@click.argument("source", type=wav, metavar="[IN]", required=False)
@prompt_option
@click.option("--tempo", help='Quarters per minute, 20-400, or a map "bar:bpm,bar:bpm,...".')
@source_bars_option
@click.option("--bars", type=Whole(1, MAX_BARS), required=True, help="How many bars the loop has.")
@output_option("the loop")
@shared_options
def loop(source: Path | None, output: Path, **options: Any) -> None:
    """Bars whose last one leads into the first. With IN they sound like what follows it."""
    if source is None:
        if options.pop("source_bars") is not None or options["tempo"] is None:
            raise BadRequest("A loop needs --tempo; --source-bars goes with an IN.")
        if not any(text.strip() for text in options["prompt"]) and not options["style"]:
            raise BadRequest("Say what it should sound like: --prompt, --style FILE.wav, or an IN to go on from.")
        making, original = Making.of(options), None
        check_takes(making, [("-o", output)])
        request = make_request("generate", edit="loop", rate=MODEL_RATE_HZ, **options)
    else:
        making = Making.of(options)
        original = source_file(source, making, options, [("-o", output)])
        request = make_request("continue", original, source=str(source.resolve()), edit="loop", **options)
    for made in deliver(request, making):
        made.write(output, made.take.audio, made.take.report.rate)


@click.command(epilog=examples("attacca extend song.wav --tempo 120 --front 4 -o longer.wav"))
@source_options
@click.option("--front", type=Whole(1, MAX_BARS), help="How many new bars before IN.")
@click.option("--back", type=Whole(1, MAX_BARS), help="How many new bars after IN.")
@output_option("the longer IN")
@new_option
@shared_options
def extend(source: Path, front: int | None, back: int | None, new: Path | None, output: Path, **options: Any) -> None:
    """More bars at the front of IN, or at its back."""
    if (front is None) == (back is None):
        raise BadRequest("Say where by exactly one of --front BARS and --back BARS.")
    making = Making.of(options)
    original = source_file(source, making, options, [("-o", output), ("--new", new)])
    place = {"source": str(source.resolve()), "bars": front or back, "edit": "front" if front else None}
    request = make_request("continue", original, **place, **options)
    for made in deliver(request, making):
        if new:
            made.write(new, made.take.audio, original.rate)
        made.write(output, _longer(original, request, made.take), original.rate, original.subtype)


def _longer(original: wavefile.AudioFile, request: Request, take: Any) -> edits.Samples:
    if request.edit == "front":
        return edits.in_front(original, take)
    return joining.join_exactly(original, request, take.audio, take.lead_in)


def bars_of(original: wavefile.AudioFile, options: dict[str, Any]) -> int:
    """How many whole bars IN has, by --tempo or --source-bars and --meter."""
    if options["source_bars"] is not None:
        return int(options["source_bars"])
    probe = Request(id="t", kind="continue", bars=1, tempo=options["tempo"], meter=options["meter"], source="t")
    return edits.whole_bars(probe, len(original.samples), original.rate)


COMMANDS = (fill, vary, accompany, loop, extend)
