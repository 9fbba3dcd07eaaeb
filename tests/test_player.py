"""The player: a thread fills slots, a callback copies them and counts what it missed."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from plugin_host.player import FADE_SECONDS, Player

RATE_HZ = 48_000


def sound(frames: int, channels: int = 2) -> Any:
    return np.random.default_rng(frames).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


def cut(audio: Any, block: int) -> Iterator[Any]:
    return (audio[at : at + block] for at in range(0, len(audio), block))


def drain(player: Player) -> Any:
    """Pull as an output does that waits for the player."""
    out = np.zeros((player.block_frames, player.channels), np.float32)
    parts = [np.zeros((0, player.channels), np.float32)]
    while not player.drained:
        if player.ready:
            parts.append(out[: player.pull(out)].copy())
        else:
            time.sleep(0.0002)
    return np.concatenate(parts)


@pytest.mark.parametrize("made", [1, 63, 64, 65, 8193])
@pytest.mark.parametrize("pulled", [1, 63, 64, 65, 8193])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_what_goes_in_comes_out(made: int, pulled: int, channels: int) -> None:
    audio = sound(1000 if min(made, pulled) == 1 else 20_000, channels)
    player = Player(cut(audio, made), RATE_HZ, channels, pulled)
    player.start()
    assert np.array_equal(drain(player), audio)
    assert (player.underruns, player.error) == (0, None)
    player.stop()


def test_nothing_at_all_is_a_sound_too() -> None:
    player = Player(iter([]), RATE_HZ, 2, 64)
    player.start()
    assert player.drained
    out = np.ones((64, 2), np.float32)
    assert player.pull(out) == 0
    assert not out.any()
    assert player.underruns == 0


def test_start_returns_with_the_ring_full() -> None:
    player = Player(cut(sound(200_000), 1000), RATE_HZ, 2, 512, ahead_seconds=0.5)
    player.start()
    out = np.zeros((512, 2), np.float32)
    ready = round(0.5 * RATE_HZ / 512)
    assert [player.pull(out) for _ in range(ready)] == [512] * ready
    player.stop()


class Gate:
    """Blocks of ones that are let through one by one."""

    def __init__(self, frames: int) -> None:
        self.open = threading.Semaphore(0)
        self.block = np.ones((frames, 2), np.float32)
        self.over = False

    def __iter__(self) -> Iterator[Any]:
        while True:
            assert self.open.acquire(timeout=60)
            if self.over:
                return
            yield self.block


def test_underruns_are_counted_and_faded_over_five_milliseconds() -> None:
    frames, fade = 512, round(FADE_SECONDS * RATE_HZ)
    gate = Gate(frames)
    player = Player(iter(gate), RATE_HZ, 2, frames, ahead_seconds=0.1)
    threading.Thread(target=player.start).start()
    heard = np.zeros((6, frames, 2), np.float32)

    def let_one_in() -> None:
        gate.open.release()
        while not player.ready:
            time.sleep(0.001)

    let_one_in()
    counts = [player.pull(heard[0]), player.pull(heard[1]), player.pull(heard[2])]
    let_one_in()
    let_one_in_later = [player.pull(heard[3])]
    assert counts + let_one_in_later == [frames, 0, 0, frames]
    assert player.underruns == 2
    let_one_in()
    gate.over = True
    gate.open.release()
    player._thread.join()
    player.pull(heard[4])
    player.pull(heard[5])
    assert player.underruns == 2, "the end is no underrun"
    assert player.drained
    line = heard[:, :, 0].ravel()
    assert np.abs(np.diff(line)).max() < 1.2 * np.pi / 2 / fade, "no step is steeper than the fade's"
    assert not heard[2].any()
    assert np.all(heard[3][fade:] == 1)
    assert np.all(heard[4] == 1)
    assert heard[5][fade - 2, 0] < 0.001
    player.stop()


def test_a_sound_that_stops_short_fades_within_its_last_slot() -> None:
    player = Player(iter([np.ones((700, 1), np.float32)]), RATE_HZ, 1, 512)
    player.start()
    out = np.zeros((3, 512, 1), np.float32)
    assert [player.pull(block) for block in out] == [512, 188, 0]
    line = out.ravel()
    assert np.all(line[:700] == 1)
    assert 0 < line[800] < 1
    assert not line[700 + 240 :].any()


def test_the_callback_allocates_no_array() -> None:
    player = Player(cut(sound(90_000, 8), 4096), RATE_HZ, 8, 512, ahead_seconds=1.0)
    player.start()
    out = np.zeros((512, 8), np.float32)
    for _ in range(3):
        player.pull(out)
    tracemalloc.start()
    try:
        player.pull(out)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(80):
            player.pull(out)
        peak = tracemalloc.get_traced_memory()[1] - before
        player.stop()
        tracemalloc.reset_peak()
        starved = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            player.pull(out)
        peak_starved = tracemalloc.get_traced_memory()[1] - starved
    finally:
        tracemalloc.stop()
    assert out.nbytes == 16_384
    assert max(peak, peak_starved) < 4096, "one array of a block, or of one channel of it, would be more"


def test_an_error_ends_the_sound_and_is_kept() -> None:
    def broken() -> Iterator[Any]:
        yield np.ones((100, 1), np.float32)
        raise ValueError("no more")

    player = Player(broken(), RATE_HZ, 1, 64)
    player.start()
    assert len(drain(player)) == 64
    assert isinstance(player.error, ValueError)
    player.stop()


def test_stop_ends_an_endless_sound_at_once() -> None:
    def endless() -> Iterator[Any]:
        while True:
            yield np.zeros((10_000, 2), np.float32)

    player = Player(endless(), RATE_HZ, 2, 256)
    player.start()
    began = time.monotonic()
    player.stop()
    assert time.monotonic() - began < 30.0
    assert not player._thread.is_alive()
