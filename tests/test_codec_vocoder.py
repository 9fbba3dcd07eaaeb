"""Features, codec, phases and synthesis against known signals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.models import codec as C
from engine.models import features as F
from engine.models import lows, phase
from engine.models import vocoder as V
from engine.models.noise import NoiseSource


def tone(hertz: float, seconds: float = 2.0, level: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * F.RATE_HZ)) / F.RATE_HZ
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_frames_are_centred_on_multiples_of_the_hop():
    click = np.zeros((F.RATE_HZ, 2), np.float32)
    click[40 * F.HOP] = 1.0
    features = F.analyse(click)
    assert features.shape == (F.frame_count(F.RATE_HZ), F.CHANNELS)
    assert features[:, 100].argmax() == 40


@pytest.mark.parametrize("hertz", [41.2, 55.0, 110.0, 220.0])
def test_long_windows_place_a_bass_note_within_five_cents(hertz):
    wave = torch.from_numpy(tone(hertz))
    low = F.low_db(wave).numpy()
    found = lows.advances(low[100:101])[0] * F.RATE_HZ / (2 * np.pi * phase.HOP)
    nearest = found[np.abs(found - hertz).argmin()]
    assert abs(1200 * np.log2(nearest / hertz)) < 5


@pytest.mark.parametrize("hertz", [41.2, 58.3, 82.4])
def test_coding_errors_of_a_decibel_leave_a_bass_note_in_tune(hertz):
    """The whole lobe is fitted; the parabola through its three top bands would be off by half a semitone at E1."""
    low = F.low_db(torch.from_numpy(tone(hertz))).numpy()[100]
    rng = np.random.default_rng(1)
    noisy = low + rng.normal(size=(200, F.LOW_BANDS)).astype(np.float32)
    offset, weights, _ = lows.peak_fit()
    band = int(low.argmax())
    fitted = F.low_centres_hz()[band] + (noisy @ weights + offset)[:, band]
    left, top, right = noisy[:, band - 1], noisy[:, band], noisy[:, band + 1]
    shift = 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-3)
    parabola = F.LOW_FIRST_HZ * 2.0 ** ((band + np.clip(shift, -0.5, 0.5)) / F.LOW_BANDS_PER_OCTAVE)
    off, naive = (np.sqrt(np.mean(np.square(1200 * np.log2(found / hertz)))) for found in (fitted, parabola))
    assert off < 12
    assert off < 0.5 * naive


def test_a_semitone_at_e1_moves_the_lows_far_more_than_the_mels():
    low, high = (F.analyse_tensor(torch.from_numpy(np.stack([tone(f)] * 2, 1)))[60:120] for f in (41.2, 43.65))
    change = (low - high).abs().mean(0)
    assert change[2 * F.MELS :].max() > 3 * change[: 2 * F.MELS].max()


def test_patches_keep_mels_exactly_and_lows_at_their_frames():
    features = torch.randn(2, 32, F.CHANNELS, generator=torch.Generator().manual_seed(0)) * 10 - 30
    back = C.unpatchify(C.patchify(features))
    mels = slice(0, 2 * F.MELS)
    torch.testing.assert_close(back[..., mels], features[..., mels], rtol=1e-4, atol=1e-4)


def test_the_linear_skip_is_pca_its_error_falls_as_the_spectrum_says():
    """With 64 components of data that has 64 dimensions the untrained codec is lossless."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(C.LATENTS, C.PATCH_WIDTH, generator=generator)
    patches = torch.randn(400, C.LATENTS, generator=generator) @ basis + 5.0
    model = C.Codec(width=16, blocks=1)
    model.init_from_pca(patches)
    with torch.no_grad():
        raw = model.encode_raw(patches[None])
        back = model.decode_raw(raw)[0]
    assert float((back - patches).abs().max()) < 0.05
    assert float(raw.std(1).mean()) == pytest.approx(1.0, abs=0.05)


def magnitudes(wave: np.ndarray) -> np.ndarray:
    return F.stft(torch.from_numpy(wave), phase.HOP).abs().numpy()


def resynthesise(magnitude: np.ndarray, phases: np.ndarray, samples: int) -> np.ndarray:
    spectrum = torch.from_numpy((magnitude * np.exp(1j * phases)).astype(np.complex64)).T
    wave = torch.istft(spectrum * (F.WINDOW / 4), F.WINDOW, phase.HOP, window=F.hann(), center=True, length=samples)
    return wave.numpy()


def convergence_db(target: np.ndarray, wave: np.ndarray) -> float:
    got = magnitudes(wave)
    return float(20 * np.log10(np.linalg.norm(got - target) / np.linalg.norm(target)))


def music(seconds: float = 3.0) -> np.ndarray:
    """Three plucked chords and clicks: tones that start, ring and stop, and broadband onsets."""
    wave = np.zeros(round(seconds * F.RATE_HZ), np.float32)
    for beat, root in enumerate((110.0, 146.8, 98.0)):
        for ratio in (1.0, 1.26, 1.5, 2.0, 3.0):
            note = tone(root * ratio, 1.0, 0.1) * np.exp(-3 * np.linspace(0, 1, F.RATE_HZ))
            wave[beat * F.RATE_HZ :][: F.RATE_HZ] += note.astype(np.float32)
        wave[beat * F.RATE_HZ + 100] += 0.8
    return wave


