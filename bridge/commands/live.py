"""live: what plugins and engines of this machine do, once or until it is stopped, and taken down where that is wanted.

*Threading*: the main thread looks and draws; a recorder has a thread of its own (bridge.live.recorder). SIGINT and
SIGTERM end it after the look that is under way, half a second at most, and what was taken down is written.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.commands import live_view
from bridge.commands.common import Real, json_option, print_line, remark, stopping
from bridge.commands.menu import Topic, examples

if TYPE_CHECKING:
    from bridge.live.recorder import Recorder
    from bridge.live.watch import Watch

LINE_S = 1.0
EXAMPLES = ("attacca live", "attacca live --transcript takes", "attacca live clean")
Show = Callable[[list[dict[str, Any]]], None]


@click.group(cls=Topic, invoke_without_command=True, epilog=examples(*EXAMPLES))
@click.option("--follow/--once", default=None, help="Until Ctrl-C, or once. Default: follow on a terminal.")
@click.option("--seconds", type=Real(0.1, 86_400), help="Follow for so many seconds.")
@click.option(
    "--transcript",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Take down what is played (MIDI) and what is heard (WAV), in a folder of its own in DIR, until Ctrl-C.",
)
@json_option
@click.pass_context
def live(
    context: click.Context, follow: bool | None, seconds: float | None, transcript: Path | None, as_json: bool
) -> None:
    """Shows each plugin's transport, bars ready, latency, misses and last notes; --transcript keeps it all."""
    if context.invoked_subcommand is not None:
        return
    from bridge.live.watch import Watch

    watch = Watch()
    wanted = transcript is not None or seconds is not None
    on_screen = sys.stdout.isatty() and not as_json
    try:
        if not (wanted or (on_screen if follow is None else follow)):
            _print(watch.look(), as_json)
            return
        with _recorder(transcript, as_json) as recorder, stopping() as stop:
            with _screen(on_screen, as_json) as show:
                _follow(watch, show, stop, seconds, 1 / live_view.REFRESH_HZ if on_screen else LINE_S, recorder)
    finally:
        watch.close()


@live.command()
@json_option
def clean(as_json: bool) -> None:
    """Removes the caches that crashed hosts left behind."""
    from bridge.timeline.cache import reclaim

    removed = reclaim()
    if as_json:
        print_line({"removed": [info.instance for info in removed]})
    else:
        size = sum(info.bytes for info in removed) / 2**20
        click.echo(f"{len(removed)} stale caches removed, {size:.0f} MiB.")


def _follow(
    watch: Watch,
    show: Show,
    stop: threading.Event,
    seconds: float | None,
    period_s: float,
    recorder: Recorder | None,
) -> None:
    """Look and show once a period until told to stop."""
    end_s = None if seconds is None else time.monotonic() + seconds
    while True:
        begun_s = time.monotonic()
        rows = watch.look()
        if recorder is not None:
            recorder.hear(watch.sessions)
        show(rows)
        now_s = time.monotonic()
        left_s = period_s if end_s is None else min(period_s, end_s - now_s)
        if stop.wait(max(0.0, left_s - (now_s - begun_s))) or (end_s is not None and time.monotonic() >= end_s):
            break
    if recorder is not None:
        watch.look()
        recorder.hear(watch.sessions)


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_line({"caches": rows})
        return
    for text in [live_view.line(row) for row in rows] or [live_view.NOBODY]:
        click.echo(text)


@contextlib.contextmanager
def _screen(on_screen: bool, as_json: bool) -> Iterator[Show]:
    """Shows rows: a table drawn over itself on a terminal, else lines, or lines of JSON."""
    if not on_screen:

        def lines(rows: list[dict[str, Any]]) -> None:
            _print(rows, as_json)
            sys.stdout.flush()

        yield lines
        return
    from rich.live import Live

    with Live(refresh_per_second=live_view.REFRESH_HZ, auto_refresh=False) as screen:
        yield lambda rows: screen.update(live_view.table(rows), refresh=True)


@contextlib.contextmanager
def _recorder(folder: Path | None, as_json: bool) -> Iterator[Recorder | None]:
    """A recorder that runs meanwhile; at the end it is told what was written."""
    if folder is None:
        yield None
        return
    from bridge.live.recorder import Recorder

    recorder = Recorder(folder, remark)
    recorder.start()
    try:
        yield recorder
    finally:
        written = recorder.close()
        if as_json:
            print_line({"transcripts": written})
        for told in [] if as_json else written:
            heard_s = told["frames"] / told["rate"]
            click.echo(f"{told['folder']}: {told['notes']} notes, {told['answers']} bars that answer, {heard_s:.1f} s")
        if not written:
            remark("nothing was taken down: no session with an engine was there")
