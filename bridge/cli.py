"""`attacca`: the command line. A composition root; a command's module is loaded when it is asked for, and what is
heavy when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from bridge.commands.menu import Entry, Menu

MENU: dict[str, tuple[Entry, ...]] = {
    "First": (
        Entry("doctor", "bridge.commands.doctor:doctor", "Can this machine serve, and what to do if not."),
        Entry("serve", "bridge.commands.listen:serve", "The engine: start it once, leave it running."),
        Entry("demo", "bridge.commands.listen:demo", "Three requests to an engine, as a DAW would send them."),
    ),
    "Bars, into files": (
        Entry("generate", "bridge.commands.render:generate", "New bars from words, a file's style, or a mix."),
        Entry("continue", "bridge.commands.render:continue_", "New bars that go on from an audio file."),
        Entry("fill", "bridge.commands.edit:fill", "New bars in the place of some of a file's."),
        Entry("vary", "bridge.commands.edit:vary", "Another take on a file's bars, near or far."),
        Entry("accompany", "bridge.commands.edit:accompany", "A part under what is there."),
        Entry("loop", "bridge.commands.edit:loop", "Bars whose last one leads into the first."),
        Entry("extend", "bridge.commands.edit:extend", "More bars in front of a file, or at its end."),
        Entry("plan", "bridge.commands.plan:plan", "The next bars as MIDI and JSON, to edit and play."),
        Entry("play", "bridge.commands.listen:play", "A sound file through effects, to the ears or a file."),
    ),
    "On stage": (
        Entry("live", "bridge.commands.live:live", "What each plugin has ready and what is played."),
        Entry("host", "bridge.commands.host:host", "Plays what the engine renders, through your effects."),
        Entry("midi", "bridge.commands.midi:midi", "MIDI inputs, and which knob steers what."),
        Entry("click", "bridge.commands.click_track:click_track", "A metronome and count-in on JACK's transport."),
    ),
    "The model": (
        Entry("info", "bridge.commands.study:info", "What a bundle is: styles, sizes, training, scores."),
        Entry("train", "bridge.commands.study:train", "A model of your own, or the shipped one adapted."),
        Entry("evaluate", "bridge.commands.study:evaluate", "Scores a bundle, with a report to read."),
        Entry("bench", "bridge.commands.study:bench", "How fast this machine renders."),
    ),
}
EXAMPLES = """\b
Try:
  attacca doctor
  attacca generate --prompt "warm house" --bars 4 --tempo 122 -o new.wav
  attacca COMMAND --help
"""


def version() -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version("attacca-engine")
    except importlib.metadata.PackageNotFoundError:
        return "unknown (not installed)"


def _tell_version(context: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"attacca, version {version()}")
        context.exit()


@click.group(
    cls=Menu,
    sections=MENU,
    epilog=EXAMPLES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_tell_version, help="Show it and exit."
)
@click.pass_context
def cli(context: click.Context) -> None:
    """The next bars of your track, rendered before the play head needs them."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console command. Exit codes: 0 done, 1 a failed check or a bug, 2 a mistake, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from bridge.commands import common
    except KeyboardInterrupt:
        sys.exit(130)
    common.run(lambda: cli.main(given, prog_name="attacca", standalone_mode=False), "--json" in given)


if __name__ == "__main__":
    main()
