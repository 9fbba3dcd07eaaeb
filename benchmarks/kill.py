"""An engine killed in the middle of a bar, again and again, while a block host plays.

    python -m benchmarks.kill [--count 100] [--bundle DIR | --fake] [--tempo 160] [--json]

Each turn: an engine takes up the cache of a rolling block host; when the look-ahead is ready again it is killed with
SIGKILL at a random place of a bar; the host plays on; a while after the last rendered frame the next engine starts.
Asked for, of every turn:

    plays on        no frame is missed before the first one that the cache did not hold when the engine died
    fallback        the last bar, quieter, sounds within one block of that frame (where a bar had been heard)
    no click        around both fades the energy above 8 kHz is within 12 dB of the clean render's: the same place a
                    bar earlier, and the cache's own samples
    back            the first audio of the next engine is heard within 2 bars of its `ready`, on a beat line, and every
                    frame after its fade in equals the cache
    outlives        the file, its map and its samples are the same after the engine's death; whether the next engine
                    goes on with that map (map_taken_up) is told, not asked for

One JSON line goes to results.jsonl. Exit code 1: something asked for is not so.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import listening, stage
from benchmarks.soak import conclude, engine_options, in_a_sentence
from benchmarks.stage import BlockHost, Played, Score
from benchmarks.watcher import Watcher
from bridge.commands import measure
from engine.errors import Unavailable
from engine.types import Audio

PER_HOST = 10
TURN_S = 40.0
CLICK_DB = 12.0
NEVER_DB = 999.0
FADE_S = 0.005
REPEAT_GAIN = 0.5


@dataclass
class Turn:
    """What was seen while it happened. Frames are project frames; times are monotonic."""

    killed_frame: int
    held_until: int
    generation: int
    survived: bool
    ready_ns: int = 0
    taken_up: bool = False
    back: tuple[int, Audio] = (0, np.zeros((0, 2), np.float32))
    rendered: dict[int, Audio] = field(default_factory=dict)


def head(watcher: Watcher) -> int:
    transport = watcher.transport()
    return transport.frame if transport else 0


def wait_past(host: BlockHost, frame: int) -> None:
    """Until the play head has passed a frame."""
    seconds = max(0.0, (frame - head(host.watcher)) / host.score.rate)
    host.watcher.wait(lambda w: head(w) > frame, f"play head past {frame}", seconds + 10)


def strike(host: BlockHost, pid: int, dice: random.Random) -> Turn:
    """Kills the engine at a random place of the next bar, and looks at what is left."""
    bar = host.score.bar_frames
    line = (int(head(host.watcher) / bar) + 1) * bar
    wait_past(host, int(line + dice.uniform(0.05, 0.95) * bar))
    os.kill(pid, signal.SIGKILL)
    at, watcher = head(host.watcher), host.watcher
    time.sleep(0.02)
    held, generation = watcher.held_until(at), watcher.generation
    before, _ = watcher.read(at, held - at)
    time.sleep(0.05)
    after, known = watcher.read(at, held - at)
    survived = watcher.same_file() and bool(known.all()) and np.array_equal(before, after)
    return Turn(at, held, generation, survived and generation == watcher.generation)


def come_back(host: BlockHost, turn: Turn, ready_ns: int) -> None:
    """Waits until the next engine is heard, and keeps a copy of the cache there."""
    turn.ready_ns = ready_ns
    at = head(host.watcher)
    host.watcher.wait_ready(1.0, TURN_S / 2, ready_ns)
    turn.taken_up = host.watcher.generation == turn.generation
    wait_past(host, head(host.watcher) + int(2.5 * host.score.bar_frames))
    turn.back = (at, host.watcher.read(at, head(host.watcher) - at)[0])


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
            wait_past(host, int(1.5 * bar))
        if last:
            return
        host.watcher.wait_ready(look_ahead)
        turns.append(strike(host, engine.ready["pid"], dice))
    wait_past(host, int(turns[-1].held_until + 0.5 * bar))


def judge(turn: Turn, played: Played) -> dict[str, Any]:
    """The figures of one turn, from what was played."""
    score, held = played.score, turn.held_until
    after = [gap for gap in listening.gaps(played) if gap.first >= turn.killed_frame]
    gap = after[0] if after else None
    found: dict[str, Any] = {
        "rendered_ahead_s": round((held - turn.killed_frame) / score.rate, 3),
        "early_frames": held - gap.first if gap else None,
        "outlives": turn.survived,
        "map_taken_up": turn.taken_up,
    }
    if gap is None or gap.end is None or gap.end_block is None:
        return {**found, "back_bars": None}
    found["fallback_frames"] = fallback_after(played, held)
    found["fade_out_click_db"] = round(fade_out_click(played, held), 1)
    ready_frame = int(played.rows["frame"][played.block_at(turn.ready_ns)])
    found["back_bars"] = round((gap.end - ready_frame) / score.bar_frames, 3)
    found["off_beat_frames"] = listening.off_beat(score, gap.end)
    found["fade_in_click_db"] = round(fade_in_click(played, gap.end, turn), 1)
    found["unequal_frames"] = unequal(played, gap.end, turn)
    return found


def fallback_after(played: Played, held: int) -> int | None:
    """Frames from the first missing one until the repetition of the last bar sounds; None: it never does.

    It sounds where the output equals the samples of one bar earlier at half their level, to a thousandth.
    """
    bar = round(played.score.bar_frames)
    span = played.score.rate // 10
    now = listening.heard_at(played, held, span)
    then = listening.heard_at(played, held - bar, span)
    if now is None or then is None:
        return None
    same = np.abs(now - REPEAT_GAIN * then).max(axis=1) < 1e-3
    from_here = np.flatnonzero(~same)
    first = int(from_here[-1]) + 1 if len(from_here) else 0
    return first if first < span else None


def fade_out_click(played: Played, held: int) -> float:
    """Above 8 kHz around the end of what was rendered, over the same place of the bar before, in dB."""
    score = played.score
    settle, around = round(listening.SETTLE_S * score.rate), round(2 * FADE_S * score.rate)
    first, frames = held - around - settle, settle + 2 * around
    heard, earlier = (listening.heard_at(played, first - k * round(score.bar_frames), frames) for k in (0, 1))
    if heard is None:
        return NEVER_DB
    return listening.click_db(heard, [earlier] if earlier is not None else [], score.rate)


def fade_in_click(played: Played, back: int, turn: Turn) -> float:
    """Above 8 kHz around the fade in, over the cache's own samples and the same place of the next bar, in dB."""
    score = played.score
    settle = round(listening.SETTLE_S * score.rate)
    first, frames = back - settle - round(FADE_S * score.rate), 2 * settle + round(2 * FADE_S * score.rate)
    heard = listening.heard_at(played, first, frames)
    later = listening.heard_at(played, first + round(score.bar_frames), frames)
    begin, cached = turn.back
    clean = [cached[max(0, first - begin) : max(0, first - begin) + frames]]
    if heard is None:
        return NEVER_DB
    return listening.click_db(heard, [*clean, *([later] if later is not None else [])], score.rate)


