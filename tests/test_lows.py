"""The codec's network for the lows: one note instead of two by halves, latents and mels as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from rich.console import Console
from safetensors.numpy import save_file

from engine.errors import BadRequest
from engine.models import codec as C
from engine.models import features as F
from engine.models.codec import Codec, Lows
from engine.render.decode import CODEC_REACH
from engine.runtimes import probe
from engine.runtimes.export_sound import decode_graph
from engine.training import lows

LOWS = slice(2 * F.MELS, None)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def heard(hertz: float, seconds: float = 1.0) -> torch.Tensor:
    """Features [T, CHANNELS] of a tone."""
    wave = 0.3 * torch.sin(2 * np.pi * hertz * torch.arange(round(seconds * F.RATE_HZ)) / F.RATE_HZ)
    return F.analyse_tensor(torch.stack([wave, wave], dim=1))


def made(with_lows: bool = True, width: int = 24) -> Codec:
    """An untrained codec whose every weight counts."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        codec = Codec(width=32, blocks=1)
        if with_lows:
            codec.lows = Lows(width)
        for parameter in codec.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
        codec.mean.fill_(-40.0)
    return codec.eval()


@pytest.fixture
def songs(tmp_path: Path) -> list[Path]:
    """Two songs of held basses, six seconds each."""
    paths = []
    for index, notes in enumerate([(41.2, 55.0, 82.4), (49.0, 65.4, 110.0)]):
        features = torch.cat([heard(hertz, 2.0)[:184] for hertz in notes]).half().numpy()
        paths.append(tmp_path / f"{index}.safetensors")
        save_file({"mix": features, "a": features[:400]}, str(paths[-1]))
    return paths


@pytest.mark.parametrize("hertz", [41.2, 61.7, 98.0, 138.6])
def test_the_strongest_bass_is_found_in_steps_and_follows_a_detuning(hertz):
    tone = heard(hertz)[40:50]
    steps = lows.bass_steps(tone[:, LOWS])
    at = 1200 * np.log2(hertz / F.LOW_FIRST_HZ) / C.PITCH_STEP_CENTS
    assert float((steps - at).abs().max()) < 0.3
    for cents in (-37.0, 24.0, 50.0):
        moved = lows.detuned(tone, cents)
        assert torch.equal(moved[:, : 2 * F.MELS], tone[:, : 2 * F.MELS])
        off = (lows.bass_steps(moved[:, LOWS]) - steps) * C.PITCH_STEP_CENTS
        assert float((off - cents).abs().max()) < 4.0


def test_silence_and_what_lies_above_the_basses_have_no_bass():
    silence = torch.full((3, F.LOW_BANDS), F.FLOOR_DB)
    assert (lows.bass_steps(silence) == -1).all()
    assert (lows.bass_steps(heard(220.0)[40:50, LOWS]) == -1).all()


def test_law_error_prefers_two_peaks_to_a_smear_where_the_absolute_error_does_not_care():
    one, two = (heard(hertz)[45, LOWS] for hertz in (55.0, 61.7))
    true = torch.stack([one, two])
    both, smear = torch.maximum(one, two).expand(2, -1), true.mean(0).expand(2, -1)
    assert float((smear - true).abs().mean()) == pytest.approx(float((both - true).abs().mean()), rel=0.1)
    for fall_db in (lows.ALL_DB, lows.BASS_DB):
        assert lows.law_error(both, true, fall_db) < lows.law_error(smear, true, fall_db)
        assert float(lows.law_error(true, true, fall_db)) == pytest.approx(0.0, abs=1e-5)
        assert float(lows.law_error(true - 9.0, true, fall_db)) == pytest.approx(0.0, abs=1e-5)
    silence = torch.full_like(true, F.FLOOR_DB)
    assert float(lows.law_error(true, silence, lows.ALL_DB)) == 0.0


def test_told_error_is_least_at_the_true_pitch_and_leaves_out_what_has_none():
    steps = torch.tensor([10.0, 60.3, -1.0])
    errors = {}
    for offset in (-30, -1, 0, 1, 30):
        logits = torch.zeros(3, C.PITCHES)
        logits[torch.arange(3), (steps.round().long() + offset).clamp_min(0)] = 5.0
        errors[offset] = float(lows.told_error(logits, steps))
    assert min(errors, key=lambda offset: errors[offset]) == 0
    assert errors[1] < errors[30]
    assert float(lows.told_error(torch.randn(2, C.PITCHES), torch.tensor([-1.0, -1.0]))) == 0.0


