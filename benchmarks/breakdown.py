"""Where a render's time goes: the stages of one renderer, timed from outside, each without the stages inside it.

The stages are named functions and methods of `engine.render` and `engine.models`; for the time of a `with` block they
are wrapped in clocks. One that is not there by that name is left out, and its time counts as "rest".

*Threading*: the wrapped code is called by the renderer's one thread; whoever reads the times waits for its end.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STAGES = (
    ("condition", "engine.render.generate", "gather"),
    ("sample", "engine.render.windows", "latents"),
    ("codec", "engine.render.decode", "Decoder.push"),
    ("vocoder", "engine.models.synthesis", "Synthesis.levels"),
    ("phases and iSTFT", "engine.models.synthesis", "Synthesis.begin"),
    ("phases and iSTFT", "engine.models.synthesis", "Synthesis.finish"),
    ("look", "engine.render.decode", "Decoder.look"),
    ("fit", "engine.render.fit", "Fitter.feed"),
)
"""What is called, where it is found, and what it is called here. Stages may be nested."""


class Clock:
    """Seconds by stage. A stage's time stands still while one inside it runs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack: list[tuple[str, float]] = []

    def enter(self, stage: str) -> None:
        now = time.perf_counter()
        if self._stack:
            outer, since = self._stack[-1]
            self.seconds[outer] += now - since
        self._stack.append((stage, now))

    def leave(self) -> None:
        now = time.perf_counter()
        stage, since = self._stack.pop()
        self.seconds[stage] += now - since
        if self._stack:
            self._stack[-1] = (self._stack[-1][0], now)

    def take(self) -> dict[str, float]:
        """The seconds so far; starts anew."""
        taken, self.seconds = dict(self.seconds), defaultdict(float)
        return taken

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with a clock around it; one that yields is timed between its values alone."""

        @functools.wraps(function)
        def timed(*words: Any, **named: Any) -> Any:
            self.enter(stage)
            try:
                result = function(*words, **named)
            finally:
                self.leave()
            return self._timed_values(stage, result) if hasattr(result, "__next__") else result

        return timed

    def _timed_values(self, stage: str, values: Iterator[Any]) -> Iterator[Any]:
        while True:
            self.enter(stage)
            try:
                value = next(values)
            except StopIteration:
                return
            finally:
                self.leave()
            yield value


@contextmanager
def clocked() -> Iterator[Clock]:
    """Wraps all stages that are found, and puts everything back."""
    clock, put_back = Clock(), []
    try:
        for stage, module_name, path in STAGES:
            owner: Any = _module(module_name)
            *outer, name = path.split(".")
            for part in outer:
                owner = getattr(owner, part, None)
            function = getattr(owner, name, None)
            if function is not None:
                put_back.append((owner, name, function))
                setattr(owner, name, clock.wrap(stage, function))
        yield clock
    finally:
        for owner, name, function in reversed(put_back):
            setattr(owner, name, function)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
