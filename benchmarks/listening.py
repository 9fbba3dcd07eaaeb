"""What a block host's log and audio say: lateness, gaps, clicks, distance to the grid. Pure functions."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from benchmarks.stage import JUMPED, OFF_GRID, ROLLING, Played, Score
from benchmarks.watcher import Watcher
from engine.types import Audio

HIGH_HZ = 8_000.0
SETTLE_S = 0.02
FLOOR_DB = -100.0
"""Below this nothing above 8 kHz is a click, whatever the render has there."""
RISE_S = 0.02


def lateness(late_ns: NDArray[np.int32], block_s: float) -> dict[str, Any]:
    """Quantiles of wake-ups after they were due, in ms, and how many came later than half a block and a block."""
    ms = np.maximum(late_ns, 0) / 1e6
    if not len(ms):
        ms = np.zeros(1)
    p50, p95, p99 = np.quantile(ms, (0.5, 0.95, 0.99))
    return {
        "n": len(late_ns),
        "p50_ms": round(float(p50), 4),
        "p95_ms": round(float(p95), 4),
        "p99_ms": round(float(p99), 4),
        "max_ms": round(float(ms.max()), 4),
        "over_half_a_block": int((ms > 500 * block_s).sum()),
        "over_a_block": int((ms > 1000 * block_s).sum()),
    }


def within_chance(count: int, control: int) -> bool:
    """Whether a count of rare events is no more than the control's, three standard deviations granted."""
    return bool(count <= control + 3 * math.sqrt(count + control))


class Gap(NamedTuple):
    """Frames that were to sound and did not: first..end of the project, and the blocks where it begins and ends.

    end is None where it lasts until the end of the log.
    """

    first: int
    end: int | None
    block: int
    end_block: int | None


def gaps(played: Played) -> list[Gap]:
    """All gaps in a log, in order. A block that does not roll ends none; a jump inside one is not told apart."""
    found: list[Gap] = []
    missing: tuple[int, int] | None = None
    for block in np.flatnonzero((played.rows["missed"] > 0) | (played.rows["miss_frame"] >= 0)).tolist():
        row = played.rows[block]
        frame, missed, whole = int(row["frame"]), int(row["missed"]), played.score.block
        if missing is None or int(row["miss_frame"]) >= 0:
            missing = (int(row["miss_frame"]), block)
        first = max(missing[0], frame)
        if first + missed < frame + whole:
            found.append(Gap(missing[0], first + missed, missing[1], block))
            missing = None
        elif block + 1 == len(played.rows):
            found.append(Gap(missing[0], None, missing[1], None))
        elif played.rows[block + 1]["missed"] == 0 and played.rows[block + 1]["flags"] & ROLLING:
            found.append(Gap(missing[0], first + missed, missing[1], block + 1))
            missing = None
    return found


def summary(played: Played) -> dict[str, Any]:
    """Counts over the rolling blocks."""
    rows = played.rows[(played.rows["flags"] & ROLLING) > 0]
    block_ns = played.score.block_s * 1e9
    return {
        "blocks": len(rows),
        "seconds": round(len(rows) * played.score.block_s, 3),
        "played_frames": int(rows["played"].sum()),
        "missed_frames": int(rows["missed"].sum()),
        "torn_slots": int(rows["torn"].sum()),
        "off_grid_blocks": int(((rows["flags"] & OFF_GRID) > 0).sum()),
        "overrun_blocks": int(((rows["late_ns"].astype(np.int64) + rows["work_ns"]) > block_ns).sum()),
        "work_ms_p99": round(float(np.quantile(rows["work_ns"], 0.99)) / 1e6, 4) if len(rows) else 0.0,
    }


def high_band(audio: Audio, rate: int) -> NDArray[np.float64]:
    """What of the audio [frames, 2] lies above 8 kHz, as power per frame [frames]."""
    sections = butter(8, HIGH_HZ, "highpass", fs=rate, output="sos")
    return np.asarray((sosfilt(sections, audio.astype(np.float64), axis=0) ** 2).mean(axis=1))


