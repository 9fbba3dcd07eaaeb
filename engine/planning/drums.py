"""Drum patterns of a plan: what kind a bar is, and simple hits that stand for a kind. Pure.

A hit is (beat in quarters from the bar's line, General MIDI key, velocity).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import get_args

from engine.timing import Meter
from engine.types import Drums

Hit = tuple[float, int, int]
KINDS: tuple[Drums, ...] = get_args(Drums)
KICKS, SNARES = frozenset({35, 36}), frozenset({37, 38, 39, 40})
TOMS = frozenset({41, 43, 45, 47, 48, 50})
KICK, SNARE, TOM, HAT = 36, 38, 45, 42
LOUD = 60
FILL_HITS = 5
RATES = (1.0, 2.0, 3.0, 4.0)
"""Onsets a quarter that stand for densities 0 to 3; halves between them are the borders."""


def beat_starts(meter: Meter) -> list[float]:
    """Where the felt beats of a bar begin, in quarters."""
    starts, at = [], Fraction(0)
    for length in meter.beats:
        starts.append(float(at))
        at += length
    return starts


def kind_of(hits: Sequence[Hit], meter: Meter) -> tuple[Drums, int]:
    """(kind, density 0-3) of a bar's hits."""
    if not hits:
        return "none", 0
    places = {_step(beat) for beat, _, _ in hits}
    rate = len(places) / float(meter.bar_quarters)
    density = sum(rate >= low + 0.5 for low in RATES[:-1])
    return _kind(hits, meter), density


def _kind(hits: Sequence[Hit], meter: Meter) -> Drums:
    kicks = {_step(beat) for beat, key, _ in hits if key in KICKS}
    snares = {_step(beat) for beat, key, velocity in hits if key in SNARES and velocity >= LOUD}
    half = float(meter.bar_quarters) / 2
    rolled = {_step(beat) for beat, key, _ in hits if key in SNARES | TOMS and beat >= half - 0.01}
    beats = [_step(beat) for beat in beat_starts(meter)]
    if len(rolled) >= FILL_HITS:
        return "fill"
    if not kicks and not snares:
        return "cymbals"
    if len(beats) > 1 and set(beats) <= kicks:
        return "four"
    if len(beats) > 1 and set(beats[1::2]) <= snares:
        return "back"
    if len(beats) > 3 and snares & set(beats) == {beats[len(beats) // 2]}:
        return "half"
    return "break" if snares else "kick"


def hits_of(kind: Drums, density: int, meter: Meter) -> list[Hit]:
    """Simple hits of a kind, hats filled in up to the density."""
    beats, steps = [_step(beat) for beat in beat_starts(meter)], max(1, int(meter.bar_quarters * 4))
    kicks, snares, toms = _backbone(kind, beats, steps)
    if kind == "none":
        return []
    struck = set(kicks) | set(snares) | set(toms)
    wanted = round(RATES[density] * float(meter.bar_quarters))
    order = sorted(range(steps), key=lambda step: (step % 4 != 0, step % 2 != 0, step % 4 != 3, step))
    hats = [step for step in order if step not in struck][: max(0, wanted - len(struck))]
    if kind == "cymbals" and not hats:
        hats = [0]
    rows = ((kicks, KICK, 110), (snares, SNARE, 105), (toms, TOM, 95), (hats, HAT, 70))
    return sorted((step / 4, key, velocity) for steps_, key, velocity in rows for step in steps_)


def _backbone(kind: Drums, beats: list[int], steps: int) -> tuple[list[int], list[int], list[int]]:
    """(kicks, snares, toms) in steps of a sixteenth."""
    if kind == "fill":
        late = list(range(-(-steps // 2), steps))
        return [0], late[: len(late) // 2 + 1], late[len(late) // 2 + 1 :]
    if kind == "four":
        return beats, [], []
    if kind == "back":
        return beats[::2], beats[1::2], []
    if kind == "half":
        return [0], [beats[len(beats) // 2]], []
    if kind == "break":
        free = [step for step in range(1, steps) if step not in beats] or [0]
        return [0], [free[len(free) // 3], free[2 * len(free) // 3]], []
    return ([0], [], []) if kind == "kick" else ([], [], [])


def _step(beat: float) -> int:
    """The nearest sixteenth."""
    return int(beat * 4 + 0.5)
