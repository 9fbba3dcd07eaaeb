"""The control benchmark's tasks and scores, and one small run of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.signal import lfilter

from benchmarks.control import __main__ as control
from benchmarks.control import arranging, notes, table
from benchmarks.control.melodies import TUNES, Tune
from benchmarks.control.page import page
from benchmarks.control.systems import COLUMNS, FREE, STEPPED, TRAINED
from benchmarks.control.tasks import (
    CURVES,
    FORMS,
    KINDS,
    Ears,
    Heard,
    bars_of,
    curve,
    intensity_task,
    melody_task,
    part_task,
)  # fmt: skip
from engine.controls import check, monophonic
from engine.training.metrics import ditto
from engine.training.metrics.control import TimedNote
from engine.types import MODEL_RATE_HZ, Audio
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


def heard(audio: np.ndarray) -> Heard:
    """A clip that is its own uncontrolled one."""
    sound = audio.astype(np.float32)
    return Heard(sound, sound)


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
    score = [task.score(heard(audio), Ears())["intensity MSE, dB^2"] for audio in (follows, flat)]
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
    sung, missed = task.score(heard(audio), Ears()), other.score(heard(audio), Ears())
    assert sung["melody accuracy, CQT"] > 0.9 and sung["melody notes with octave, pYIN, F1"] > 0.7
    assert missed["melody accuracy, CQT"] < 0.6 and missed["melody notes with octave, pYIN, F1"] < 0.4


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


def clicks(seconds: float, places: list[float], seed: int = 0) -> Audio:
    """Short bursts of noise."""
    audio, rng = np.zeros((round(seconds * MODEL_RATE_HZ), 2)), np.random.default_rng(seed)
    fade = np.exp(-np.arange(2400) / 400.0)[:, None]
    for place in places:
        first = round(place * MODEL_RATE_HZ)
        audio[first : first + 2400] += (0.2 * fade * rng.standard_normal((2400, 2)))[: len(audio) - first]
    return (audio + 1e-4 * rng.standard_normal(audio.shape)).astype(np.float32)


def rising(seconds: np.ndarray) -> np.ndarray:
    return -30.0 + 2.0 * seconds


def test_a_fader_is_told_from_an_arrangement() -> None:
    """Even clicks under a rising gain against clicks that come closer together."""
    even = clicks(6, [0.21 * k for k in range(28)])
    faded = arranging.ridden(even, 2.0 * np.arange(601) / 100.0)
    denser = clicks(6, [6 * (k / 47) ** 0.5 for k in range(47)])
    name = "curve and onset density, rank correlation"
    assert arranging.arranges(denser, rising, None)[name] > 0.8
    assert not abs(arranging.arranges(faded, rising, None)[name]) > 0.5
    assert arranging.share_of_gain(faded, even) > 0.95
    assert arranging.share_of_gain(clicks(6, [0.1 + 0.37 * k for k in range(15)], 1), even) < 0.3


def test_a_clip_at_one_level_is_level() -> None:
    faded = arranging.ridden(clicks(4, [0.125 * k for k in range(32)]), np.linspace(-20, 0, 401))
    level = arranging.level_db(arranging.equalised(faded))[50:-50]
    assert np.abs(level - arranging.LEVEL_DB).max() < 0.7


def test_a_brighter_end_is_a_higher_centroid() -> None:
    noise = np.random.default_rng(0).standard_normal((6 * MODEL_RATE_HZ, 2))
    dark, half = lfilter([0.05], [1, -0.95], noise, axis=0), 3 * MODEL_RATE_HZ
    audio = 0.05 * np.concatenate([dark[:half], noise[half:]]).astype(np.float32)
    assert arranging.arranges(audio, rising, None)["curve and spectral centroid, rank correlation"] > 0.7


def test_notes_are_matched_by_pitch_octave_and_start() -> None:
    tune = [TimedNote(60, 0.0, 0.5), TimedNote(62, 0.5, 1.0), TimedNote(64, 1.0, 1.5)]
    moved = [TimedNote(n.pitch, n.start + 0.04, n.end) for n in tune]
    assert notes.f1(moved, tune) == 1.0
    assert notes.f1([TimedNote(n.pitch + 12, n.start, n.end) for n in tune], tune) == 0.0
    assert notes.f1([TimedNote(n.pitch, n.start + 0.06, n.end) for n in tune], tune) == 0.0
    assert notes.f1([*moved, TimedNote(60, 2.0, 2.5)], tune) == pytest.approx(6 / 7)
    found = notes.segments(np.array([60] * 20 + [-1] * 5 + [62] * 2 + [64] * 30))
    assert [note.pitch for note in found] == [60, 64] and found[1].start == pytest.approx(27 * 256 / 22050)


def test_what_moves_outside_of_a_targets_bars_is_seen() -> None:
    task = part_task(0)
    seconds = 16 * 60 / float(task.asked.tempo or 0)
    free = clicks(seconds, [0.25 * k for k in range(int(4 * seconds))])
    other, late = clicks(seconds, [0.1 + 0.3 * k for k in range(20)], 1), free.copy()
    late[round(0.6 * len(late)) :] *= 0.1
    names = [f"bars {where}: change over that of another seed" for where in ("without a target", "with one")]
    found = task.score(Heard(late, free, other), Ears())
    assert found[names[0]] < 0.02 and found[names[1]] > 0.3
    assert task.score(Heard(other, free, other), Ears())[names[0]] == pytest.approx(1.0)
    assert task.score(Heard(free, free, other), Ears()) == {}


def run(tmp_path: Path, *more: str) -> tuple[dict, str]:
    """(the line, what was said) of a small run."""
    options = ["--bundle", str(tmp_path / "tiny"), "--clips", "1", "--iterations", "2", "--steps", "1"]
    options += ["--results", str(tmp_path / "r.jsonl"), "--figures", str(tmp_path / "f.json")]
    done = CliRunner().invoke(control.main, [*options, "--out", str(tmp_path / "out"), *more], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads((tmp_path / "r.jsonl").read_text().splitlines()[-1]), done.output


def test_a_run_goes_on_where_it_was_and_gives_a_table_and_a_line(tmp_path: Path) -> None:
    make_bundle(tmp_path / "tiny")
    part, _ = run(tmp_path, "--targets", "intensity,part", "--columns", f"{FREE}; {TRAINED}")
    assert list(part["rows"]["intensity MSE, dB^2"]) == [FREE, TRAINED]
    made = len((tmp_path / "out" / "rows.jsonl").read_text().splitlines())
    line, said = run(tmp_path, "--targets", "intensity,part")
    row = line["rows"]["intensity MSE, dB^2"]
    assert list(row) == list(COLUMNS[:4]) and all(cell["n"] == 1 for cell in row.values())
    assert row[FREE] == part["rows"]["intensity MSE, dB^2"][FREE]
    assert "intensity 0 + optimised" in said and "intensity 0 uncontrolled" not in said
    again, said = run(tmp_path, "--targets", "intensity,part", "--stored")
    assert again["rows"] == line["rows"] and "processor" not in said.splitlines()[0]
    assert len((tmp_path / "out" / "rows.jsonl").read_text().splitlines()) == made + 6
    bars = again["rows"]["bars without a target: change over that of another seed"]
    assert set(bars) == {TRAINED, STEPPED}
    shown = tmp_path / "page.md"
    told = ["--report", "--figures", str(tmp_path / "f.json"), "--page", str(shown)]
    assert CliRunner().invoke(control.main, told, catch_exceptions=False).exit_code == 0
    assert shown.read_text() == page(json.loads((tmp_path / "f.json").read_text()))
    assert "| intensity MSE, dB^2 | 1 | " in shown.read_text() and "K = 2" in shown.read_text()


def test_summaries_and_ratios_are_of_the_same_clips() -> None:
    row = {"kind": "melody", "column": FREE, "index": 0, "scores": {"m": 1.0, "gone": float("nan")}}
    timed = {"seconds": 2.0, "cpu_seconds": 1.0}
    found = table.values([{**row, **timed}, {**row, **timed, "column": TRAINED, "cpu_seconds": 3.0}])
    assert "gone" not in found and found["m"][FREE] == {0: 1.0}
    assert table.ratios(found, FREE, [TRAINED], table.CPU) == {TRAINED: [3.0]}
    many = table.summary([1.0, 3.0, 2.0])
    assert many == {"n": 3, "p50": 2.0, "p10": pytest.approx(1.2), "p90": pytest.approx(2.8), "mean": 2.0}
