"""`attacca`: the command line. A composition root; each command imports what is heavy when it runs."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from bridge.commands import click_track, common, doctor, edit, host, listen, live, midi, plan, render, study


def version() -> str:
    try:
        return importlib.metadata.version("attacca-engine")
    except importlib.metadata.PackageNotFoundError:
        return "unknown (not installed)"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="attacca")
def cli() -> None:
    """The next bars of your track, rendered before the play head needs them."""


COMMANDS: tuple[click.Command, ...] = (
    doctor.doctor,
    listen.serve,
    live.live,
    midi.midi,
    click_track.click_track,
    render.generate,
    render.continue_,
    *edit.COMMANDS,
    plan.plan,
    listen.play,
    host.host,
    listen.demo,
    study.train,
    study.evaluate,
    study.bench,
    study.info,
)
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console command. Exit codes: 0 done, 1 a failed check or a bug, 2 a mistake, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    common.run(lambda: cli.main(given, prog_name="attacca", standalone_mode=False), "--json" in given)


if __name__ == "__main__":
    main()
