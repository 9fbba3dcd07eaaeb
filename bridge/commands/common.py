"""What all commands share: how errors end, what --json prints, numbers that must be finite."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from engine.errors import AttaccaError, Unavailable
from engine.runtimes.names import NAMES

EXIT_MISTAKE = 2
EXIT_BUG = 1
EXIT_INTERRUPTED = 130

json_option = click.option("--json", "as_json", is_flag=True, help="One line of JSON on stdout, for scripts.")

device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the networks run; auto: the GPU where there is one.",
)
runtime_option = click.option(
    "--runtime",
    type=click.Choice(NAMES),
    help="What runs the networks; default: ATTACCA_RUNTIME, else auto: the fastest, measured at the first start.",
)


class Real(click.ParamType[float]):
    """A finite number in [low, high]. (click's own range lets NaN through.)"""

    name = "number"

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not self.low <= number <= self.high:
            self.fail(f"{value!r} is not a number from {self.low:g} to {self.high:g}.", param, ctx)
        return number

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"{self.low:g}..{self.high:g}"


class Whole(click.ParamType[int]):
    """A whole number in [low, high]; whatever else comes is told the range."""

    name = "whole number"

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip()
        number = int(text) if text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20 else None
        if number is None or not self.low <= number <= self.high:
            self.fail(f"{value!r} is not a whole number from {self.low} to {self.high}.", param, ctx)
        return number

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"{self.low}..{self.high}"


def remark(text: str) -> None:
    """A line for people, on stderr, so that stdout holds results alone."""
    click.echo(f"attacca: {text}", err=True)


def print_line(fields: Mapping[str, Any]) -> None:
    """One line of JSON on stdout."""
    click.echo(json.dumps(fields, allow_nan=False))


def one_sentence(text: str) -> str:
    return " ".join(text.split())


def give_up(code: str, text: str, status: int, as_json: bool) -> NoReturn:
    """One sentence on stderr, with --json also a line on stdout; then leave with `status`."""
    remark(one_sentence(text))
    if as_json:
        print_line({"error": {"code": code, "text": one_sentence(text)}})
    sys.exit(status)


def from_os_error(error: OSError) -> AttaccaError:
    """The sentence for a disk or file error that nobody nearer has put into words."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable(f"The disk is full or the file too large{where}; free some space or write elsewhere.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Unavailable(f"This may not be written or read{where}; choose another place, or change who owns it.")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Unavailable(f"There is no such file or folder{where}; check its name, or make it first.")
    return Unavailable(f"{error.strerror or error}{where}.")


def run(command: Callable[[], Any], as_json: bool) -> NoReturn:
    """Runs the whole command line and turns each way it can end into an exit code.

    0 done, 1 a failed check or a bug, 2 the user's mistake (one sentence, no traceback), 130 interrupted.
    """
    try:
        sys.exit(command() or 0)
    except click.exceptions.Exit as ending:
        sys.exit(ending.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        from bridge.commands.menu import sentence_of

        give_up("usage", sentence_of(error), EXIT_MISTAKE, as_json)
    except AttaccaError as error:
        give_up(error.code, str(error), EXIT_MISTAKE, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_BUG)
    except OSError as error:
        give_up("unavailable", str(from_os_error(error)), EXIT_MISTAKE, as_json)
    except Exception as error:
        if os.environ.get("ATTACCA_DEBUG"):
            traceback.print_exc()
        text = f"This is a bug: {type(error).__name__}: {error} (ATTACCA_DEBUG=1 shows where)."
        give_up("failed", text, EXIT_BUG, as_json)


@contextlib.contextmanager
def stopping() -> Iterator[threading.Event]:
    """Meanwhile SIGINT and SIGTERM set this event and do no more: who waits for it ends by itself."""
    stop = threading.Event()
    old = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def no_empty_folder(path: Path) -> Iterator[None]:
    """What is made in here and ends in an error leaves no empty folder at `path`."""
    before = path.exists()
    try:
        yield
    except BaseException:
        if not before:
            with contextlib.suppress(OSError):  # there is something in it, or it was not made
                path.rmdir()
        raise
