"""benchmarks.host judges: what was recorded against the cache, clicks, and the page that its line gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from benchmarks import report
from benchmarks.host import PERIOD, RATE_HZ, clicks, compared, exact, on_time, safety, tone
from benchmarks.host_safety import FEEDS
from plugin_host.player import fade_in

PERIODS = (128, PERIOD)


def cache(period: int) -> Any:
    return np.random.default_rng(3).uniform(-0.5, 0.5, (400 * period, 2)).astype(np.float32)


def lost(heard: Any, at: int, periods: int, period: int) -> Any:
    """A recording in which the server lost some periods: what follows fades in."""
    rest = heard[(at + periods) * period :].copy()
    rest[:period] *= fade_in(period, 240)[:, None]
    return np.concatenate([heard[: at * period], rest])


@pytest.mark.parametrize("period", PERIODS)
def test_a_recording_is_the_caches_period_by_period(period: int) -> None:
    whole, sound = {"exact_periods": 400, "faded_periods": 0, "lost": 0, "unequal_periods": 0}, cache(period)
    assert compared(sound, sound, period) == whole
    assert compared(sound, sound[: 300 * period], period) == {**whole, "exact_periods": 300}
    assert compared(sound[: 300 * period], sound, period) == {**whole, "exact_periods": 300}


@pytest.mark.parametrize("period", PERIODS)
def test_lost_periods_are_told_from_wrong_ones_and_the_end_of_the_cache_from_both(period: int) -> None:
    sound = cache(period)
    once = lost(sound, 100, 7, period)
    found = compared(sound, once, period)
    assert (found["lost"], found["unequal_periods"]) == (1, 0)
    assert found["exact_periods"] == 393 - found["faded_periods"]
    twice = compared(sound[: 350 * period], lost(once, 200, 3, period), period)
    assert (twice["lost"], twice["unequal_periods"]) == (2, 0)
    wrong = sound.copy()
    wrong[50 * period + 3, 1] += 1e-6
    assert compared(sound, wrong, period)["exact_periods"] < 400
    assert exact({**found, "host": {"skips": 1}}, period)
    assert not exact({**compared(sound, wrong, period), "host": {"skips": 0}}, period)
    shifted = np.concatenate([np.zeros((1, 2), np.float32), sound])
    assert compared(sound, shifted, period)["unequal_periods"] > 350


def test_a_click_of_a_thousandth_is_sharper_than_the_tone() -> None:
    sound = tone(2.0)
    assert clicks(sound)["sharpest"] == pytest.approx(1.0, abs=0.02)
    sound[RATE_HZ] += 0.001
    assert clicks(sound)["sharpest"] > 3


def a_line(**changes: Any) -> dict[str, Any]:
    """A line as the benchmark writes it."""
    counted = {
        "played_frames": 48_000, "missed_frames": 0, "underruns": 0, "skips": 0, "lost_frames": 0,
        "block_frames": 128, "rate": 48_000, "latency_frames": 1260,
    }  # fmt: skip
    played = {"minutes": 10.0, "background_renders": 5, "exact_periods": 375, "unequal_periods": 0, "host": counted}
    where = {
        "bundle": "a", "device": "d", "cores": 2, "commit": "c", "when": "2026-01-01T00:00:00Z", "load": [0.1],
    }  # fmt: skip
    found = {"edits": 100, "sharpest": 1.01, "host": counted}
    verdicts = {"no_frame_missed": True}
    line = {"benchmark": "host", **where, "safety": safety(1), "played": played, "edited": found, "asked_for": verdicts}
    return {**line, **changes}


def test_the_page_has_a_table_of_the_host_and_of_a_performance(tmp_path: Path) -> None:
    figures = {"notes": 60, "bars": 15, "followed": 0.5, "not_followed": 0.1, "chance": 0.1, "next_bar": 1.0}
    counted = {**figures, "stuck": 0, "missed_frames": 0, "steps": 2, "tempo": 104.0}
    played = a_line(benchmark="performance", asked_for={"all_notes_heard": False}, **counted)
    (tmp_path / "lines.jsonl").write_text("\n".join(json.dumps(line) for line in (a_line(), played)))
    report.write(tmp_path / "lines.jsonl", tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "## The host on JACK" in page and "| 10 minutes, 5 bars rendered beside it | 48000 | 0 |" in page
    assert all(f"| {kind} | 0 |" in page for kind in FEEDS)
    assert "## A performance played in" in page and "Not so: all notes heard." in page
    assert report.up_to_date(tmp_path / "lines.jsonl", tmp_path / "page.md")


def test_a_single_late_period_is_not_on_time() -> None:
    counted = dict.fromkeys(("missed_frames", "underruns", "skips", "lost_frames"), 0)
    assert on_time(counted)
    assert not any(on_time({**counted, name: 1}) for name in counted)
