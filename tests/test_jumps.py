"""Jumps along a known flow, and the student that learns them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from engine.diffusion import flow, guidance, jumps
from engine.models import denoiser as D
from engine.models.codec import LATENTS
from engine.models.denoiser import Conditions
from engine.models.joint import Joint
from engine.training import shortcut
from engine.training.adherence import Judges
from tests.denoisers import CONFIG, gaussian_velocity, some_conditions, some_model
from tests.tiny_bundle import untrained


def noise_of(batch: int, count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, count, LATENTS, generator=torch.Generator().manual_seed(seed))


def without_context(given: Conditions) -> Conditions:
    return replace(given, context=0 * given.context, context_mask=0 * given.context_mask)


def exact_jump(std: float):
    """The mean velocity of the flow of a Gaussian: z at time t is z times the ratio of the two widths."""

    def width(time: torch.Tensor) -> torch.Tensor:
        return ((1 - time) ** 2 * std**2 + time**2).sqrt()

    def model(z, time, guidance, given, jump):
        ratio = width(time - jump) / width(time)
        return (z - z * ratio[:, None, None]) / jump[:, None, None]

    return model


@hypothesis_given(st.integers(1, 8))
def test_jumps_add_up_to_one_and_each_divides_its_place(steps):
    lengths = jumps.jump_lengths(steps)
    assert len(lengths) == steps
    assert math.isclose(sum(lengths), 1.0)
    place = 1.0
    for length in lengths:
        assert (place / length).is_integer()
        place -= length
    assert sorted(lengths, reverse=True) == lengths


@pytest.mark.parametrize("steps", range(1, 9))
def test_exact_jumps_reach_the_flows_end_in_any_number_of_steps(steps):
    noise, given = noise_of(2, 5), without_context(some_conditions(2, 5))
    reached = jumps.sample(exact_jump(0.5), given, noise, steps, torch.ones(2))
    assert torch.allclose(reached, 0.5 * noise, atol=1e-5)


def test_what_is_known_stays_known():
    given = some_conditions(2, 6)
    given.context_mask[:, 4:] = 0
    noise = noise_of(2, 6)
    seen: list[torch.Tensor] = []

    def model(z, time, guidance, conditions, jump):
        on_line = flow.diffuse(given.context, noise, time)
        seen.append((z - on_line)[:, :4].abs().max())
        return torch.full_like(z, 3.0)

    reached = jumps.sample(model, given, noise, 4, torch.ones(2))
    assert len(seen) == 4
    assert max(float(error) for error in seen) < 1e-6
    assert torch.allclose(reached[:, :4], given.context[:, :4], atol=1e-6)
    assert torch.allclose(reached[:, 4:], noise[:, 4:] - 3.0, atol=1e-5)


def test_midpoint_jumps_have_an_error_of_third_order_or_less():
    z, velocity = noise_of(3, 4).double(), gaussian_velocity(0.5)
    exact = exact_jump(0.5)
    errors = []
    for length in (1 / 16, 1 / 32):
        time, jump = torch.ones(3).double(), torch.full((3,), length).double()
        guess = jumps.midpoint(velocity, z, time, jump, lambda moved, at: moved)
        errors.append(float((length * (guess - exact(z, time, None, None, jump))).abs().max()))
    assert errors[0] / errors[1] > 6.0


def test_two_halves_of_an_exact_student_are_the_whole():
    z, given = noise_of(2, 4), some_conditions(2, 4)
    time, jump, scale = torch.tensor([1.0, 0.5]), torch.tensor([1.0, 0.25]), torch.ones(2)
    model = exact_jump(0.4)
    whole = model(z, time, scale, given, jump)
    halves = jumps.two_halves(model, z, time, jump, scale, given, lambda moved, at: moved)
    assert torch.allclose(halves, whole, atol=1e-5)


def test_a_model_given_jumps_is_the_same_until_it_learns_them():
    model, given, z = some_model(), some_conditions(2, 5), noise_of(2, 5)
    student = shortcut.with_jumps(model).eval()
    time, scale = torch.tensor([0.3, 0.9]), torch.tensor([1.0, 2.0])
    plain = model(z, time, scale, given)
    for jump in (None, torch.zeros(2), torch.full((2,), 0.5)):
        assert torch.equal(student(z, time, scale, given, jump), plain)
    with torch.no_grad():
        student.jump_input.weight.normal_(generator=torch.Generator().manual_seed(0))
    assert torch.allclose(student(z, time, scale, given, torch.zeros(2)), plain, atol=1e-6)
    assert not torch.allclose(student(z, time, scale, given, torch.full((2,), 0.5)), plain, atol=1e-3)


def test_jumps_are_drawn_on_their_own_grids():
    generator = torch.Generator().manual_seed(3)
    for _ in range(50):
        time, jump = shortcut.draw_jumps(8, generator)
        assert (jump[:2] == 0).all()
        assert (jump[2:4] == jumps.SMALLEST_JUMP).all()
        assert set(jump[4:].tolist()) <= set(shortcut.LONG_JUMPS)
        places = time[2:] / jump[2:]
        assert torch.equal(places, places.round())
        assert float((time[2:] - jump[2:]).min()) >= 0
        assert float(time.max()) <= 1
    scales = shortcut.draw_guidance(4000, generator)
    assert float(scales.min()) >= 1.0
    assert float(scales.max()) <= 3.0
    assert 0.45 < float((scales == shortcut.USUAL_GUIDANCE).float().mean()) < 0.55


@pytest.mark.parametrize("taught", [True, False])
def test_the_loss_reaches_the_student_alone(taught):
    student, reference = (shortcut.with_jumps(some_model(seed)) for seed in (0, 1))
    teacher = some_model(2) if taught else None
    given, clean = some_conditions(8, 6), noise_of(8, 6, 4)
    losses = shortcut.shortcut_loss(student, reference, (clean, torch.ones(8, 6, 1), given), torch.Generator(), teacher)
    torch.autograd.backward(losses["loss"])
    assert all(p.grad is not None for p in student.parameters())
    assert all(p.grad is None for m in (reference, teacher) if m is not None for p in m.parameters())


def test_without_a_teacher_the_data_give_the_velocity():
    """Jump 0 learns e - z_0 itself; its goal ignores the reference."""
    reference = shortcut.with_jumps(some_model(1))
    given, clean, noise = without_context(some_conditions(8, 6)), noise_of(8, 6, 4), noise_of(8, 6, 5)
    time, jump = shortcut.draw_jumps(8, torch.Generator().manual_seed(0))
    goal = shortcut.targets(
        None, reference, clean, noise, flow.diffuse(clean, noise, time), time, jump, torch.ones(8), given
    )
    assert torch.equal(goal[:2], (noise - clean)[:2])


def test_goals_are_the_teachers_path_and_the_averages_halves():
    """Clip by clip: jump 0 the guided velocity, 1/8 its midpoint rule, longer ones two calls of the average."""
    teacher, reference = some_model(2), shortcut.with_jumps(some_model(1))
    with torch.no_grad():
        reference.jump_input.weight.normal_(generator=torch.Generator().manual_seed(0))
    given, clean, noise = some_conditions(8, 6), noise_of(8, 6, 4), noise_of(8, 6, 5)
    given.context_mask[:, 3:] = 0
    time, jump = shortcut.draw_jumps(8, torch.Generator().manual_seed(7))
    scale = torch.linspace(1, 3, 8)
    goal = shortcut.targets(
        teacher, reference, clean, noise, flow.diffuse(clean, noise, time), time, jump, scale, given
    )
    for i in range(8):
        one = Conditions(**{name: value[i : i + 1] for name, value in vars(given).items()})
        t, d, w, eps = time[i : i + 1], jump[i : i + 1], scale[i : i + 1], noise[i : i + 1]
        z = flow.diffuse(clean[i : i + 1], eps, t)
        guided = guidance.guided_velocity(teacher, one, w)
        with torch.no_grad():
            if i < 2:
                expected = guided(z, t)
            elif i < 4:
                middle = jumps.pinned(z - d / 2 * guided(z, t), eps, t - d / 2, one)
                expected = guided(middle, t - d / 2)
            else:
                first = reference(z, t, w, one, d / 2)
                middle = jumps.pinned(z - d / 2 * first, eps, t - d / 2, one)
                expected = (first + reference(middle, t - d / 2, w, one, d / 2)) / 2
        assert torch.allclose(goal[i : i + 1], expected, atol=1e-4)


def test_the_own_path_of_an_exact_student_is_the_flow():
    noise, given = noise_of(3, 5), without_context(some_conditions(3, 5))
    time, jump = torch.tensor([0.5, 0.25, 1.0]), torch.tensor([0.5, 0.25, 0.25])
    reached = jumps.own_path(exact_jump(0.5), noise, time, jump, torch.ones(3), given)
    width = ((1 - time) ** 2 * 0.25 + time**2).sqrt()
    assert torch.allclose(reached, noise * width[:, None, None], atol=1e-5)


def test_strengths_are_at_most_two_scales_and_one_scale_is_what_it_was():
    drawn = shortcut.draw_strengths(400, torch.Generator().manual_seed(2))
    assert drawn.shape == (400, len(D.GROUPS))
    assert float(drawn.min()) >= 0 and float(drawn.max()) <= shortcut.MOST_STRENGTH
    assert len(guidance.terms(drawn)) == 2
    model, given, z = some_model(), some_conditions(2, 5), noise_of(2, 5)
    with torch.no_grad():
        model.guidance_input.weight.normal_(generator=torch.Generator().manual_seed(4))
    time, scale = torch.tensor([0.3, 0.9]), torch.tensor([1.0, 2.5])
    student = shortcut.as_student(model).eval()
    assert torch.allclose(student(z, time, scale, given), model(z, time, scale, given), atol=1e-4)
    assert torch.allclose(student(z, time, D.usual_strengths(scale), given), student(z, time, scale, given))
    apart = D.usual_strengths(scale)
    apart[:, D.GROUPS.index("beat")] = 2.0
    assert torch.allclose(student(z, time, apart, given), model(z, time, scale, given), atol=1e-4), "not learnt yet"


def test_half_of_the_long_jumps_start_on_the_students_own_path():
    model, given, clean, noise = some_model(), some_conditions(8, 6), noise_of(8, 6, 4), noise_of(8, 6, 5)
    reference = shortcut.as_student(model)
    time = torch.tensor([0.3, 0.6, 0.5, 0.125, 0.5, 0.25, 0.25, 1.0])
    jump = torch.tensor([0.0, 0.0, 0.125, 0.125, 0.5, 0.25, 0.25, 1.0])
    line, moved = flow.diffuse(clean, noise, time), 0
    for seed in range(8):
        draw = torch.Generator().manual_seed(seed)
        z = shortcut.starts(reference, clean, noise, time, jump, torch.ones(8), given, draw)
        off = (z - line).abs().amax((1, 2)) > 1e-6
        assert not off[:4].any() and not off[7]
        moved += int(off.sum())
    assert 6 <= moved <= 18, "half of 24"


def test_a_student_is_pulled_towards_the_level_it_was_asked_for():
    """One step of descent on the judges' errors alone lowers them."""
    torch.manual_seed(0)
    judges = Judges(untrained().codec, Joint(2, 3), CONFIG.prompt)
    given, new = some_conditions(4, 16), torch.ones(4, 16, 1)
    given.frames[..., -2] = 1.0
    latents = noise_of(4, 16).requires_grad_()
    before = judges.errors(latents, new, given, torch.ones(4))["level"]
    assert before.shape == (4,)
    (slope,) = torch.autograd.grad(before.sum(), latents)
    after = judges.errors((latents - 0.5 * slope / slope.norm()).detach(), new, given, torch.ones(4))["level"]
    assert (after.sum() < before.sum()).all()
    new[1] = 0.0
    assert float(judges.errors(latents.detach(), new, given, torch.ones(4))["level"][1]) == 0.0


