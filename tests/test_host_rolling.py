"""The rolling player: sound by project frame through stops, jumps, panics and lateness; its callback only copies."""

from __future__ import annotations

import ast
import gc
import inspect
import textwrap
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plugin_host import realtime
from plugin_host.outputs.jackd import JackOutput
from plugin_host.rolling import RollingPlayer
from tests.waiting import wait

RATE_HZ, BLOCK, FADE = 48_000, 128, 240
SONG = np.random.default_rng(1).uniform(-0.4, 0.4, (400_000, 2)).astype(np.float32)


class Score:
    """A programme that plays SONG; slow_s: how long each block takes."""

    def __init__(self, song: Any = SONG) -> None:
        self.song, self.frame, self.slow_s = song, 0, 0.0
        self.located: list[int] = []
        self.reports: list[tuple[int, bool, int]] = []

    def locate(self, frame: int) -> None:
        self.frame = frame
        self.located.append(frame)

    def block(self, frames: int) -> Any:
        time.sleep(self.slow_s)
        self.frame += frames
        return self.song[self.frame - frames : self.frame]

    def report(self, frame: int, rolling: bool, jumps: int) -> None:
        self.reports.append((frame, rolling, jumps))


@pytest.fixture
def score() -> Score:
    return Score()


@pytest.fixture
def player(score: Score) -> Any:
    player = RollingPlayer(score, RATE_HZ, 2, BLOCK, 0.1)
    player.open()
    yield player
    player.close()
    assert player.error is None


def told(player: RollingPlayer, command: Callable[[], None]) -> None:
    command()
    assert player._command is not None


def pull(player: RollingPlayer, blocks: int) -> Any:
    """Blocks as a callback that is never late pulls them."""
    heard = np.zeros((blocks, BLOCK, 2), np.float32)
    for out in heard:
        wait(lambda: not player._going or player._ready() > 2)
        player.pull(out)
        if player._starting:
            time.sleep(0.002)
    return heard.reshape(-1, 2)


def begin(player: RollingPlayer) -> None:
    """Start, and pull until it rolls, its first block not yet heard."""
    told(player, player.start)
    out = np.zeros((BLOCK, 2), np.float32)
    player._obey()
    wait(lambda: player.prepare(player.frame) or player.hold(out))
    player._starting, player._going = False, True


def test_it_rolls_from_the_first_frame_on_bit_by_bit(player: RollingPlayer, score: Score) -> None:
    assert not pull(player, 3).any()
    begin(player)
    assert np.array_equal(pull(player, 300), SONG[: 300 * BLOCK])
    assert (player.frame, player.rolling, player.underruns, player.jumps) == (300 * BLOCK, True, 0, 0)
    wait(lambda: score.reports[-1] == (300 * BLOCK, True, 0))


def test_a_stop_fades_over_five_milliseconds_and_a_start_goes_on_there(player: RollingPlayer) -> None:
    begin(player)
    pull(player, 20)
    player.stop()
    heard = pull(player, 4)
    at = 20 * BLOCK
    assert np.array_equal(heard[:BLOCK], SONG[at : at + BLOCK] * player._fade_out)
    assert not heard[BLOCK:].any()
    begin(player)
    assert np.array_equal(pull(player, 20), SONG[at : at + 20 * BLOCK])


@pytest.mark.parametrize("to", [0, 20 * BLOCK, 100_001])
def test_a_jump_lands_on_the_very_frame(player: RollingPlayer, score: Score, to: int) -> None:
    begin(player)
    pull(player, 20)
    player.locate(to)
    player._obey()
    assert not player._going
    heard = [player.hold(np.zeros((BLOCK, 2), np.float32)) for _ in range(1)]
    wait(lambda: player.prepare(player.frame))
    player._starting, player._going = False, True
    assert np.array_equal(pull(player, 20), SONG[to : to + 20 * BLOCK])
    assert heard == [0] and score.located[-1] == to


def test_a_transport_that_jumps_without_asking_is_followed(player: RollingPlayer) -> None:
    """As JACK does when its patience is over: one block fades out, then the new place fades in, on its frames."""
    out = np.zeros((BLOCK, 2), np.float32)
    wait(lambda: player.prepare(0) and player._ready() > 20)
    for n in range(10):
        assert player.roll(out, n * BLOCK, True) == BLOCK
    player.roll(out, 50_000, True)
    assert np.array_equal(out, SONG[10 * BLOCK : 11 * BLOCK] * player._fade_out)
    wait(lambda: player._find(50_000 + BLOCK) >= 0 and player._ready() > 2)
    player.roll(out, 50_000 + BLOCK, True)
    assert np.array_equal(out, SONG[50_000 + BLOCK :][:BLOCK] * player._fade_in)
    player.roll(out, 50_000 + 2 * BLOCK, True)
    assert np.array_equal(out, SONG[50_000 + 2 * BLOCK :][:BLOCK])
    assert (player.jumps, player.underruns) == (1, 0)


