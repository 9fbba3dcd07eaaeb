"""The host on a real JACK server while an engine renders: every frame on its place, nothing missed, no click, safe.

    python -m benchmarks.host [--minutes 10] [--bundle DIR | --fake] [--edits 100] [--period 1024] [--json]

Asked for:

    safe            a stage that is fed NaN, Inf, 1e30, DC, a full-scale square and silence at each of the 512 offsets
                    of a block: nothing that is not finite, nothing above -1 dBTP (four times oversampled), normal
                    sound again within one block after what is no number and 50 ms after an overload
    no frame missed over the minutes, by the engine, which a second client asks for bars without pause (--no-background:
                    it does not), the player thread or the server (`jackd -R -d dummy`, by default with its own period
                    of 1024 frames; where a hypervisor takes the processor away short ones are lost, which counts, too)
    sample exact    what was heard, through an effect that looks 20 ms ahead, is the cache's samples, bit by bit; the
                    music is soft (-30 dB), as the limiter makes loud music another, and for good by 0.002 dB
    no click        a tone through a chain that is edited `--edits` times: its second difference, anywhere, stays within
                    1.3 times the tone's own

One JSON line goes to results.jsonl. Exit code 1: something asked for is not so.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks import asked, line, stage
from benchmarks.host_process import HostProcess, jack_server
from benchmarks.host_safety import FEEDS, LONGEST_AFTER_MS, judged
from benchmarks.soak import maybe, steal_s
from benchmarks.watcher import Watcher
from bridge.commands import measure
from bridge.timeline.cache import EngineSide, Segment
from engine.types import Audio
from plugin_host.stage import BLOCK_FRAMES

RATE_HZ = 48_000
LATE = '[[effect]]\nname = "BrickwallLimiter"\nparameters = { lookahead_ms = 20.0, ceiling_db = 0.0 }\n'
CHAINS = (
    "", LATE, '[[effect]]\nname = "Gain"\nparameters = { gain_db = 0.05 }\n',
    '[[effect]]\nname = "HighpassFilter"\nparameters = { cutoff_frequency_hz = 10.0 }\n' + LATE,
    '[[effect]]\nname = "Invert"\n[[effect]]\nname = "Invert"\n',
)  # fmt: skip
TONE_HZ, TONE = 250.0, 0.3
CURVATURE = TONE * (2 * np.pi * TONE_HZ / RATE_HZ) ** 2
EDIT_S = 0.3
PERIOD = 1024
LEVEL_DB = "-30"
PROMPT = "steady house drums with a round bass and chords"
FADE_FRAMES = 256
MOST_LOST = 51_200
"""In frames, of what the server may lose at once."""
SEGMENTS = [Segment(0, 0.0, 0, 0.0, 120.0, 4, 4)]


def safety(offsets: int = BLOCK_FRAMES) -> dict[str, Any]:
    """The worst of each feed over offsets 0.. of a block."""
    rows: dict[str, Any] = {}
    for kind in FEEDS:
        found = [judged(kind, offset) for offset in range(offsets)]
        rows[kind] = {
            "bad_samples": max(one.bad_samples for one in found),
            "true_peak_db": round(max(one.true_peak_db for one in found), 3),
            "normal_after_ms": round(max(one.normal_after_ms for one in found), 2),
        }
    return {"offsets": offsets, **rows}


def is_safe(rows: dict[str, Any]) -> bool:
    return all(
        rows[kind]["bad_samples"] == 0
        and rows[kind]["true_peak_db"] <= -1.0
        and rows[kind]["normal_after_ms"] <= LONGEST_AFTER_MS[kind]
        for kind in FEEDS
    )


def play(options: list[str], minutes: float, folder: Path, kept: Path, background: bool, period: int) -> dict[str, Any]:
    """An engine renders and the host plays and records for so long; the recording against the cache."""
    chain, take = kept / "late.toml", kept / "take.wav"
    chain.write_text(LATE)
    words = ["--prompt", PROMPT, "--intensity", LEVEL_DB, "--fallback", "silence"]
    with jack_server(period) as server, stage.live_engine(*options) as engine:
        host = HostProcess("--jack", server, "--chain", str(chain), "--record", str(take), *words)
        with host, maybe(background, engine.zmq) as pressing:
            host.listen()
            watcher = Watcher(folder / "attacca-host")
            host.wait(lambda status: status["rolling"], "the host rolls", 180.0)
            known: list[Audio] = []
            wanted, at, stolen_s = round(minutes * 60 * RATE_HZ), 0, steal_s()
            while at < wanted:
                time.sleep(0.5)
                frame = min(wanted, host.status()["frame"])
                known.append(watcher.read(at, frame - at)[0])
                at = frame
            stolen_s = steal_s() - stolen_s
            report, said = host.finish()
    heard, _ = soundfile.read(take, dtype="float32")
    renders = pressing.renders if pressing else 0
    same = compared(np.concatenate(known), heard, period)
    beside = {"background_renders": renders, "stolen_core_seconds": round(stolen_s, 2)}
    return {"minutes": minutes, **beside, **same, "host": report, "said": said.splitlines()}


def compared(known: Audio, heard: Audio, period: int = PERIOD) -> dict[str, int]:
    """Periods of the recording that are the cache's, bit by bit, from frame 0 on.

    Where the server lost periods the recording goes on later in the cache, after a fade in of 5 ms: such periods are
    `faded`; `lost` counts how often. What is found nowhere is `unequal`.
    """
    at = place = exact = faded = lost = unequal = 0
    while at < len(heard) // period and place < len(known) // period:
        if np.array_equal(heard[at * period : (at + 1) * period], known[place * period : (place + 1) * period]):
            at, place, exact = at + 1, place + 1, exact + 1
        elif (found := _resumed(known, heard, at, place, period)) is not None:
            faded, lost = faded + found[0] - at, lost + 1
            at, place = found
        else:
            at, place, unequal = at + 1, place + 1, unequal + 1
    return {"exact_periods": exact, "faded_periods": faded, "lost": lost, "unequal_periods": unequal}


def _resumed(known: Audio, heard: Audio, at: int, place: int, period: int) -> tuple[int, int] | None:
    """Where the recording is the cache's again: its period after a fade, and the cache's."""
    fade, most_lost = max(1, -(-FADE_FRAMES // period)), -(-MOST_LOST // period)
    for later in range(at + fade, at + 4 * fade):
        wanted = heard[later * period : (later + 1) * period]
        for there in range(place + later - at, place + later - at + most_lost):
            here = known[there * period : (there + 1) * period]
            if len(wanted) == len(here) > 0 and wanted[0, 0] == here[0, 0] and np.array_equal(wanted, here):
                return later, there
    return None


def edit(count: int, folder: Path, kept: Path, period: int) -> dict[str, Any]:
    """A tone through a chain that is exchanged `count` times by OSC."""
    files = []
    for n, text in enumerate(CHAINS):
        files.append(kept / f"chain{n}.toml")
        files[-1].write_text(text)
    take = kept / "tone.wav"
    with jack_server(period) as server:
        options = ["--jack", server, "--transport", "off", "--record", str(take), "--ready-bars", "8"]
        with HostProcess(*options, "--instance", "edited") as host:
            host.listen()
            engine = EngineSide.attach(folder / "attacca-edited")
            try:
                engine.publish_map(SEGMENTS)
                engine.write(0, tone(count * EDIT_S + 30))
                host.wait(lambda status: status["rolling"], "the host rolls")
                for file in itertools.islice(itertools.cycle(files), 1, count + 1):
                    time.sleep(EDIT_S)
                    host.send("chain", "s", str(file))
                status = host.wait(lambda status: status["edits"] == count, "all edits are in")
                time.sleep(0.5)
                report, _ = host.finish()
            finally:
                engine.close()
    heard, _ = soundfile.read(take, dtype="float32")
    return {"edits": status["edits"], "host": report, **clicks(heard)}


def tone(seconds: float) -> Audio:
    line = TONE * np.sin(2 * np.pi * TONE_HZ * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return np.repeat(line[:, None], 2, axis=1).astype(np.float32)


def clicks(heard: NDArray[np.float32]) -> dict[str, Any]:
    """The sharpest bend of the tone, over the tone's own; the stop at the end left out."""
    line = heard[: -RATE_HZ // 4, 0].astype(np.float64)
    return {
        "seconds": round(len(line) / RATE_HZ, 1),
        "sharpest": round(float(np.abs(np.diff(line, n=2)).max() / CURVATURE), 3),
    }


def on_time(report: dict[str, Any]) -> bool:
    return not any(report[name] for name in ("missed_frames", "underruns", "skips", "lost_frames"))


def exact(played: dict[str, Any], period: int) -> bool:
    """Nothing is unequal, nor faded more often than the host says that periods were lost, and there was sound."""
    wrong = played["unequal_periods"] or played["lost"] > played["host"]["skips"]
    return not wrong and played["exact_periods"] * period > RATE_HZ


def run(options: list[str], minutes: float, edits: int, offsets: int, background: bool, period: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="attacca-host.") as kept, stage.cache_dir() as folder:
        played = play(options, minutes, folder, Path(kept), background, period)
        edited = edit(edits, folder, Path(kept), period)
        fed = safety(offsets)
    asked_for = {
        "safe_whatever_is_fed": is_safe(fed),
        "no_frame_missed": on_time(played["host"]),
        "sample_exact_through_a_late_effect": exact(played, period),
        "no_click_in_edits": edited["sharpest"] < 1.3 and edited["edits"] == edits,
    }
    return {"safety": fed, "played": played, "edited": edited, "asked_for": asked_for}


def show(found: dict[str, Any], bundle: str) -> None:
    rows = [[kind, *map(str, found["safety"][kind].values())] for kind in FEEDS]
    measure.print_table(
        f"Fed at {found['safety']['offsets']} offsets", ("what", "bad", "true peak dB", "normal ms"), rows
    )
    played, edited = found["played"], found["edited"]
    names = ("played_frames", "missed_frames", "underruns", "xruns", "skips", "limited_frames", "latency_frames")
    rows = [[name, str(played["host"][name]), str(edited["host"][name])] for name in names]
    whole = ("exact_periods", "faded_periods", "unequal_periods", "background_renders", "stolen_core_seconds")
    rows += [[name, str(played[name]), ""] for name in whole]
    rows += [["sharpest bend", "", str(edited["sharpest"])]]
    title = f"{played['minutes']} minutes of {bundle}, and {edited['edits']} edits"
    measure.print_table(title, ("what", "played", "edited"), rows)


@click.command(help=__doc__)
@click.option("--minutes", type=click.FloatRange(0.1, 100), default=10.0, show_default=True)
@click.option("--edits", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--offsets", type=click.IntRange(1, BLOCK_FRAMES), default=BLOCK_FRAMES, show_default=True)
@click.option("--background/--no-background", default=True, show_default=True)
@click.option("--period", type=click.IntRange(32, 4096), default=PERIOD, show_default=True, help="JACK's, in frames.")
@line.options(with_fake=True)
def main(minutes: float, edits: int, offsets: int, background: bool, period: int, **shared: Any) -> None:
    asked.run("host", lambda options: run(options, minutes, edits, offsets, background, period), show, shared)


if __name__ == "__main__":
    main()