def test_a_whole_loss_with_judges_reaches_the_student_and_nothing_else():
    teacher, codec, joint = some_model(2), untrained().codec, Joint(2, 3)
    student, reference = shortcut.as_student(some_model(1)), shortcut.as_student(some_model(1))
    given, clean = some_conditions(8, 16), noise_of(8, 16, 4)
    judges = Judges(codec, joint, CONFIG.prompt)
    plain, judged = (
        shortcut.shortcut_loss(student, reference, (clean, torch.ones(8, 16, 1), given), generator, teacher, who)
        for who, generator in ((None, torch.Generator().manual_seed(3)), (judges, torch.Generator().manual_seed(3)))
    )
    assert {"level", "style", "key"} == judged.keys() - plain.keys()
    assert float(judged["loss"].detach()) != float(plain["loss"].detach())
    judged["loss"].backward()
    assert student.output.weight.grad is not None
    assert all(p.grad is None for m in (teacher, codec, joint, reference) for p in m.parameters())


def test_an_earlier_student_meets_its_teacher_half_way():
    student, teacher = shortcut.with_jumps(some_model(1)), some_model(2)
    middle = shortcut.between(student, teacher)
    assert middle.config.jumps and middle.config.strengths
    expected = 0.5 * (student.output.weight + teacher.output.weight)
    assert torch.allclose(middle.output.weight, expected)
    assert torch.equal(middle.jump_input.weight, student.jump_input.weight)


def test_what_has_not_landed_takes_the_rest_of_its_way_at_once():
    student, given = shortcut.as_student(some_model(1)), some_conditions(6, 16)
    moved, noise, rest = noise_of(6, 16, 4), noise_of(6, 16, 5), torch.tensor([0.5, 0.5, 0.0, 0.25, 0.5, 0.75])
    guidance = torch.full((6,), 1.5)
    found = shortcut.landing(student, moved, noise, rest, 2, guidance, given)
    assert torch.equal(found[:3], moved[:3])
    for row in (3, 4, 5):
        one = slice(row, row + 1)
        told, left = shortcut.rows(given, one), rest[one]
        held = jumps.pinned(moved[one], noise[one], left, told)
        expected = held - left[:, None, None] * jumps.mean_velocity(student, held, left, left, guidance[one], told)
        torch.testing.assert_close(found[one], expected, rtol=0.05, atol=0.05)
    found[3:].sum().backward()
    assert student.output.weight.grad is not None
