"""What one killed engine came to: figures from the log and the audio of the block host, and what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import listening
from benchmarks.stage import Played, Score
from benchmarks.watcher import Watcher
from bridge.timeline import layout
from engine.types import Audio

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
    border: int | None = None
    ready_ns: int = 0
    taken_up: bool = False
    back: tuple[int, Audio] = (0, np.zeros((0, 2), np.float32))
    tail: Audio = field(default_factory=lambda: np.zeros((0, 2), np.float32))


def border_of(watcher: Watcher, at: int, held: int, since_ns: int) -> int | None:
    """Where what was written since a time ends inside of older audio: the first frame of the slot in which it does."""
    fresh = np.flatnonzero(watcher.written_ns(at, held - at) >= since_ns)
    if not len(fresh):
        return None
    slot = at // layout.SLOT_FRAMES + int(fresh[-1])
    return slot * layout.SLOT_FRAMES if (slot + 2) * layout.SLOT_FRAMES < held else None


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
        "border_click_db": None if turn.border is None else round(border_click(played, turn.border), 1),
    }
    if gap is None or gap.end is None or gap.end_block is None:
        return {**found, "back_bars": None}
    found["fallback_frames"] = fallback_after(played, held)
    found["fade_out_click_db"] = round(fade_out_click(played, turn), 1)
    ready_frame = int(played.rows["frame"][played.block_at(turn.ready_ns)])
    found["back_bars"] = round((gap.end - ready_frame) / score.bar_frames, 3)
    found["off_beat_frames"] = listening.off_beat(score, gap.end)
    found["fade_in_click_db"] = round(fade_in_click(played, gap.end, turn), 1)
    found["unequal_frames"], found["missed_again_frames"] = unequal(played, gap.end, turn)
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


def fade_out_click(played: Played, turn: Turn) -> float:
    """Above 8 kHz around the end of what was rendered, over the clean render's, in dB.

    That is the cache's own last samples, which no fade has touched, what sounded right before, and a bar before.
    """
    score, held = played.score, turn.held_until
    settle, around = round(listening.SETTLE_S * score.rate), round(2 * FADE_S * score.rate)
    first, frames = held - around - settle, settle + 2 * around
    places = (first, first - 2 * around, first - round(score.bar_frames))
    heard, *clean = (listening.heard_at(played, place, frames) for place in places)
    if heard is None:
        return NEVER_DB
    own = turn.tail[-(settle + around) :]
    return listening.click_db(heard, [own, *(part for part in clean if part is not None)], score.rate)


def border_click(played: Played, border: int) -> float:
    """Above 8 kHz where a render was cut off over older audio, over what is right before, right after, a bar before."""
    score = played.score
    settle, around = round(listening.SETTLE_S * score.rate), round(FADE_S * score.rate)
    frames = layout.SLOT_FRAMES + 2 * around
    first = border - around - settle
    places = (first, first - frames, first + frames, first - round(score.bar_frames))
    heard, *clean = (listening.heard_at(played, place, settle + frames) for place in places)
    if heard is None:
        return NEVER_DB
    return listening.click_db(heard, [part for part in clean if part is not None], score.rate)


def fade_in_click(played: Played, back: int, turn: Turn) -> float:
    """Above 8 kHz around the fade in, over the clean renders' that meet there, in dB.

    They are the cache's own samples there and a bar later, and what was repeated: right before, and a bar before.
    """
    score = played.score
    settle, bar = round(listening.SETTLE_S * score.rate), round(score.bar_frames)
    first, frames = back - settle - round(FADE_S * score.rate), 2 * settle + round(2 * FADE_S * score.rate)
    places = (first, first + bar, first - frames, first - bar)
    heard, *clean = (listening.heard_at(played, place, frames) for place in places)
    if heard is None:
        return NEVER_DB
    begin, cached = turn.back
    own = cached[max(0, first - begin) : max(0, first - begin) + frames]
    return listening.click_db(heard, [own, *(part for part in clean if part is not None)], score.rate)


def unequal(played: Played, back: int, turn: Turn) -> tuple[int | None, int]:
    """Frames after the fade in that sounded and differ from the cache (None: not played in one go); frames missed.

    The seam of 20 ms before a gap may have been written again since it was played.
    """
    begin, cached = turn.back
    rise = round(listening.RISE_S * played.score.rate)
    first = back + rise
    frames = begin + len(cached) - first
    heard = listening.heard_at(played, first, frames) if frames > 0 else None
    if heard is None:
        return None, 0
    differ, missed = (heard != cached[first - begin :]).any(axis=1), 0
    for gap in listening.gaps(played):
        end = first + frames if gap.end is None else gap.end
        if back <= gap.first < first + frames + rise:
            missed += max(0, min(end, first + frames) - gap.first)
            differ[max(0, gap.first - rise - first) : end + rise - first] = False
    return int(differ.sum()), missed


def verdicts(rows: list[dict[str, Any]], score: Score) -> dict[str, bool]:
    def each(name: str, low: float, high: float) -> bool:
        return bool(rows) and all(row.get(name) is not None and low <= row[name] <= high for row in rows)

    return {
        "rendered_bars_play_on": each("early_frames", 0, 0),
        "fallback_within_a_block_and_its_fade": each("fallback_frames", 0, score.block + FADE_S * score.rate),
        "no_click": each("fade_out_click_db", -999, CLICK_DB) and each("fade_in_click_db", -999, CLICK_DB),
        "no_click_where_a_render_was_cut_off": all((row["border_click_db"] or 0) <= CLICK_DB for row in rows),
        "back_within_2_bars": each("back_bars", 0, 2),
        "back_on_the_grid": each("off_beat_frames", -1, 1) and each("unequal_frames", 0, 0),
        "memory_outlives_the_engine": bool(rows) and all(row["outlives"] for row in rows),
    }
