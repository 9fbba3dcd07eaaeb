"""Long form: crops that cover a line, their fusion as the least-squares solution, renders of many bars."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Cancelled
from engine.models.codec import LATENTS
from engine.models.denoiser import (
    FRAME_FEATURES,
    GROUPS,
    SUB_FRAMES,
    Conditions,
    Denoiser,
    DenoiserConfig,
)
from engine.models.load import load_networks
from engine.render.crops import Across, crop_starts, fused, weights_of
from engine.render.generate import ModelRenderer
from tests.rendering import RATE, follow, sound
from tests.tiny_bundle import ask, make_bundle, play

WIDTH = DenoiserConfig(prompt=3).globals_width


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> ModelRenderer:
    bundle = make_bundle(tmp_path_factory.mktemp("crops") / "tiny")
    return ModelRenderer(bundle, load_networks(bundle))


@given(st.integers(1, 3000), st.integers(2, 144), st.data())
def test_crops_cover_the_line_and_overlap(count: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, size - 1))
    starts, width = crop_starts(count, size, overlap), min(size, count)
    assert starts[0] == 0 and starts[-1] + width == count
    assert all(0 < b - a <= size - overlap + 1 for a, b in itertools.pairwise(starts))


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(2, 20), st.integers(0, 1000))
def test_fusion_is_the_least_squares_solution(count: int, size: int, seed: int) -> None:
    """Against a dense solve of the stacked system W^(1/2) A x = W^(1/2) b."""
    generator = torch.Generator().manual_seed(seed)
    overlap = max(1, size // 3)
    starts, width = crop_starts(count, size, overlap), min(size, count)
    weights = torch.rand(width, generator=generator) + 0.01
    crops = torch.randn(len(starts), width, 3, generator=generator)
    rows, targets = [], []
    for start, crop in zip(starts, crops, strict=True):
        for place in range(width):
            row = np.zeros(count)
            row[start + place] = 1
            rows.append(row * float(weights[place]) ** 0.5)
            targets.append(crop[place].double().numpy() * float(weights[place]) ** 0.5)
    dense, *_ = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)
    assert np.allclose(fused(crops, starts, weights, count).numpy(), dense, atol=1e-4)


def test_weights_fall_towards_both_edges_alike() -> None:
    weights = weights_of(144)
    assert torch.equal(weights, weights.flip(0)) and float(weights.min()) > 0
    assert (weights[48:96] > 0.999).all() and float(weights[0]) < 0.05


def student(strengths: bool = False) -> Denoiser:
    torch.manual_seed(0)
    model = Denoiser(DenoiserConfig(prompt=3, width=32, layers=2, heads=2, jumps=True, strengths=strengths))
    for layer in (model.output, model.modulation, model.guidance_input):
        torch.nn.init.normal_(layer.weight, std=0.1)
    return model.eval()


def told(count: int) -> Conditions:
    generator = torch.Generator().manual_seed(1)
    context, mask = torch.randn(1, count, LATENTS, generator=generator), torch.zeros(1, count, 1)
    mask[:, :10] = 1
    frames = torch.randn(1, count, SUB_FRAMES, FRAME_FEATURES, generator=generator)
    overall = torch.randn(1, WIDTH, generator=generator)
    return Conditions(context * mask, mask, torch.zeros_like(context), torch.zeros_like(mask), frames, overall)


@pytest.mark.parametrize("strengths", [False, True])
@torch.no_grad()
def test_crops_answer_as_the_network_does_for_each_of_them(strengths: bool) -> None:
    model, count = student(strengths), 70
    z = torch.randn(1, count, LATENTS, generator=torch.Generator().manual_seed(2))
    time, jump = torch.tensor([0.5]), torch.tensor([0.25])
    guidance = torch.full((1, len(GROUPS)), 1.5) if strengths else torch.tensor([1.5])
    across = Across(model, size=32, overlap=12)
    answer = across(z, time, guidance, told(count), jump)
    starts = crop_starts(count, 32, 12)
    single = []
    for start in starts:
        part = told(count).map(lambda x, s=start: x[:, s : s + 32] if x.dim() > 2 else x)
        single.append(model(z[:, start : start + 32], time, guidance, part, jump)[0])
    expected = fused(torch.stack(single), starts, weights_of(32, 12), count)
    assert torch.allclose(answer[0], expected, atol=1e-4)
    assert torch.allclose(across(z, time, guidance, told(count), jump), Across(model, size=32, overlap=12, batch=9)(
        z, time, guidance, told(count), jump), atol=1e-4)  # fmt: skip
    whole = Across(model)(z, time, guidance, told(count), jump)
    assert torch.allclose(whole, model(z, time, guidance, told(count), jump), atol=1e-5), "one crop is the network"


@pytest.mark.parametrize("how", ["fused", "independent"])
def test_many_bars_come_whole_and_on_the_grid(renderer: ModelRenderer, how: str) -> None:
    take, again = (play(renderer, ask(12, tempo="140", long=how)) for _ in range(2))
    assert np.array_equal(take.audio, again.audio)
    assert not np.array_equal(take.audio, play(renderer, ask(12, tempo="140")).audio)
    assert float(np.abs(take.audio).max()) > 0.01


def test_few_bars_are_the_same_whichever_way(renderer: ModelRenderer) -> None:
    plain, one, other = (play(renderer, ask(2, long=how)).audio for how in ("chained", "fused", "independent"))
    assert np.allclose(plain, one, atol=1e-3) and np.allclose(plain, other, atol=1e-3)


def test_fused_bars_follow_a_source_and_are_cancelled(renderer: ModelRenderer) -> None:
    take = follow(renderer, sound(3 * RATE), bars=9, long="fused")
    assert len(take.lead_in) == RATE // 50
    calls = iter(range(10_000))
    with pytest.raises(Cancelled):
        renderer.render(ask(20, long="fused"), None, lambda _: None, lambda _: None, lambda: next(calls) > 3)
