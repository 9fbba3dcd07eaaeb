"""generate and continue: from options to a request, from a finished take to files."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge import joining, wavefile
from bridge.commands.common import Real, Whole, json_option, print_line, remark
from bridge.requests import mixed
from engine.errors import BadRequest
from engine.types import MAX_BARS, MODEL_RATE_HZ, RATE_RANGE_HZ, Report, Request

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
wav = click.Path(path_type=Path)
PROMPT = "TEXT[:WEIGHT]"
JSON_FIELDS = (
    "frames",
    "rate",
    "channels",
    "audio_seconds",
    "compute_seconds",
    "real_time_factor",
    "times_real_time",
    "seed",
    "bundle",
)


def music_options(function: AnyFunction) -> AnyFunction:
    """The options that generate and continue share."""
    options = [
        click.option("--bars", type=Whole(1, MAX_BARS), required=True, help="How many new bars."),
        click.option(
            "--meter",
            default="4/4",
            show_default=True,
            help='n/d: n 1-32, d 1, 2, 4, 8, 16 or 32; or a map "bar:n/d,...".',
        ),
        click.option("--rate", type=Whole(*RATE_RANGE_HZ), help="Frames per second of the output."),
        click.option("--seed", type=Whole(0, 2**53), help="The same seed gives the same bytes."),
        click.option("--steps", type=Whole(1, 8), default=4, show_default=True, help="Sampling steps."),
        click.option("--guidance", type=Real(1, 6), help="How closely the prompt is followed; 1: not guided."),
        click.option("--intensity", metavar="FILE|CURVE", help='"beat:dB,beat:dB,...", or a .csv, .json or .wav.'),
        click.option("--melody", type=wav, metavar="FILE.mid", help="A melody to play along."),
        click.option("--key", help='As in "Am" or "F# major".'),
        click.option("--chords", help='As in "Am F C G": one a bar.'),
        click.option(
            "--style",
            multiple=True,
            metavar="FILE[:WEIGHT]",
            help="Sound like this file's first 20 s; mixes with --prompt and further --style.",
        ),
        click.option("--form", metavar="LETTERS", help='Sections by bars, as in "AABA"; needs --refine.'),
        click.option(
            "--refine",
            metavar="K|SECONDS",
            help='Search for closer adherence: "70" iterations a window, or "5s"; see docs/protocol.md.',
        ),
        click.option("--parts", help="Which parts play: drums,bass,chords,lead,other."),
        click.option("--bundle", type=wav, metavar="DIR", help="Render here with this bundle, not by an engine."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
        click.option("-o", "output", type=wav, required=True, metavar="OUT.wav", help="Where the new bars go."),
        json_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@click.option("--prompt", multiple=True, metavar=PROMPT, help="What it should sound like, in words; may be repeated.")
@click.option("--tempo", required=True, help='Quarters per minute, 20-400, or a map "bar:bpm,bar:bpm,...".')
@music_options
def generate(output: Path, bundle: Path | None, device: str, rate: int | None, as_json: bool, **options: Any) -> None:
    """New bars from a prompt: words, the style of a file, or a mix of both."""
    if not any(text.strip() for text in options["prompt"]) and not options["style"]:
        raise BadRequest('Say what it should sound like: --prompt "warm deep house", --style FILE.wav, or both.')
    wavefile.check_target(output, "-o")
    request = make_request("generate", rate=rate or MODEL_RATE_HZ, **options)
    from bridge.commands.player import render

    take = render(request, bundle, device)
    wavefile.write_wav(output, take.audio, take.report.rate)
    tell(output, take.report, as_json)


@click.command("continue")
@click.argument("source", type=wav, metavar="IN")
@click.option("--prompt", multiple=True, metavar=PROMPT, help="What it should sound like; without it, like IN.")
@click.option("--tempo", help='IN\'s quarters per minute, 20-400, or a map "bar:bpm,bar:bpm,...".')
@click.option("--source-bars", type=Whole(1, MAX_BARS), help="Instead of --tempo: IN is this many bars.")
@click.option("--at-bar", type=Whole(0, 100_000), help="Start at this bar of IN (from 0), not at its end.")
@click.option("--joined", type=wav, metavar="ALL.wav", help="Also write IN and the new bars as one file.")
@music_options
def continue_(
    source: Path, output: Path, joined: Path | None, bundle: Path | None, device: str, as_json: bool, **options: Any
) -> None:
    """New bars that go on from the audio file IN."""
    if (options["tempo"] is None) == (options["source_bars"] is None):
        raise BadRequest("Say how fast IN is by exactly one of --tempo BPM and --source-bars M.")
    check_files(source, output, joined)
    original = wavefile.read_exact(source)
    if joined and options["rate"] not in (None, original.rate):
        raise BadRequest(f"--joined keeps IN's rate of {original.rate} Hz; leave --rate away.")
    request = make_request("continue", original, source=str(source.resolve()), **options)
    from bridge.commands.player import render

    take = render(request, bundle, device)
    if joined:
        whole = joining.join_exactly(original, request, take.audio, take.lead_in)
        wavefile.write_wav(joined, whole, original.rate, wavefile.holding_subtype(original.subtype))
    wavefile.write_wav(output, take.audio, take.report.rate)
    tell(output, take.report, as_json)


def check_files(source: Path, output: Path, joined: Path | None) -> None:
    """Files that can be written and are not each other, asked before anything is rendered."""
    targets = [("-o", output)] + ([("--joined", joined)] if joined else [])
    for option, path in targets:
        wavefile.check_target(path, option)
        if path.resolve() == source.resolve():
            raise BadRequest(f"{option}: this would overwrite IN; give another name.")
    if joined and joined.resolve() == output.resolve():
        raise BadRequest("-o and --joined name the same file; give two names.")


def make_request(kind: Any, original: wavefile.AudioFile | None = None, **options: Any) -> Request:
    """The request that the options describe. Raises BadRequest, BadAudio or BadMidi."""
    from engine import controls

    names = ("prompt", "style", "intensity", "melody", "parts")
    prompt, style, curve, melody, parts = (options.pop(name) for name in names)
    request = Request(
        id=uuid.uuid4().hex,
        kind=kind,
        prompts=mixed(prompt, style),
        melody=None if melody is None else controls.read_melody(melody),
        parts=None if parts is None else controls.parse_parts(parts),
        **options,
    )
    controls.check(request)
    return placed(request, curve, original)


def placed(request: Request, curve: str | None, original: wavefile.AudioFile | None) -> Request:
    """The request with its intensity curve. BadRequest where IN, grid and curve do not fit together."""
    import msgspec

    from engine import controls

    frames, rate = (len(original.samples), original.rate) if original else (0, request.rate or MODEL_RATE_HZ)
    tempo_map, place = controls.on_grid(request, frames, rate)
    if curve is None:
        return request
    points = controls.parse_curve(curve, tempo_map, request.bars, place.start_bar)
    return msgspec.structs.replace(request, intensity=points)


def tell(output: Path, report: Report, as_json: bool) -> None:
    """The result: one line, of JSON if asked; the engine's remarks go to stderr."""
    for line in report.remarks:
        remark(line)
    if as_json:
        print_line({name: getattr(report, name) for name in JSON_FIELDS})
        return
    click.echo(
        f"{output}: {report.frames} frames at {report.rate} Hz, {report.channels} channels, "
        f"{report.audio_seconds:.3f} s in {report.compute_seconds:.3f} s ({report.times_real_time:.1f}x real time), "
        f"seed {report.seed}, bundle {report.bundle}"
    )
