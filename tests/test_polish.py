"""Polishing codec and vocoder: the wave of training is the wave that ships, losses that blur does not win, critics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.numpy import save_file

from engine.models import features as F
from engine.models import phase
from engine.models import vocoder as V
from engine.models.codec import Codec
from engine.models.noise import NoiseSource
from engine.models.synthesis import Synthesis
from engine.training import drafting, polish, speaking
from engine.training import texture as X
from engine.training.adversary import Adversary, critics_loss
from engine.training.discriminators import Critics
from engine.training.temper import choose, temper
from engine.training.vocoder import AudioWindows


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plucks(seconds: float = 1.0) -> np.ndarray:
    """Two channels: a plucked tone with a second one later, and hiss, [2, samples]."""
    time = np.arange(round(seconds * F.RATE_HZ)) / F.RATE_HZ
    first = np.sin(2 * np.pi * 110 * time) * np.exp(-3 * time)
    second = 0.4 * np.sin(2 * np.pi * 652 * time) * np.exp(-5 * time) * (time > 0.4)
    hiss = np.random.default_rng(0).normal(size=len(time)) * 0.05
    return np.stack([first + second, 0.5 * first + hiss]).astype(np.float32) * 0.4


def test_drafting_in_batches_equals_the_shipped_draft():
    wave = torch.from_numpy(plucks())
    log = F.stft(wave, phase.HOP).abs().clamp_min(1e-5).log()
    low = F.low_db(wave).repeat_interleave(2, dim=1)[:, : log.shape[1]]
    found = drafting.draft(log, low).numpy()
    for one, level, lows in zip(found, log.numpy(), low.numpy(), strict=True):
        off = np.angle(np.exp(1j * (one - phase.draft(level, lows, phase.PhaseState()))))
        assert np.mean(np.abs(off) > 0.05) < 0.01


def test_the_wave_of_training_is_the_wave_that_ships():
    synthesis = Synthesis(V.Vocoder(width=16, blocks=1), seed=4)
    wave = torch.from_numpy(plucks())
    level = (20 * F.stft(wave, V.HOP).abs().clamp_min(1e-4).log10())[:, :120]
    spread = 8.0 * torch.rand(2, 120, V.SPREADS, generator=generator())
    share = V.noise_share(level, spread @ V.spread_map())
    low = F.low_db(wave.mean(0))[:60]
    common, own = (torch.from_numpy(NoiseSource(seed).take(0, 120)) for seed in (9, 10))
    noise = V.stereo_noise(common, own, V.noise_width(level), 2)
    phases = speaking.drafted(level[None], low[None])
    found = speaking.spoken(level[None], share[None], phases, noise[None])[0]
    shipped = synthesis.speak(level.numpy(), spread.numpy(), low.numpy())[speaking.EDGE :].T
    np.testing.assert_allclose(found.numpy(), shipped, atol=2e-4)


def test_features_of_a_batch_are_the_features_of_each():
    audio = torch.randn(3, 9000, 2, generator=generator()) * 0.1
    together = F.analyse_tensor(audio)
    for one, clip in zip(together, audio, strict=True):
        torch.testing.assert_close(one, F.analyse_tensor(clip), rtol=0, atol=1e-3)


def test_noise_of_a_mono_sound_is_mono_and_of_a_wide_one_wide():
    level = torch.full((2, 3, F.BINS), -30.0)
    assert float(V.noise_width(level).max()) == 0.0
    level[0] += 6.0
    assert float(V.noise_width(level).min()) == pytest.approx(V.WIDTH)
    assert float(V.noise_width(level[:1]).max()) == 0.0
    level[:, 1] = V.FLOOR_DB
    assert V.noise_width(level)[1] == 0.0


@pytest.mark.parametrize("width", [0.0, 0.2, 0.5, 1.0])
def test_width_is_the_share_of_power_that_channels_do_not_share(width):
    common, own = (torch.randn(400, 64, dtype=torch.complex64, generator=generator(s)) for s in (1, 2))
    left, right = V.stereo_noise(common, own, torch.full((400,), width), 2)
    power = (left.abs().square().mean() + right.abs().square().mean()) / 2
    correlation = (left * right.conj()).real.mean() / power
    assert float(power) == pytest.approx(1.0, abs=0.03)
    assert float(correlation) == pytest.approx(1 - 2 * width, abs=0.03)


def test_energy_score_is_least_at_the_true_spread():
    """For normal draws of deviation s around a truth of deviation 1: sqrt(2/pi) (sqrt(1 + s^2) - s / sqrt(2))."""
    source = generator()
    first, second, true = (torch.randn(200_000, generator=source) for _ in range(3))
    scores = {}
    for spread in (0.0, 0.5, 1.0, 2.0):
        scores[spread] = float(X.energy_score(spread * first, spread * second, true, torch.ones(())))
        expected = (2 / np.pi) ** 0.5 * ((1 + spread**2) ** 0.5 - spread / 2**0.5)
        assert scores[spread] == pytest.approx(expected, abs=0.01)
    assert min(scores, key=lambda spread: scores[spread]) == 1.0


def test_texture_score_prefers_fresh_noise_to_a_smooth_copy_and_to_noise_on_a_tone():
    hiss = [torch.randn(2, 2, 24_000, generator=generator(seed)) * 0.1 for seed in range(3)]
    tone = (torch.sin(torch.arange(24_000) * 0.2) * 0.1).expand(2, 2, -1)
    assert X.texture_score(*hiss) < 0.7 * X.texture_score(tone, tone, hiss[2])
    clean = X.texture_score(tone * 0.9, tone * 0.9, tone)
    assert clean < 0.5 * X.texture_score(tone + 0.1 * hiss[0], tone + 0.1 * hiss[1], tone)


def test_energy_error_is_the_gain_and_attack_error_ignores_where_in_a_block():
    quiet = torch.full((1, 32, F.CHANNELS), -30.0)
    assert float(X.energy_error(quiet + 3.0, quiet)) == pytest.approx(3.0, abs=1e-3)
    early, late, half = (quiet.clone() for _ in range(3))
    early[:, 13:], late[:, 14:], half[:, 13:] = -10.0, -10.0, -20.0
    assert float(X.attack_error(late, early)) < 0.01
    assert float(X.attack_error(half, early)) > 1.0


def test_pitch_error_is_in_cents_and_deaf_to_level():
    def heard(hertz: float, gain: float = 0.3) -> torch.Tensor:
        tone = gain * torch.sin(2 * np.pi * hertz * torch.arange(F.RATE_HZ) / F.RATE_HZ)
        return F.analyse_tensor(torch.stack([tone, tone], dim=1))[None, 20:70]

    for hertz in (41.2, 82.4, 164.8):
        assert float(X.pitch_error(heard(hertz, 0.1), heard(hertz))) < 0.5
        for cents in (-12.0, 20.0):
            moved = heard(hertz * 2 ** (cents / 1200))
            assert float(X.pitch_error(moved, heard(hertz))) == pytest.approx(abs(cents), abs=2.5)


@pytest.fixture
def windows(tmp_path: Path) -> AudioWindows:
    song = (np.tile(plucks(), 2).T * 32767).astype(np.int16)
    save_file({"audio": np.ascontiguousarray(song)}, str(tmp_path / "song.safetensors"))
    return AudioWindows([tmp_path / "song.safetensors"], np.random.default_rng(0))


def test_windows_are_detuned_by_as_many_cents_as_asked(windows):
    time = np.arange(60_000) / F.RATE_HZ
    windows.songs = [(np.sin(2 * np.pi * 1000 * time)[:, None] * np.full(2, 20_000.0)).astype(np.int16)]
    found = []
    for wave in windows.batch(24, np.random.default_rng(0), 60.0):
        assert wave.shape == (windows.samples, 2)
        spectrum = np.abs(np.fft.rfft(wave[:, 0] * np.hanning(len(wave)), 1 << 19))
        found.append(1200 * np.log2(spectrum.argmax() * F.RATE_HZ / (1 << 19) / 1000))
    plain = np.abs(found) < 0.2
    assert 0.2 < plain.mean() < 0.8
    assert 30 < np.abs(found).max() < 60.5
    assert np.min(found) < -10 < 10 < np.max(found)


def untrained() -> tuple[Codec, V.Vocoder]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec, vocoder = Codec(width=32, blocks=1), V.Vocoder(width=32, blocks=1)
    codec.mean.fill_(-40.0)
    return codec, vocoder


def test_polishing_moves_decoder_and_vocoder_and_leaves_every_latent_alone(windows, tmp_path):
    codec, vocoder = untrained()
    features = torch.rand(1, 64, F.CHANNELS, generator=generator()) * -60
    with torch.no_grad():
        latents, decoded = codec.encode(features), codec.decode(codec.encode(features))
    before = vocoder.level.weight.clone()
    model = polish.Sounder(codec, vocoder)
    task = polish.Polish(model, windows, 1, 2)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(task.step(0.0)["loss"])
        optimizer.step()
    moved = {name.partition(".")[0] for name, p in codec.named_parameters() if p.grad is not None}
    assert moved == {"up", "decoder"}
    assert all(p.grad is not None for p in vocoder.parameters())
    with torch.no_grad():
        torch.testing.assert_close(codec.encode(features), latents, rtol=0, atol=0)
        assert not torch.equal(codec.decode(latents), decoded)
    assert not torch.equal(vocoder.level.weight, before)


def test_polish_trains_resumes_and_uses_critics(tmp_path, monkeypatch):
    monkeypatch.setattr(polish, "TEMPERED_CLIPS", 2)
    song = (np.tile(plucks(), 2).T * 32767).astype(np.int16)
    save_file({"audio": np.ascontiguousarray(song)}, str(tmp_path / "song.safetensors"))
    codec, vocoder = untrained()
    files, console = [tmp_path / "song.safetensors"], Console(quiet=True)
    polish.train(files, codec, vocoder, 0.01, tmp_path, 1, console, batch=1, adversarial=True)
    assert {"polish.safetensors", "critics.safetensors"} <= {path.name for path in tmp_path.iterdir()}
    other, voice = untrained()
    polish.train(files, other, voice, 0.01, tmp_path, 1, console, batch=1, adversarial=True)
    for a, b in zip(codec.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_offset_is_chosen_where_both_steps_fit_best():
    offsets = (0.5, 0.0, -0.5, -1.0)
    across = np.array([[0.8, 1.2], [0.9, 1.1], [1.0, 1.0], [1.1, 0.9]])
    ratios = np.stack([across, across[:, ::-1]], axis=1)
    np.testing.assert_allclose(choose(np.array(ratios), offsets), [-0.5, -0.5])
    np.testing.assert_allclose(choose(np.exp(np.array([[[1.0]], [[0.5]]]).repeat(2, 1)), (0.0, -1.0)), [-1.0])


@pytest.mark.parametrize(("bias", "tones", "sign"), [(1.0, True, -1), (-2.5, False, 1)])
def test_tempering_takes_hiss_from_tones_and_gives_it_to_noise(bias, tones, sign):
    codec, vocoder = untrained()
    with torch.no_grad():
        vocoder.spread.bias.fill_(bias)
    codec.encode = lambda features: features  # type: ignore[method-assign]
    codec.decode = lambda features: features.mean(dim=1, keepdim=True).expand_as(features)  # type: ignore[method-assign]
    time = torch.arange(polish.MARGIN * 2 * F.HOP + polish.FRAMES * F.HOP) / F.RATE_HZ
    partials = sum(torch.sin(2 * np.pi * hertz * time) for hertz in np.geomspace(130, 10_000, 40))
    wave = 0.02 * partials if tones else 0.1 * torch.randn(len(time), generator=generator())
    true = polish.clips(torch.stack([wave, wave], dim=-1)[None])
    offsets = temper(codec, vocoder, true.features, true.wave, speaking.Hiss(0, torch.device("cpu")))
    assert (sign * offsets > 0.2).mean() > 0.7
    shift = vocoder.spread.bias.detach() - bias
    assert float(shift[0]) == pytest.approx(offsets[0], abs=1e-4)
    assert float(shift[-1]) == pytest.approx(offsets[-1], abs=1e-4)


def small() -> Critics:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Critics(width=4, sizes=(256, 1024), periods=(2, 5))


def test_critics_learn_to_tell_hiss_from_a_tone(tmp_path):
    adversary = Adversary(small(), 10.0, tmp_path)
    adversary.stage.optimizer.param_groups[0]["lr"] = 2e-3
    tone = (torch.sin(torch.arange(6000) * 0.2) * 0.3).expand(2, -1)
    losses = []
    for seed in range(25):
        hiss = torch.randn(2, 6000, generator=generator(seed)) * 0.2
        losses.append(float(adversary.learn(tone, hiss)))
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    with torch.no_grad():
        real = torch.randn(2, 6000, generator=generator(99)) * 0.2
        told = critics_loss(adversary.critics(real), adversary.critics(tone))
        swapped = critics_loss(adversary.critics(tone), adversary.critics(real))
    assert float(told) < 0.5 * float(swapped)


def test_the_makers_gradient_comes_through_its_output_and_leaves_the_critics_alone(tmp_path):
    adversary = Adversary(small(), 10.0, tmp_path)
    true = torch.randn(2, 6000, generator=generator()) * 0.2
    gain = torch.tensor(0.1, requires_grad=True)
    losses = adversary.against(gain * torch.randn(2, 6000, generator=generator(1)), true)
    weights = [p.detach().clone() for p in adversary.critics.parameters()]
    adversary.stage.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(losses["adversary"])
    assert gain.grad is not None
    assert float(gain.grad.abs()) > 0
    assert all(p.grad is None and p.requires_grad for p in adversary.critics.parameters())
    for now, then in zip(adversary.critics.parameters(), weights, strict=True):
        torch.testing.assert_close(now, then, rtol=0, atol=0)
