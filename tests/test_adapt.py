"""Adapting a bundle to a folder of sounds: what changes, what does not, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from engine import bundle
from engine.errors import BadRequest
from engine.models import denoiser as D
from engine.models.load import config_of, load_networks, save_networks
from engine.training import adapt, shortcut
from engine.training.folder import audio
from tests.made_sounds import made_loop, write
from tests.test_training import some_song
from tests.tiny_bundle import STYLES, TAGS, make_bundle, untrained

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """An untrained bundle whose student takes jumps."""
    folder = tmp_path_factory.mktemp("bundles") / "base"
    networks = untrained()
    networks.student = shortcut.with_jumps(networks.student)
    save_networks(networks, folder)
    (folder / bundle.CARD).write_text("What the base is.\n")
    bundle.seal(folder, {"name": "base", "config": config_of(networks, STYLES, TAGS, [-12.0, -18.0])})
    return folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    for bpm in (90, 112):
        write(folder / f"warm pad_{bpm}bpm.wav", made_loop(bpm, 6, audio.MODEL_RATE_HZ), audio.MODEL_RATE_HZ)
    write(folder / "silence.wav", np.zeros(100_000))
    return folder


def test_adapting_gives_a_whole_bundle_that_differs_in_the_student_alone(base, sounds, tmp_path):
    result = adapt.adapt(sounds, tmp_path, 0.15, base, "cpu", console=QUIET)
    made = bundle.load(tmp_path / "base-adapted")
    assert result["bundle"] == str(made.folder) and result["steps"] >= 1
    assert result["after"] <= result["before"] and result["held_out_apart"]
    assert made.config == bundle.load(base).config
    facts = made.manifest["adapted"]
    assert (facts["base"], facts["files"], facts["left_out"]) == ("base", 2, 1)
    for name in ("codec", "vocoder", "prompt", "listener"):
        assert bundle.sha256(made.weights(name)) == bundle.sha256(base / f"{name}.safetensors"), name
    old, new = (load_file(str(folder / "student.safetensors")) for folder in (base, made.folder))
    assert {k: v.shape for k, v in old.items()} == {k: v.shape for k, v in new.items()}
    changed = {name.split(".")[2] for name in old if not torch.equal(old[name], new[name])}
    assert changed <= set(adapt.lora.TARGETS)
    load_networks(made)
    text = (made.folder / bundle.CARD).read_text()
    assert "adapted to a folder of sounds" in text and "2 files" in text and text.endswith("What the base is.\n")


def test_a_bundle_without_jumps_and_the_base_itself_are_refused(base, sounds, tmp_path):
    make_bundle(tmp_path / "old")
    with pytest.raises(BadRequest, match="trained for jumps"):
        adapt.adapt(sounds, tmp_path / "out", 0.1, tmp_path / "old", "cpu", console=QUIET)
    checked = bundle.load(base)
    with pytest.raises(BadRequest, match="choose another --out"):
        adapt.export(load_networks(checked), checked, None, None, base, {}, torch.device("cpu"))


def songs_of(*known: bool):
    """Made-up songs, long enough for a window."""
    found = [some_song(seed, adapt.WINDOW + 10) for seed in range(len(known))]
    for song, sure in zip(found, known, strict=True):
        song.facts["beat_known"] = sure
    return found


def test_songs_without_a_sure_beat_are_told_neither_beat_nor_tempo():
    rng = np.random.default_rng(0)
    tempo = slice(-D.TEMPO_FEATURES, None)
    for known in (True, False):
        told = [adapt.batch(songs_of(known, known), 8, rng)[2] for _ in range(3)]
        assert any(given.frames[..., : D.BEAT_FEATURES].any() for given in told) is known
        assert any(given.globals[:, tempo].any() for given in told) is known
        assert any(given.frames[..., D.BEAT_FEATURES :].any() for given in told)
    mixed = [adapt.batch(songs_of(True, False, False), 4, rng)[2] for _ in range(60)]
    without = np.mean([not bool(given.globals[:, tempo].any()) for given in mixed])
    assert without == pytest.approx(2 / 3, abs=0.2)


def test_training_lowers_the_error_on_what_it_learns_and_merges(tmp_path, monkeypatch):
    """A random denoiser learns the velocity of a song through its adapters alone; a step is a second."""
    monkeypatch.setattr(adapt, "LEARNING_RATE", 1e-2)
    steps = itertools.count()
    networks = untrained()
    config = D.DenoiserConfig(prompt=6, width=64, layers=2, heads=2, jumps=True)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        networks.student = D.Denoiser(config).eval()
        torch.nn.init.normal_(networks.student.output.weight, std=0.3)
    names = set(networks.student.state_dict())
    songs = songs_of(True)
    material = adapt.Material(songs, songs, False)
    cpu = torch.device("cpu")
    learned = adapt.train(networks, material, 60.0, tmp_path, 1, 8, cpu, QUIET, lambda: float(next(steps)))
    assert learned["after"] < 0.99 * learned["before"]
    assert set(networks.student.state_dict()) == names
    assert adapt.validation_loss(networks.student, songs) == pytest.approx(learned["after"], rel=2e-3)
