"""From a key that goes down to the first sample that it changed.

    python -m benchmarks.control_latency [--count 25] [--bundle DIR | --fake] [--steps 1,2,4] [--tempo 120] [--json]

A block host rolls; at random places of its bars a note comes in through the plugin, and the engine answers it at once
(as soon as it can), on the next beat or bar with 1 bar of look-ahead, on the next bar with 2 bars, or as an echo in the
next bar, each at every count of steps:

    control    note in (the plugin's clock) to the first changed sample, by the cache's own tags
    own        the same by the trace of the live session: from the note in the plugin's ring to the first piece of the
               changed render written. It waits for no beat, for what is rendered lies ahead; hand-over is in it
    answer     note in to the place of its first changed sample in the project, in beats: what a performer feels
    landed     share of changes whose first changed sample lies where it was announced
    confirmed  share of changes that the cache's tags show, too
    differs    where the render follows notes: first sample that is not what it was, in frames after the announced
               place (the seam before it is negative)

One JSON line goes to results.jsonl. Exit code 1: something asked for is not so.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from benchmarks import asked, line, stage
from benchmarks.stage import BlockHost, Played, Score
from bridge.client import Engine
from bridge.commands import measure
from bridge.live.messages import LiveTrace
from engine.types import Audio

OWN_SHARE_S = 0.1
TRACE_S = 20.0
RECENT = 8
"""Traces that are asked for: asking is work of the engine, too."""
PITCHES = (57, 60, 62, 64, 67, 69)


class Case(NamedTuple):
    """What live notes do, where they land, and how many bars the engine keeps ahead."""

    name: str
    policy: str
    quantise: str
    look_ahead: int


CASES = (
    Case("at once", "now", "now", 1),
    Case("1 beat", "now", "beat", 1),
    Case("1 bar", "now", "bar", 1),
    Case("2 bars", "now", "bar", 2),
    Case("echo", "echo", "bar", 2),
)


@dataclass
class Seen:
    """A note's trace, when the cache says it was answered (0: it does not), the first difference to before."""

    trace: LiveTrace
    written_ns: int
    differs: int | None


def traces(engine: Engine, instance: str) -> list[LiveTrace]:
    """The last traces of a session, oldest first."""
    for session in engine.live_status(RECENT).sessions:
        if session.instance == instance:
            return sorted(session.traces, key=lambda trace: trace.serial)
    return []


def wait_trace(engine: Engine, instance: str, after: int) -> LiveTrace | None:
    """The first trace of a note with a serial above `after`, once it has written; None: not in time."""
    deadline_s = time.monotonic() + TRACE_S
    while time.monotonic() < deadline_s:
        for trace in traces(engine, instance):
            if trace.serial > after and trace.kind == "note" and trace.first_written_ns is not None:
                return trace
        time.sleep(0.05)
    return None


def first_difference(before: Audio, first: int, host: BlockHost, known: Any) -> int | None:
    """The first project frame from `first` on whose samples are not what they were."""
    after, still = host.watcher.read(first, len(before))
    differ = np.flatnonzero((before != after).any(axis=1) & known & still)
    return first + int(differ[0]) if len(differ) else None


def play_note(host: BlockHost, engine: Engine, dice: random.Random) -> Seen | None:
    """One note, held until it was answered; None: it was not."""
    instance, watcher = host.start["instance"], host.watcher
    host.wait_past(host.head() + int(dice.uniform(0.5, 1.5) * host.score.bar_frames))
    serial = max([-1, *(trace.serial for trace in traces(engine, instance))])
    first = host.head()
    before, known = watcher.read(first, int(4 * host.score.bar_frames))
    pitch, sent_ns = dice.choice(PITCHES), time.monotonic_ns()
    host.say(f"note 90 {pitch:x} 64")
    trace = wait_trace(engine, instance, serial)
    if trace is None:
        host.say(f"note 80 {pitch:x} 00")
        return None
    time.sleep(0.2)
    changed = trace.first_changed_frame
    written_ns = int(watcher.written_ns(changed, 1)[0]) if changed is not None else 0
    differs = first_difference(before, first, host, known)
    host.say(f"note 80 {pitch:x} 00")
    return Seen(
        trace,
        written_ns if written_ns >= sent_ns else 0,
        None if differs is None else differs - trace.announced_frame,
    )


def play(engine: Engine, score: Score, case: Case, count: int, dice: random.Random, folder: Path) -> dict[str, Any]:
    """A case: `count` notes on a block host of its own."""
    with BlockHost(score, folder) as host:
        host.watcher.wait_ready(score.look_ahead)
        engine.live("policy", instance=host.start["instance"], policy=case.policy)
        engine.live("quantise", instance=host.start["instance"], quantise=case.quantise)
        host.say("play")
        seen = [play_note(host, engine, dice) for _ in range(count)]
        played = host.finish()
    return figures(played, seen)


