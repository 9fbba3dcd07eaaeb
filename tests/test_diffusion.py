"""Flow, guidance and consistency functions against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from engine.diffusion import consistency as CM
from engine.diffusion import flow, guidance
from engine.models import denoiser as D
from engine.models.codec import LATENTS
from engine.models.denoiser import Conditions
from tests.denoisers import CONFIG, gaussian_velocity, some_conditions, some_model

USUAL = torch.tensor(D.USUALLY_GUIDED).expand(2, -1)


@pytest.mark.parametrize(("solver", "order"), [(flow.euler, 1), (flow.heun, 2)])
def test_solver_reaches_its_order_on_a_known_flow(solver, order):
    """The flow of a Gaussian maps z_1 to std z_1; halving the step divides the error by 2^order."""
    z = torch.randn(4, 3, LATENTS, generator=torch.Generator().manual_seed(1)).double()
    errors = []
    for steps in (64, 128):
        reached = solver(gaussian_velocity(0.5), z, flow.time_grid(steps).double())
        errors.append(float((reached - 0.5 * z).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


def test_solver_jump_is_k_euler_steps_with_each_clip_at_its_own_time():
    z = torch.randn(2, 3, LATENTS)
    start, end = torch.tensor([1.0, 0.5]), torch.tensor([0.75, 0.25])
    jumped = CM.solver_jump(gaussian_velocity(0.5), z, start, end, 4)
    for row in range(2):
        times = torch.linspace(float(start[row]), float(end[row]), 5)
        alone = flow.euler(gaussian_velocity(0.5), z[row : row + 1], times)
        torch.testing.assert_close(jumped[row : row + 1], alone)


def test_consistency_boundary_is_exact_at_time_zero():
    model, z = some_model(), torch.randn(3, 5, LATENTS)
    given = some_conditions(3, 5)
    out = CM.consistency(model, z, torch.zeros(3), torch.full((3,), 2.0), given)
    torch.testing.assert_close(out, z, rtol=0, atol=0)


def test_guidance_of_one_is_the_conditional_velocity():
    model, z, time = some_model(), torch.randn(2, 5, LATENTS), torch.full((2,), 0.4)
    given = some_conditions(2, 5)
    guided = guidance.guided_velocity(model, given, torch.ones(2))(z, time)
    torch.testing.assert_close(guided, model(z, time, torch.ones(2), given), rtol=1e-4, atol=1e-5)


def test_guidance_extrapolates_from_the_twin_without_prompt_and_notes():
    model, z, time = some_model(), torch.randn(2, 5, LATENTS), torch.full((2,), 0.4)
    given = some_conditions(2, 5)
    full = model(z, time, torch.ones(2), given)
    null = model(z, time, torch.ones(2), guidance.without(given, USUAL, CONFIG.prompt))
    guided = guidance.guided_velocity(model, given, torch.tensor([3.0, 2.0]))(z, time)
    expected = null + torch.tensor([3.0, 2.0])[:, None, None] * (full - null)
    torch.testing.assert_close(guided, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(full, null)


def test_the_twin_keeps_beat_intensity_parts_and_tempo_and_loses_context():
    given = some_conditions(1, 4)
    twin = guidance.without(given, USUAL[:1], CONFIG.prompt)
    assert not any(known.any() for known in (twin.context, twin.context_mask, twin.under, twin.under_mask))
    assert torch.equal(twin.frames[..., :7], given.frames[..., :7])
    assert torch.equal(twin.frames[..., -2:], given.frames[..., -2:])
    assert not twin.frames[..., 7:-2].any()
    assert not twin.globals[:, : CONFIG.prompt + 1].any()
    assert torch.equal(twin.globals[:, -2:], given.globals[:, -2:])


def test_sampling_denoises_and_renoises_at_the_given_times():
    seen: list[float] = []

    def perfect(z: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        seen.append(float(time[0]))
        return torch.full_like(z, 3.0)

    times = CM.sampling_times(4)
    out = CM.sample(perfect, lambda: torch.randn(1, 2, LATENTS), times)
    assert torch.equal(out, torch.full((1, 2, LATENTS), 3.0))
    assert seen == pytest.approx(times.tolist())
    assert times[0] == 1 and (times.diff() < 0).all() and times[-1] > 0


def test_huber_is_quadratic_inside_and_linear_outside():
    error = torch.tensor([0.1, 2.0])
    expected = torch.tensor([0.5 * 0.1**2, 0.5 * (2.0 - 0.25)])
    torch.testing.assert_close(CM.huber(error, torch.zeros(2), eta=0.5), expected)


def test_each_latent_sees_every_other_and_masks_change_the_output():
    model, time, ones = some_model(), torch.full((1,), 0.5), torch.ones(1)
    given, z = some_conditions(1, 6), torch.randn(1, 6, LATENTS)
    base = model(z, time, ones, given)
    moved = z.clone()
    moved[:, 0] += 1.0
    assert (model(moved, time, ones, given)[:, 5] - base[:, 5]).abs().max() > 1e-5
    unknown = Conditions(**{**vars(given), "context_mask": torch.zeros(1, 6, 1)})
    assert (model(z, time, ones, unknown) - base).abs().max() > 1e-5


@pytest.mark.parametrize("name", D.GROUPS)
def test_a_strength_acts_on_its_own_group_alone(name):
    model, z, time = some_model(), torch.randn(2, 5, LATENTS), torch.full((2,), 0.4)
    given, ones = some_conditions(2, 5), torch.ones(2)
    strengths = torch.ones(2, len(D.GROUPS))
    strengths[:, D.GROUPS.index(name)] = torch.tensor([0.0, 2.5])
    full, twin = model(z, time, ones, given), guidance.without(given, strengths != 1, CONFIG.prompt)
    bare = model(z, time, ones, twin)
    found = guidance.guided_velocity(model, given, strengths)(z, time)
    torch.testing.assert_close(found[0], bare[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1], full[1] + 1.5 * (full[1] - bare[1]), rtol=1e-4, atol=1e-4)
    changed = {n for n, v in vars(twin).items() if not torch.equal(v, getattr(given, n))}
    around = {"context", "context_mask", "under", "under_mask"}
    wanted = {"context": around, "prompt": {"globals"}, "chords": {"frames", "globals"}}
    assert changed == wanted.get(name, {"frames"})


def test_different_strengths_add_up_and_equal_ones_are_left_out_together():
    model, z, time = some_model(), torch.randn(1, 5, LATENTS), torch.full((1,), 0.4)
    given, ones = some_conditions(1, 5), torch.ones(1)
    strengths = torch.tensor([[3.0, 1.5, 1.0, 1.5, 1.5, 1.0]])
    assert len(guidance.terms(strengths)) == 2
    full = model(z, time, ones, given)
    prompt = model(z, time, ones, guidance.without(given, strengths == 3.0, CONFIG.prompt))
    rest = model(z, time, ones, guidance.without(given, strengths == 1.5, CONFIG.prompt))
    found = guidance.guided_velocity(model, given, strengths)(z, time)
    torch.testing.assert_close(found, full + 2.0 * (full - prompt) + 0.5 * (full - rest), rtol=1e-4, atol=1e-4)
