"""What the search goes through: the same latents as plain sampling, exact gradients, and none for the weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.control import optimise as O
from engine.control.surrogate import Objective, Path
from engine.control.targets import Intensity, Melody, Seen, Structure, Target, Text, Timbre, form_similarity
from engine.control.teacher import ditto_teacher, euler_path
from engine.diffusion import flow
from engine.diffusion.guidance import guided_velocity
from engine.models import features as F
from engine.models.codec import LATENTS
from engine.models.denoiser import Conditions, Denoiser
from engine.models.joint import Joint
from engine.render.sample import few_step
from engine.training import shortcut
from tests.denoisers import some_conditions, some_model
from tests.test_jumps import noise_of
from tests.tiny_bundle import untrained


def unlooked() -> None:
    """For paths that nobody cancels."""


def frozen(model: Denoiser) -> Denoiser:
    return model.eval().requires_grad_(False)


def student(jumping: bool) -> Denoiser:
    return frozen(shortcut.with_jumps(some_model()) if jumping else some_model())


def partly_known(batch: int, count: int, known: int) -> Conditions:
    given = some_conditions(batch, count)
    given.context_mask[:, known:] = 0
    given.context[:, known:] = 0
    return given


@pytest.mark.parametrize("jumping", [True, False])
@pytest.mark.parametrize("passes", [1, 2, 4])
def test_the_path_is_plain_sampling(jumping: bool, passes: int) -> None:
    model, given = student(jumping), partly_known(2, 6, 2)
    noises, scale = [noise_of(2, 6, seed) for seed in range(8)], torch.tensor([1.0, 2.5])
    stream = iter(noises)
    plain = few_step(model, given, lambda: next(stream), passes, scale)
    found = Path(model, given, scale, noises[1:])(noises[0], passes)
    assert torch.equal(found, plain)
    if jumping:
        assert torch.equal(found[:, :2], given.context[:, :2])
        assert torch.equal(
            Path(model, given, scale, noises[1:], gamma=0.3)(noises[0], 1), Path(model, given, scale)(noises[0], 1)
        )


def targets(count: int, joint: Joint) -> list[Target]:
    """One of each over `count` frames, each partial in time."""
    half = torch.arange(count) < count // 2
    pitch = torch.where(half, 64, -1)
    wanted = torch.nn.functional.normalize(torch.ones(128), dim=0)
    return [
        Intensity(torch.linspace(-40, -20, count), half),
        Melody(pitch),
        Structure(form_similarity(["A", "B"], [0.0, 0.5, 1.2])),
        Text(joint, wanted),
        Timbre(torch.full((F.CHANNELS,), -38.0), -20.0),
    ]


def some_features(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return -40.0 + 8.0 * torch.randn(1, count, F.CHANNELS, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("index", range(5))
def test_losses_have_the_gradients_of_finite_differences(index: int) -> None:
    torch.manual_seed(0)
    target = targets(112, Joint(3, 4).eval().double().requires_grad_(False))[index]
    features = some_features(112).requires_grad_(True)

    def loss(found: Tensor) -> Tensor:
        value = target.loss(Seen(found, 0, 0))
        assert value is not None
        return value

    (gradient,) = torch.autograd.grad(loss(features), features)
    assert float(gradient.abs().sum()) > 0
    direction, step = some_features(112, 1) + 40.0, 1e-5
    with torch.no_grad():
        slope = (loss(features + step * direction) - loss(features - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-3, abs=1e-9)


def in_double(model: Denoiser) -> Denoiser:
    """In double precision, but for the sinusoids of time and guidance, which are made in single."""
    for layer in model.double().modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_pre_hook(lambda _, given: (given[0].double(),))
    return model


@pytest.mark.parametrize("passes", [1, 4])
@pytest.mark.parametrize("jumping", [True, False])
def test_the_noise_gets_the_gradient_of_finite_differences_and_the_weights_none(jumping: bool, passes: int) -> None:
    model, codec = in_double(student(jumping)), untrained().codec.double()
    given = partly_known(1, 12, 2).map(Tensor.double)
    assert isinstance(given, Conditions)
    noises = [noise_of(1, 12, seed).double() for seed in range(8)]
    path = Path(model, given, torch.ones(1, dtype=torch.float64), noises[1:])
    objective = Objective(codec, [Intensity(torch.full((80,), -25.0))], 2, 0, torch.zeros(1, 0, F.CHANNELS))
    noise = noises[0].clone().requires_grad_(True)
    loss = objective(path(noise, passes)).loss
    torch.autograd.backward(loss)
    assert noise.grad is not None
    assert all(p.grad is None for p in (*model.parameters(), *codec.parameters()))
    direction, step = noise_of(1, 12, 20).double(), 1e-4
    with torch.no_grad():
        ahead, behind = (objective(path(noise + s * step * direction, passes)).loss for s in (1, -1))
    slope = float(ahead - behind) / (2 * step)
    assert float((noise.grad * direction).sum()) == pytest.approx(slope, rel=1e-3)


def test_a_mask_keeps_a_target_to_its_frames() -> None:
    """Sound outside of it changes nothing; None where nothing of the target is seen."""
    features = some_features(300).float()
    level = torch.full((300,), -25.0)
    late = torch.arange(300) >= 200
    changed = features.clone()
    changed[:, :100] += 20
    loss = [Intensity(level, late).loss(Seen(one, 0, 0)) for one in (features, changed)]
    assert loss[0] is not None and torch.equal(loss[0], loss[1])
    assert Intensity(level, ~late).loss(Seen(changed, 0, 0)) != Intensity(level, ~late).loss(Seen(features, 0, 0))
    assert Intensity(level, late).loss(Seen(features[:, :100], 0, 0)) is None
    assert Intensity(level).loss(Seen(features, 300, 300)) is None
    assert Melody(torch.full((300,), -1)).loss(Seen(features, 0, 0)) is None


def test_a_form_is_a_matrix_of_ones_and_zeros() -> None:
    wanted = form_similarity(["A", "B", "A"], [0.0, 1.0, 2.0, 3.0])
    assert wanted.tolist() == [[float(a == b) for b in "AABBAA"] for a in "AABBAA"]


def test_structure_remembers_the_windows_before() -> None:
    """Two windows give the rows of one; the second's loss looks at pairs with the first, the first's no more."""
    features, wanted = some_features(188).float(), form_similarity(["A", "B"], [0.0, 1.0, 2.0])
    whole, parted = Structure(wanted), Structure(wanted)
    whole.keep(Seen(features, 0, 0))
    parted.keep(Seen(features[:, :112], 0, 0))
    assert len(parted.kept) == 2
    second = Seen(features[:, 60:], 60, 112)
    loss = parted.loss(second)
    parted.keep(second)
    assert len(parted.kept) == len(whole.kept) == 4
    for a, b in zip(parted.kept, whole.kept, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    rows = torch.nn.functional.normalize(torch.cat(whole.kept), dim=-1)
    assert loss is not None
    assert float(loss) == pytest.approx(float(((rows @ rows.T) - wanted)[2:].square().mean()), abs=1e-5)


def test_intensity_sees_over_the_seam_of_two_windows() -> None:
    """The fresh frames' level and that of the half second before them is the whole's."""
    features, level = some_features(240).float(), torch.linspace(-50, -20, 240)
    whole = Intensity(level, torch.arange(240) >= 120 - 46).loss(Seen(features, 0, 0))
    later = Intensity(level).loss(Seen(features[:, 120 - 128 + 20 :], 12, 120))
    assert whole is not None and later is not None
    assert float(later) == pytest.approx(float(whole), rel=1e-3)


def test_weights_count_and_a_verdict_names_its_terms() -> None:
    codec = untrained().codec
    level = torch.full((96,), -20.0)
    latents = noise_of(1, 12)
    past = torch.zeros(1, 0, F.CHANNELS)
    two: list[Target] = [Intensity(level), Timbre(torch.full((F.CHANNELS,), -38.0), -20.0)]
    both = Objective(codec, two, 0, 0, past)(latents)
    alone = [Objective(codec, [one], 0, 0, past)(latents) for one in two]
    assert set(both.terms) == {"intensity", "timbre"}
    assert float(both.loss) == pytest.approx(sum(float(one.loss) for one in alone), rel=1e-5)
    double = Objective(codec, [Intensity(level, weight=2.0)], 0, 0, past)(latents)
    assert float(double.loss) == pytest.approx(2 * float(alone[0].loss), rel=1e-5)
    assert not both.met
    easy = Objective(codec, [Intensity(level, enough=1e9)], 0, 0, past)(latents)
    assert easy.met


@pytest.mark.parametrize("guidance", [torch.tensor([1.0]), torch.tensor([2.0])])
def test_the_teachers_path_is_its_euler_steps(guidance: Tensor) -> None:
    teacher, given, noise = frozen(some_model(2)), partly_known(1, 6, 0), noise_of(1, 6)
    plain = flow.euler(guided_velocity(teacher, given, guidance), noise, flow.time_grid(5))
    found = euler_path(teacher, given, guidance)(noise, 5, unlooked)
    torch.testing.assert_close(found, plain)


def test_checkpoints_change_no_gradient() -> None:
    teacher, given = frozen(some_model(2)), partly_known(1, 6, 2)
    grads = []
    for checkpointed in (True, False):
        noise = noise_of(1, 6).requires_grad_(True)
        clean = euler_path(teacher, given, torch.tensor([2.0]), checkpointed)(noise, 4, unlooked)
        torch.autograd.backward(clean[:, 2:].square().sum())
        grads.append(noise.grad)
        assert torch.equal(clean[:, :2], given.context[:, :2])
    torch.testing.assert_close(grads[0], grads[1])


def test_the_baseline_lowers_the_same_loss_through_the_teacher() -> None:
    teacher, given = frozen(some_model(2)), replace(partly_known(1, 12, 0))
    objective = Objective(untrained().codec, [Intensity(torch.full((80,), -25.0))], 0, 0, torch.zeros(1, 0, F.CHANNELS))
    steps: list[O.Step] = []
    latents, found = ditto_teacher(
        teacher, given, torch.tensor([1.5]), objective, noise_of(1, 12), 6, 3, 0.1, steps.append
    )
    assert latents.shape == (1, 12, LATENTS) and not latents.requires_grad
    assert [step.passes for step in steps] == [3] * 6
    assert found.best < found.start
    assert float(objective(latents).loss) == pytest.approx(found.best, rel=1e-4)
