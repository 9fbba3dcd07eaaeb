"""Paths, solvers and angle schedules against a Gaussian mixture, whose flow and score are known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from engine.diffusion import flow, paths, solvers
from engine.diffusion.paths import ANGULAR, FLOW, PATHS, VP
from tests.mixture import Mixture

EVERY = sorted(PATHS)


def some(seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    time = torch.tensor([0.0, 0.2, 0.7, 0.99], dtype=torch.float64)
    return [torch.randn(4, 3, 5, generator=g, dtype=torch.float64) for _ in range(2)], time


@pytest.mark.parametrize("name", EVERY)
def test_what_the_network_should_say_splits_into_data_and_noise(name):
    path, ((clean, noise), time) = PATHS[name], some()
    z = path.diffuse(clean, noise, time)
    found = path.split(z, path.target(clean, noise, time), time)
    torch.testing.assert_close(found[0], clean, rtol=1e-9, atol=1e-9)
    kept = slice(1, None) if name == "flow" else slice(None)
    torch.testing.assert_close(found[1][kept], noise[kept], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_a_step_with_the_truth_lands_on_the_line_and_none_stays(name):
    path, ((clean, noise), time) = PATHS[name], some(1)
    z, to = path.diffuse(clean, noise, time), 0.5 * time
    said = path.target(clean, noise, time)
    torch.testing.assert_close(path.step(z, said, time, to), path.diffuse(clean, noise, to), rtol=1e-9, atol=1e-9)
    assert torch.equal(path.step(z, said, time, time), z)


@pytest.mark.parametrize("name", EVERY)
def test_time_and_angle_are_each_other_s_inverse(name):
    path = PATHS[name]
    angle = torch.linspace(0.0, 1.56, 50, dtype=torch.float64)
    torch.testing.assert_close(path.angle(path.time_at(angle)), angle, rtol=0, atol=1e-6)
    assert float(path.alpha(torch.ones(()))) < 0.01 and float(path.sigma(torch.zeros(()))) == 0.0
    if name != "flow":
        time = torch.linspace(0, 1, 30)
        torch.testing.assert_close(path.alpha(time) ** 2 + path.sigma(time) ** 2, torch.ones(30))


def test_ddim_is_euler_on_the_flow_and_a_rotation_on_angles():
    (z, said), time = some(2)
    to = 0.3 * time
    expected = z + (to - time)[:, None, None] * said
    torch.testing.assert_close(FLOW.step(z, said, time, to), expected, rtol=1e-9, atol=1e-9)
    turn = (0.5 * math.pi * (time - to))[:, None, None]
    torch.testing.assert_close(ANGULAR.step(z, said, time, to), turn.cos() * z - turn.sin() * said)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("solver", "order"), [("ddim", 1), ("dpm2m", 2)])
def test_solvers_reach_their_order_on_a_mixture_with_known_score(name, solver, order):
    """Against the flow's closed form, which in one dimension keeps the quantiles; from t = 0.9 to 0.1."""
    path, mixture = PATHS[name], Mixture()
    start, end = (torch.tensor([t], dtype=torch.float64) for t in (0.9, 0.1))
    z = mixture.at_quantiles(path, start, torch.linspace(0.05, 0.95, 19, dtype=torch.float64))
    truth = mixture.carried(path, z, start, end)
    errors = []
    for steps in (64, 128, 256):
        times = torch.linspace(0.9, 0.1, steps + 1, dtype=torch.float64)
        found = solvers.SOLVERS[solver](path, mixture.says(path), z, times)
        errors.append(float((found - truth).abs().max()))
    slopes = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert slopes[-1] == pytest.approx(order, abs=0.25), errors


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("solver", ["ddim", "dpm2m"])
@pytest.mark.parametrize("schedule", ["uniform", "melody"])
def test_solvers_reach_the_data_from_pure_noise(name, solver, schedule):
    path, mixture = PATHS[name], Mixture()
    z = torch.randn(4000, 1, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    times = solvers.angle_times(path, solvers.SCHEDULES[schedule](50)).double()
    found = solvers.SOLVERS[solver](path, mixture.says(path), z, times)
    assert bool(torch.isfinite(found).all())
    assert mixture.distance(found) < 0.12


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 20, 50])
def test_angle_schedules_add_up_to_a_right_angle_and_melody_s_steps_shrink_to_the_end(steps):
    assert float(solvers.melody_steps(steps).sum()) == pytest.approx(math.pi / 2)
    for schedule in solvers.SCHEDULES.values():
        angles = schedule(steps)
        assert len(angles) == steps + 1 and float(angles[0]) == pytest.approx(math.pi / 2)
        assert float(angles[-1]) == pytest.approx(0.0, abs=1e-9)
        assert float(-angles.diff().sum()) == pytest.approx(math.pi / 2)
    assert torch.allclose(-solvers.uniform_angles(steps).diff(), torch.tensor(math.pi / 2 / steps).double())
    down = -solvers.melody_angles(steps).diff()
    assert bool((down.diff() < 0).all())
    assert float(down[0]) == pytest.approx(math.pi / (6 * steps) + 2 * math.pi / (3 * (steps + 1)))


def test_the_flow_s_own_module_says_the_same():
    (clean, noise), time = some(4)
    torch.testing.assert_close(FLOW.diffuse(clean, noise, time), flow.diffuse(clean, noise, time))


def test_angular_velocity_is_what_the_angular_network_says():
    (clean, noise), time = some(5)
    found = paths.angular_velocity(clean, noise, ANGULAR.angle(time))
    torch.testing.assert_close(found, ANGULAR.target(clean, noise, time))
    assert VP.target(clean, noise, time) is noise
