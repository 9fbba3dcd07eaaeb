"""The papers' distillations: exact properties, and a mixture whose flow is known in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.diffusion.guidance import guided_velocity
from engine.diffusion.paths import FLOW, PATHS, VP
from engine.models import denoiser as D
from engine.models.codec import LATENTS
from engine.models.denoiser import Conditions, Denoiser, DenoiserConfig, sinusoid
from engine.training.distillations import adversarial as A
from engine.training.distillations.common import Trio, draw_weights, over_new, teacher_step
from engine.training.distillations.consistency import GuidedConsistency, consistent
from engine.training.distillations.trajectory import Trajectory, jumped
from engine.training.loop import Averaged
from tests.denoisers import shaken
from tests.mixture import Mixture

CONFIG = DenoiserConfig(prompt=3, width=32, layers=1, heads=2, jumps=True)
EVERY = sorted(PATHS)


def some_conditions(batch: int, count: int) -> Conditions:
    g = torch.Generator().manual_seed(0)
    shapes = [(count, LATENTS), (count, 1), (count, LATENTS), (count, 1), (count, 8, D.FRAME_FEATURES)]
    return Conditions(*(torch.randn(batch, *shape, generator=g) for shape in [*shapes, (CONFIG.globals_width,)]))


def some_model(seed: int = 0) -> Denoiser:
    return shaken(lambda: Denoiser(CONFIG), seed)


def some_example(batch: int = 3, count: int = 6):
    g = torch.Generator().manual_seed(1)
    new = torch.ones(batch, count, 1)
    new[:, :2] = 0.0
    return torch.randn(batch, count, LATENTS, generator=g), new, some_conditions(batch, count)


@pytest.mark.parametrize("name", EVERY)
def test_the_consistency_function_is_the_identity_at_time_zero(name):
    z, given = torch.randn(3, 6, LATENTS), some_conditions(3, 6)
    with torch.no_grad():
        found = consistent(some_model(), PATHS[name], z, torch.zeros(3), torch.full((3,), 5.0), given)
    assert torch.equal(found, z)


def test_past_the_boundary_the_consistency_function_is_the_network_s_own_estimate():
    z, given, time = torch.randn(2, 6, LATENTS), some_conditions(2, 6), torch.tensor([0.3, 1.0])
    model = some_model()
    with torch.no_grad():
        found = consistent(model, FLOW, z, time, torch.ones(2), given)
        with torch.autocast("cpu", torch.bfloat16):
            said = model(z, time, torch.ones(2), given)
    torch.testing.assert_close(found, z - time[:, None, None] * said.float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", EVERY)
def test_a_trajectory_that_goes_nowhere_stays_exactly(name):
    z, given, time = torch.randn(3, 6, LATENTS), some_conditions(3, 6), torch.tensor([0.1, 0.5, 1.0])
    with torch.no_grad():
        model = some_model()
        assert torch.equal(jumped(model, PATHS[name], z, time, time, torch.full((3,), 5.0), given), z)
        assert not torch.equal(jumped(model, PATHS[name], z, time, 0.9 * time, torch.full((3,), 5.0), given), z)


def test_the_teacher_s_step_is_guided_as_in_the_paper():
    """z + (1 + w) Psi(c) - w Psi(0), with Psi the change that one DDIM step makes."""
    teacher, (z, _, given) = some_model(), some_example(2)
    start, end, w = torch.tensor([0.9, 0.4]), torch.tensor([0.8, 0.35]), torch.tensor([2.0, 5.0])
    told = torch.ones(2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        bare = guided_velocity(teacher, given, torch.zeros(2))
        full, null = teacher(z, start, told, given).float(), bare(z, start).float()
    change = [FLOW.step(z, said, start, end) - z for said in (full, null)]
    expected = z + (1 + w)[:, None, None] * change[0] - w[:, None, None] * change[1]
    found = teacher_step(Trio(teacher, teacher, teacher, FLOW), z, start, end, 1 + w, given)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)


def test_weights_of_guidance_fill_their_range_and_stay_in_it():
    scales = draw_weights(4.0, 12.0, 2000, torch.Generator().manual_seed(0))
    assert 5.0 <= float(scales.min()) < 5.1 and 12.9 < float(scales.max()) <= 13.0
    assert torch.equal(draw_weights(2.0, 2.0, 3, torch.Generator()), torch.full((3,), 3.0))


@pytest.mark.parametrize("method", [GuidedConsistency(), Trajectory()])
def test_a_loss_counts_new_frames_alone_and_reaches_the_student_alone(method):
    student, reference, teacher = some_model(0), some_model(1), some_model(2)
    clean, new, given = some_example(4)
    outcome = method(Trio(student, reference, teacher, FLOW), (clean, new, given), torch.Generator().manual_seed(0))
    outcome.losses["loss"].backward()
    assert all(p.grad is None for model in (reference, teacher) for p in model.parameters())
    assert any(p.grad is not None and bool(p.grad.any()) for p in student.parameters())
    error = torch.ones(1, 4, 2)
    error[:, 0] = 1e6
    assert float(over_new(error, torch.tensor([0.0, 1, 1, 1])[None, :, None])) == 1.0


def test_a_perfect_student_of_a_straight_flow_has_no_loss():
    """With one Gaussian of no width all paths are straight, and the network that says so is its own student."""

    class Straight(nn.Module):
        config = CONFIG

        def forward(self, z, time, guidance, given, jump=None):
            return (z - 1.5) / time[:, None, None].clamp_min(1e-6)

    one = Straight()
    clean, new, given = some_example(64)
    example = torch.full_like(clean, 1.5), new, given
    for method in (GuidedConsistency(low=0, high=0), Trajectory(low=0, high=0)):
        loss = method(Trio(one, one, one, FLOW), example, torch.Generator().manual_seed(0)).losses["loss"]
        assert float(loss) < 1e-4


class Layers(nn.Module):
    """Two frozen layers."""

    widths = (8, 6)

    def __init__(self, channels: int = LATENTS) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Linear(channels, 8), nn.Linear(8, 6)
        self.requires_grad_(False)

    def forward(self, clips):
        first = torch.tanh(self.first(clips))
        return [first, torch.tanh(self.second(first))]


def some_critic(learn=lambda loss: None, channels: int = LATENTS, prompt: int = CONFIG.prompt, **more) -> A.Critic:
    torch.manual_seed(6)
    features = Layers(channels)
    return A.Critic(features, A.Heads(features.widths, prompt + 1), learn, **more)


def test_the_adversary_reaches_the_student_only_through_its_output():
    """The student's gradient is its output's, pulled back through the student; nobody else gets one."""
    critic, (clean, _, given) = some_critic(), some_example(3)
    student = nn.Linear(LATENTS, LATENTS)
    made = student(clean)
    loss = critic.against(made, clean, given, CONFIG.prompt)["adversary"]
    (slope,) = torch.autograd.grad(loss, made, retain_graph=True)
    expected = torch.autograd.grad(made, list(student.parameters()), slope, retain_graph=True)
    loss.backward()
    for parameter, wanted in zip(student.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, wanted)
    assert bool(slope.any())
    assert all(p.grad is None for part in (critic.heads, critic.features) for p in part.parameters())
    with torch.no_grad():
        assert not any(part.requires_grad for part in critic.features.parameters())
        assert all(part.requires_grad for part in critic.heads.parameters())


def test_the_heads_learn_from_clips_without_a_path_to_the_student():
    losses = []
    critic, (clean, _, given) = some_critic(losses.append), some_example(3)
    made = (2.0 * clean).requires_grad_()
    critic.against(made, clean, given, CONFIG.prompt)
    losses[0].backward()
    assert made.grad is None
    assert any(p.grad is not None and bool(p.grad.any()) for p in critic.heads.parameters())


def test_r1_is_the_squared_slope_of_each_head_at_its_input():
    """Against central differences of the heads' own scores, entry by entry."""
    critic, (clean, _, given) = some_critic(), some_example(2, 3)
    heads = critic.heads.double()
    layers = [layer.double() for layer in critic.features(clean)]
    told = critic.told(critic.features(clean), given, CONFIG.prompt).double()
    found = float(A.r1(heads, layers, told).detach())
    total, step = 0.0, 1e-5
    with torch.no_grad():
        for k, layer in enumerate(layers):
            for b in range(2):
                for at in range(layer[b].numel()):
                    scores = []
                    for sign in (1, -1):
                        moved = layer.clone()
                        moved[b].view(-1)[at] += sign * step
                        scores.append(float(heads.heads[k](moved, told)[b].mean()))
                    total += ((scores[0] - scores[1]) / (2 * step)) ** 2 / 2
    assert found == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("inner", [GuidedConsistency(k=1, low=2, high=2), Trajectory(low=0, high=1)])
