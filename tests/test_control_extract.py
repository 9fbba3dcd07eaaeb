"""What is read off features, held against the same reading of the sound that they come from."""

from __future__ import annotations

import itertools

import librosa
import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from engine.control import extract
from engine.controls import intensity_envelope
from engine.models import features as F
from engine.models.joint import Joint
from engine.models.similarity import Own
from engine.training.metrics.control import chroma_at

RATE = F.RATE_HZ


def features_of(audio: np.ndarray) -> torch.Tensor:
    return F.analyse_tensor(torch.from_numpy(audio.astype(np.float32)))[None]


def swelling_noise(seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    """Falling noise and a tone whose level runs from -45 to -10 dBFS and back."""
    n = round(seconds * RATE)
    noise = lfilter([1.0], [1.0, -0.9], np.random.default_rng(seed).standard_normal((n, 2)), axis=0)
    mix = noise / noise.std() + np.sin(2 * np.pi * 330 * np.arange(n) / RATE)[:, None]
    level = 10 ** ((-45 + 35 * np.sin(np.pi * np.arange(n) / n) ** 2) / 20)
    return np.asarray(mix / mix.std() * level[:, None], np.float32)


def melody(pitches: list[int], seconds: float = 0.5, partials: int = 6) -> np.ndarray:
    """Notes with falling partials, one after the other, over a soft bed of noise."""
    n = round(seconds * RATE)
    at = np.arange(n) / RATE
    shape = np.minimum(1, at / 0.01) * np.exp(-1.5 * at)
    notes = []
    for pitch in pitches:
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        notes.append(shape * sum(0.7**k * np.sin(2 * np.pi * k * hertz * at) / k for k in range(1, partials + 1)))
    wave = 0.2 * np.concatenate(notes)
    wave = wave + 1e-3 * np.random.default_rng(1).standard_normal(len(wave))
    return np.stack([wave, wave], axis=1).astype(np.float32)


def test_intensity_is_that_of_the_sound() -> None:
    audio = swelling_noise()
    found = extract.intensity_db(features_of(audio))[0].numpy()
    at, wanted = intensity_envelope(audio, RATE)
    error = found - np.interp(np.arange(len(found)) / F.FRAME_RATE_HZ, at, wanted)
    assert np.sqrt(np.square(error).mean()) < 0.4
    assert abs(error.mean()) < 0.2


def test_intensity_has_a_floor_and_counts_both_channels() -> None:
    one_side = np.zeros((RATE, 2), np.float32)
    one_side[:, 0] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    level = extract.intensity_db(features_of(one_side))[0]
    assert float(level[40:50].mean()) == pytest.approx(10 * np.log10(0.125 / 2), abs=0.3)
    assert float(extract.intensity_db(features_of(np.zeros((RATE, 2)))).min()) >= extract.FLOOR_DB


def test_the_strongest_pitch_class_is_that_of_a_constant_q_chroma_of_the_sound() -> None:
    pitches = [60, 64, 67, 72, 71, 69, 65, 62, 63, 66, 68, 70, 73, 76, 79, 58]
    audio = melody(pitches)
    features = features_of(audio)
    frames = extract.chroma_frames(features.shape[1]).numpy() / F.FRAME_RATE_HZ
    inside = (frames % 0.5 > 0.1) & (frames % 0.5 < 0.4) & (frames < len(pitches) / 2)
    found = extract.log_classes(extract.pitch_power(features))[0].argmax(-1).numpy()[inside]
    wanted = chroma_at(audio, frames[inside]).argmax(0)
    played = np.array(pitches)[(frames[inside] / 0.5).astype(int)] % 12
    assert (found == wanted).mean() > 0.9
    assert (found == played).mean() > 0.9


@pytest.mark.parametrize("pitch", [31, 43, 50, 57, 62, 66, 70, 74, 81, 88])
def test_a_tone_is_found_at_its_pitch(pitch: int) -> None:
    wave = 0.1 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(RATE // 2) / RATE)
    levels = extract.pitch_power(features_of(np.stack([wave, wave], 1)))[0, 4:-4].mean(0)
    assert int(levels.argmax()) + extract.LOWEST_PITCH == pytest.approx(pitch, abs=0)


def test_classes_and_octaves_are_probabilities() -> None:
    pitches = extract.pitch_power(features_of(melody([60, 72])))
    assert torch.allclose(extract.log_classes(pitches).exp().sum(-1), torch.ones(1), atol=1e-5)
    count = pitches.shape[1]
    low, high = (extract.log_octaves(pitches, torch.full((count,), pitch)) for pitch in (60, 72))
    first, second = slice(5, count // 2 - 4), slice(count // 2 + 4, count - 3)
    assert (low[0, first] > high[0, first]).float().mean() > 0.8
    assert (high[0, second] > low[0, second]).float().mean() > 0.8
    everything = [extract.log_octaves(pitches, torch.full((count,), 24 + 12 * octave)).exp() for octave in range(7)]
    assert torch.allclose(torch.stack(everything).sum(0), torch.ones(1), atol=1e-5)


def test_mfcc_rows_are_librosas_of_the_same_mels() -> None:
    features = features_of(swelling_noise(2.2))
    edges = extract.row_edges(features.shape[1])
    assert edges == [0, 47, 94, 141, 188]
    found = extract.mfcc_rows(features, edges)[0].numpy()
    power = 10 ** (features[0].numpy().astype(np.float64) / 10)
    mid = 10 * np.log10(0.5 * (power[:, : F.MELS] + power[:, F.MELS : 2 * F.MELS]))
    whole = librosa.feature.mfcc(S=mid.T, n_mfcc=21, dct_type=2, norm="ortho")[2:]
    wanted = np.stack([whole[:, a:b].mean(1) for a, b in itertools.pairwise(edges)])
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-2)
    cosine = extract.self_similarity(torch.from_numpy(found)[None])[0].numpy()
    unit = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(cosine, unit @ unit.T, atol=1e-4)


def test_rows_lie_on_a_grid_of_half_seconds() -> None:
    edges = extract.row_edges(94 * 30)
    assert np.abs(np.array(edges) / F.FRAME_RATE_HZ - 0.5 * np.arange(len(edges))).max() < 0.006


@pytest.mark.parametrize("seconds", [1.2, 7.0])
def test_the_embedding_is_the_one_that_similarity_hears(seconds: float) -> None:
    torch.manual_seed(0)
    joint, audio = Joint(3, 4).eval(), swelling_noise(seconds)
    with torch.no_grad():
        found = extract.embedding(joint, features_of(audio))[0].numpy()
    np.testing.assert_allclose(found, Own(joint).clips([audio])[0], atol=1e-5)