def figures(played: Played, answers: list[Seen | None]) -> dict[str, Any]:
    """Quantiles over the notes of a case. The log's note-ons and the answers are in the same order."""
    downs, score = played.events("note")[0::2], played.score
    control, own, answer = [], [], []
    seen = [one for one in answers if one is not None]
    for note, one in zip(downs, answers, strict=False):
        if one is None:
            continue
        trace = one.trace
        assert trace.first_written_ns is not None
        if one.written_ns:
            control.append((one.written_ns - note["monotonic_ns"]) / 1e9)
        own.append((trace.first_written_ns - trace.arrived_ns) / 1e9)
        if trace.first_changed_frame is not None:
            answer.append((trace.first_changed_frame - note["frame"]) / score.beat_frames)
    differ = [one.differs for one in seen if one.differs is not None]
    return {
        "notes": len(answers),
        "answered": len(seen),
        "control_s": measure.figures(control)._asdict() if control else None,
        "own_s": measure.figures(own)._asdict() if own else None,
        "own_seconds": [round(value, 5) for value in own],
        "answer_beats": measure.figures(answer)._asdict() if answer else None,
        "landed": round(sum(s.trace.first_changed_frame == s.trace.announced_frame for s in seen) / len(answers), 4),
        "confirmed": round(sum(one.written_ns > 0 for one in seen) / len(answers), 4),
        "differs_frames": {"n": len(differ), "least": min(differ), "most": max(differ)} if differ else None,
        "missed_frames": int(played.rows["missed"].sum()),
    }


def run(
    options: list[str],
    count: int,
    steps: tuple[int, ...],
    tempo: float,
    cases: tuple[Case, ...] = CASES,
    seed: int = 1,
) -> dict[str, Any]:
    """The cases at all counts of steps; an engine for each count, a block host for each case."""
    dice = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number in steps:
        with stage.cache_dir() as folder, stage.live_engine(*options, "--live-steps", str(number)) as process:
            with Engine(process.zmq) as engine:
                for case in cases:
                    seconds = min(7200, 60 + count * (2 * 240 / tempo + TRACE_S))
                    score = Score(seconds, "control", tempo=tempo, look_ahead=case.look_ahead)
                    row = play(engine, score, case, count, dice, folder)
                    rows.append({"case": case.name, "steps": number, **row})
    pooled = {number: [v for row in rows if row["steps"] == number for v in row.pop("own_seconds")] for number in steps}
    own = {str(number): measure.figures(values)._asdict() for number, values in pooled.items() if values}
    return {"count": count, "tempo": tempo, "cases": rows, "own_s": own, "asked_for": verdicts(rows, own)}


def verdicts(rows: list[dict[str, Any]], own: dict[str, dict[str, Any]]) -> dict[str, bool]:
    return {
        "own_share_under_100_ms_at_1_and_2_steps": all(
            row["p99"] < OWN_SHARE_S for n, row in own.items() if int(n) <= 2
        ),
        "changes_land_where_announced": all(row["landed"] == 1 for row in rows),
        "confirmed_by_the_cache": all(row["confirmed"] == 1 for row in rows),
        "no_frame_missed": all(row["missed_frames"] == 0 for row in rows),
    }


def show(found: dict[str, Any], bundle: str) -> None:
    def quantiles(row: dict[str, Any] | None, scale: float, digits: int) -> str:
        return " / ".join(f"{scale * row[q]:.{digits}f}" for q in ("p50", "p95", "p99")) if row else "-"

    rows = [
        [
            row["case"], str(row["steps"]), str(row["answered"]), quantiles(row["control_s"], 1000, 0),
            quantiles(row["own_s"], 1000, 0), quantiles(row["answer_beats"], 1, 2), f"{row['landed']:.3f}",
        ]
        for row in found["cases"]
    ]  # fmt: skip
    headings = ("lands", "steps", "n", "control ms p50/95/99", "own ms", "answer beats", "landed")
    measure.print_table(f"control latency, {bundle}", headings, rows)
    for steps, row in found["own_s"].items():
        click.echo(f"own share at {steps} steps, {row['n']} notes: {quantiles(row, 1000, 0)} ms")


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(2, 500), default=25, show_default=True, help="Notes a case.")
@click.option("--steps", default="1,2,4", show_default=True)
@click.option("--tempo", type=click.FloatRange(60, 300), default=120.0, show_default=True, help="Quarters a minute.")
@line.options(with_fake=True)
def main(count: int, steps: str, tempo: float, **shared: Any) -> None:
    numbers = tuple(int(word) for word in steps.split(","))
    asked.run("control_latency", lambda options: run(options, count, numbers, tempo), show, shared)


if __name__ == "__main__":
    main()
