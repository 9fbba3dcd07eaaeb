"""A bar on stderr while something takes long: on a terminal alone, a few times a second, and gone when it is done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

REFRESH_HZ = 4
Advance = Callable[[float], None]
"""Called with the fraction that is done, from any thread."""


@contextlib.contextmanager
def progress(label: str) -> Iterator[Advance]:
    """A bar from 0 to 1; nothing at all where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=REFRESH_HZ) as bar:
        task = bar.add_task(label, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)
