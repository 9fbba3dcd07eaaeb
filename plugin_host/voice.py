"""What is heard of a timeline: sound where it is known, 5 ms fades where it ends, a fallback where it is missing.

The Python twin of `plugin_host/plugin/player.hpp`, in blocks, with its rules: after a start the voice opens at
once on a beat line, else over 5 ms; it opens only where 25 ms are known; it closes over the last 5 ms that are;
what vanishes fades from a reserve; after a miss it comes back at a beat line over 20 ms. Meanwhile the last bar
(else beat) is repeated 6 dB quieter, or there is silence. With the voice open, the sound is the timeline's, bit
by bit.

Threading: the player thread alone calls this. Nothing waits for the engine: what is not there is a miss, and counted.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bridge.timeline.cache import BoolMask, Segment, position_at
from engine.types import Audio
from plugin_host.timeline import Timeline

Fallback = Literal["repeat", "silence"]
FADE_SECONDS: Final = 0.005
REPEAT_GAIN: Final = 0.5
HEARD_SECONDS: Final = 12.5
OFF_GRID_FRAMES: Final = 1.5
Frames = NDArray[np.int64]


class Voice:
    """Reads `timeline` from wherever `locate` puts it; where it says places itself, the map is held against them."""

    def __init__(self, timeline: Timeline, fallback: Fallback = "repeat") -> None:
        self.timeline = timeline
        self.fade = max(8, round(FADE_SECONDS * timeline.rate_hz))
        self.rise = 4 * self.fade
        self.look = self.rise + self.fade
        self.played_frames = self.missed_frames = self.misses = self.off_grid_blocks = 0
        self._repeats = _Repeat(timeline.rate_hz, self.fade) if fallback == "repeat" else None
        self._reserve = np.zeros((self.fade, 2), np.float32)
        self.locate(0)

    def locate(self, frame: int) -> None:
        """Begin anew at a project frame, out of silence."""
        self.frame = frame
        self._open = self._gap = self._missing = False
        self._fresh = True
        self._gain, self._step, self._closing = 0.0, 0.0, 0
        self._tail = np.zeros((0, 2), np.float32)
        if self._repeats is not None:
            self._repeats.forget()

    def read(self, frames: int) -> Audio:
        """The next frames: [frames, 2]."""
        sound, known = self.timeline.play(self.frame, frames + self.look)
        segments = self.timeline.segments()[1]
        if not segments or not self._on_grid(segments):
            known[:] = False
        run = _runs(known)
        out = np.zeros((frames, 2), np.float32)
        at = 0
        while at < frames:
            if self._open:
                at = self._sing(out, sound, run, at, frames)
            else:
                at = self._wait(out, run, at, frames, segments)
        count = min(frames, len(self._tail))
        out[:count] += self._tail[:count]
        self._tail = self._tail[count:]
        self._reserve = sound[frames : frames + self.fade].copy()
        self.frame += frames
        return out

    def _on_grid(self, segments: list[Segment]) -> bool:
        """Whether the map has this frame where the host has it."""
        place = getattr(self.timeline, "place", None)
        if place is None or self.frame < 0:
            return True
        here, told = place(self.frame), position_at(segments, self.timeline.rate_hz, self.frame)
        if told is None or (here["numerator"], here["denominator"]) != (told.numerator, told.denominator):
            self.off_grid_blocks += 1
            return False
        bar = told.numerator * 4 / told.denominator
        off = (here["bar"] - told.bar) * bar + here["quarter"] - told.quarter
        on = bool(abs(off) * 60 * self.timeline.rate_hz / here["tempo"] <= OFF_GRID_FRAMES)
        self.off_grid_blocks += not on
        return on

    def _sing(self, out: Audio, sound: Audio, run: Frames, at: int, frames: int) -> int:
        """Play from `at` on while it is known; answers where it ends."""
        ends = np.flatnonzero(run[at:frames] <= self.fade)
        end = at + int(ends[0]) if len(ends) else frames
        gain = self._gains(end - at)
        out[at:end] = sound[at:end] if gain is None else sound[at:end] * gain[:, None]
        self._hear(out[at:end])
        self._count_played(end - at)
        self._fresh = False
        if len(ends):
            self._close(sound, run, end)
        return end

    def _gains(self, count: int) -> Audio | None:
        """The voice's gain over the next frames; None where it is 1."""
        if self._gain >= 1.0:
            return None
        line = np.minimum(1.0, self._gain + self._step * np.arange(1, count + 1))
        if count:
            self._gain = float(line[-1])
        gains: Audio = line.astype(np.float32)
        return gains

    def _close(self, sound: Audio, run: Frames, at: int) -> None:
        """What is known from `at` on, at most 5 ms, fades out; what vanished is taken from the reserve."""
        there = int(run[at])
        tail = np.zeros((self.fade, 2), np.float32)
        tail[:there] = sound[at : at + there]
        reserved = self._reserve[at + there : self.fade]
        tail[there : there + len(reserved)] = reserved
        gain = self._gains(self.fade)
        faded = tail * _fall(self.fade) if gain is None else tail * _fall(self.fade) * gain[:, None]
        self._add_tail(faded, at)
        self._open, self._gap = False, True
        self._closing = there
        if self._repeats is not None:
            self._repeats.arm(self.timeline.segments()[1], self.frame + at)

    def _wait(self, out: Audio, run: Frames, at: int, frames: int, segments: list[Segment]) -> int:
        """Cover what is missing from `at` to where the voice opens."""
        opening, rise = self._opening(run, at, frames, segments)
        closing = min(self._closing, opening - at)
        self._count_played(closing)
        self._closing -= closing
        self._count_missed(self.frame + at + closing, opening - at - closing)
        if self._gap and self._repeats is not None:
            out[at:opening] += self._repeats.draw(opening - at)
        if opening < frames:
            self._begin(rise, opening)
        elif opening > at:
            self._fresh = False
            self._gap = True
        return opening

    def _opening(self, run: Frames, at: int, frames: int, segments: list[Segment]) -> tuple[int, int]:
        """Where the voice opens (`frames`: not in this block), and over how many frames it rises."""
        if self._fresh and run[at] >= self.look:
            lines = _lines(segments, self.timeline.rate_hz, self.frame + at - 1, 3)
            return at, 0 if len(lines) else self.fade
        lines = _lines(segments, self.timeline.rate_hz, self.frame + at, frames - at + self.rise) - self.frame
        places = [(int(line), self.rise) for line in (*lines, *(lines - self.rise))]
        if not self._fresh:
            places.append((-self.frame, 0))  # the first beat of all, out of a pre-roll
        good = [(place, rise) for place, rise in places if at <= place < frames and run[place] >= self.look]
        return min(good, default=(frames, 0))

    def _begin(self, rise: int, at: int) -> None:
        self._open, self._gap = True, False
        self._gain, self._step = (1.0, 0.0) if rise == 0 else (0.0, 1.0 / rise)
        if self._repeats is not None:
            self._add_tail(self._repeats.leave(max(rise, self.fade)), at)

    def _add_tail(self, tail: Audio, at: int) -> None:
        """Mix in what rings on from `at` of this block on; `read` adds it."""
        longer = np.zeros((max(len(self._tail), at + len(tail)), 2), np.float32)
        longer[: len(self._tail)] = self._tail
        longer[at : at + len(tail)] += tail
        self._tail = longer

    def _hear(self, sound: Audio) -> None:
        if self._repeats is not None:
            self._repeats.hear(sound)

    def _count_played(self, frames: int) -> None:
        if frames:
            self.played_frames += frames
            self._missing = False
            self.timeline.count(played_frames=frames)

    def _count_missed(self, first_frame: int, frames: int) -> None:
        """Frames before 0 are no misses."""
        missed = frames - max(0, min(frames, -first_frame))
        if missed:
            new = not self._missing
            self._missing = True
            self.missed_frames += missed
            self.misses += new
            told = {"misses": 1, "last_miss_frame": max(0, first_frame)} if new else {}
            self.timeline.count(missed_frames=missed, **told)


