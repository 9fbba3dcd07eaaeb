"""The cache of latents: what goes in comes out, and one encoder never reads another's."""

from __future__ import annotations

import numpy as np
import torch
from rich.console import Console
from safetensors.numpy import save_file

from engine.models.codec import PATCH, Codec
from engine.training import encode
from engine.training.data import load_song
from tests.test_augment import clicked
from tests.test_training import some_song

QUIET = Console(quiet=True)


def some_file(folder):
    import json

    take = clicked()
    path = folder / "000007.safetensors"
    save_file(
        {name: np.ascontiguousarray(value) for name, value in take.arrays.items()},
        path,
        {"song": json.dumps(take.facts)},
    )
    return path


def small_codec(seed: int = 0) -> Codec:
    torch.manual_seed(seed)
    return Codec(width=32, blocks=1).eval()


def test_latents_survive_the_cache(tmp_path):
    song = some_song()
    encode.save_latents(tmp_path / "x.latents", song)
    found = encode.open_latents(tmp_path / "x.latents")
    assert found.groups == song.groups
    assert found.facts == song.facts
    for name, value in song.latents.items():
        assert torch.allclose(found.latents[name], value, atol=4e-3)
        assert np.array_equal(found.intensity[name], song.intensity[name])
    for name in ("beat_phase", "presence", "melody", "chroma"):
        assert np.array_equal(getattr(found, name), getattr(song, name))


def test_a_song_without_sub_mixes_or_melody_is_encoded_with_what_it_has(tmp_path):
    song = load_song(some_file(tmp_path), small_codec(), 0)
    assert set(song.latents) == {"mix"}
    assert len(song.beat_phase) == PATCH * len(song)


def test_encoding_is_done_once_for_each_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "Codec", lambda: Codec(width=32, blocks=1))
    encode._codec.cache_clear()
    path, model = some_file(tmp_path), small_codec()
    made = encode.encoded([path], model, tmp_path / "cache", 1, True, 1, QUIET)
    assert [song.drawn for song in made[:2]] == [False, True]
    assert len(made) == 3
    stamps = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.latents")}
    again = encode.encoded([path], model, tmp_path / "cache", 1, True, 1, QUIET)
    assert torch.equal(again[2].latents["mix"], made[2].latents["mix"])
    assert stamps == {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.latents")}
    before = encode.digest(model)
    with torch.no_grad():
        model.up.weight.add_(1.0)
    assert encode.digest(model) == before
    with torch.no_grad():
        model.down.weight.add_(1.0)
    assert encode.digest(model) != before
