"""The network that listens: pitch that moves with the music, levels that do not matter, text and sound in one space."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console
from safetensors.numpy import save_file

from engine import bundle
from engine.models import features as F
from engine.models import tonality
from engine.models.joint import ATTENTION, SPACE, Joint, key_of, pieces, pulse_of
from engine.models.listener import MODE_NAMES, Listener
from engine.models.load import config_of, load_networks, save_networks
from engine.render.generate import ModelRenderer
from engine.training.hearing import UNKNOWN, Clip, augmented, clip_of, clips_of, draw, key_at, transposed
from engine.training.joint import losses, train
from engine.training.prompt import Vocabulary
from engine.types import InlineAudio
from tests.tiny_bundle import STYLES, TAGS, ask, play, untrained

VOCABULARY = Vocabulary(STYLES, TAGS)


def tone(hz: float, seconds: float = 1.0, level: float = 0.3) -> NDArray[np.float32]:
    time = np.arange(round(seconds * F.RATE_HZ)) / F.RATE_HZ
    return np.repeat((level * np.sin(2 * np.pi * hz * time)).astype(np.float32)[:, None], 2, axis=1)


def joint(seed: int = 0, **sizes: int) -> Joint:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Joint(len(STYLES), len(TAGS), **sizes).eval()


def features(seconds: float = 2.0, seed: int = 0) -> torch.Tensor:
    """Noise bursts as features [1, T, CHANNELS]."""
    rng = np.random.default_rng(seed)
    gate = np.repeat(rng.random(round(seconds * 8)), F.RATE_HZ // 8)[:, None]
    return F.analyse_tensor(torch.from_numpy((0.2 * gate * rng.normal(size=(len(gate), 2))).astype(np.float32)))[None]


@pytest.mark.parametrize("midi", [28, 33, 45, 52, 81, 88, 96])
def test_a_tone_stands_out_at_its_pitch(midi: int) -> None:
    heard = F.analyse_tensor(torch.from_numpy(tone(440.0 * 2.0 ** ((midi - 69) / 12))))
    levels = tonality.pitch_levels(heard[None])[0].mean(0).amax(-1)
    assert abs(int(levels.argmax()) - (midi - 24)) <= (0 if midi < 64 else 1)


@pytest.mark.parametrize("semitones", [1, 5, 7, -4])
def test_a_transposed_song_has_a_transposed_key(semitones: int) -> None:
    rng = np.random.default_rng(1)
    levels = np.full((1, 9, tonality.SEMITONES, tonality.STEPS), tonality.FLOOR_DB, np.float32)
    levels[:, :, 30:54] = rng.uniform(-50.0, -10.0, (1, 9, 24, 2))
    torch.manual_seed(3)
    network = tonality.Tonality(len(MODE_NAMES)).eval()
    here = torch.from_numpy(levels)
    with torch.no_grad():
        before, after = network(here)[0], network(here.roll(semitones, 2))[0]
    assert float(before.std(0).mean()) > 1e-4, "the roots are told apart"
    torch.testing.assert_close(after, before.roll(semitones, 0), atol=1e-5, rtol=1e-4)


def test_training_moves_pitch_and_key_together() -> None:
    levels = torch.full((3, tonality.SEMITONES, 2), tonality.FLOOR_DB)
    levels[:, 40] = 0.0
    for semitones in (-5, 0, 6):
        assert transposed(levels, semitones)[:, 40 + semitones].eq(0.0).all()
    clip = Clip(
        {"key_root": 2, "mode": "minor"}, torch.zeros(80, 528), levels[:1].expand(80, -1, -1), None, torch.eye(384)[:1]
    )
    batch = augmented(draw([clip] * 12, VOCABULARY, np.random.default_rng(0)), np.random.default_rng(1))
    peaks = (batch.levels.mean((1, 3)).argmax(-1) - 40) % 12
    assert torch.equal((2 + peaks) % 12, batch.root) and len(set(batch.root.tolist())) > 3


def test_the_key_of_a_song_that_changes_key() -> None:
    facts = {
        "key_root": 0,
        "mode": "major",
        "tempo": "120",
        "meter": [3, 4],
        "keys": [[0, 0, "major"], [8, 2, "dorian"]],
    }
    assert key_at(facts, 11.9)[0] == 0 and key_at(facts, 12.1) == (2, MODE_NAMES.index("dorian"))
    assert key_at({"style": "house"}, 3.0) == (UNKNOWN, UNKNOWN)


def test_a_quiet_file_sounds_like_a_loud_one() -> None:
    network, loud = joint(), features()
    with torch.no_grad():
        one, other = network.listen(loud), network.listen(loud + 9.0)
    torch.testing.assert_close(one.embedding, other.embedding, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(one.prompt, other.prompt, atol=1e-4, rtol=1e-3)


def test_the_pulse_is_the_autocorrelation_of_the_onsets() -> None:
    every = 20
    mid = torch.zeros(1, 300, F.MELS)
    mid[:, ::every] = 1.0
    found = pulse_of(mid).reshape(3, -1)
    lags = np.arange(8, 104)
    flux = np.diff(mid[0, :, 0].numpy()).clip(0)
    flux -= flux.mean()
    oracle = np.array([np.dot(flux[lag:], flux[:-lag]) for lag in lags]) / (np.dot(flux, flux) + 1e-3)
    np.testing.assert_allclose(found[1].numpy(), oracle, atol=1e-4)
    assert set(lags[found[1].numpy() > 0.5]) == {20, 40, 60, 80, 100}


def test_gradients_of_text_similarity_reach_the_sound() -> None:
    heard = features().requires_grad_()
    similar = joint().similarity(["warm deep house", "solo piano"], heard)
    assert similar.shape == (2, 1) and float(similar.detach().abs().max()) <= 1.0 + 1e-5
    (slope,) = torch.autograd.grad(similar[0, 0], heard)
    assert torch.isfinite(slope).all() and float(slope.abs().max()) > 0


def test_silence_and_the_shortest_clip_are_heard() -> None:
    network = joint()
    for heard in (torch.full((1, 8, F.CHANNELS), F.FLOOR_DB), features()[:, :8], features()[:, :31]):
        given = network.listen(heard)
        assert all(torch.isfinite(value).all() for value in vars(given).values())
        assert given.embedding.shape == (1, SPACE) and float(given.embedding.detach().norm()) == pytest.approx(
            1.0, abs=1e-4
        )
        assert float(given.prompt[0, : len(STYLES)].detach().sum()) == pytest.approx(1.0, abs=1e-5)


def test_long_stretches_are_heard_in_equal_pieces() -> None:
    whole = torch.arange(8.0 * (2 * ATTENTION + 3))[:, None].expand(-1, F.CHANNELS)
    cut = pieces(whole)
    assert cut.shape == (3, 8 * 43, F.CHANNELS) and torch.equal(cut.flatten(0, 1), whole[: 3 * 8 * 43])
    assert pieces(whole[:20]).shape == (1, 16, F.CHANNELS)


def test_a_key_is_named_only_when_it_is_sure() -> None:
    logits = torch.zeros(12, len(MODE_NAMES))
    assert key_of(logits) is None
    logits[7, MODE_NAMES.index("dorian")] = 9.0
    assert key_of(logits) == (7, "dorian")
    logits[2, MODE_NAMES.index("major")] = 9.0
    assert key_of(logits) is None


def clips(count: int = 4) -> list[Clip]:
    """Songs of two styles that differ in sound and in captions."""
    found, rng = [], np.random.default_rng(5)
    for index in range(count):
        mix, kind = features(7.0, index)[0].numpy().astype(np.float16), index % 2
        mix[:, : 2 * F.MELS] += np.tile(np.linspace(-12, 12, F.MELS) * (1 - 2 * kind), 2).astype(np.float16)
        arrays = {"mix": mix, "presence": np.ones((700, 5), np.uint8)}
        sentence = torch.nn.functional.normalize(
            torch.eye(384)[kind] + torch.from_numpy(rng.normal(0, 0.02, 384)).float(), dim=0
        )
        facts = {"style": STYLES[kind], "key_root": index, "mode": "major", "tags": {"tempo": ["fast"]} if kind else {}}
        found.append(clip_of(arrays, facts, sentence[None]))
    return found


def test_training_learns_style_and_brings_text_to_sound() -> None:
    songs, network, rng = clips(), joint(width=32, blocks=1), np.random.default_rng(0)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    course = []
    for _ in range(40):
        loss = losses(network, draw(songs, VOCABULARY, rng, count=24))["loss"]
        course.append(float(loss.detach()))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert course[-1] < 0.6 * course[0]
    network.eval()
    with torch.no_grad():
        assert losses(network, draw(songs, VOCABULARY, rng, count=64))["style_right"] == 1.0
        places = torch.cat([network.listen_view(s.view[None].float(), s.levels[None].float()).embedding for s in songs])
    assert found_by_words(network, songs, places) and not found_by_words(network, songs, places.roll(1, 0))


def found_by_words(network: Joint, songs: list[Clip], places: torch.Tensor) -> bool:
    """Whether each song is among the two whose places [songs, SPACE] lie nearest to its caption."""
    near = (network.text(torch.cat([song.sentences for song in songs])) @ places.T).topk(2, dim=-1).indices
    return all(index in row for index, row in enumerate(near.tolist()))


def test_unknown_facts_teach_nothing() -> None:
    known = clips(1)[0]
    bare = Clip({}, known.view, known.levels, None, known.sentences)
    terms = losses(joint(width=32, blocks=1), draw([bare], VOCABULARY, np.random.default_rng(0), count=24))
    assert all(float(terms[name].detach()) == 0.0 for name in ("style", "tags", "parts", "key"))


@pytest.mark.parametrize("ears", [Listener, Joint])
def test_bundles_of_both_kinds_load_and_hear(tmp_path: Path, ears: type[Listener] | type[Joint]) -> None:
    networks = untrained()
    networks.listener = ears(len(STYLES), len(TAGS)).eval()
    save_networks(networks, tmp_path)
    (tmp_path / bundle.CARD).write_text("Untrained: for tests.\n")
    config = config_of(networks, STYLES, TAGS, [-12.0, -18.0])
    if ears is Listener:
        config.pop("listens_to")  # as in the first bundles
    sealed = bundle.seal(tmp_path, {"name": "tiny", "config": config})
    loaded = load_networks(sealed)
    assert type(loaded.listener) is ears
    sound = np.random.default_rng(0).normal(0, 0.1, (96_000, 2)).astype(np.float32)
    inline = InlineAudio(rate=48_000, channels=2, frames=len(sound))
    take = play(ModelRenderer(sealed, loaded), ask(inline=inline), sound)
    assert np.isfinite(take.audio).all() and np.abs(take.audio).max() > 0
    under = play(ModelRenderer(sealed, loaded), ask(inline=inline, at_bar=0, under=True), sound)
    assert np.isfinite(under.audio).all()


def test_training_reads_songs(tmp_path: Path) -> None:
    songs, console = tmp_path / "songs", Console(file=io.StringIO())
    songs.mkdir()
    for index in range(2):
        facts = {"style": STYLES[index], "captions": ["warm house", "deep house"], "tags": {"tempo": ["fast"]}}
        mix = features(7.0, index)[0].numpy().astype(np.float16)
        save_file({"mix": mix}, str(songs / f"{index}.safetensors"), {"facts": json.dumps(facts)})
    files = sorted(songs.iterdir())
    model = train(files, VOCABULARY, 1.0, tmp_path / "stages", 1, console)
    assert not model.training and (tmp_path / "stages" / "joint.safetensors").is_file()
    spent = json.loads((tmp_path / "stages" / "joint.json").read_text())["spent"]
    assert spent > 0.1 and len(clips_of(files, np.random.default_rng(0), console)) == 2
