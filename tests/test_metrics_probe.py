"""The melody probe learns from labelled sound, and hears what it was never taught the pitch of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.training.metrics import probe

RATE = 48_000
NOTE_SECONDS = 0.4


def tune(pitches: list[int], seed: int) -> np.ndarray:
    """A lead of six harmonics over a held low fifth and noise, stereo."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(NOTE_SECONDS * RATE)) / RATE
    edge = np.minimum(1.0, np.minimum(time, NOTE_SECONDS - time) / 0.01)
    lead = np.concatenate(
        [
            edge * sum(np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * k * time) / k for k in range(1, 7))
            for p in pitches
        ]
    )
    whole = np.arange(len(lead)) / RATE
    pad = sum(np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * whole) for p in (40, 47, 52))
    wave = 0.1 * lead + 0.05 * pad + 0.003 * rng.normal(size=len(lead))
    return np.repeat(wave[:, None], 2, axis=1).astype(np.float32)


def labels(pitches: list[int]) -> np.ndarray:
    """Pitch at 20 Hz, -1 within 50 ms of a change."""
    times = np.arange(round(len(pitches) * NOTE_SECONDS * probe.FRAME_RATE_HZ)) / probe.FRAME_RATE_HZ
    inside = times % NOTE_SECONDS
    named = np.array(pitches)[np.minimum((times / NOTE_SECONDS + 1e-9).astype(int), len(pitches) - 1)]
    return np.where((inside > 0.06) & (inside < NOTE_SECONDS - 0.06), named, -1)


@pytest.fixture(scope="module")
def taught() -> probe.Probe:
    rng = np.random.default_rng(0)
    lessons = probe.Lessons([], [])
    for seed in range(8):
        pitches = [int(p) for p in rng.integers(60, 78, 16)]
        lessons.add(tune(pitches, seed), labels(pitches))
    return probe.train(lessons, steps=120, batch=32)


def test_unheard_tunes_are_heard_right(taught: probe.Probe) -> None:
    pitches = [61, 70, 66, 75, 63, 72, 68, 77, 64, 71]
    audio, wanted = tune(pitches, 99), labels(pitches)
    times = np.arange(len(wanted)) / probe.FRAME_RATE_HZ
    found = probe.heard(taught, audio, times)
    judged = wanted >= 0
    assert (found == wanted % 12)[judged].mean() > 0.9
    assert (found == (wanted + 1) % 12)[judged].mean() < 0.1


def test_a_probe_is_kept_as_it_is_and_trained_alike_twice(taught: probe.Probe, tmp_path) -> None:
    probe.save(taught, tmp_path / "probe.safetensors")
    again = probe.load(tmp_path / "probe.safetensors")
    views = probe.with_context(probe.spectra(tune([60, 67], 1)))
    torch.testing.assert_close(again.classes(views), taught.classes(views), rtol=0, atol=0)

    def quick() -> torch.Tensor:
        lessons = probe.Lessons([], [])
        lessons.add(tune([60, 64, 67], 2), labels([60, 64, 67]))
        return probe.train(lessons, steps=3).classes(views)

    torch.testing.assert_close(quick(), quick(), rtol=0, atol=0)


def test_without_a_note_to_learn_it_stays_untrained() -> None:
    lessons = probe.Lessons([], [])
    lessons.add(tune([60], 3), np.full(8, -1))
    assert isinstance(probe.train(lessons, steps=2), probe.Probe)


def test_spectra_rise_where_the_note_is() -> None:
    time = np.arange(RATE) / RATE
    wave = np.repeat(0.2 * np.sin(2 * np.pi * 440 * time)[:, None], 2, axis=1).astype(np.float32)
    found = probe.spectra(wave)
    assert found.shape == (21, 2, (probe.HIGHEST - probe.LOWEST) * probe.PER_SEMITONE)
    middle = found[5:-5]
    assert (middle.argmax(dim=-1) == (69 - probe.LOWEST) * probe.PER_SEMITONE).all()
    assert float(middle.max()) == pytest.approx(1.0) and float(found.min()) >= 0.0
    context = probe.with_context(found)
    assert context.shape[1] == 10 and torch.equal(context[0, :2], found[0]) and torch.equal(context[3, 8:], found[5])
