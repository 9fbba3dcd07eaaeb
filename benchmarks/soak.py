"""Ten minutes of blocks on time while the engine renders without pause.

    python -m benchmarks.soak [--minutes 10] [--bundle DIR | --fake] [--instances 1] [--look-ahead 2] [--json]

Starts an engine of its own (`attacca serve --live`) and a block host: 128-frame blocks at 48 kHz against the monotonic
clock, at SCHED_FIFO where that is permitted. Once a bar a knob is turned, so that all that lies ahead is rendered anew;
a second client asks for further bars all the time (--no-background: it does not), so that the engine never pauses.

    missed     frames of the roll that had no audio in the cache when they were due: 0 is asked for
    late       wake-ups after half a block; beside them those of a thread that does nothing, at equal priority, half a
               block later: no more than its are asked for, by chance (three standard deviations of the two counts)
    overruns   blocks whose work ended after the next one was due

With --instances 2, two block hosts with different prompts share the engine: each plays its own cache's samples (its
last minute is compared bit by bit) and nothing else's, and they do not play the same. One JSON line goes to
results.jsonl. Exit code 1: something asked for is not so.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from benchmarks import asked, line, listening, stage
from benchmarks.stage import BlockHost, Played, Score
from bridge.client import Engine
from bridge.commands import measure
from engine.errors import AttaccaError

PROMPTS = ("steady house drums with a round bass and chords", "ambient pads, no drums", "lo-fi keys", "funk guitar")
LEVELS_DB = (-16.0, -22.0)
START_S = 60.0


class Background:
    """Asks an engine for bar after bar at the lowest priority. `compute_s` adds up what it cost."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint, self._stop = endpoint, threading.Event()
        self.compute_s, self.renders = 0.0, 0
        self._thread = threading.Thread(target=self._run, name="attacca-background")

    def _run(self) -> None:
        with Engine(self._endpoint) as engine:
            while not self._stop.is_set():
                try:
                    take = engine.generate(measure.PROMPT, bars=1, tempo=120, priority=0)
                except AttaccaError:
                    self._stop.wait(0.1)
                    continue
                self.compute_s += take.report.compute_seconds
                self.renders += 1

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)


@contextmanager
def maybe(background: bool, endpoint: str) -> Iterator[Background | None]:
    if not background:
        yield None
        return
    with Background(endpoint) as running:
        yield running