@pytest.mark.parametrize("name", EVERY)
def test_the_adversary_beside_either_distillation_reaches_the_student_alone(inner, name):
    critic, student, others = some_critic(), some_model(0), [some_model(1), some_model(2)]
    method = A.Adversarial(inner, critic)
    clean, new, given = some_example(4)
    outcome = method(Trio(student, *others, PATHS[name]), (clean, new, given), torch.Generator().manual_seed(0))
    outcome.losses["adversary"].backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in student.parameters())
    assert all(p.grad is None for part in (*others, critic.features, critic.heads) for p in part.parameters())
    with torch.no_grad():
        kept = new.expand_as(clean) == 0
        assert torch.equal(outcome.clean[kept], clean[kept])


def test_hinges_stop_at_one_and_the_maker_wants_high_scores():
    real, made = [torch.tensor([[2.0, 0.5]])], [torch.tensor([[-3.0, 0.0]])]
    assert float(A.hinge_critics(real, made)) == pytest.approx(0.25 + 0.5)
    assert float(A.hinge_maker(made)) == pytest.approx(1.5)


def test_the_force_at_clips_is_the_length_of_the_slope():
    clips = torch.tensor([[3.0, 0.0], [0.0, 2.0]], requires_grad=True)
    assert float(A.slope_length((clips.square()).sum() / 2, clips)) == pytest.approx(13**0.5)


