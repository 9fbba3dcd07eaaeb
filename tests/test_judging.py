"""The style judge, what is read from its probabilities, and the tables and pages that show it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from engine.models import features as F
from engine.training.corpus.captions import style_phrases
from engine.training.metrics import composer, exhibits, judge, report, scores, stats, verdicts, voices
from engine.training.metrics.phrasings import UNSEEN, seen
from engine.training.metrics.table import Table, beside

QUIET = Console(quiet=True)


def shelf(styles: int, songs: int, seed: int) -> judge.Shelf:
    """Songs of noise; a style is where its noise is loudest and how fast it pulses."""
    rng = np.random.default_rng(seed)
    views, labels = [], []
    for index in range(songs):
        style = index % styles
        one = rng.normal(size=(200, judge.BANDS)) * 0.3
        one[:, 8 * style : 8 * style + 8] += 1.0 + 0.5 * np.sin(np.arange(200) * (style + 1) / 3)[:, None]
        views.append((one + rng.normal() * 0.2).astype(np.float16))
        labels.append(style)
    return judge.Shelf(views, np.array(labels), tuple(f"style {i}" for i in range(styles)))


def test_judge_learns_styles_and_survives_its_file(tmp_path: Path) -> None:
    model = judge.fit(shelf(4, 24, 0), 6, QUIET)
    other = shelf(4, 12, 1)

    def right(which: judge.Judge) -> float:
        guesses = [
            which(judge.statistics(judge.pieces(torch.from_numpy(v.astype(np.float32)))))[1] for v in other.views
        ]
        return float(np.mean([g.sum(0).argmax() == label for g, label in zip(guesses, other.labels, strict=True)]))

    assert right(model) == 1.0
    judge.save(model, tmp_path / "judge.safetensors")
    again = judge.load(tmp_path / "judge.safetensors")
    assert again.styles == model.styles and right(again) == 1.0
    features = torch.randn(400, F.CHANNELS) * 10 - 40
    for a, b in zip(model.hear(features), again.hear(features), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.exp(model.hear(features)[1]).sum() == pytest.approx(1.0, abs=1e-5)


def test_training_the_judge_is_repeatable_and_leaves_global_chance_alone() -> None:
    state = torch.random.get_rng_state()
    first, second = (judge.fit(shelf(2, 6, 3), 1, QUIET) for _ in range(2))
    assert torch.equal(first.output.weight, second.output.weight)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_view_averages_sides_bands_and_frames() -> None:
    features = torch.randn(12, F.CHANNELS)
    got = judge.view(features)
    assert got.shape == (3, 64)
    left, right = features[4:8, 10:12], features[4:8, 128 + 10 : 128 + 12]
    wanted = (float(torch.stack([left, right]).mean()) - judge.CENTRE_DB) / judge.SPAN_DB
    assert float(got[1, 5]) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(("frames", "count"), [(20, 1), (96, 1), (143, 1), (144, 2), (288, 5)])
def test_long_clips_are_heard_in_half_overlapping_pieces(frames: int, count: int) -> None:
    one = torch.arange(frames, dtype=torch.float32)[:, None].expand(-1, judge.BANDS)
    cut = judge.pieces(one)
    assert cut.shape == (count, judge.FRAMES, judge.BANDS)
    assert cut[:, 0, 0].tolist() == [48.0 * i for i in range(count)]
    if frames < judge.FRAMES:
        assert cut[0, frames:, 0].tolist() == [frames - 1.0] * (judge.FRAMES - frames)


def test_statistics_hear_level_change_and_pulse() -> None:
    still = torch.zeros(1, judge.FRAMES, judge.BANDS)
    time = torch.arange(judge.FRAMES)[None, :, None]
    fast, slow = (torch.cos(2 * np.pi * time / period).expand_as(still) for period in (6, 24))
    found = judge.statistics(torch.cat([still, still + 1, fast, slow]))
    assert found.shape == (4, judge.STATISTICS)
    bands = judge.BANDS
    assert found[:2, :bands].tolist() == [[0.0] * bands, [1.0] * bands]
    assert float(found[0, bands : 4 * bands].abs().max()) == 0.0  # no spread, no change, no rise
    first = 4 * bands  # bin b of the padded transform is a period of 192 / b frames; bins 2 and 3 share a place
    pulse = found[:, first : first + judge.PULSES * judge.GROUPS].reshape(4, judge.PULSES, judge.GROUPS)
    assert int(pulse[2, :, 0].argmax()) == (192 // 6 - 2) // 2 and int(pulse[3, :, 0].argmax()) == (192 // 24 - 2) // 2


# What is read from probabilities


def test_inception_score_of_known_sets() -> None:
    sure = np.log(np.eye(4) * (1 - 4e-9) + 1e-9)
    assert scores.inception_score(sure) == pytest.approx(4.0, rel=1e-4)
    assert scores.inception_score(sure[[0, 0, 1, 1]]) == pytest.approx(2.0, rel=1e-4)
    assert scores.inception_score(np.log(np.full((5, 4), 0.25))) == pytest.approx(1.0)


@given(st.integers(0, 2**31), st.integers(2, 6))
def test_divergence_against_a_plain_sum(seed: int, styles: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(styles), 3) + 1e-6, rng.dirichlet(np.ones(styles), 3) + 1e-6
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    wanted = [sum(a * np.log(a / b) for a, b in zip(x, y, strict=True)) for x, y in zip(p, q, strict=True)]
    found = scores.divergence(np.log(p), np.log(q))
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert (found >= -1e-9).all() and scores.divergence(np.log(p), np.log(p)) == pytest.approx(0.0)


def test_right_style_and_unknown_labels() -> None:
    logp = np.log(np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]]))
    assert scores.right_style(logp, np.array([0, 0, -1])).tolist() == [1.0, 0.0, 0.0]


def test_intervals_are_over_whole_groups() -> None:
    """Twenty copies of five songs' values: as wide as five values' interval, not a hundred's."""
    values = np.repeat([0.0, 0.0, 1.0, 1.0, 1.0], 20)
    groups = np.repeat(np.arange(5), 20)
    found = scores.clustered_mean(values, groups)
    low, high = found["interval"]
    assert found["mean"] == 0.6 and found["n"] == 100 and high - low > 0.5
    alone = scores.clustered_mean(values, np.arange(100))["interval"]
    assert alone[1] - alone[0] < 0.25


