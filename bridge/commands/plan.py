"""plan: bars written as a plan, without a sound; and the options by which other commands take and give plans."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import click

from bridge.commands.common import Real, Whole, json_option, print_line, remark
from bridge.commands.delivery import Made, Making
from bridge.commands.menu import examples
from bridge.commands.options import (
    INTENSITY_HELP,
    AnyFunction,
    prompt_option,
    source_bars_option,
    tempo_option,
    wav,
    with_options,
)
from bridge.files import wavefile
from engine.errors import BadRequest
from engine.types import MAX_BARS, MODEL_RATE_HZ, Plan, Request

OPTIONS = ("plan", "plan_fill", "plan_out")


def plan_options(function: AnyFunction) -> AnyFunction:
    """--plan, --plan-fill and --plan-out of the commands that make bars."""
    return with_options(
        click.option(
            "--plan",
            metavar="PLAN|auto|off",
            help="Play this plan: a MIDI file, or JSON of --plan-out. auto: have one written where only words are told;"
            " off (as without it): none.",
        ),
        click.option("--plan-fill", is_flag=True, help="Have written what PLAN leaves open."),
        click.option(
            "--plan-out",
            type=wav,
            metavar="PLAN.mid",
            help="Write what is played as MIDI, and as JSON beside it; without --plan it is written first.",
        ),
    )(function)


@dataclass(frozen=True)
class Planned:
    """The plan that a command is asked to play, or to have written, and where it is to go."""

    field: Plan | bool | Literal["auto"]
    out: Path | None
    making: Making

    @staticmethod
    def of(options: dict[str, Any], making: Making) -> Planned:
        """Taken out of a command's options.

        BadRequest, BadMidi or Unavailable where that cannot be.
        """
        from engine.planning import files

        given, fill, out = (options.pop(name) for name in OPTIONS)
        if out is not None:
            files.check_target(out, "--plan-out")
        if given in (None, "auto", "off"):
            if fill:
                raise BadRequest("--plan-fill fills a plan: give one with --plan.")
            if given == "off" and out is not None:
                raise BadRequest("--plan-out writes what is planned; leave it or --plan off away.")
            if out is not None:
                return Planned(True, out, making)
            return Planned("auto" if given == "auto" else False, out, making)
        return Planned(filled(files.read_plan(Path(given)), fill), out, making)

    def write(self, made: Made, request: Request) -> None:
        """The plan of a take, beside the others of its kind."""
        plan = made.take.report.plan
        if self.out is not None and plan is not None:
            write(self.making.file(self.out, made.index), plan, request)


def filled(plan: Plan, fill: bool) -> Plan:
    from msgspec.structs import replace

    return replace(plan, fill=True) if fill else plan


def write(path: Path, plan: Plan, request: Request) -> None:
    """PLAN.mid, in the tempo of the first new bar, and PLAN.json."""
    from engine.controls import request_map
    from engine.planning import files

    tempo = None
    if request.tempo is not None:
        tempo_map = request_map(request)
        tempo = Fraction(tempo_map.tempo_at(tempo_map.bar_start_quarters(request.at_bar or 0)))
    files.write_plan(path, plan, tempo)


@click.command(
    epilog=examples(
        "attacca plan --prompt house --bars 8 --tempo 122 -o song.mid",
        "attacca plan --prompt house --tempo 122 --from song.mid --rewrite 5-8 -o other.mid",
        "attacca generate --prompt house --plan song.mid --bars 8 --tempo 122 -o new.wav",
    )
)
@click.argument("source", type=wav, metavar="[IN]", required=False)
@prompt_option
@tempo_option
@source_bars_option
@click.option("--bars", type=Whole(1, MAX_BARS), help="How many new bars; with --from as many as PLAN has.")
@click.option("--meter", default="4/4", show_default=True, help='n/d, or a map "bar:n/d,...".')
@click.option("--key", help='As in "Am" or "F# major"; else heard in IN, or drawn.')
@click.option("--parts", help="Which parts may play: drums,bass,chords,lead,other.")
@click.option("--chords", metavar="CHORDS|FILE.mid", help='As in "Am F C G": one a bar; or from a MIDI file.')
@click.option("--melody", type=wav, metavar="FILE", help="A melody that stays: MIDI, or a voice (WAV).")
@click.option("--intensity", metavar="CURVE|FILE", help=INTENSITY_HELP)
@click.option("--form", metavar="LETTERS", help='Sections by bars, as in "AABA": a letter brings its bars back.')
@click.option("--style", multiple=True, metavar="FILE[:WEIGHT]", help="Like this file's first 20 s.")
@click.option("--from", "plan", type=wav, metavar="PLAN", help="Keep this plan's bars: MIDI or JSON.")
@click.option("--rewrite", metavar="3-4,7", help="Bars of PLAN (from 1) that are written anew.")
@click.option("--seed", type=Whole(0, 2**53), help="The same seed writes the same plan.")
@click.option("--temperature", type=Real(0, 2), default=0.9, show_default=True, help="0 takes the likeliest.")
@click.option("--top-p", type=Real(0.01, 1), default=0.95, show_default=True, help="Share of what may be drawn.")
@click.option("--bundle", type=wav, metavar="DIR", help="Whose prompts and planner.")
@click.option("-o", "output", type=wav, required=True, metavar="PLAN.mid", help="Where it goes; PLAN.json beside it.")
@json_option
def plan(
    source: Path | None, output: Path, bundle: Path | None, temperature: float, top_p: float, as_json: bool,
    plan: Path | None, rewrite: str | None, **options: Any,
) -> None:  # fmt: skip
    """Write the next bars as a plan, MIDI and JSON, to edit and to play with --plan. Nothing is rendered."""
    from bridge.commands.bundles import bundle_path
    from bridge.commands.render import make_request
    from engine.planning import files
    from engine.planning.sampling import Draw

    files.check_target(output, "-o")
    kept = kept_plan(plan, rewrite)
    options["bars"] = options["bars"] or (len(kept.bars) if isinstance(kept, Plan) else None)
    if options["bars"] is None:
        raise BadRequest(f"Say how many bars: --bars, from 1 to {MAX_BARS}.")
    if source is None and (options["tempo"] is None or options["source_bars"] is not None):
        raise BadRequest("Say how fast it is: --tempo BPM (--source-bars goes with IN).")
    if source is not None and (options["tempo"] is None) == (options["source_bars"] is None):
        raise BadRequest("Say how fast IN is by exactly one of --tempo BPM and --source-bars M.")
    original = None if source is None else wavefile.read_exact(source)
    kind, place = ("generate", {"rate": MODEL_RATE_HZ}) if source is None else ("continue", {"source": str(source)})
    request = make_request(kind, original, plan=kept, **place, **options)
    from engine.render.generate import ModelRenderer
    from engine.render.load import load_renderer
    from engine.render.planned import plan_alone

    renderer = load_renderer(bundle_path(bundle), "cpu")
    assert isinstance(renderer, ModelRenderer)
    made, remarks = plan_alone(renderer, request, Draw(temperature, top_p))
    write(output, made, request)
    for line in remarks:
        remark(line)
    tell(output, made, as_json)


def kept_plan(path: Path | None, rewrite: str | None) -> Plan | bool:
    """The plan whose bars stay but for those that are written anew; true where there is none."""
    from bridge.files.edits import parse_bars
    from engine.planning import files
    from engine.planning.bars import opened

    if path is None:
        if rewrite is not None:
            raise BadRequest("--rewrite names bars of a plan: give it with --from.")
        return True
    held = filled(files.read_plan(path), True)
    if rewrite is None:
        return held
    span = parse_bars(rewrite)
    if span.at_bar + span.bars > len(held.bars):
        raise BadRequest(f"--rewrite: {path} has bars 1 to {len(held.bars)}.")
    return opened(held, [span.at_bar + k for k in range(span.bars) if k not in span.keep])


def tell(output: Path, made: Plan, as_json: bool) -> None:
    """The result in one line, of JSON if asked."""
    chords = [chord.name for bar in made.bars for chord in bar.chords or ()]
    notes = sum(len(bar.melody or ()) for bar in made.bars)
    beside = output.with_suffix(".json")
    if as_json:
        files = {"midi": str(output), "json": str(beside)}
        print_line({**files, "bars": len(made.bars), "chords": chords, "melody_notes": notes})
        return
    shown = " ".join(chords[:12]) + (" ..." if len(chords) > 12 else "")
    click.echo(f"{output} and {beside.name}: {len(made.bars)} bars, {shown or 'no chords'}, {notes} melody notes")
