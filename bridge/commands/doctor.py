"""doctor: can this machine serve? Each line that is not ok says what to do."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from bridge.commands import common
from bridge.commands.checks import devices, machine, service, software
from bridge.commands.checks.line import Line
from bridge.commands.menu import examples
from engine.errors import AttaccaError

CHECKS: tuple[tuple[str, Callable[[], Line]], ...] = (
    ("python", software.check_python),
    ("packages", software.check_packages),
    ("bundle", service.check_bundle),
    ("torch", software.check_torch),
    ("onnxruntime", software.check_onnxruntime),
    ("audio", devices.check_audio),
    ("jack", devices.check_jack),
    ("midi", devices.check_midi),
    ("sync", devices.check_sync),
    ("realtime", machine.check_realtime),
    ("memory lock", machine.check_memory_lock),
    ("shared memory", machine.check_shared_memory),
    ("caches", machine.check_caches),
    ("page", software.check_page),
    ("training", software.check_training),
    ("ports", service.check_ports),
    ("speed", service.check_speed),
)
Tell = Callable[[str], None]


def examine(tell: Tell = lambda name: None, speed: bool = True) -> list[Line]:
    """All findings. A check that breaks is a finding, too; speed is only asked of a sound bundle.

    tell: hears the name of each check before it is made.
    """
    lines: list[Line] = []
    for name, check in CHECKS:
        tell(name)
        if name == "speed" and not speed:
            continue
        if name == "speed" and any(line.state == "failed" for line in lines if line.check in ("bundle", "torch")):
            lines.append(Line(name, "failed", "not measured", "First give it a sound bundle."))
            continue
        lines.append(_made(name, check))
    return lines


def _made(name: str, check: Callable[[], Line]) -> Line:
    try:
        return check()
    except AttaccaError as error:
        text, _, way_out = common.one_sentence(str(error)).partition("; ")
        return Line(name, "failed", text, way_out or "Get or train another bundle.")
    except Exception as error:
        text = common.one_sentence(f"{type(error).__name__}: {error}")
        return Line(name, "failed", text, "Set it up again: make setup.")


@click.command(epilog=examples("attacca doctor", "attacca doctor --no-speed --json"))
@click.option("--speed/--no-speed", default=True, help="Also render four bars, to see how fast this machine is.")
@common.json_option
def doctor(speed: bool, as_json: bool) -> None:
    """Can this machine serve? What is missing, and what to do about it. Exit code 0: yes, 1: no."""
    with _progress(as_json) as tell:
        lines = examine(tell, speed)
    sound = not any(line.state == "failed" for line in lines)
    if as_json:
        common.print_line({"ok": sound, "checks": [line._asdict() for line in lines]})
    else:
        show(lines, sound)
    raise click.exceptions.Exit(0 if sound else 1)


@contextlib.contextmanager
def _progress(as_json: bool) -> Iterator[Tell]:
    """On a terminal: which check is being made, and how many there are."""
    if as_json or not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bar:
        task = bar.add_task("", total=len(CHECKS))
        yield lambda name: bar.update(task, description=name, advance=1)


def show(lines: list[Line], sound: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table: Any = Table("check", "", "finding", "what to do")
    colour = {"ok": "green", "missing": "yellow", "failed": "red"}
    for line in lines:
        table.add_row(line.check, f"[{colour[line.state]}]{line.state}[/]", Text(line.text), Text(line.way_out))
    console = Console()
    console.print(table)
    console.print("This machine can serve." if sound else "This machine cannot serve yet; see 'what to do'.")
