"""A group of commands that are listed by subject, in the order of use, and loaded when they are asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import click


class Entry(NamedTuple):
    """place: MODULE:NAME of the command. does: what it is for, in one line of a narrow terminal."""

    name: str
    place: str
    does: str

    def load(self) -> click.Command:
        module, _, name = self.place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


class Menu(click.Group):
    """sections: heading -> entries, both in the order in which they are shown."""

    def __init__(self, *args: Any, sections: Mapping[str, tuple[Entry, ...]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.sections = sections
        self.entries = {entry.name: entry for entries in sections.values() for entry in entries}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.entries.get(cmd_name)
        return None if entry is None else entry.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.entries:
            no_command(ctx, args[0], list(self.entries))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.entries))
        for heading, entries in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(entry.name.ljust(width), entry.does) for entry in entries])


def no_command(ctx: click.Context, name: str, known: list[str]) -> NoReturn:
    """UsageError with the names that are near."""
    near = [one for one in known if one.startswith(name)] or difflib.get_close_matches(name, known, 2, 0.6)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise click.UsageError(f"There is no command {name!r}: {meant}'{ctx.command_path} --help' lists them.", ctx)


class Topic(click.Group):
    """A command with commands of its own; a name that it lacks is told with those that it has."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            no_command(ctx, args[0], list(self.commands))
        return super().resolve_command(ctx, args)


def examples(*lines: str) -> str:
    """An epilog that keeps its lines."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def sentence_of(error: click.ClickException) -> str:
    """What is wrong on a command line and what to do, in one sentence."""
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "attacca"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"Give {_told(error.param, error.ctx)}; see {where} --help."
    if isinstance(error, click.BadParameter) and error.param is not None:
        name = error.param.opts[-1] if error.param.param_type_name == "option" else error.param.human_readable_name
        return f"{name.strip('[]')}: {error.message}"
    if isinstance(error, click.NoSuchOption):
        meant = f" (did you mean {error.possibilities[0]}?)" if error.possibilities else ""
        return f"There is no option {error.option_name}{meant}: {where} --help lists them."
    message = error.format_message().rstrip(".")
    if isinstance(error, click.BadOptionUsage) and error.ctx is None:
        return f"{message}; add --help to see what the command takes."
    return f"{message}." if "--help" in message else f"{message}; see {where} --help."


def _told(param: click.Parameter, ctx: click.Context | None) -> str:
    """A parameter that is missing, with what it is for."""
    if isinstance(param, click.Option):
        what = (param.help or "").rstrip(".")
        return f"{param.opts[-1]} ({what[:1].lower()}{what[1:]})" if what else param.opts[-1]
    name = param.make_metavar(ctx) if ctx is not None else param.human_readable_name
    return f"{name}, a file" if name in ("IN", "FILE") else name
