"""generate and continue: from options to a request, from a finished take to files."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import click

from bridge.commands.common import Whole
from bridge.commands.delivery import Making, check_takes, deliver
from bridge.commands.menu import examples
from bridge.commands.options import (
    music_options,
    prompt_option,
    source_bars_option,
    tempo_option,
    wav,
)
from bridge.commands.plan import Planned, plan_options
from bridge.files import joining, wavefile
from bridge.requests import mixed
from engine.errors import BadRequest
from engine.types import MODEL_RATE_HZ, Request, Strengths


@click.command(
    epilog=examples(
        'attacca generate --prompt "warm house, round bass" --bars 4 --tempo 122 -o new.wav',
        'attacca generate --style break.wav:0.6 --prompt "dub techno:0.4" --bars 8 --tempo 124 --takes 3 -o new.wav',
        'attacca generate --prompt jazz --chords "Dm7 G7 Cmaj7 A7" --bars 4 --tempo 140 -o new.wav',
    )
)
@prompt_option
@click.option("--tempo", required=True, help='Quarters per minute, 20-400, or a map "bar:bpm,bar:bpm,...".')
@music_options
@plan_options
def generate(output: Path, rate: int | None, **options: Any) -> None:
    """New bars from a prompt: words, the style of a file, or a mix of both."""
    if not any(text.strip() for text in options["prompt"]) and not options["style"]:
        raise BadRequest('Say what it should sound like: --prompt "warm deep house", --style FILE.wav, or both.')
    making = Making.of(options)
    check_takes(making, [("-o", output)])
    planned = Planned.of(options, making)
    request = make_request("generate", rate=rate or MODEL_RATE_HZ, plan=planned.field, **options)
    for made in deliver(request, making):
        made.write(output, made.take.audio, made.take.report.rate)
        planned.write(made, request)


@click.command(
    "continue",
    epilog=examples(
        "attacca continue loop.wav --source-bars 4 --bars 4 -o new.wav --joined all.wav",
        "attacca continue song.wav --tempo 96 --at-bar 16 --bars 8 -o new.wav",
    ),
)
@click.argument("source", type=wav, metavar="IN")
@prompt_option
@tempo_option
@source_bars_option
@click.option("--at-bar", type=Whole(0, 100_000), help="Start at this bar of IN (from 0), not at its end.")
@click.option("--joined", type=wav, metavar="ALL.wav", help="Also write IN and the new bars as one file.")
@music_options
@plan_options
def continue_(source: Path, output: Path, joined: Path | None, **options: Any) -> None:
    """New bars that go on from the audio file IN; without a prompt they sound like it."""
    making = Making.of(options)
    original = source_file(source, making, options, [("-o", output), ("--joined", joined)])
    if joined and options["rate"] not in (None, original.rate):
        raise BadRequest(f"--joined keeps IN's rate of {original.rate} Hz; leave --rate away.")
    planned = Planned.of(options, making)
    request = make_request("continue", original, source=str(source.resolve()), plan=planned.field, **options)
    for made in deliver(request, making):
        if joined:
            whole = joining.join_exactly(original, request, made.take.audio, made.take.lead_in)
            made.write(joined, whole, original.rate, original.subtype)
        made.write(output, made.take.audio, made.take.report.rate)
        planned.write(made, request)


def source_file(
    source: Path, making: Making, options: dict[str, Any], targets: list[tuple[str, Path | None]]
) -> wavefile.AudioFile:
    """IN with its exact samples, once its tempo is told and all files can be written and are not each other."""
    if (options["tempo"] is None) == (options["source_bars"] is None):
        raise BadRequest("Say how fast IN is by exactly one of --tempo BPM and --source-bars M.")
    named = [(option, path) for option, path in targets if path]
    check_takes(making, named)
    for option, path in named:
        if any(one.resolve() == source.resolve() for one in making.files(path)):
            raise BadRequest(f"{option}: this would overwrite IN; give another name.")
    if len({path.resolve() for _, path in named}) < len(named):
        raise BadRequest(f"{' and '.join(option for option, _ in named)} name the same file; give two names.")
    return wavefile.read_exact(source)


def make_request(kind: Any, original: wavefile.AudioFile | None = None, **options: Any) -> Request:
    """The request that the options describe. Raises BadRequest, BadAudio or BadMidi."""
    from engine import controls

    names = ("prompt", "style", "intensity", "melody", "parts")
    prompt, style, curve, melody, parts = (options.pop(name) for name in names)
    only, chords, strengths = (options.pop(name, None) for name in ("only", "chords", "strengths"))
    request = Request(
        id=uuid.uuid4().hex,
        kind=kind,
        prompts=mixed(prompt, style),
        parts=None if parts is None else controls.parse_parts(parts),
        chords=None if chords is None else controls.chords_from(chords),
        strengths=Strengths() if strengths is None else controls.strengths_from(strengths),
        **options,
    )
    controls.check(request)
    return placed(request, original, curve, melody, only)


def placed(
    request: Request, original: wavefile.AudioFile | None, curve: str | None, melody: Path | None, only: str | None
) -> Request:
    """The request with what lies on its grid. BadRequest where IN, grid and targets do not fit together."""
    import msgspec

    from engine import controls

    frames, rate = (len(original.samples), original.rate) if original else (0, request.rate or MODEL_RATE_HZ)
    tempo_map, place = controls.on_grid(request, frames, rate)
    on = tempo_map, place.start_bar, request.bars
    found: dict[str, Any] = {}
    if curve is not None:
        found["intensity"] = controls.parse_curve(curve, tempo_map, request.bars, place.start_bar)
    if melody is not None:
        found["melody"] = controls.melody_from(melody, *on)
    if only is not None:
        found["only"] = controls.only_from(only, *on)
    if not found:
        return request
    whole = msgspec.structs.replace(request, **found)
    controls.check_targets(whole, tempo_map.bar_start_quarters(sum(on[1:])) - place.start_quarters)
    return whole