def process_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def steal_s() -> float:
    """Time that the hypervisor kept from this machine so far, over all cores."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def change_every_bar(host: BlockHost, first_block: int, seconds: float) -> int:
    """Scripts a turn of the intensity knob a quarter into each bar. -> how many."""
    score, bars = host.score, int(seconds * host.score.rate / host.score.bar_frames)
    for bar in range(bars):
        at = first_block + int((bar * score.bar_frames + score.beat_frames) / score.block)
        host.say(f"@{at} set intensity {LEVELS_DB[bar % 2]}")
    return bars


def scores(count: int, seconds: float, look_ahead: int, keep_audio: bool, ordinary: bool) -> list[Score]:
    return [
        Score(
            seconds + START_S, f"soak-{n}", look_ahead=look_ahead, prompt=PROMPTS[n], seed=n + 1,
            keep_audio=keep_audio, ordinary=ordinary,
        )
        for n in range(count)
    ]  # fmt: skip


def roll(hosts: list[BlockHost], seconds: float) -> tuple[int, float]:
    """Starts all hosts when their look-ahead is rendered, and waits. -> changes made, fewest bars that were ready."""
    for host in hosts:
        host.watcher.wait_ready(host.score.look_ahead, START_S / 2)
    changes = 0
    for host in hosts:
        block = host.next_block(0.2)
        host.say(f"@{block} play")
        changes += change_every_bar(host, block, seconds)
    end_s, fewest = time.monotonic() + seconds, float("inf")
    while time.monotonic() < end_s:
        time.sleep(min(0.25, max(0.01, end_s - time.monotonic())))
        fewest = min([fewest, *(host.watcher.status().bars_ready for host in hosts)])
    return changes, fewest


def report(played: Played) -> dict[str, Any]:
    """What one instance came to."""
    block_s = played.score.block_s
    rolled = played.rows["flags"] & stage.ROLLING > 0
    return {
        "instance": played.start["instance"],
        "fifo": played.start["fifo"],
        "remark": played.start["remark"],
        **listening.summary(played),
        "player": listening.lateness(played.rows["late_ns"][rolled], block_s),
        "control": listening.lateness(played.control_ns[rolled[: len(played.control_ns)].nonzero()[0]], block_s),
    }


def verdicts(instances: list[dict[str, Any]]) -> dict[str, bool]:
    """What is asked for, and whether it is so."""
    late = sum(row["player"]["over_half_a_block"] for row in instances)
    control = sum(row["control"]["over_half_a_block"] for row in instances)
    return {
        "no_frame_missed": all(row["missed_frames"] == 0 and row["blocks"] > 0 for row in instances),
        "late_no_more_than_control": listening.within_chance(late, control),
        "on_the_grid": all(row["off_grid_blocks"] == 0 for row in instances),
        "plays_its_own_cache": all(
            row["own_cache"]["different"] == 0 < row["own_cache"]["compared"] for row in instances if "own_cache" in row
        ),
        "instances_differ": all((row.get("same_as_first") or 0.0) < 0.5 for row in instances),
    }


def rolled_for(hosts: list[BlockHost], seconds: float, pid: int, pressing: Background | None) -> dict[str, Any]:
    """Rolls; what the engine (a process) did meanwhile."""
    renders = sum(host.watcher.status().renders for host in hosts)
    begin_s, cpu_s, stolen_s = time.monotonic(), process_s(pid), steal_s()
    changes, fewest = roll(hosts, seconds)
    wall_s = time.monotonic() - begin_s
    cpu_s, stolen_s = process_s(pid) - cpu_s, steal_s() - stolen_s
    return {
        "changes": changes,
        "fewest_bars_ready": round(fewest, 2),
        "live_renders": sum(host.watcher.status().renders for host in hosts) - renders,
        "background_renders": pressing.renders if pressing else 0,
        "background_compute_share": round(pressing.compute_s / wall_s, 3) if pressing else 0.0,
        "engine_cores": round(cpu_s / wall_s, 3),
        "stolen_core_seconds": round(stolen_s, 2),
    }


def run(
    options: list[str],
    minutes: float,
    instances: int = 1,
    look_ahead: int = 2,
    background: bool = True,
    keep_audio: bool = False,
    ordinary: bool = False,
) -> tuple[dict[str, Any], list[Played]]:
    """The measurement: figures, and what the hosts wrote down."""
    seconds = 60 * minutes
    with stage.cache_dir() as folder, ExitStack() as stack:
        engine = stack.enter_context(stage.live_engine(*options))
        hosts = [
            stack.enter_context(BlockHost(score, folder))
            for score in scores(instances, seconds, look_ahead, keep_audio, ordinary)
        ]
        with maybe(background, engine.zmq) as pressing:
            rolled = rolled_for(hosts, seconds, engine.ready["pid"], pressing)
        played = [host.finish() for host in hosts]
        rows = [report(one) for one in played]
        if keep_audio:
            for row, one, host in zip(rows, played, hosts, strict=True):
                row["own_cache"] = listening.against_cache(one, host.watcher)
                row["same_as_first"] = listening.same_share(one, played[0]) if one is not played[0] else None
    return {
        "minutes": minutes,
        "look_ahead_bars": look_ahead,
        "block": 128,
        "rate": 48_000,
        "instances": rows,
        **rolled,
        "asked_for": verdicts(rows),
    }, played


def show(found: dict[str, Any], bundle: str) -> None:
    headings = ("thread", "n", "p50 ms", "p95", "p99", "max", "> half a block", "> a block")
    rows = [
        [f"{row['instance']} {who}", *(str(value) for value in row[who].values())]
        for row in found["instances"]
        for who in ("player", "control")
    ]
    measure.print_table(f"wake-ups, {bundle}", headings, rows)
    for row in found["instances"]:
        click.echo(
            f"{row['instance']}: {row['seconds']} s, missed {row['missed_frames']} of "
            f"{row['played_frames'] + row['missed_frames']} frames, overruns {row['overrun_blocks']}"
            f"{'; ' + row['remark'] if row['remark'] else ''}"
        )
    click.echo(
        f"{found['changes']} changes, {found['live_renders']} live renders, {found['engine_cores']} cores, "
        f"fewest bars ready {found['fewest_bars_ready']}, stolen {found['stolen_core_seconds']} s"
    )


@click.command(help=__doc__)
@click.option("--minutes", type=click.FloatRange(0.05, 100), default=10.0, show_default=True)
@click.option("--instances", type=click.IntRange(1, len(PROMPTS)), default=1, show_default=True)
@click.option("--look-ahead", type=click.IntRange(1, 8), default=2, show_default=True, help="Bars.")
@click.option("--background/--no-background", default=True, show_default=True)
@click.option("--ordinary", is_flag=True, help="Without SCHED_FIFO.")
@line.options(with_fake=True)
def main(minutes: float, instances: int, look_ahead: int, background: bool, ordinary: bool, **shared: Any) -> None:
    def body(options: list[str]) -> dict[str, Any]:
        found, _ = run(options, minutes, instances, look_ahead, background, keep_audio=instances > 1, ordinary=ordinary)
        return found

    asked.run("soak", body, show, shared)


if __name__ == "__main__":
    main()