def level_db(power: NDArray[np.float64]) -> float:
    """Mean power in dB, not below the floor."""
    return max(FLOOR_DB, float(10 * np.log10(power.mean() + 1e-30))) if len(power) else FLOOR_DB


def click_db(sound: Audio, clean: list[Audio], rate: int) -> float:
    """By how many dB a stretch [frames, 2] is louder above 8 kHz than the loudest of its clean counterparts.

    All begin 20 ms before what is measured, so that the filter has settled.
    """
    settle = round(SETTLE_S * rate)
    heard, *rest = (level_db(high_band(part, rate)[settle:]) for part in (sound, *clean))
    return heard - max([FLOOR_DB, *rest])


def off_beat(score: Score, frame: int) -> int:
    """Frames between the fade in that begins at `frame` and the grid: it begins on a beat line, or ends on one."""
    rise = round(RISE_S * score.rate)
    off = []
    for place in (frame, frame + rise):
        beat = round(place / score.beat_frames)
        off.append(place - int(beat * score.beat_frames + 0.5))
    return min(off, key=abs)


def against_cache(played: Played, watcher: Watcher, at_most_s: float = 60.0) -> dict[str, int]:
    """The end of a roll, back to the last gap or jump, beside the cache: frames compared, and how many differ."""
    assert played.audio is not None
    rows, size = played.rows, played.score.block
    rolled = np.flatnonzero(rows["flags"] & ROLLING)
    if not len(rolled):
        return {"compared": 0, "different": 0}
    last = int(rolled[-1])
    broken = (rows["played"] < size) | ((rows["flags"] & JUMPED) > 0)
    since = np.flatnonzero(broken[: last + 1])
    rise = -(-round(RISE_S * played.score.rate) // size)
    first = max(int(rolled[0]), int(since[-1]) + 1 + rise if len(since) else 0)
    first = max(first, last + 1 - round(at_most_s / played.score.block_s))
    heard = played.audio[first * size : (last + 1) * size]
    cached, known = watcher.read(int(rows["frame"][first]), len(heard))
    different = (heard != cached).any(axis=1) | ~known
    return {"compared": len(heard), "different": int(different.sum())}


def same_share(played: Played, other: Played, at_most_s: float = 60.0) -> float:
    """The share of sounding project frames, from 0 on, at which two hosts played the same samples."""
    rolls = [one.rows["frame"][(one.rows["flags"] & ROLLING) > 0] for one in (played, other)]
    frames = min(int(roll.max()) for roll in rolls if len(roll)) if all(map(len, rolls)) else 0
    heard = [heard_at(one, 0, min(frames, round(at_most_s * one.score.rate))) for one in (played, other)]
    if heard[0] is None or heard[1] is None:
        return 1.0
    sounding = (np.abs(heard[0]).max(axis=1) > 1e-4) | (np.abs(heard[1]).max(axis=1) > 1e-4)
    same = (heard[0] == heard[1]).all(axis=1) & sounding
    return round(float(same.sum() / max(1, sounding.sum())), 4)


def heard_at(played: Played, first_frame: int, frames: int, from_block: int = 0) -> Audio | None:
    """What was played for project frames from `first_frame` on, [frames, 2], as the play head last passed them.

    from_block: look at this block and later ones alone. None where they were not played in one go.
    """
    assert played.audio is not None
    size = played.score.block
    starts = played.rows["frame"]
    hits = np.flatnonzero((starts <= first_frame) & (first_frame < starts + size))
    hits = hits[(hits >= from_block) & ((played.rows["flags"][hits] & ROLLING) > 0)]
    for block in hits[::-1].tolist():
        at = block * size + first_frame - int(starts[block])
        last = (at + frames - 1) // size
        if last < len(played.rows) and int(starts[last]) - int(starts[block]) == (last - block) * size:
            return played.audio[at : at + frames]
    return None
