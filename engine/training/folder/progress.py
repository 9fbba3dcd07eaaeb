"""A progress bar over the files of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.training.folder.prepare import Progress as Tell

NAME_WIDTH = 40


@contextmanager
def shown(console: Console) -> Iterator[Tell]:
    """Yields the callback that `prepare` takes."""
    columns = (
        TextColumn("listen"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[name]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("listen", total=None, name="")

        def tell(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, name=escape(name[-NAME_WIDTH:]))

        yield tell
