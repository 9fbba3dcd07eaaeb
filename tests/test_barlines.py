"""An ear that learns where bars begin from made-up bars hears how far others are turned."""

import numpy as np
import pytest
import torch

from engine.models import features as F
from engine.training.metrics import judge
from engine.training.metrics.barlines import MOST_BEATS, Bars, Ear, Lessons, train

STEPS = 40


def phases(beats: int, count: int, beat_frames: float, late: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(beat phase, bar phase) [count] at feature frames."""
    at = np.arange(count) / beat_frames + late
    return at % 1.0, (at / beats) % 1.0


def groove(beats: int, count: int, beat_frames: float, rng: np.random.Generator) -> torch.Tensor:
    """Features [count, CHANNELS]: low on the first beat, high on all others, in noise."""
    index = (np.arange(count) // beat_frames).astype(int)
    early = (np.arange(count) % beat_frames) < 6
    found = -60.0 + 2.0 * rng.normal(size=(count, F.CHANNELS))
    for low, high, here in ((0, 30, index % beats == 0), (60, 100, index % beats != 0)):
        for side in (0, F.MELS):
            found[np.ix_(np.flatnonzero(early & here), np.arange(side + low, side + high))] += 35.0
    return torch.from_numpy(found).float()


@pytest.fixture(scope="module")
def ear() -> Ear:
    rng = np.random.default_rng(0)
    views, bars = [], []
    for k in range(16):
        beats, beat_frames = (3, 4)[k % 2], float(rng.uniform(40, 60))
        views.append(judge.view(groove(beats, 1200, beat_frames, rng)))
        bars.append(Bars.of(*phases(beats, 1200, beat_frames)))
    return train(Lessons(views, bars), STEPS)


@pytest.mark.parametrize("beats", [3, 4])
def test_the_ear_hears_how_far_bars_are_turned(ear: Ear, beats: int) -> None:
    features = groove(beats, 1000, 47.0, np.random.default_rng(9))
    for turned in range(beats):
        assert ear.turn(features, Bars.of(*phases(beats, 1000, 47.0, late=float(turned)))) == turned


def test_bars_have_as_many_beats_as_the_beat_turns_in_them() -> None:
    for beats in range(1, MOST_BEATS + 1):
        bars = Bars.of(*phases(beats, 800, 31.7))
        assert bars.beats == beats and len(bars.phase) == 200


def test_no_way_to_lay_the_bars_is_preferred_beforehand() -> None:
    """Turning the bars by a beat moves every score by a place."""
    torch.manual_seed(1)
    model, view = Ear().eval(), judge.view(groove(4, 800, 50.0, np.random.default_rng(2)))[None]
    scores = []
    for turned in range(4):
        phase = torch.from_numpy(Bars.of(*phases(4, 800, 50.0, late=turned)).phase).float()[None]
        scores.append(model.scores(view, phase, torch.tensor([4.0]))[0, :4])
    for turned in range(4):
        torch.testing.assert_close(scores[turned], scores[0].roll(turned), rtol=1e-3, atol=1e-3)


def test_without_lessons_the_ear_stays_untrained() -> None:
    assert isinstance(train(Lessons([], []), 5), Ear)