class _Repeat:
    """What was heard last, and its repetition. It keeps HEARD_SECONDS."""

    def __init__(self, rate_hz: int, fade: int) -> None:
        self._rate_hz = rate_hz
        self._fade = fade
        self._kept = np.zeros((round(HEARD_SECONDS * rate_hz), 2), np.float32)
        self.forget()

    def forget(self) -> None:
        self._written = self._heard = self._drawn = 0
        self._loop = self._kept[:0]

    def hear(self, sound: Audio) -> None:
        if not len(sound):
            return
        places = (self._written + np.arange(len(sound))) % len(self._kept)
        self._kept[places] = sound
        self._written = int(places[-1]) + 1
        self._heard += len(sound)

    def arm(self, segments: list[Segment], frame: int) -> None:
        """Get ready to go on with what came one bar (else one beat) before `frame`."""
        place = position_at(segments, self._rate_hz, frame)
        self._loop, self._drawn = self._kept[:0], 0
        if place is None:
            return
        quarter = 60 * self._rate_hz / place.tempo
        for length in (place.numerator * 4 / place.denominator, 4 / place.denominator):
            period = round(length * quarter)
            if period + self._fade <= min(self._heard, len(self._kept)):
                places = np.arange(self._written - period - self._fade, self._written) % len(self._kept)
                heard = self._kept[places]
                self._loop = heard[self._fade :].copy()
                fall = _fall(self._fade)
                self._loop[-self._fade :] = self._loop[-self._fade :] * fall + heard[: self._fade] * (1 - fall)
                return

    def draw(self, frames: int) -> Audio:
        """The next frames of the repetition, faded in over 5 ms."""
        if not len(self._loop):
            return np.zeros((frames, 2), np.float32)
        at = self._drawn + np.arange(frames)
        self._drawn += frames
        gain = (REPEAT_GAIN * np.minimum(1.0, (at + 1) / self._fade)).astype(np.float32)
        sound: Audio = self._loop[at % len(self._loop)] * gain[:, None]
        return sound

    def leave(self, frames: int) -> Audio:
        """The repetition fading out; what is heard from now on counts anew."""
        sound: Audio = self.draw(frames) * _fall(frames)
        self._loop, self._heard = self._kept[:0], 0
        return sound


