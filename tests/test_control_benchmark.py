"""The control benchmark's tasks and scores, and one small run of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.signal import lfilter

from benchmarks import control
from benchmarks.control_tasks import CURVES, FORMS, KINDS, Ears, bars_of, curve, intensity_task, melody_task
from benchmarks.melodies import TUNES, Tune
from engine.controls import check, monophonic
from engine.training.metrics import ditto
from engine.types import MODEL_RATE_HZ
from tests.tiny_bundle import make_bundle


@pytest.mark.parametrize("tune", TUNES, ids=lambda tune: tune.name)
def test_a_tune_is_one_voice_within_its_bars(tune: Tune) -> None:
    bars, quarters = bars_of(tune.tempo, tune.meter)
    notes = tune.notes(quarters)
    assert 4.5 <= quarters * 60 / float(tune.tempo) <= 8 and bars >= 2
    assert monophonic(notes) == notes and len(notes) >= 6
    assert max(note.beat + note.length for note in notes) <= quarters
    assert all(48 <= note.pitch <= 84 for note in notes)
    assert [note.pitch + 2 for note in notes] == [note.pitch for note in tune.notes(quarters, 2)]


def test_a_tune_is_what_is_known_of_it() -> None:
    """Ode to Joy begins E E F G G F E D on the beats."""
    notes = TUNES[0].notes(8.0)
    assert [note.pitch for note in notes] == [64, 64, 65, 67, 67, 65, 64, 62]
    assert [note.beat for note in notes] == list(range(8))


@pytest.mark.parametrize("kind", KINDS)
def test_tasks_are_requests_that_can_be_rendered(kind: str) -> None:
    for index in range(8):
        task = KINDS[kind](index)
        check(task.asked)
        check(task.free)
        assert task.asked.seed == task.free.seed and task.asked.bars == task.free.bars
        assert task.asked != task.free


@pytest.mark.parametrize("kind", CURVES)
def test_curves_stay_within_their_bars(kind: str) -> None:
    points = curve(kind, 12.0, np.random.default_rng(1))
    assert all(0 <= beat <= 12 and -40 < db < -10 for beat, db in points)
    assert [beat for beat, _ in points] == sorted(beat for beat, _ in points)
    assert max(db for _, db in points) - min(db for _, db in points) > 8


def test_sound_that_follows_its_curve_scores_better_than_sound_that_does_not() -> None:
    task = intensity_task(0)
    assert task.asked.intensity is not None
    seconds = task.asked.bars * 4 * 60 / float(task.asked.tempo or 0)
    at = np.arange(round(seconds * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    level = np.interp(
        at * float(task.asked.tempo or 0) / 60, *zip(*((p.beat, p.db) for p in task.asked.intensity), strict=True)
    )
    noise = np.random.default_rng(0).standard_normal((len(at), 2))
    follows, flat = (noise * 10 ** (db / 20) for db in (level[:, None], np.full((len(at), 1), -20.0)))
    score = [task.score(audio.astype(np.float32), Ears())["intensity MSE, dB^2"] for audio in (follows, flat)]
    assert score[0] < 1.0 < 10.0 < score[1]


def test_a_sung_melody_scores_better_than_another() -> None:
    task, other = melody_task(0), melody_task(2)
    assert task.asked.melody is not None
    beat = 60 / float(task.asked.tempo or 0)
    audio = np.zeros((round(8 * MODEL_RATE_HZ), 2), np.float32)
    for note in task.asked.melody:
        first, count = round(note.beat * beat * MODEL_RATE_HZ), round(note.length * beat * MODEL_RATE_HZ)
        tone = 0.2 * np.sin(2 * np.pi * 440 * 2 ** ((note.pitch - 69) / 12) * np.arange(count) / MODEL_RATE_HZ)
        audio[first : first + count] += tone[:, None].astype(np.float32)
    assert task.score(audio, Ears())["melody accuracy, CQT"] > 0.9
    assert other.score(audio, Ears())["melody accuracy, CQT"] < 0.6


@pytest.mark.parametrize("reading", [ditto.similarity_of, ditto.similarity_by_librosa])
def test_structure_is_read_off_sound(reading) -> None:
    """Two seconds each of A, B, A, noises with a hump at 500 Hz and at 6 kHz: near 1 within a letter, less between."""
    noise, n = np.random.default_rng(0).standard_normal((6 * MODEL_RATE_HZ, 2)), 2 * MODEL_RATE_HZ
    dark, bright = (
        lfilter([1.0], [1.0, -1.9 * np.cos(2 * np.pi * hertz / MODEL_RATE_HZ), 0.9025], noise, axis=0)
        for hertz in (500, 6000)
    )
    audio = dark / dark.std()
    audio[n : 2 * n] = (bright / bright.std())[n : 2 * n]
    found = reading((0.05 * audio).astype(np.float32))
    assert found.shape[0] in (11, 12)
    assert found[1:3, 9:11].min() > 0.8
    assert found[1:3, 5:7].max() < found[1:3, 9:11].min() - 0.1
    wanted = np.array([[float(a == b) for b in "AAAABBBBAAAA"] for a in "AAAABBBBAAAA"])
    assert ditto.structure_mse(wanted, wanted) == 0.0
    assert ditto.structure_mse(found, wanted) < ditto.structure_mse(np.ones((12, 12)), wanted)
    assert set("".join(FORMS)) <= set("ABC")


def test_summaries_leave_out_what_could_not_be_judged() -> None:
    found = control.summary([1.0, float("nan"), 3.0, 2.0])
    assert found["n"] == 3 and found["p50"] == 2.0 and found["p10"] == pytest.approx(1.2)
    assert control.cell(control.summary([])) == "-"


def test_one_run_gives_one_table_and_one_line(tmp_path: Path) -> None:
    make_bundle(tmp_path / "tiny")
    options = ["--bundle", str(tmp_path / "tiny"), "--clips", "1", "--iterations", "2", "--steps", "1"]
    options += ["--targets", "intensity", "--results", str(tmp_path / "r.jsonl"), "--markdown", str(tmp_path / "t.md")]
    done = CliRunner().invoke(control.main, options, catch_exceptions=False)
    assert done.exit_code == 0
    line = json.loads((tmp_path / "r.jsonl").read_text())
    row = line["rows"]["intensity MSE, dB^2"]
    assert list(row) == list(control.COLUMNS[:4]) and all(cell["n"] == 1 for cell in row.values())
    page = (tmp_path / "t.md").read_text()
    assert page.splitlines()[0] == f"| p50 [p10, p90] | {' | '.join(control.COLUMNS[:4])} |"
    assert "intensity MSE, dB^2 | " in page and "K = 2" in page
