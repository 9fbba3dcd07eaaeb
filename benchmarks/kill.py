"""An engine killed in the middle of a bar, again and again, while a block host plays.

    python -m benchmarks.kill [--count 100] [--bundle DIR | --fake] [--tempo 160] [--json]

Each turn: an engine takes up the cache of a rolling block host; when the look-ahead is ready again it is killed with
SIGKILL at a random place of a bar, in half of the turns up to 0.3 s after a knob was turned, so that it dies while it
renders over bars that are there; the host plays on; a while after the last rendered frame the next engine starts. Asked
for, of every turn:

    plays on        no frame is missed before the first one that the cache did not hold when the engine died
    fallback        the last bar, quieter, sounds within one block of that frame (where a bar had been heard)
    no click        around both fades the energy above 8 kHz is within 12 dB of the clean render's: the cache's own
                    samples there, the sound right before, the same place a bar earlier (fade in: later); so is it
                    where a render was cut off over older bars (border)
    back            the first audio of the next engine is heard within 2 bars of its `ready`, on a beat line, and every
                    frame that sounds after its fade in equals the cache (missed_again is told)
    outlives        the file, its map and its samples are the same after the engine's death; whether the next engine
                    goes on with that map (map_taken_up) is told, not asked for

One JSON line goes to results.jsonl. Exit code 1: something asked for is not so.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import asked, line, stage
from benchmarks.kill_judge import Turn, border_of, judge, verdicts
from benchmarks.stage import BlockHost, Played, Score
from bridge.commands import measure
from engine.errors import Unavailable

PER_HOST = 10
TURN_S = 40.0


def strike(host: BlockHost, pid: int, dice: random.Random) -> Turn:
    """Kills the engine at a random place of the next bar, and looks at what is left."""
    bar = host.score.bar_frames
    line = (int(host.head() / bar) + 1) * bar
    host.wait_past(int(line + dice.uniform(0.05, 0.95) * bar))
    turned_ns = time.monotonic_ns() if dice.random() < 0.5 else None
    if turned_ns is not None:
        host.say(f"set intensity {dice.uniform(-24, -14):.1f}")
        time.sleep(dice.uniform(0.02, 0.3))
    os.kill(pid, signal.SIGKILL)
    at, watcher = host.head(), host.watcher
    time.sleep(0.02)
    held, generation = watcher.held_until(at), watcher.generation
    before, _ = watcher.read(at, held - at)
    time.sleep(0.05)
    after, known = watcher.read(at, held - at)
    survived = watcher.same_file() and bool(known.all()) and np.array_equal(before, after)
    border = None if turned_ns is None else border_of(watcher, at, held, turned_ns)
    survived &= generation == watcher.generation
    return Turn(at, held, generation, survived, border, tail=before[-host.score.rate :])


def come_back(host: BlockHost, turn: Turn, ready_ns: int) -> None:
    """Waits until the next engine is heard, and keeps a copy of the cache there."""
    turn.ready_ns = ready_ns
    at = host.head()
    host.watcher.wait_ready(1.0, TURN_S / 2, ready_ns)
    turn.taken_up = host.watcher.generation == turn.generation
    host.wait_past(host.head() + int(2.5 * host.score.bar_frames))
    turn.back = (at, host.watcher.read(at, host.head() - at)[0])


def play(options: list[str], score: Score, count: int, dice: random.Random, folder: Path) -> tuple[list[Turn], Played]:
    """One block host, up to `count` engines killed: fewer where an engine does not get its look-ahead ready in time."""
    turns: list[Turn] = []
    with BlockHost(score, folder) as host:
        try:
            for n in range(count + 1):
                turn(host, options, turns, n == count, dice)
        except Unavailable as problem:
            click.echo(f"after {len(turns)} engines of this host: {problem}", err=True)
        return turns, host.finish()


def turn(host: BlockHost, options: list[str], turns: list[Turn], last: bool, dice: random.Random) -> None:
    """An engine from its start to its death (the last one ends in peace) and on until the fallback has sounded."""
    look_ahead, bar = host.score.look_ahead, host.score.bar_frames
    with stage.live_engine(*options) as engine:
        ready_ns = time.monotonic_ns()
        if turns:
            come_back(host, turns[-1], ready_ns)
        else:
            host.watcher.wait_ready(look_ahead)
            host.say("play")
            host.wait_past(int(1.5 * bar))
        if last:
            return
        host.watcher.wait_ready(look_ahead)
        turns.append(strike(host, engine.ready["pid"], dice))
    host.wait_past(int(turns[-1].held_until + 0.5 * bar))


def run(options: list[str], count: int, tempo: float, seed: int = 1, limit_s: float = 3600.0) -> dict[str, Any]:
    """Kills `count` engines, at most `PER_HOST` a block host; gives up after three hosts in a row without one."""
    rows: list[dict[str, Any]] = []
    dice, end_s, idle = random.Random(seed), time.monotonic() + limit_s, 0
    with stage.cache_dir() as folder:
        while len(rows) < count and time.monotonic() < end_s and idle < 3:
            turns_here = min(PER_HOST, count - len(rows))
            score = Score(TURN_S * (turns_here + 1), "kill", tempo=tempo, keep_audio=True)
            turns, played = play(options, score, turns_here, dice, folder)
            rows += [judge(one, played) for one in turns]
            idle = 0 if turns else idle + 1
    asked_for = {"all_engines_killed": len(rows) == count, **verdicts(rows, score)}
    return {"count": len(rows), "tempo": tempo, "turns": rows, "asked_for": asked_for}


COLUMNS = (
    "rendered_ahead_s", "early_frames", "fallback_frames", "fade_out_click_db", "back_bars", "off_beat_frames",
    "fade_in_click_db", "unequal_frames", "missed_again_frames", "border_click_db",
)  # fmt: skip


def show(found: dict[str, Any], bundle: str) -> None:
    rows = []
    for name in COLUMNS:
        values = [row[name] for row in found["turns"] if row.get(name) is not None]
        if values:
            low, middle, high = np.min(values), np.median(values), np.max(values)
            rows.append([name, str(len(values)), f"{low:.4g}", f"{middle:.4g}", f"{high:.4g}"])
    measure.print_table(f"{found['count']} engines killed, {bundle}", ("what", "n", "least", "median", "most"), rows)


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--tempo", type=click.FloatRange(60, 300), default=160.0, show_default=True, help="Quarters a minute.")
@click.option("--limit-minutes", type=click.FloatRange(1, 200), default=60.0, show_default=True)
@line.options(with_fake=True)
def main(count: int, tempo: float, limit_minutes: float, **shared: Any) -> None:
    asked.run("kill", lambda options: run(options, count, tempo, limit_s=60 * limit_minutes), show, shared)


if __name__ == "__main__":
    main()