def test_what_is_late_is_counted_faded_and_comes_back_in_its_place(score: Score) -> None:
    player = RollingPlayer(score, RATE_HZ, 2, BLOCK, 0.02)
    player.open()
    out = np.zeros((BLOCK, 2), np.float32)
    wait(lambda: player.prepare(0))
    line, frame = [], 0
    score.slow_s = 0.5
    while player.underruns < 5:
        player.roll(out, frame, True)
        line.append(out.copy())
        frame += BLOCK
    score.slow_s = 0.0
    wait(lambda: player._find(frame) >= 0)
    player.roll(out, frame, True)
    assert np.array_equal(out, SONG[frame : frame + BLOCK] * player._fade_in)
    player.close()
    silent = [k for k, block in enumerate(line) if not block.any()]
    assert len(silent) == 4, "the first late block fades out, the others are silent"
    assert player.error is None


def test_a_panic_is_silent_whatever_the_transport_does_until_a_start(player: RollingPlayer) -> None:
    out = np.zeros((BLOCK, 2), np.float32)
    wait(lambda: player.prepare(0) and player._ready() > 20)
    for n in range(5):
        player.roll(out, n * BLOCK, True)
    player.panic()
    player.roll(out, 5 * BLOCK, True)
    assert np.array_equal(out, SONG[5 * BLOCK : 6 * BLOCK] * player._fade_out)
    for n in range(6, 30):
        player.roll(out, n * BLOCK, True)
        assert not out.any()
    assert player.underruns == 0 and not player.rolling and player.muted
    player.start()
    player.roll(out, 30 * BLOCK, True)
    wait(lambda: player._find(31 * BLOCK) >= 0 and player._ready() > 2)
    player.roll(out, 31 * BLOCK, True)
    player.roll(out, 32 * BLOCK, True)
    assert np.array_equal(out, SONG[32 * BLOCK : 33 * BLOCK])


def test_what_was_heard_is_handed_on_as_it_was_heard(player: RollingPlayer) -> None:
    kept: list[Any] = []
    player.heard = lambda block: kept.append(block.copy())
    begin(player)
    heard = [pull(player, 30)]
    player.stop()
    heard.append(pull(player, 1))
    pull(player, 5)
    wait(lambda: player._kept == player._read)
    assert np.array_equal(np.concatenate(kept), np.concatenate(heard))


def test_an_error_of_the_programme_is_kept(score: Score) -> None:
    player = RollingPlayer(score, RATE_HZ, 2, BLOCK)
    score.song = None
    player.open()
    player.prepare(0)
    wait(lambda: player.error is not None)
    assert isinstance(player.error, TypeError)
    player.close()


def test_the_callback_allocates_no_array_and_leaves_nothing_to_collect() -> None:
    player = RollingPlayer(Score(), RATE_HZ, 8, BLOCK, 0.5)
    player._programme.song = np.repeat(SONG, 4, axis=1)
    player.open()
    out = np.zeros((BLOCK, 8), np.float32)
    wait(lambda: player.prepare(0) and player._ready() > 150)
    player.close()
    for n in range(3):
        player.roll(out, n * BLOCK, True)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        player.roll(out, 3 * BLOCK, True)
        player.pull(out)
        tracemalloc.reset_peak()
        before, objects = tracemalloc.get_traced_memory()[0], gc.get_count()[0]
        for n in range(4, 120):
            player.roll(out, n * BLOCK, True)  # sound
        for n in range(400, 500):
            player.roll(out, n * BLOCK, True)  # a jump, then late
        for n in range(500, 600):
            player.roll(out, n * BLOCK, False)  # stopped
            player.hold(out)
        peak, left = tracemalloc.get_traced_memory()[1] - before, gc.get_count()[0] - objects
    finally:
        tracemalloc.stop()
        gc.enable()
    assert player.underruns > 90
    assert out.nbytes == 4096
    assert peak < 2048, "one array of a block, or half of one, would be more"
    assert left < 10, "nothing that the collector would have to look through"


def test_without_real_time_priority_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(realtime.os, "sched_setscheduler", refuse)
    said = realtime.hasten()
    assert said is not None and said.startswith("no real-time priority (Operation not permitted): add '@audio - rtprio")
    monkeypatch.delattr(realtime.os, "sched_setscheduler")
    assert "this system has none to ask for" in str(realtime.hasten())


CALLBACK = (
    RollingPlayer.pull, RollingPlayer.roll, RollingPlayer.hold, RollingPlayer.prepare, RollingPlayer._obey,
    RollingPlayer._roll, RollingPlayer._skipped, RollingPlayer._leave, RollingPlayer._rest, RollingPlayer._starve,
    RollingPlayer._ask_for, RollingPlayer._find, RollingPlayer._take, RollingPlayer._ready, JackOutput._process,
    JackOutput._sync,
)  # fmt: skip
HARMLESS = {
    "len", "zip", "np.copyto", "np.multiply", "out.fill", "self._out.fill", "port.get_array", "port.get_array().fill",
    "self._client.transport_query_struct", "player.pull", "rolls.hold", "rolls.roll", "rolls.prepare",
}  # fmt: skip


@pytest.mark.parametrize("function", CALLBACK, ids=lambda f: f.__qualname__)
def test_the_callback_calls_only_what_copies_and_counts(function: Any) -> None:
    """By its source: no lock, file, socket, sleep or print; arrays only by calls that write into given ones."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    own = {f"self.{f.__name__}" for f in CALLBACK}
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert called <= HARMLESS | own
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.With | ast.Try | ast.ListComp | ast.Await)]
    writes = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.multiply"]
    assert all(any(keyword.arg == "out" for keyword in node.keywords) for node in writes)
