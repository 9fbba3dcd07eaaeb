"""The evaluation's measures against known answers."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.timing import Meter, TempoMap
from engine.training.metrics import beat, belonging, control, frechet, sanity, stats, targets
from engine.training.metrics.codec import losses
from engine.training.metrics.embed import clip_vector, timbre_vector
from engine.training.metrics.prompts import DRUM_PROMPTS, spread
from engine.training.metrics.table import Table

RATE = 48_000


def clicks(times: np.ndarray, seconds: float) -> np.ndarray:
    """Decaying noise bursts at `times`, stereo at 48 kHz."""
    rng = np.random.default_rng(0)
    wave = np.zeros(int(seconds * RATE))
    burst = rng.normal(size=2400) * np.exp(-np.arange(2400) / 400)
    for time in times:
        at = round(time * RATE)
        wave[at : at + 2400] += burst[: len(wave) - at]
    return np.repeat(0.2 * wave[:, None], 2, axis=1).astype(np.float32)


def tone(pitches: list[int], length: float, share: float = 1.0) -> np.ndarray:
    """Notes with four harmonics one after another, each sounding for `share` of `length` seconds."""
    parts = []
    for pitch in pitches:
        t = np.arange(int(length * RATE)) / RATE
        f = 440.0 * 2 ** ((pitch - 69) / 12)
        wave = sum(np.sin(2 * np.pi * f * k * t) / k for k in (1, 2, 3, 4))
        parts.append(0.2 * wave * (t < share * length))
    return np.repeat(np.concatenate(parts)[:, None], 2, axis=1).astype(np.float32)


# Beats


def test_beat_f_by_hand():
    wanted = np.array([0.0, 0.5, 1.0, 1.5])
    assert beat.beat_f(wanted, wanted) == 1.0
    # 0.56 hits 0.5 (60 ms), 0.93 hits 1.0 (70 ms); 1.58 (80 ms) misses: 2 * 2 / (3 + 4)
    assert beat.beat_f(np.array([0.56, 0.93, 1.58]), wanted) == pytest.approx(4 / 7)
    # two trackings of one beat count once
    assert beat.beat_f(np.array([0.48, 0.52]), wanted) == pytest.approx(2 / 6)
    assert beat.beat_f(np.zeros(0), wanted) == 0.0


def most_pairs(found: list[float], wanted: list[float]) -> int:
    """The largest one-to-one matching within 70 ms, by trying all subsets."""
    for size in range(min(len(found), len(wanted)), 0, -1):
        for some in combinations(found, size):
            for others in combinations(wanted, size):
                if all(abs(a - b) <= 0.07 + 1e-9 for a, b in zip(some, others, strict=True)):
                    return size
    return 0


@settings(max_examples=60, deadline=None)
@given(*[st.lists(st.integers(0, 40), max_size=5, unique=True) for _ in range(2)])
def test_beat_f_matches_as_many_as_can_be_matched(found, wanted):
    a, b = sorted(x * 0.017 for x in found), sorted(x * 0.017 for x in wanted)
    expected = 2 * most_pairs(a, b) / (len(a) + len(b)) if a and b else 0.0
    assert beat.beat_f(np.array(a), np.array(b)) == pytest.approx(expected)


def test_half_and_double_tempo_are_allowed_in_their_own_column():
    wanted = np.arange(16) * 0.5
    assert beat.beat_f(wanted[1::2], wanted) == pytest.approx(2 / 3)
    for found in (wanted[0::2], wanted[1::2], np.arange(31) * 0.25):
        assert beat.best_level_f(found, wanted) == 1.0
    assert beat.best_level_f(wanted + 0.125, wanted) == 0.0


def test_beats_follow_the_meter():
    six = TempoMap.constant(Fraction(90), Meter(6, 8))
    np.testing.assert_allclose(beat.beat_times(six, 2), [0, 1, 2, 3])
    seven = TempoMap.constant(Fraction(60), Meter(7, 8))
    np.testing.assert_allclose(beat.beat_times(seven, 2), [0, 1, 2, 3.5, 4.5, 5.5])
    steps = TempoMap.parse("0:60,1:120", Meter(2, 4))
    np.testing.assert_allclose(beat.beat_times(steps, 2), [0, 1, 2, 2.5])
    np.testing.assert_allclose(beat.beat_times(steps, 1, 1), [0, 0.5])


@pytest.mark.parametrize("tempo", [100, 123])
def test_clicks_are_tracked_and_another_grid_is_not(tempo):
    grid = np.arange(int(16 * tempo / 60)) * 60 / tempo
    found = beat.track(clicks(grid, 16.0))
    good = beat.score(found, grid)
    assert good.f > 0.9 and good.tempo_right(1.0) and not good.tempo_right(2.0)
    assert beat.score(found, grid + 30 / tempo).f < 0.1
    assert beat.score(found, np.arange(0, 16, 60 / (tempo * 1.3))).f < 0.6
    assert len(beat.track(np.zeros((RATE, 2), np.float32))) == 0


def test_prompts_are_legal_and_spread():
    assert len(DRUM_PROMPTS) == 50 and len({text for text, _, _ in DRUM_PROMPTS}) == 50
    tempi = [float(tempo) for _, tempo, _ in DRUM_PROMPTS]
    assert min(tempi) >= 70 and max(tempi) <= 175
    assert {"6/8", "7/8", "3/4", "4/4"} == {meter for _, _, meter in DRUM_PROMPTS}
    assert len(set(spread(10))) == 10 and list(spread(50)) == list(DRUM_PROMPTS)


# Frechet


def test_frechet_closed_forms():
    same = np.diag([4.0, 9.0])
    other = np.diag([1.0, 16.0])
    # diagonal: |m|^2 + sum (s_a - s_b)^2 = 3^2 + 4^2 + (2 - 1)^2 + (3 - 4)^2
    got = frechet.gaussian_distance(np.array([0.0, 0.0]), same, np.array([3.0, 4.0]), other)
    assert got == pytest.approx(27.0)
    assert frechet.gaussian_distance(np.zeros(2), same, np.zeros(2), same) == pytest.approx(0.0, abs=1e-9)


def test_frechet_of_full_covariances_against_the_plain_formula():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(3)
    a, b = (rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6) for _ in range(2))
    (m1, c1), (m2, c2) = frechet.moments(a), frechet.moments(b)
    plain = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2 - 2 * np.real(sqrtm(c1 @ c2)))
    assert frechet.frechet(a, b) == pytest.approx(plain, rel=1e-6)


def test_comparison_orders_systems_and_its_intervals_hold_the_ratio():
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(40), 10)
    real = rng.normal(size=(400, 8))
    base = rng.normal(size=(400, 8)) + 0.5  # 8 x 0.5^2 = 2 away
    systems = {"good": base, "bad": base + 0.5}  # 8 x 1 = 8 away
    found = frechet.compare(systems, real, groups, "good", 200, 0)
    assert found["good"]["distance"] == pytest.approx(2.0, abs=0.6) and found["good"]["ratio interval"] == [1.0, 1.0]
    for name, key in (("good", "distance"), ("bad", "distance"), ("bad", "ratio")):
        low, high = found[name]["interval" if key == "distance" else "ratio interval"]
        assert low < found[name][key] < high, (name, key)
    assert found["bad"]["ratio"] == pytest.approx(4.0, abs=1.0) and found["bad"]["ratio interval"][0] > 2.5


def test_a_prepared_reference_gives_the_plain_distance():
    rng = np.random.default_rng(6)
    a, b = (rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) for _ in range(2))
    assert frechet.Reference.of(b).distance(a) == pytest.approx(frechet.frechet(a, b), rel=1e-9)


def test_projection_is_fitted_on_its_own_clips_and_keeps_distances():
    rng = np.random.default_rng(5)
    data = rng.normal(size=(200, 10)) * np.arange(1, 11) + 5
    projected = frechet.Projection.fit(data, 64)(data)
    assert projected.shape == (200, 10)
    np.testing.assert_allclose(projected.mean(0), 0, atol=1e-9)
    assert np.square(projected).sum() == pytest.approx(np.square((data - data.mean(0)) / data.std(0)).sum())
    assert frechet.Projection.fit(data, 4)(data).shape == (200, 4)


def test_embedding_hears_what_changes():
    same, louder = tone([60, 64], 0.5), 2 * tone([60, 64], 0.5)
    vectors = [clip_vector(audio) for audio in (same, louder, tone([61, 66], 0.5))]
    assert len({len(v) for v in vectors}) == 1 and all(np.isfinite(v).all() for v in vectors)
    assert np.abs(vectors[0] - vectors[2]).max() > 0.1
    for a, b in zip(timbre_vector(same), timbre_vector(louder), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


# Controls


def test_intensity_mse_of_shaped_noise():
    seconds, rng = 6.0, np.random.default_rng(6)
    t = np.arange(int(seconds * RATE)) / RATE
    curve = np.interp(t, [0, 3, 6], [-30.0, -14.0, -22.0])
    noise = rng.normal(size=(len(t), 2)) * 10 ** (curve / 20)[:, None]
    at, level = np.array([0.0, 3.0, 6.0]), np.array([-30.0, -14.0, -22.0])
    assert control.intensity_mse(noise.astype(np.float32), at, level) < 0.3
    assert control.intensity_mse(noise.astype(np.float32), at, level + 3) == pytest.approx(9.0, abs=1.5)
    assert control.intensity_mse(noise.astype(np.float32), at, level[::-1].copy()) > 20


def test_melody_accuracy_of_the_right_and_of_a_wrong_tune():
    pitches = [60, 64, 67, 71, 69, 65, 62, 66]
    audio = tone(pitches, 0.5)
    notes = [control.TimedNote(p, i * 0.5, (i + 1) * 0.5) for i, p in enumerate(pitches)]
    times, pitch, rest = control.frame_targets(notes, 4.0)
    assert (pitch >= 0).sum() == 8 * 7 and not rest.any()  # 50 ms from an edge and nearer is out: 7 of 10 frames
    chroma = control.chroma_at(audio, times)
    assert control.melody_score(chroma, pitch, rest).accuracy > 0.95
    assert control.melody_score(chroma, (pitch + 1) % 12, rest).accuracy < 0.05


def test_rests_and_chords_are_not_judged_as_notes():
    notes = [control.TimedNote(60, 0.0, 1.0), control.TimedNote(64, 0.5, 1.0)]
    times, pitch, rest = control.frame_targets(notes, 2.0)
    assert set(times[pitch == 0].round(2)) == {0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4}
    assert (pitch[times >= 0.5] == -1).all()
    assert rest[times > 1.05].all() and not rest[times <= 1.05].any()
    flat, peaky = np.full((12, 1), 0.5), np.eye(12)[:, :1]
    chroma = np.where(rest, peaky, flat)
    chroma[:, pitch >= 0] = 0.5 + 0.1 * np.eye(12)[:, :1]
    assert control.melody_score(chroma, pitch, rest).false_in_rests == 1.0


def test_notes_are_read_back_from_frames():
    pitch = np.array([-1, -1, 60, 60, 60, 60, 60, 60, 62, 62, -1, 64, 64])
    onset = np.zeros(13, int)
    onset[[1, 5, 7, 11]] = 1  # one frame early, a repeated note, one frame early, in time
    found = [
        (n.pitch, round(n.start / targets.FRAME_SECONDS), round(n.end / targets.FRAME_SECONDS))
        for n in targets.notes_of(pitch, onset)
    ]
    assert found == [(60, 2, 5), (60, 5, 8), (62, 8, 10), (64, 11, 13)]


def test_chord_names_mean_their_pitch_classes():
    names = targets.chord_names()
    assert names[frozenset({9, 0, 4})] == "Am" and names[frozenset({0, 4, 7})] == "C"
    assert names[frozenset({7, 11, 2, 5})] == "G7" and len(names) > 150


@pytest.mark.parametrize("kind", [kind for kind in targets.KINDS if kind != "envelope"])
def test_curves_rise_in_time_and_stay_in_range(kind):
    at, level = targets.curve(kind, 8.0, np.random.default_rng(1))
    assert (np.diff(at) > 0).all() and at[0] >= 0 and at[-1] <= 8.0
    assert level.min() >= -60 and level.max() <= 0 and np.ptp(level) > 5
    points = targets.points(at, level, 90.0)
    assert points[-1].beat == pytest.approx(at[-1] * 1.5)


# Belonging


def test_clusters_belong_to_their_own_context():
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(20, 2, 5)) * 3
    contexts = [list(c) for c in centres]
    near = [[g + 0.1 * rng.normal(size=5) for g in c] for c in centres]
    base = belonging.standardised(contexts, contexts)
    assert (belonging.own_ranks(belonging.standardised(near, contexts), base) == 1).all()
    moved = near[1:] + near[:1]
    assert (belonging.own_ranks(belonging.standardised(moved, contexts), base) > 1).all()


def test_a_group_weighs_the_same_whatever_its_width():
    rng = np.random.default_rng(8)
    rows = [[rng.normal(size=2), rng.normal(size=50) * 9] for _ in range(400)]
    vectors = belonging.standardised(rows, rows)
    assert np.square(vectors[:, :2]).sum() == pytest.approx(np.square(vectors[:, 2:]).sum())


def test_a_repeated_bar_is_found_at_its_lag_and_noise_is_not():
    rng, rate = np.random.default_rng(9), 8000
    bars = [rng.normal(size=4000) for _ in range(4)]
    lines = [0, 4000, 8000, 12000, 16000]
    fresh = np.concatenate(bars)
    assert belonging.most_repeated(fresh, lines, 2, rate) < 0.2
    late = np.concatenate([bars[0], bars[1], bars[2], 0.3 * np.roll(fresh, 12000 - 240)[12000:16000]])
    # bar 3 repeats samples 240 ... 4240, which lie 30 ms late in bar 0
    assert belonging.most_repeated(late, lines, 2, rate) == pytest.approx(1.0, abs=1e-3)
    too_late = np.concatenate([bars[0], bars[1], bars[2], np.roll(fresh, 12000 - 800)[12000:16000]])
    assert belonging.most_repeated(too_late, lines, 2, rate) < 0.2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 40), st.integers(0, 30))
def test_correlation_against_a_slow_loop(seed, count, lags):
    rng = np.random.default_rng(seed)
    piece, earlier = rng.normal(size=count), rng.normal(size=count + lags)
    slow = max(
        piece @ earlier[i : i + count] / (np.linalg.norm(piece) * np.linalg.norm(earlier[i : i + count]))
        for i in range(lags + 1)
    )
    assert belonging.best_correlation(piece, earlier) == pytest.approx(slow, abs=1e-6)


# Codec losses, sanity, statistics, tables


def test_codec_losses_of_known_changes():
    import torch

    from engine.models import features as F

    rng = np.random.default_rng(10)
    true = torch.from_numpy(rng.uniform(-50, -10, (60, F.CHANNELS))).float()
    nothing = losses(true, true)
    assert nothing["log_mel_db"] == 0.0 and nothing["onset_flux_correlation"] == pytest.approx(1.0)
    louder = losses(true, true + 2.0)
    assert louder["log_mel_db"] == pytest.approx(2.0, abs=1e-4)
    assert louder["loudness_db"] == pytest.approx(2.0, abs=1e-3)
    assert louder["left_right_db"] == pytest.approx(0.0, abs=1e-4)
    tilted = true.clone()
    tilted[:, : F.MELS] += 3.0
    assert losses(true, tilted)["left_right_db"] == pytest.approx(3.0, abs=1e-3)
    flicker = true + 2.0 * (-1.0) ** torch.arange(60)[:, None]
    found = losses(true, flicker)
    assert found["log_mel_db"] == pytest.approx(2.0, abs=1e-4)
    assert found["log_mel_smoothed_db"] == pytest.approx(0.4, abs=1e-3)


def test_faults_are_found_and_named():
    good = [np.full((100, 2), 0.1, np.float32)] * 2
    assert sanity.faults(good, [100, 100], 2) == []
    assert "off" in sanity.faults(good, [100, 101], 2)[0]
    assert "channels" in sanity.faults(good, [100, 100], 1)[0]
    assert "silent" in sanity.faults([bar * 0.01 for bar in good], [100, 100], 2)[0]
    assert "clipped" in sanity.faults([bar * 10 for bar in good], [100, 100], 2)[0]
    broken = [good[0], np.full((100, 2), np.nan, np.float32)]
    assert sanity.faults(broken, [100, 100], 2) == ["non-finite"]


@given(st.fractions(20, 400, max_denominator=1000), st.integers(0, 9), st.integers(1, 5), st.integers(8000, 96000))
def test_expected_lines_agree_with_timing(tempo, first, bars, rate):
    lines = TempoMap.constant(tempo, Meter(7, 8)).bar_boundaries(first, bars, rate)
    assert sanity.expected_lines(tempo, Fraction(7, 2), first, bars, rate) == [x - lines[0] for x in lines]


def test_intervals_hold_the_mean_and_shrink():
    rng = np.random.default_rng(11)
    few, many = rng.normal(5, 1, 20), rng.normal(5, 1, 2000)
    (a, b), (c, d) = stats.interval(few), stats.interval(many)
    assert a < few.mean() < b and c < 5 < d
    assert d - c == pytest.approx(4 * 0.98 / 2000**0.5, rel=0.15) and b - a > 5 * (d - c)
    summary = stats.summary([1.0, float("nan"), 3.0])
    assert summary["mean"] == 2.0 and summary["missing"] == 1 and stats.shown(stats.summary([])) == "-"


def test_whole_groups_are_drawn():
    groups = np.repeat(np.arange(5), 3)
    draws = stats.cluster_draws(groups, lambda rows: np.bincount(groups[rows], minlength=5), 50, 0)
    assert (draws % 3 == 0).all() and (draws.sum(1) == 15).all()


def test_tables_have_equal_rows():
    text = Table("T", ["a", "b"], [["1", "x|y"]], ["note"]).markdown()
    assert text.splitlines()[2:5] == ["| a | b |", "| --- | --- |", "| 1 | x/y |"] and "- note" in text


# The evaluation's own book-keeping


def test_results_are_kept_for_the_same_bundle_only(tmp_path: Path):
    from engine.training import evaluate

    about = {"bundle": "b", "label": "b", "clips": 8, "songs": 2, "modules": "x"}
    record = evaluate.stored(tmp_path / "results.json", about)
    assert record == {"about": about, "sections": {}}
    record["sections"]["sanity"] = {
        "clips": 4, "with_context": 2, "offenders": [], "seconds": 1.0, "threads": 2,
    }  # fmt: skip
    evaluate.save(record, tmp_path)
    assert evaluate.stored(tmp_path / "results.json", about) == record
    assert evaluate.stored(tmp_path / "results.json", {**about, "modules": "y"})["sections"] == {}
    (tmp_path / "results.json").write_text("{")
    assert evaluate.stored(tmp_path / "results.json", about)["sections"] == {}
    assert "Nothing broken" in (tmp_path / "results.md").read_text()
    assert evaluate.finite({"a": [float("nan"), 1.0]}) == {"a": [None, 1.0]}