def test_the_whole_loss_is_the_adversary_and_lambda_times_the_distillation():
    critic, student = some_critic(), some_model()
    method = A.Adversarial(GuidedConsistency(k=1, low=2, high=2), critic, weight=3.0)
    outcome = method(Trio(student, some_model(1), some_model(2), FLOW), some_example(), torch.Generator())
    parts = outcome.losses
    torch.testing.assert_close(parts["loss"], parts["adversary"] + 3.0 * parts["distil"])
    clean, new, _ = some_example()
    assert torch.equal(outcome.clean * (1 - new), clean * (1 - new))


@pytest.mark.parametrize("inner", [GuidedConsistency(k=1, low=0, high=1), Trajectory(low=0, high=1)])
def test_a_balanced_adversary_pulls_with_its_share_of_the_distillations_force(inner, monkeypatch):
    critic, student = some_critic(), some_model()
    trio, lengths, plain = Trio(student, some_model(1), some_model(2), FLOW), [], A.slope_length
    monkeypatch.setattr(
        A, "slope_length", lambda loss, clips: lengths.append((loss, plain(loss, clips))) or lengths[-1][1]
    )
    parts = A.Adversarial(inner, critic, balance=0.5)(trio, some_example(), torch.Generator()).losses
    (distil, force), (adversary, other) = lengths
    assert distil is parts["distil"] and adversary is parts["adversary"] and force > 0 and other > 0
    torch.testing.assert_close(parts["loss"], distil + 0.5 * force / other * adversary)


MIXTURE = Mixture()


