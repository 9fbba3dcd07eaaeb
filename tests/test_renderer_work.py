"""The real renderer on untrained networks: streaming, cancelling, pieces of work, memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from engine.errors import Cancelled
from engine.models.prompt import sentence_encoder
from engine.types import Renderer
from tests.rendering import sound
from tests.tiny_bundle import ask, play


def test_the_first_bar_leaves_before_the_last_is_decoded(renderer: Renderer) -> None:
    """Cancellation is looked at before each piece of work: work is left when bar 0 comes, in time and in looks."""
    looks, at_bar, begin = 0, {}, time.thread_time()

    def look() -> bool:
        nonlocal looks
        looks += 1
        return False

    renderer.render(
        ask(8),
        None,
        lambda bar: at_bar.setdefault(bar.bar, (looks, time.thread_time() - begin)),  # type: ignore[arg-type,return-value]
        lambda _: None,
        look,
    )
    assert sorted(at_bar) == list(range(8)) and list(at_bar.values()) == sorted(at_bar.values())
    assert at_bar[0][0] < looks / 2 and at_bar[0][1] < at_bar[7][1] / 2


@pytest.mark.parametrize("kind", ["generate", "continue", "under"])
def test_no_piece_of_work_takes_longer_than_a_cancel_may(renderer: Renderer, tmp_path: Path, kind: str) -> None:
    """The longest time between two looks at `cancelled`, in processor time of the rendering thread.

    The same work a few times, each piece at its best, as other programs slow down whole stretches.
    """
    path = tmp_path / "long.flac"
    soundfile.write(path, sound(60 * 44_100, rate=44_100), 44_100)
    fields = {
        "generate": {},
        "continue": {"source": str(path)},
        "under": {"source": str(path), "at_bar": 2, "under": True},
    }
    request = ask(6, **{"steps": 2, **fields[kind]})  # type: ignore[arg-type]
    sentence_encoder()

    def pieces() -> np.ndarray:
        looked = [time.thread_time()]

        def look() -> bool:
            looked.append(time.thread_time())
            return False

        renderer.render(request, None, lambda _: None, lambda _: None, look)
        return np.diff(looked)

    best = np.min([pieces() for _ in range(3)], axis=0)
    assert len(best) >= 10 and best.max() < 0.1


@pytest.mark.parametrize("look", [0, 1, 2, 5, 9])
def test_a_cancel_ends_the_render_at_the_next_look(renderer: Renderer, look: int) -> None:
    looks, bars = 0, []

    def cancelled() -> bool:
        nonlocal looks
        looks += 1
        return looks > look

    with pytest.raises(Cancelled):
        renderer.render(ask(8), None, bars.append, lambda _: None, cancelled)
    assert looks == look + 1 and len(bars) < 8
    assert play(renderer, ask()).rendered.frames == 96_000


def test_sixty_four_bars_in_bounded_memory(renderer: Renderer) -> None:
    """96 s of sound are 37 MB; a renderer that streams needs hardly more for them than for 48 s."""
    process, peak, frames = psutil.Process(os.getpid()), 0, 0

    def emit(bar: object) -> None:
        nonlocal peak, frames
        frames += len(bar.audio)  # type: ignore[attr-defined]
        peak = max(peak, process.memory_info().rss)

    renderer.render(ask(32, "160"), None, lambda _: None, lambda _: None, lambda: False)
    before = process.memory_info().rss
    renderer.render(ask(64, "160"), None, emit, lambda _: None, lambda: False)
    assert frames == 64 * 72_000 and peak - before < 18_000_000