@given(st.integers(0, 2**31), st.floats(-5, 5, allow_subnormal=False))
def test_centred_intervals_hold_the_estimate(seed: int, shift: float) -> None:
    draws = np.random.default_rng(seed).normal(size=(300, 2)) + shift
    low, high = stats.centred_interval(np.zeros(2), draws)
    assert (low <= 0).all() and (high >= 0).all()
    assert (high - low) == pytest.approx(np.ptp(np.quantile(draws, (0.025, 0.975), axis=0), axis=0))


def test_distances_of_pairs_by_hand() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 8.0]])
    assert scores.mean_distance(points) == pytest.approx((5 + 8 + 5) / 3)
    styles, groups = ["a", "a", "a", "b"], np.array([0, 1, 1, 2])
    data = np.concatenate([points, [[100.0, 0.0]]])
    assert scores.style_distance(data, styles, groups) == pytest.approx((5 + 8) / 2)  # pairs of two songs of one style
    assert np.isnan(scores.style_distance(data[:1], styles[:1], groups[:1]))


def test_nearest_takes_the_mean_off() -> None:
    known = np.array([[10.0, 1.0], [10.0, -1.0]])
    cosine, index = scores.nearest(np.array([[10.0, 0.2], [10.0, -3.0]]), known, known.mean(axis=0))
    assert index.tolist() == [0, 1] and cosine == pytest.approx([1.0, 1.0])
    opposed, _ = scores.nearest(np.array([[10.0, 0.2]]), known[1:], known.mean(axis=0))
    assert opposed == pytest.approx([-1.0])


def test_loudness_of_a_clip_is_that_of_its_tone() -> None:
    """BS.1770: a stereo sine of amplitude 0.1 at 1 kHz is -20 LUFS, as each channel adds half of -3.01 dB RMS."""
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(96_000) / 48_000)
    stereo = np.repeat(tone[:, None], 2, axis=1).astype(np.float32)
    assert voices.loudness(stereo) == pytest.approx(-20.0, abs=0.1)
    assert voices.loudness(stereo * np.float32(10)) == pytest.approx(0.0, abs=0.1)
    assert voices.loudness(np.zeros_like(stereo)) == -70.0


# Prompts, the composer, the page


def test_unseen_phrasings_were_not_seen() -> None:
    phrases = style_phrases()
    known = {phrase.lower() for group in phrases.values() for phrase in group}
    assert set(UNSEEN) == set(phrases)
    assert all(len(texts) == 4 and not known & {text.lower() for text in texts} for texts in UNSEEN.values())
    for style in UNSEEN:
        picked = seen(style, 4)
        assert len(set(picked)) == 4 and set(picked) <= set(phrases[style])


def test_the_composer_plays_in_the_asked_tempo_meter_and_key() -> None:
    target = composer.Target("folk", Fraction(97), (3, 4), 4, "major", 8.0, 5)
    song = composer.compose_for(target)
    assert song.tempo == 97 and song.key_root == 4 and song.style == target.style and song.meter == (3, 4)
    assert 8.0 <= float(song.bars * song.bar_beats * 60 / song.tempo) < 8.0 + 2.0 * 60 / 97 * 3
    again = composer.compose_for(target)
    assert [part.notes for part in again.parts] == [part.notes for part in song.parts]


