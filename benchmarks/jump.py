"""The play head jumps without a word to where nothing was rendered, and back to where something was.

    python -m benchmarks.jump [--count 50] [--bundle DIR | --fake] [--tempo 120] [--json]

A block host rolls; from a random place of a bar it locates to a random place of a bar far ahead, stays for a while,
and then locates back to a bar that was heard. Measured from the first block after the jump:

    cached     until a frame is in the cache before the play head comes to it, and all that follow
    heard      until that audio is heard: the player opens it on the next beat after a miss
    visited    frames missed after a jump to a bar that was heard: 0 is asked for

One JSON line goes to results.jsonl. Exit code 1: something asked for is not so.
"""

from __future__ import annotations

import random
import time
from typing import Any

import click
import numpy as np

from benchmarks import asked, line, stage
from benchmarks.stage import BlockHost, Played, Score
from bridge.commands import measure
from bridge.timeline import layout

COVER_S = 0.5
STAY_BARS = 3
SETTLE_BARS = 2
FAR_BARS = 24
TURN_BARS = 2 * STAY_BARS + SETTLE_BARS + 4


def jump(host: BlockHost, target: int) -> int:
    """Locates; -> when the play head was there (monotonic ns)."""
    host.say(f"locate {target}")
    host.watcher.wait(lambda w: abs(host.head() - target) < host.score.rate, "the play head at its target", 10)
    return time.monotonic_ns()


def cached_after(host: BlockHost, target: int, frames: int) -> list[tuple[int, int]]:
    """(first frame, written at ns) of the slots from a target on; 0 ns where nothing was written."""
    written = host.watcher.written_ns(target, frames)
    first = target // layout.SLOT_FRAMES * layout.SLOT_FRAMES
    return [(first + n * layout.SLOT_FRAMES, int(at)) for n, at in enumerate(written.tolist())]


def until_cached_s(played: Played, block: int, target: int, slots: list[tuple[int, int]]) -> float | None:
    """Seconds from a jump at `block` to the first slot from which on all were written before they were due."""
    late = None
    for n, (frame, written_ns) in enumerate(slots):
        due_ns = played.due_ns(block) + max(0, frame - target) * 10**9 // played.score.rate
        if not written_ns or written_ns > due_ns:
            late = n
    if late is None:
        return 0.0
    if late + 1 >= len(slots):
        return None
    return (slots[late + 1][0] - target) / played.score.rate


def until_heard_s(played: Played, block: int) -> float | None:
    """Seconds from a jump at `block` to the first frame of the cache that sounds, until the next jump."""
    rows = played.rows[block:]
    ends = np.flatnonzero(rows["flags"][1:] & stage.JUMPED)
    stay = rows[: int(ends[0]) + 1] if len(ends) else rows
    sounding = np.flatnonzero(stay["played"] == played.score.block)
    if not len(sounding):
        return None
    first = int(sounding[0])
    edge = int(stay["missed"][first - 1]) if first else 0
    partly = played.score.block - edge if first and stay["played"][first - 1] else 0
    return (first * played.score.block - partly) / played.score.rate


def missed_after(played: Played, block: int, frames: int) -> int:
    return int(played.rows["missed"][block : block + frames // played.score.block].sum())


def play(options: list[str], score: Score, count: int, dice: random.Random) -> dict[str, Any]:
    """One block host, `count` jumps ahead and as many back."""
    seen: list[tuple[int, int, list[tuple[int, int]]]] = []
    bar = score.bar_frames
    with stage.cache_dir() as folder, BlockHost(score, folder) as host, stage.live_engine(*options):
        host.watcher.wait_ready(score.look_ahead)
        host.say("play")
        home = 0
        for n in range(count):
            host.wait_past(int(home + (SETTLE_BARS + dice.random()) * bar))
            back = int(home + dice.uniform(0.1, 0.9) * bar)
            target = int((FAR_BARS * (n + 1) + dice.random()) * bar)
            jump(host, target)
            host.wait_past(int(target + STAY_BARS * bar))
            seen.append((target, back, cached_after(host, target, int(STAY_BARS * bar))))
            jump(host, back)
            host.wait_past(int(back + bar / 2))
            home = target
            jump(host, target)
        played = host.finish()
    return analyse(played, seen)


def analyse(played: Played, seen: list[tuple[int, int, list[tuple[int, int]]]]) -> dict[str, Any]:
    """Figures from the log: the jumps come in threes, ahead, back, ahead again."""
    blocks = [int(event["block"]) for event in played.events("locate")]
    turns = []
    for (target, _, slots), ahead, back in zip(seen, blocks[0::3], blocks[1::3], strict=False):
        turns.append(
            {
                "cached_s": until_cached_s(played, ahead, target, slots),
                "heard_s": until_heard_s(played, ahead),
                "visited_missed": missed_after(played, back, int(played.score.bar_frames / 2)),
            }
        )
    return {"turns": turns, **quantiles(turns)}


def quantiles(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """p50, p95 and most of both times; turns that were never covered count as not asked-for."""
    found: dict[str, Any] = {}
    for name in ("cached_s", "heard_s"):
        values = [turn[name] for turn in turns if turn[name] is not None]
        if values:
            p50, p95 = np.quantile(values, (0.5, 0.95))
            found[name] = {"n": len(values), "p50": float(p50), "p95": float(p95), "max": float(max(values))}
    found["visited_missed_frames"] = sum(turn["visited_missed"] for turn in turns)
    return found


def verdicts(found: dict[str, Any]) -> dict[str, bool]:
    turns = found["turns"]

    def covered(name: str) -> bool:
        return all(turn[name] is not None and turn[name] <= COVER_S for turn in turns)

    return {
        "cached_within_500_ms": covered("cached_s"),
        "heard_within_500_ms": covered("heard_s"),
        "visited_bars_at_once": found["visited_missed_frames"] == 0,
    }


def run(options: list[str], count: int, tempo: float, seed: int = 1) -> dict[str, Any]:
    bar_s = 240 / tempo
    score = Score(min(7200, count * TURN_BARS * bar_s + 60), "jump", tempo=tempo)
    found = play(options, score, count, random.Random(seed))
    return {"count": count, "tempo": tempo, **found, "asked_for": verdicts(found)}


def show(found: dict[str, Any], bundle: str) -> None:
    rows = [
        [name, str(found[name]["n"]), *(f"{1000 * found[name][q]:.0f}" for q in ("p50", "p95", "max"))]
        for name in ("cached_s", "heard_s")
        if name in found
    ]
    measure.print_table(f"unannounced jumps, {bundle}", ("until", "n", "p50 ms", "p95 ms", "max ms"), rows)
    click.echo(f"frames missed in bars visited before: {found['visited_missed_frames']}")


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--tempo", type=click.FloatRange(60, 300), default=120.0, show_default=True, help="Quarters a minute.")
@line.options(with_fake=True)
def main(count: int, tempo: float, **shared: Any) -> None:
    asked.run("jump", lambda options: run(options, count, tempo), show, shared)


if __name__ == "__main__":
    main()
