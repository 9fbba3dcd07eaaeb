"""The engine's own share of a live change: from a request to its first piece of sound, and to the whole bar.

    python -m benchmarks.first_piece [--bundle DIR] [--count 100] [--piece-ms 100] [--json]

One bar at 120 bpm after 4 s of context, at 1, 2 and 4 steps, in pieces of 100 ms, asked of a warm resident in this
process, one at a time. Times run from `submit` to the listener's call with the piece.

    known context   the bar that was asked for before, with other notes: same sound before it, same seed
    new context     sound before it that was never heard, another seed each time

Prints the machine's floor, then min, p50, p95 and p99, and appends one line to results.jsonl.
"""

from __future__ import annotations

import json
import queue
import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import soundfile

from benchmarks.line import RESULTS
from bridge.commands import measure
from bridge.commands.bundles import bundle_path
from bridge.demo import LOOP
from engine.events import BarReady, Ended, Event
from engine.resident import Resident
from engine.types import Audio, InlineAudio, Note, Request

STEPS = (1, 2, 4)
CONTEXT_SECONDS = 4
SHIFT_FRAMES = 443
QUANTILES = ("min", "p50", "p95", "p99")


class Times(NamedTuple):
    """Seconds from submit to the first piece and to the last one of the bar."""

    first: float
    bar: float


def contexts() -> tuple[list[Audio], int]:
    """Stretches of 4 s of the shipped loop, each a little later than the one before, and its rate."""
    audio, rate = soundfile.read(LOOP, dtype="float32", always_2d=True)
    length = CONTEXT_SECONDS * rate
    starts = range(0, len(audio) - length + 1, SHIFT_FRAMES)
    return [np.asarray(audio[first : first + length], np.float32) for first in starts], int(rate)


def request(audio: Audio, rate: int, steps: int, seed: int, pitch: int, piece_ms: int) -> Request:
    """One bar that follows `audio`, with one note of a melody in it."""
    return Request(
        id=f"first-{time.perf_counter_ns()}",
        kind="continue",
        bars=1,
        tempo=measure.TEMPO,
        steps=steps,
        seed=seed,
        melody=(Note(pitch=pitch, beat=0.0, length=2.0),),
        inline=InlineAudio(rate=rate, channels=audio.shape[1], frames=len(audio)),
        piece_ms=piece_ms,
        priority=9,
    )


def ask(resident: Resident, asked: Request, audio: Audio) -> Times:
    """Submit a request and wait for its end. RuntimeError says why it did not end as done."""
    heard: queue.SimpleQueue[tuple[float, Event]] = queue.SimpleQueue()
    begin = time.perf_counter()
    resident.submit(asked, audio, lambda event: heard.put((time.perf_counter() - begin, event)))
    pieces = []
    while not isinstance((now := heard.get(timeout=60.0))[1], Ended):
        at_s, event = now
        if isinstance(event, BarReady) and event.bar.first_frame >= 0:
            pieces.append(at_s)
    ended = now[1]
    if ended.ending != "done":
        raise RuntimeError(f"{ended.ending}: {ended.text}")
    return Times(pieces[0], pieces[-1])


def case(resident: Resident, steps: int, known: bool, count: int, piece_ms: int) -> dict[str, Any]:
    """Figures of `count` requests after two that do not count."""
    audio, rate = contexts()
    times = []
    for turn in range(-2, count):
        past = audio[0 if known else 1 + (steps * 97 + turn) % (len(audio) - 1)]
        asked = request(past, rate, steps, 1 if known else 2 + turn % 4000, 48 + turn % 24, piece_ms)
        times.append(ask(resident, asked, past))
    counted = times[2:]
    return {
        "case": f"{'known' if known else 'new'} context, {steps} {('step', 'steps')[steps > 1]}",
        "steps": steps,
        "known_context": known,
        "first_piece_seconds": figures([one.first for one in counted]),
        "bar_seconds": figures([one.bar for one in counted]),
    }


def figures(values: list[float]) -> dict[str, float]:
    return {"min": min(values), **measure.figures(values)._asdict()}


def row(found: dict[str, Any]) -> list[str]:
    cells = [[f"{1000 * found[what][q]:.0f}" for q in QUANTILES] for what in ("first_piece_seconds", "bar_seconds")]
    return [found["case"], *(" / ".join(four) for four in cells)]


HEADINGS = ("case", *(f"{what}, ms: {' / '.join(QUANTILES)}" for what in ("first piece", "bar")))


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(2, 10_000), default=100, show_default=True, help="Requests a case.")
@click.option("--piece-ms", type=click.IntRange(20, 2_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the line alone.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where the line is appended.")
def main(bundle: Path | None, count: int, piece_ms: int, as_json: bool, results: Path) -> None:
    from engine.render.load import load_renderer

    path = bundle_path(bundle)
    where = measure.facts(path.name)
    gflops = measure.gemm_gflops()
    if not as_json:
        click.echo(f"floor: float32 matrix products run at {gflops:.0f} GFLOP/s here; load {where['load'][0]}")
    resident = Resident(load_renderer(path))
    resident.start()
    try:
        cases = [case(resident, steps, known, count, piece_ms) for known in (True, False) for steps in STEPS]
    finally:
        resident.close()
    line = {
        "benchmark": "first_piece",
        **where,
        "gemm_gflops": round(gflops, 1),
        "threads": resident.renderer.threads,
        "piece_ms": piece_ms,
        "cases": cases,
    }
    if as_json:
        click.echo(json.dumps(line))
    else:
        measure.print_table(f"one bar after 4 s, {path.name}", HEADINGS, map(row, cases))
    measure.append(results, line)


if __name__ == "__main__":
    main()