def test_phase_draft_beats_random_phases_and_zero_phases_by_far():
    wave = music()
    target = magnitudes(wave)
    low = F.low_db(torch.from_numpy(wave)).numpy().repeat(2, 0)[: len(target)]
    log = np.log(np.maximum(target, 1e-5))
    drafted = phase.draft(log, low, phase.PhaseState())
    rng = np.random.default_rng(0)
    good = convergence_db(target, resynthesise(target, drafted, len(wave)))
    random = convergence_db(target, resynthesise(target, rng.uniform(-3, 3, target.shape), len(wave)))
    assert good < -12
    assert good < random - 6


def test_phase_draft_of_chunks_equals_one_shot_away_from_chunk_edges_gradients():
    """Chunks share state; only the one-sided gradient at an edge may differ, so levels agree closely."""
    wave = music()
    target = magnitudes(wave)
    low = np.full((len(target), F.LOW_BANDS), F.FLOOR_DB, np.float32)
    log = np.log(np.maximum(target, 1e-5))
    state, parts = phase.PhaseState(), []
    for first in range(0, len(log), 90):
        parts.append(phase.draft(log[first : first + 90], low[first : first + 90], state))
    chunked = resynthesise(target, np.concatenate(parts), len(wave))
    assert convergence_db(target, chunked) < -12


def test_noise_source_repeats_by_index_and_has_median_level_zero():
    source = NoiseSource(3)
    np.testing.assert_array_equal(source.take(5, 4)[2], source.take(7, 1)[0])
    assert abs(np.log(np.abs(source.frames[:, 5:-5])).mean()) < 0.05


def test_an_untrained_vocoder_keeps_the_mel_envelope():
    """Its network starts at zero, so levels are the mels interpolated over the bins."""
    torch.manual_seed(0)
    voice = V.Vocoder().eval()
    mel = torch.full((1, 16, F.MELS), -40.0)
    with torch.no_grad():
        level, spread = voice(mel, torch.full((1, 16, F.LOW_BANDS), -60.0))
    assert level.shape == (1, 32, F.BINS)
    assert float((level + 40).abs().max()) < 0.01
    assert (spread > 0).all()


def tone_levels(hertz: float, seconds: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """(natural-log magnitudes at hop 256, long-window lows at the same frames) of a steady tone."""
    time = np.arange(round(seconds * F.RATE_HZ)) / F.RATE_HZ
    wave = torch.from_numpy((0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32))
    log = F.stft(wave, phase.HOP).abs().clamp_min(1e-5).log().numpy()
    low = F.low_db(wave).numpy().repeat(2, axis=0)
    count = min(len(log), len(low))
    return log[:count], low[:count]


def spoken_hertz(log: np.ndarray, phases: np.ndarray) -> float:
    """The frequency that comes out: overlap-add of the drafted frames, phase of the strongest bin over time."""
    spectra = torch.from_numpy(np.exp(log) * np.exp(1j * phases)) * (F.WINDOW / 4.0)
    wave = torch.istft(spectra.T, F.WINDOW, phase.HOP, window=F.hann(), center=True).numpy()
    middle = wave[len(wave) // 4 : -len(wave) // 4] * np.hanning(len(wave[len(wave) // 4 : -len(wave) // 4]))
    size = 1 << 21
    power = np.abs(np.fft.rfft(middle, size))
    return float(power.argmax() * F.RATE_HZ / size)


@pytest.mark.parametrize("midi", [31, 38, 45])
@pytest.mark.parametrize("off_cents", [-35.0, 30.0])
def test_basses_are_taken_to_the_nearest_note_of_the_tuning(midi, off_cents):
    note = 440.0 * 2 ** ((midi - 69) / 12)
    log, low = tone_levels(note * 2 ** (off_cents / 1200))
    for tuning, wanted_cents in ((None, off_cents), (0.0, 0.0), (20.0, 20.0 if off_cents > 0 else -80.0)):
        state = phase.PhaseState()
        state.tuning_cents = tuning
        heard = spoken_hertz(log, phase.draft(log, low, state))
        assert 1200 * np.log2(heard / note) == pytest.approx(wanted_cents, abs=12.0)


@pytest.mark.parametrize("cents", [-30.0, 0.0, 25.0])
def test_the_tuning_of_steady_lows_is_heard(cents):
    heard = [tone_levels(440.0 * 2 ** ((midi - 69 + cents / 100) / 12))[1] for midi in (33, 36, 40, 43)]
    assert lows.tuning_of(np.concatenate(heard)) == pytest.approx(cents, abs=8.0)


def test_lows_that_agree_on_nothing_stand_at_concert_pitch():
    spread = [tone_levels(440.0 * 2 ** ((36 - 69 + step) / 12), 1.0)[1] for step in np.arange(0, 5, 0.25)]
    assert lows.tuning_of(np.concatenate(spread)) == 0.0
    assert lows.tuning_of(np.full((100, F.LOW_BANDS), F.FLOOR_DB, np.float32)) == 0.0