class Known(nn.Module):
    """The mixture's own network, and a small network's correction to it, which starts at zero.

    On the variance-preserving path an error of what it says counts sigma / alpha times in z_0, 152 times at the end:
    there the correction is made alpha times as large, so that it moves z_0 as far as on the other paths.
    """

    config = DenoiserConfig(prompt=1, jumps=True)

    def __init__(self, path, corrected: bool) -> None:
        super().__init__()
        self.path = path
        self.body = None
        if corrected:
            self.body = nn.Sequential(nn.Linear(34, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
            nn.init.zeros_(self.body[-1].weight)
            nn.init.zeros_(self.body[-1].bias)

    def forward(self, z, time, guidance, given, jump=None):
        with torch.autocast("cpu", enabled=False):
            said = MIXTURE.says(self.path)(z, time)
            if self.body is None:
                return said
            far = time if jump is None else jump
            seen = [z[:, 0], sinusoid(time, 16, 20.0), sinusoid(far, 16, 20.0), far[:, None]]
            moved = self.body(torch.cat(seen, dim=-1))[:, None]
            return said + (moved * self.path.alpha(time)[:, None, None] if self.path is VP else moved)


def nothing_said(batch: int) -> Conditions:
    def zeros(*shape):
        return torch.zeros(batch, *shape)

    width = Known.config.globals_width
    return Conditions(zeros(1, 1), zeros(1, 1), zeros(1, 1), zeros(1, 1), zeros(1, 8, D.FRAME_FEATURES), zeros(width))


def taught(method, path, steps: int = 300, batch: int = 512):
    """A student of the mixture's exact flow, on the CPU for a few seconds.

    Its reference follows more slowly on the variance-preserving path, near the paper's 0.95: there 0.7 does not settle.
    """
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(0)
    student, reference, teacher = Known(path, True), Known(path, True), Known(path, False)
    reference.load_state_dict(student.state_dict())
    follower, final = Averaged(student, 0.9 if path is VP else 0.7), Averaged(student, 0.98)
    optimizer = torch.optim.Adam(student.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    example = torch.ones(batch, 1, 1), nothing_said(batch)
    for step in range(steps):
        outcome = method(Trio(student, reference, teacher, path), (MIXTURE.draw(batch, g), *example), g)
        optimizer.zero_grad()
        outcome.losses["loss"].backward()
        optimizer.step()
        schedule.step()
        follower.update(student, 10**6)
        follower.copy_to(reference)
        final.update(student, step)
    final.copy_to(student)
    return student


def drawn(method, student, path, steps: int, count: int = 4000):
    g = torch.Generator().manual_seed(9)
    return method.sample(student, path, nothing_said(count), lambda: torch.randn(count, 1, 1, generator=g), steps, 1.0)


def own_critic() -> A.Critic:
    critic = some_critic(channels=1, prompt=1)
    optimizer = torch.optim.Adam(critic.heads.parameters(), 1e-3)

    def learn(loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return A.Critic(critic.features, critic.heads, learn, penalty=1.0)


LCD = GuidedConsistency(k=100, grid=1000, low=0, high=0)
CTM = Trajectory(grid=10, low=0, high=0)
PLAIN = GuidedConsistency(k=1, grid=10, low=0, high=0, distance="l2")
METHODS = {
    "AudioLCM": lambda: (LCD, FLOW),
    "AudioLCM on angles": lambda: (LCD, PATHS["angular"]),
    "AudioLCM on its own path": lambda: (LCD, VP),
    "MusicCM": lambda: (A.Adversarial(PLAIN, own_critic(), 300.0), FLOW),
    "MusicCM on its own path": lambda: (A.Adversarial(PLAIN, own_critic(), 300.0), VP),
    "DITTO-2": lambda: (CTM, FLOW),
    "DITTO-2 on the variance-preserving path": lambda: (CTM, VP),
    "DITTO-2 with an adversary": lambda: (A.Adversarial(CTM, own_critic(), 300.0), FLOW),
}
REACHED = 0.3
"""Wasserstein-1 distance to the data, whose modes lie 2 apart; ten steps of the teacher's solver come within 0.11."""


@pytest.mark.parametrize("name", METHODS)
def test_each_distillation_reaches_its_teacher_s_distribution(name):
    """At 1, 2 and 4 steps, where one step of the teacher itself stays 0.8 away and more."""
    method, path = METHODS[name]()
    student = taught(method, path)
    found = {steps: MIXTURE.distance(drawn(method, student, path, steps)) for steps in (1, 2, 4)}
    assert max(found.values()) < REACHED, found
    assert MIXTURE.distance(drawn(method, Known(path, True), path, 1)) > 0.8