def _fall(frames: int) -> Audio:
    """From 1 to 0: [frames, 1]."""
    line = 1.0 - np.arange(1, frames + 1) / frames
    fall: Audio = line.astype(np.float32)[:, None]
    return fall


def _runs(known: BoolMask) -> Frames:
    """For each frame, how many are known from it on."""
    places = np.arange(len(known))
    gaps = np.where(known, len(known), places)
    runs: Frames = np.minimum.accumulate(gaps[::-1])[::-1] - places
    return runs


def _lines(segments: list[Segment], rate_hz: int, first_frame: int, frames: int) -> Frames:
    """The beat lines among first_frame .. first_frame + frames - 1, by the map."""
    found = []
    for k, segment in enumerate(segments):
        begin = segment.frame + segment.fraction
        end = segments[k + 1].frame + segments[k + 1].fraction if k + 1 < len(segments) else np.inf
        beat = 4 / segment.denominator
        period = beat * 60 * rate_hz / segment.tempo
        origin = begin - segment.quarter * 60 * rate_hz / segment.tempo
        low = max(begin - 0.5, first_frame - 0.5)
        number = int(np.ceil((low - origin) / period - 1e-9))
        while (line := origin + number * period) < min(end, first_frame + frames - 0.5):
            found.append(int(np.floor(line + 0.5)))
            number += 1
    return np.array(found, np.int64)
