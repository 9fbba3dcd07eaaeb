"""What is remembered of the sound before the new bars, and that no memory and no cut changes a render."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from engine.models.listener import Heard
from engine.render import generate
from engine.render.decode import Decoder
from engine.render.generate import FIRST_FRAMES, PIECE_FRAMES, ModelRenderer, piece_sizes
from engine.render.past import KEPT, Past, Pasts
from engine.types import PromptPart, Renderer
from tests.rendering import RATE, follow, sound
from tests.tiny_bundle import untrained


@pytest.fixture
def pasts() -> Pasts:
    return Pasts(untrained())


def test_the_same_sound_is_known_and_one_other_sample_makes_another(pasts: Pasts) -> None:
    audio = sound(4096 * 12)
    first = pasts.of(audio)
    assert pasts.of(audio.copy()) is first
    changed = audio.copy()
    changed[12_345, 1] += 1e-6
    other = pasts.of(changed)
    assert other is not first and not torch.equal(other.features, first.features)
    assert pasts.of(audio[4096:]) is not first


def test_memory_is_bounded_and_the_longest_unused_goes_first(pasts: Pasts) -> None:
    sounds = [sound(4096 * 8, level=0.1 + 0.01 * k) for k in range(KEPT + 1)]
    kept = [pasts.of(one) for one in sounds[:KEPT]]
    assert pasts.of(sounds[0]) is kept[0]
    pasts.of(sounds[KEPT])
    assert len(pasts.known) == KEPT
    assert pasts.of(sounds[0]) is kept[0] and pasts.of(sounds[1]) is not kept[1]


def test_a_known_context_gives_the_same_bytes(renderer: Renderer) -> None:
    assert isinstance(renderer, ModelRenderer)
    audio = sound(4 * RATE)
    renderer.pasts.known.clear()
    new = follow(renderer, audio)
    assert len(renderer.pasts.known) == 1
    known = follow(renderer, audio)
    assert len(renderer.pasts.known) == 1 and new.audio.tobytes() == known.audio.tobytes()


def test_nobody_listens_where_the_request_says_it_all(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def heard(past: Past) -> Heard | None:
        asked.append(len(past.audio))
        return None

    monkeypatch.setattr(Past, "heard", property(heard))
    told = {"prompts": (PromptPart(text="house"),), "key": "A minor", "parts": ("bass",)}
    follow(renderer, sound(4 * RATE), **told)
    assert asked == []
    for left_out in told:
        follow(renderer, sound(4 * RATE), **{name: value for name, value in told.items() if name != left_out})
    assert len(asked) == 3


def test_pieces_grow_from_a_small_first_one() -> None:
    sizes = list(itertools.islice(piece_sizes(46), 8))
    assert sizes[0] == 46 and sizes[1] == 2 * FIRST_FRAMES and sizes[-1] == PIECE_FRAMES
    assert all(a <= b for a, b in itertools.pairwise(sizes[1:]))


@pytest.mark.parametrize("target", [False, True])
def test_how_sound_is_cut_does_not_change_it(target: bool) -> None:
    """Spoken in one go and in pieces of 5 to 50 frames: the same but for rounding, also across the cuts."""
    networks = untrained()
    made = torch.randn(24, 64, generator=torch.Generator().manual_seed(1))
    curve = np.full(24 * 8, -20.0, np.float32) if target else None

    def spoken(sizes: list[int]) -> np.ndarray:
        decoder = Decoder(networks.codec, networks.vocoder, made[:4], 7, curve, 0.0, unheard=16)
        decoder.push(made[4:], last=True)
        return np.concatenate([decoder.speak(size) for size in sizes])

    whole = spoken([176])
    cut = spoken([11, 5, 28, 50, 50, 32])
    assert whole.shape == cut.shape == (176 * 512, 2)
    difference = np.abs(whole - cut)
    assert np.square(difference).mean() < 1e-6 * np.square(whole).mean()


def test_what_is_not_heard_is_context_all_the_same(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speaking more or less of what lies before changes phases, not levels: spectra stay within a decibel or so."""
    audio, spectra = sound(4 * RATE), []
    for warm in (32, 96):
        monkeypatch.setattr(generate, "WARM_FRAMES", warm)
        take = follow(renderer, audio, rate=RATE).audio[:, 0]
        power = np.square(np.abs(np.fft.rfft(take))).reshape(-1)[:48_000].reshape(48, -1).sum(1)
        spectra.append(10 * np.log10(power + 1e-9))
    assert np.abs(spectra[0] - spectra[1]).mean() < 1.0