def test_transposing_moves_pitches_and_leaves_drums() -> None:
    target = composer.Target("rock", Fraction(120), (4, 4), 0, "minor", 6.0, 1)
    song = composer.compose_for(target)
    moved = composer.transposed(song, 3)
    assert moved.key_root == 3
    for before, after in zip(song.parts, moved.parts, strict=True):
        gaps = {b.pitch - a.pitch for a, b in zip(before.notes, after.notes, strict=True)}
        assert gaps <= ({0} if before.group == "drums" else {3})
    assert all((a.root + 3) % 12 == b.root for a, b in zip(song.chords, moved.chords, strict=True))


def test_tables_side_by_side() -> None:
    header = ["", "x"]
    one = Table("T", header, [["a", "1"], ["b", "2"]], ["same", "only here"])
    two = Table("T", header, [["a", "3"], ["c", "4"]], ["same"])
    both = beside({"old": one, "new": two})
    assert both.header == ["", "bundle", "x"]
    assert both.rows == [["a", "old", "1"], ["a", "new", "3"], ["b", "old", "2"], ["c", "new", "4"]]
    assert both.remarks == ["same", "old: only here"]


def test_verdicts_follow_intervals_and_leave_out_what_was_not_measured() -> None:
    def entry(mean: float, low: float, high: float) -> dict[str, object]:
        return {"mean": mean, "interval": [low, high], "n": 9}

    row = {"timbre": {"distance": 9.0, "interval": [8.0, 9.5], "ratio": 1.05, "ratio interval": [1.0, 1.2]}}
    sections = {
        "codec": {
            "rows": {"both": {"log_mel_smoothed_db": entry(2.2, 2.0, 2.4), "loudness_lu": entry(-0.8, -1, -0.6)}}
        },
        "comparison": {"teacher": True, "rows": {"student, 4 steps": row}},
        "text": {"gap": entry(0.05, -0.02, 0.2), "rows": {"seen": {"style": {"mean": None}}}},
        "beat": {"rows": {"model": {"f": entry(0.6, 0.5, 0.7)}, "held-out": {"f": entry(0.8, 0.7, 0.9)}}},
        "timing": {
            "bands": {"click, above 2 kHz": {"rows": {"model": {"p50_ms": 5.2, "p95_ms": None}, "held-out": {}}}},
            "downbeats": {"model": entry(0.8, 0.6, 0.9), "held-out": entry(0.84, 0.71, 0.95)},
        },
        "belonging": {
            "rows": {"model": {"nearest": entry(0.7, 0.5, 0.9)}, "the song itself": {"nearest": entry(0.6, 0, 1)}}
        },
    }
    found = verdicts.table({"sections": sections})
    assert found is not None
    assert {line[0]: line[-1] for line in found.rows} == {
        "codec: log-mel error over 5 frames, dB": "yes",
        "codec: loudness, LU": "no",
        "student, 4 steps: timbre distance over the teacher's": "in doubt",
        "seen less unseen": "in doubt",
        "Beat-F over held-out clips' own": "no",
        "onsets above 2 kHz, p50, ms": "no",
        "downbeats right, by an ear": "yes",
        "continuations nearest to their own context": "no",
    }
    beside = {line[0]: line[2] for line in found.rows}
    assert beside["continuations nearest to their own context"].startswith("0.6") and beside["seen less unseen"] == "-"
    assert verdicts.table({"sections": {}}) is None
    sections["comparison"]["teacher"] = False
    again = verdicts.table({"sections": sections})
    assert again is not None and len(again.rows) == len(found.rows) - 1


def test_html_escapes_what_tables_and_captions_say(tmp_path: Path) -> None:
    table = Table("a <b>", ["", "<x>"], [["1 & 2", "<script>"]], ["<i>"])
    clip = {"style": "a", "caption": "<u>", "tempo": "90", "meter": "4/4"}
    listen = {"clips": [clip], "shown": {"real": ["real-0"]}}
    about = {"label": "<tiny>", "songs": 1, "clips": 1}
    record = {"about": about, "sections": {"comparison": {"seconds": 1.0, "threads": 1, "listen": listen}}}
    audio = (np.random.default_rng(0).normal(size=(48_000, 2)) * 3000).astype(np.int16)
    (tmp_path / "clips").mkdir()
    exhibits.picture(audio, [0.0, 0.5], tmp_path / "clips" / "real-0.png")
    (tmp_path / "clips" / "real-0.ogg").write_bytes(b"sound")
    page = report.build([report.Page(tmp_path, record)], {"comparison": table}, ["attacca <command>"])
    for tag in ("<script>", "<u>", "<i>", "<x>", "<command>", "<tiny>"):
        assert tag not in page
    assert page.count("data:audio/ogg;base64,") == page.count("data:image/png;base64,") == 1