def unequal(played: Played, back: int, turn: Turn) -> int | None:
    """Frames after the fade in that differ from the cache; None: they were not played in one go."""
    begin, cached = turn.back
    first = back + round(listening.RISE_S * played.score.rate)
    frames = begin + len(cached) - first
    heard = listening.heard_at(played, first, frames) if frames > 0 else None
    return None if heard is None else int((heard != cached[first - begin :]).any(axis=1).sum())


def verdicts(rows: list[dict[str, Any]], score: Score) -> dict[str, bool]:
    def each(name: str, low: float, high: float) -> bool:
        return bool(rows) and all(row.get(name) is not None and low <= row[name] <= high for row in rows)

    return {
        "rendered_bars_play_on": each("early_frames", 0, 0),
        "fallback_within_a_block_and_its_fade": each("fallback_frames", 0, score.block + FADE_S * score.rate),
        "no_click": each("fade_out_click_db", -999, CLICK_DB) and each("fade_in_click_db", -999, CLICK_DB),
        "back_within_2_bars": each("back_bars", 0, 2),
        "back_on_the_grid": each("off_beat_frames", -1, 1) and each("unequal_frames", 0, 0),
        "memory_outlives_the_engine": bool(rows) and all(row["outlives"] for row in rows),
    }


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
    "fade_in_click_db", "unequal_frames",
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
@click.option("--bundle", type=click.Path(path_type=Path))
@click.option("--fake", is_flag=True, help="Counts for no figure.")
@click.option("--tempo", type=click.FloatRange(60, 300), default=160.0, show_default=True, help="Quarters a minute.")
@click.option("--limit-minutes", type=click.FloatRange(1, 200), default=60.0, show_default=True)
@click.option("--results", type=click.Path(path_type=Path), help="Where the line is appended.")
@click.option("--json", "as_json", is_flag=True)
def main(
    count: int,
    bundle: Path | None,
    fake: bool,
    tempo: float,
    limit_minutes: float,
    results: Path | None,
    as_json: bool,
) -> None:
    with in_a_sentence():
        name, options = engine_options(bundle, fake)
        where = measure.facts(name)
        found = run(options, count, tempo, limit_s=60 * limit_minutes)
    if not as_json:
        show(found, name)
    conclude("kill", found, where, results, as_json)


if __name__ == "__main__":
    main()
