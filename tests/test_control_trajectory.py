"""Gamma sampling: at 0 the jumps themselves, at 1 ping-pong, and the right spread in between."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from engine.diffusion import jumps, trajectory
from engine.diffusion.flow import diffuse
from engine.diffusion.paths import PATHS
from engine.models.codec import LATENTS
from engine.training import shortcut
from tests.denoisers import some_conditions, some_model
from tests.test_jumps import noise_of, without_context


def no_noise() -> torch.Tensor:
    raise AssertionError("gamma 0 draws nothing")


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8])
def test_gamma_zero_is_the_jumps_to_the_bit(steps: int) -> None:
    model, given, noise = shortcut.with_jumps(some_model()).eval(), some_conditions(2, 6), noise_of(2, 6)
    given.context_mask[:, 3:] = 0
    guidance = torch.tensor([1.5, 2.0])
    path = trajectory.trajectory(model, guidance, given)
    with torch.no_grad():
        found = trajectory.gamma_sample(path, given, noise, steps, 0.0, no_noise)
        assert torch.equal(found, jumps.sample(model, given, noise, steps, guidance))


def test_gamma_one_goes_to_the_end_and_back_with_fresh_noise() -> None:
    """Oracle: ping-pong by hand, three jumps of 1/2, 1/4 and 1/4."""
    given, noise = without_context(some_conditions(1, 4)), noise_of(1, 4)
    fresh = [noise_of(1, 4, seed) for seed in (7, 8)]
    asked: list[tuple[float, float]] = []

    def path(z: torch.Tensor, time: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        asked.append((float(time[0]), float(to[0])))
        return 0.3 * z + 1.0

    drawn = iter(fresh)
    found = trajectory.gamma_sample(path, given, noise, 3, 1.0, lambda: next(drawn))
    clean = 0.3 * noise + 1.0
    for high, eps in zip((0.5, 0.25), fresh, strict=True):
        clean = 0.3 * ((1 - high) * clean + high * eps) + 1.0
    torch.testing.assert_close(found, clean)
    assert asked == [(1.0, 0.0), (0.5, 0.0), (0.25, 0.0)]


@pytest.mark.parametrize("gamma", [0.05, 0.35, 0.8, 1.0])
def test_the_spread_of_the_data_is_kept(gamma: float) -> None:
    """On the exact flow of N(0, 0.5^2) every gamma ends with that spread, not with that of the noise put in."""
    std, given = 0.5, without_context(some_conditions(400, 3))
    generator = torch.Generator().manual_seed(3)

    def path(z: torch.Tensor, time: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        width = [((1 - t) ** 2 * std**2 + t**2).sqrt() for t in (to, time)]
        return z * (width[0] / width[1])[:, None, None]

    def draw() -> torch.Tensor:
        return torch.randn(400, 3, LATENTS, generator=generator)

    found = trajectory.gamma_sample(path, given, draw(), 4, gamma, draw)
    assert float(found.std()) == pytest.approx(std, rel=0.01)
    assert abs(float(found.mean())) < 0.01


@pytest.mark.parametrize("name", sorted(PATHS))
@pytest.mark.parametrize("gamma", [0.2, 1.0])
def test_climbing_on_any_path_leads_back_to_the_line_of_data_and_noise(name: str, gamma: float) -> None:
    """From alpha z_0 + sigma e of the time below to the higher one's, the sigmas of both noises in quadrature."""
    on, high = PATHS[name], 0.6
    low = trajectory.below(high, gamma, on)
    assert 0.0 <= low < high
    alpha, sigma = trajectory.ends(on, high)
    clean, noise, fresh = (torch.full((1, 1, 1), x, dtype=torch.float64) for x in (1.0, 0.0, 0.0))
    at = trajectory.ends(on, low)
    data = trajectory.climb(at[0] * clean, low, high, gamma, fresh, on)
    old = trajectory.climb(at[1] * (noise + 1.0), low, high, gamma, fresh, on)
    new = trajectory.climb(0.0 * clean, low, high, gamma, fresh + 1.0, on)
    assert float(data) == pytest.approx(alpha) and math.hypot(float(old), float(new)) == pytest.approx(sigma)


@hypothesis_given(st.floats(0.05, 0.95), st.floats(0, 1, allow_subnormal=False))
def test_climbing_back_has_the_noise_of_the_time(time: float, gamma: float) -> None:
    """(1 - t) of the data and t of noise, in quadrature: from the time below, and from what was added."""
    low = trajectory.below(time, gamma)
    assert 0.0 <= low <= time
    data = (1 - time) / (1 - low) * (1 - low)
    spread = math.hypot((1 - time) / (1 - low) * low, gamma * time)
    assert data == pytest.approx(1 - time)
    assert spread == pytest.approx(time)


def test_what_is_known_lies_on_its_line_at_each_time() -> None:
    given, noise = some_conditions(1, 6), noise_of(1, 6)
    given.context_mask[:, 4:] = 0
    seen: list[tuple[float, torch.Tensor]] = []

    def path(z: torch.Tensor, time: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        seen.append((float(time[0]), z[:, :4].clone()))
        return z

    fresh = iter([noise_of(1, 6, seed) for seed in (4, 5, 6)])
    found = trajectory.gamma_sample(path, given, noise, 4, 0.6, lambda: next(fresh))
    assert torch.equal(found[:, :4], given.context[:, :4])
    held, drawn = noise, iter([noise_of(1, 6, seed) for seed in (4, 5, 6)])
    for time, known in seen[1:]:
        held = 0.8 * held + 0.6 * next(drawn)
        expected = diffuse(given.context, held, torch.tensor([time]))[:, :4]
        torch.testing.assert_close(known, expected)


def test_a_cancel_ends_it_between_the_steps() -> None:
    given, noise, calls = without_context(some_conditions(1, 4)), noise_of(1, 4), []

    def cancelled() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise InterruptedError

    def path(z: torch.Tensor, time: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        return z

    with pytest.raises(InterruptedError):
        trajectory.gamma_sample(path, given, noise, 4, 0.2, lambda: noise, cancelled)
    assert len(calls) == 3