def test_an_untrained_network_adds_nothing():
    with torch.no_grad():
        assert float(Lows(16)(torch.randn(2, 5, C.LATENTS, generator=generator())).abs().max()) < 1e-4


def test_a_network_for_the_lows_moves_no_mel_no_latent_and_looks_no_further_than_the_decoder():
    codec, plain = made(), made()
    plain.lows = None
    features = torch.rand(1, 96, F.CHANNELS, generator=generator()) * -60
    with torch.no_grad():
        latents = codec.encode(features)
        assert torch.equal(latents, plain.encode(features))
        found, before = codec.decode(latents), plain.decode(latents)
        assert torch.equal(found[..., : 2 * F.MELS], before[..., : 2 * F.MELS])
        assert float((found - before)[..., LOWS].abs().mean()) > 0.5
        near = latents.clone()
        near[:, 6 + CODEC_REACH + 1 :] += 1.0
        near[:, : 6 - CODEC_REACH] -= 1.0
        inner = slice(6 * C.PATCH + 2, 7 * C.PATCH - 2)
        torch.testing.assert_close(codec.decode(near)[:, inner], found[:, inner], rtol=0, atol=1e-3)


def test_a_state_brings_its_network_and_an_older_one_has_none():
    codec = made()
    latents = torch.randn(1, 5, C.LATENTS, generator=generator())
    alone, nested = Codec(width=32, blocks=1), torch.nn.ModuleDict({"codec": Codec(width=32, blocks=1)})
    alone.load_state_dict(codec.state_dict())
    nested.load_state_dict({f"codec.{name}": value for name, value in codec.state_dict().items()})
    older = Codec(width=32, blocks=1)
    older.load_state_dict(made(with_lows=False).state_dict())
    assert older.lows is None
    with torch.no_grad():
        for other in (alone, nested["codec"]):
            assert torch.equal(other.decode(latents), codec.decode(latents))


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_graph_decodes_what_torch_decodes(tmp_path, int8, count):
    codec, groups = made(width=64), frozenset({"codec", "codec_out"}) if int8 else frozenset[str]()
    latents = torch.randn(1, count, C.LATENTS, generator=generator())
    with torch.no_grad():
        wanted = codec.decode(latents)
    assert float(wanted[..., LOWS].std()) > 1.0
    decode_graph(codec, groups).save(tmp_path / "decode.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "decode.onnx"), providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(None, {"latents": latents.numpy()})[0])
    errors = probe.errors({"features": found[..., LOWS]}, {"features": wanted[..., LOWS]})
    assert errors["features"] < probe.TOLERANCE["onnx-int8" if int8 else "onnx"]


def test_it_learns_which_note_is_played(songs):
    codec = made(with_lows=False)
    bank = lows.Bank(songs, codec, 60.0, np.random.default_rng(0), torch.device("cpu"))
    assert len(bank.songs) == 6
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Lows(48)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-2)
    first = {}
    for _ in range(30):
        losses = lows.losses(model, *bank.batch(4))
        first = first or {name: float(value.detach()) for name, value in losses.items()}
        optimizer.zero_grad()
        torch.autograd.backward(losses["loss"])
        optimizer.step()
    assert float(losses["told"].detach()) < 0.8 * first["told"]
    assert float(losses["l1"].detach()) < 0.6 * first["l1"]


def test_training_goes_on_where_it_stopped_and_leaves_the_rest_alone(songs, tmp_path):
    codec, console = made(with_lows=False), Console(quiet=True)
    before = {name: value.clone() for name, value in codec.state_dict().items()}
    lows.train(songs, codec, 0.05, tmp_path, 1, console, batch=2, width=16)
    assert codec.lows is not None
    for name, value in before.items():
        assert torch.equal(codec.state_dict()[name], value)
    other = made(with_lows=False)
    lows.train(songs, other, 0.0, tmp_path, 1, console, batch=2, width=16)
    for a, b in zip(codec.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    found = lows.measure(codec, songs)
    assert set(found) == {"low_l1_db", "bass_within_20", "bass_within_50"}
    assert 0.0 <= found["bass_within_20"] <= found["bass_within_50"] <= 1.0


def test_songs_that_are_too_short_are_refused(tmp_path):
    save_file({"mix": np.zeros((64, F.CHANNELS), np.float16)}, str(tmp_path / "short.safetensors"))
    with pytest.raises(BadRequest, match="longer"):
        lows.train([tmp_path / "short.safetensors"], made(False), 1.0, tmp_path, 1, Console(quiet=True))
