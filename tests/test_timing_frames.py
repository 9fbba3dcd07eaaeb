"""The model's frames on the grid: centres, counts and phases, beside exact fractions."""

from __future__ import annotations

import time
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.timing import (
    TempoMap,
    frame_centre_seconds,
    frames_covering,
    phases,
    quarters_at_centres,
)
from tests.tempo_maps import FOUR, F, maps, rates


@given(st.integers(0, 10**6), st.integers(1, 4096), rates)
def test_latent_frames(i: int, hop: int, rate: int) -> None:
    assert frame_centre_seconds(i, hop, rate) * rate == sum(hop for _ in range(i % 50)) + (i - i % 50) * hop
    count = frames_covering(F(i, rate), hop, rate)
    assert frame_centre_seconds(count - 1, hop, rate) >= F(i, rate)
    assert count == 1 or frame_centre_seconds(count - 2, hop, rate) < F(i, rate)


def circular(a: float, b: Fraction) -> float:
    gap = abs(F(a) - b) % 1
    return float(min(gap, 1 - gap))


def exact_phases(tempo_map: TempoMap, seconds: Fraction, factor: Fraction) -> tuple[Fraction, Fraction]:
    """Beat and bar position times factor, by walking the bar's beats."""
    at = tempo_map.quarters_at(seconds)
    bar = tempo_map.bar_at(at)
    left, beats = at - tempo_map.bar_start_quarters(bar), F(tempo_map.bar_start_beats(bar))
    bar_phase = left / tempo_map.meter_at(bar).bar_quarters
    for length in tempo_map.meter_at(bar).beats:
        if left < length:
            return (beats + left / length) * factor % 1, (bar + bar_phase) * factor % 1
        left, beats = left - length, beats + 1
    raise AssertionError("past the bar")


@settings(max_examples=40, deadline=None)
@given(
    maps(),
    st.fractions(-2, 200, max_denominator=48000),
    st.sampled_from((512, 1024, 4096)),
    st.sampled_from((F(1), F(1, 2), F(2))),
)
def test_phases_against_fractions(tempo_map: TempoMap, start: Fraction, hop: int, factor: Fraction) -> None:
    beat, bar = phases(tempo_map, start, hop, 48000, 60, factor)
    assert len(beat) == len(bar) == 60 and min(beat.min(), bar.min()) >= 0 and max(beat.max(), bar.max()) < 1
    for i in range(0, 60, 3):
        exact = exact_phases(tempo_map, start + F(i * hop, 48000), factor)
        assert circular(beat[i], exact[0]) < 1e-9 and circular(bar[i], exact[1]) < 1e-9


@settings(max_examples=20)
@given(maps(), st.integers(0, 12), st.integers(-40, 40))
def test_quarters_from_the_first_new_bar(tempo_map: TempoMap, bar: int, first: int) -> None:
    origin = tempo_map.bar_start_quarters(bar)
    start = tempo_map.seconds_at(origin) + F(first * 512, 48000)
    got = quarters_at_centres(tempo_map, start, 512, 48000, 50, origin)
    for i in (0, 7, 49):
        assert abs(F(got[i]) - (tempo_map.quarters_at(start + F(i * 512, 48000)) - origin)) < F(1, 10**9)
    if first <= 0:
        assert got[-first] == 0.0


def test_phases_of_256_bars_are_fast_and_exact_on_the_beat() -> None:
    start = time.process_time()
    tempo_map = TempoMap.ramp(0, 200, F(70), F(75), FOUR)
    beat, _ = phases(tempo_map, F(0), 512, 48000, 84375)
    assert time.process_time() - start < 2.0
    exact = exact_phases(tempo_map, F(84374 * 512, 48000), F(1))
    assert circular(beat[-1], exact[0]) < 1e-9
    on_beat, on_bar = phases(TempoMap.constant(120, FOUR), F(0), 480, 48000, 1001)
    assert on_beat[50 * 20] == 0.0 and on_bar[50 * 4] == 0.0 and on_bar[50] == 0.25
    assert quarters_at_centres(tempo_map, F(0), 512, 48000, 0).size == 0
