"""The options that commands which make bars share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.commands.common import Real, Whole, device_option, json_option, runtime_option
from engine.types import MAX_BARS, RATE_RANGE_HZ

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
wav = click.Path(path_type=Path)
PROMPT = "TEXT[:WEIGHT]"
MAX_TAKES = 64
INTENSITY_HELP = 'How loud, in dBFS over beats from the first new bar: "0:-30,16:-12", or a .csv, .json or .wav.'

bars_option = click.option("--bars", type=Whole(1, MAX_BARS), required=True, help="How many new bars.")
rate_option = click.option(
    "--rate", type=Whole(*RATE_RANGE_HZ), help="Frames a second of the output, Hz; default: IN's, else 48000."
)
prompt_option = click.option(
    "--prompt", multiple=True, metavar=PROMPT, help="What it should sound like, in words; may be repeated."
)
tempo_option = click.option("--tempo", help='IN\'s quarters per minute, 20-400, or a map "bar:bpm,bar:bpm,...".')
source_bars_option = click.option(
    "--source-bars", type=Whole(1, MAX_BARS), help="Instead of --tempo: IN is so many bars long."
)


def with_options(*options: Callable[[AnyFunction], AnyFunction]) -> Callable[[AnyFunction], AnyFunction]:
    """One decorator of several, listed in their order."""

    def decorated(function: AnyFunction) -> AnyFunction:
        for option in reversed(options):
            function = option(function)
        return function

    return decorated


def shared_options(function: AnyFunction) -> AnyFunction:
    """What every command that makes bars takes, but for how many and where they go."""
    options = [
        click.option(
            "--meter",
            default="4/4",
            show_default=True,
            help='n/d: n 1-32, d 1, 2, 4, 8, 16 or 32; or a map "bar:n/d,...".',
        ),
        click.option("--seed", type=Whole(0, 2**53), help="The same seed gives the same bytes; default: by chance."),
        click.option(
            "--steps", type=Whole(1, 8), default=4, show_default=True, help="Sampling steps: fewer are quicker."
        ),
        click.option(
            "--guidance",
            type=Real(1, 6),
            help="How closely the prompt is followed; 1: not guided; default: what suits the request.",
        ),
        click.option(
            "--strengths",
            metavar="NAME=0..4,...",
            help='How strongly each target acts, as in "melody=2,prompt=3"; 1: as told, 0: not at all.',
        ),
        click.option("--intensity", metavar="CURVE|FILE", help=INTENSITY_HELP),
        click.option("--melody", type=wav, metavar="FILE", help="A melody to play along: MIDI, or a voice (WAV)."),
        click.option("--key", help='As in "Am" or "F# major".'),
        click.option("--chords", metavar="CHORDS|FILE.mid", help='As in "Am F C G": one a bar; or from a MIDI file.'),
        click.option("--only", metavar="TARGET=BARS,...", help='Where targets act, as in "melody=3-4,intensity=1-2".'),
        click.option(
            "--style",
            multiple=True,
            metavar="FILE[:WEIGHT]",
            help="Sound like this file's first 20 s; mixes with --prompt and further --style.",
        ),
        click.option("--form", metavar="LETTERS", help='Sections by bars, as in "AABA"; needs --refine or a plan.'),
        click.option(
            "--refine",
            metavar="K|SECONDS",
            help='Search for closer adherence: "70" iterations a window, or "5s" (one iteration at least).',
        ),
        click.option("--parts", help="Which parts play, of drums,bass,chords,lead,other."),
        click.option(
            "--bundle", type=wav, metavar="DIR", help="Render here with this bundle, not by a running engine."
        ),
        device_option,
        runtime_option,
        click.option(
            "--takes",
            type=Whole(1, MAX_TAKES),
            default=1,
            show_default=True,
            help="How many, with seeds that follow each other: OUT-1.wav, OUT-2.wav, ...",
        ),
        json_option,
    ]
    return with_options(*options)(function)


def output_option(what: str) -> Callable[[AnyFunction], AnyFunction]:
    """-o OUT.wav, which gets `what`."""
    return click.option("-o", "output", type=wav, required=True, metavar="OUT.wav", help=f"Where {what} goes.")


def music_options(function: AnyFunction) -> AnyFunction:
    """The options of commands that make a number of new bars at any rate."""
    long_option = click.option(
        "--long",
        type=click.Choice(["chained", "fused", "independent"]),
        default="chained",
        show_default=True,
        help="How more than some 12 s are made: window after window, all at once, or apart.",
    )
    return with_options(bars_option, output_option("what is new"), shared_options, rate_option, long_option)(function)
