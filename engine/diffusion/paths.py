"""Paths from data to noise, z_t = alpha(t) z_0 + sigma(t) e with t in [0, 1], and what a network says on each.

    FLOW     alpha = 1 - t, sigma = t; the network says v = e - z_0 (rectified flow, `engine.diffusion.flow`)
    VP       variance-preserving with linear beta; the network says e (AudioLCM Eq. 3 and 9, MusicCM section 3.2)
    ANGULAR  alpha = cos d, sigma = sin d, d = pi t / 2; the network says v = cos(d) e - sin(d) z_0 (MeLoDy)

All is elementwise in z [B, N, D], with times [B]. `split` turns what a network says into z_0 and e; `step` is one
DDIM step, which on FLOW is an Euler step and on ANGULAR a rotation by the difference of the angles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

Says = Callable[[Tensor, Tensor], Tensor]
"""A network on a path: (z [B, N, D], time [B]) -> what it says [B, N, D]."""
BETA_MIN, BETA_MAX = 0.1, 20.0


def spread(time: Tensor) -> Tensor:
    """[B] to [B, 1, 1]."""
    return time[:, None, None]


class Path:
    """One path. Times are tensors of any shape in `alpha`, `sigma`, `angle` and `time_at`, and [B] elsewhere."""

    name: ClassVar[str]

    def alpha(self, time: Tensor) -> Tensor:
        raise NotImplementedError

    def sigma(self, time: Tensor) -> Tensor:
        raise NotImplementedError

    def target(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """What the network should say."""
        raise NotImplementedError

    def split(self, z: Tensor, said: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """(z_0, e) of what the network said at z."""
        raise NotImplementedError

    def time_at(self, angle: Tensor) -> Tensor:
        """The time at which atan2(sigma, alpha) is `angle` in [0, pi/2]: the same share of noise on any path."""
        raise NotImplementedError

    def angle(self, time: Tensor) -> Tensor:
        return torch.atan2(self.sigma(time), self.alpha(time))

    def diffuse(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        return spread(self.alpha(time)) * clean + spread(self.sigma(time)) * noise

    def step(self, z: Tensor, said: Tensor, time: Tensor, to: Tensor) -> Tensor:
        """One DDIM step (Song et al. 2021, Eq. 12 with no fresh noise) from `time` to `to`; none at all gives z."""
        clean, noise = self.split(z, said, time)
        shrunk = spread(self.alpha(to) - self.alpha(time)) * clean
        return z + shrunk + spread(self.sigma(to) - self.sigma(time)) * noise


class Flow(Path):
    name = "flow"

    def alpha(self, time: Tensor) -> Tensor:
        return 1.0 - time

    def sigma(self, time: Tensor) -> Tensor:
        return time

    def target(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        return noise - clean

    def split(self, z: Tensor, said: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        return z - spread(time) * said, z + spread(1.0 - time) * said

    def time_at(self, angle: Tensor) -> Tensor:
        return angle.sin() / (angle.sin() + angle.cos())


class VariancePreserving(Path):
    """log alpha = -t^2 (b1 - b0) / 4 - t b0 / 2 (Song et al. 2021, score SDE, Eq. 33)."""

    name = "vp"

    def log_alpha(self, time: Tensor) -> Tensor:
        return -0.25 * time.square() * (BETA_MAX - BETA_MIN) - 0.5 * time * BETA_MIN

    def alpha(self, time: Tensor) -> Tensor:
        return self.log_alpha(time).exp()

    def sigma(self, time: Tensor) -> Tensor:
        return (-torch.expm1(2.0 * self.log_alpha(time))).clamp_min(0.0).sqrt()

    def target(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        return noise

    def split(self, z: Tensor, said: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        return (z - spread(self.sigma(time)) * said) / spread(self.alpha(time)), said

    def time_at(self, angle: Tensor) -> Tensor:
        wanted = -angle.cos().clamp_min(1e-12).log()
        a, b = 0.25 * (BETA_MAX - BETA_MIN), 0.5 * BETA_MIN
        return ((-b + (b * b + 4.0 * a * wanted).sqrt()) / (2.0 * a)).clamp(0.0, 1.0)


class Angular(Path):
    name = "angular"

    def alpha(self, time: Tensor) -> Tensor:
        return (0.5 * math.pi * time).cos()

    def sigma(self, time: Tensor) -> Tensor:
        return (0.5 * math.pi * time).sin()

    def target(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        return spread(self.alpha(time)) * noise - spread(self.sigma(time)) * clean

    def split(self, z: Tensor, said: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = spread(self.alpha(time)), spread(self.sigma(time))
        return cos * z - sin * said, sin * z + cos * said

    def time_at(self, angle: Tensor) -> Tensor:
        return angle * (2.0 / math.pi)


FLOW, VP, ANGULAR = Flow(), VariancePreserving(), Angular()
PATHS: dict[str, Path] = {path.name: path for path in (FLOW, VP, ANGULAR)}


def angular_velocity(clean: Tensor, noise: Tensor, angle: Tensor) -> Tensor:
    """MeLoDy's velocity cos(d) e - sin(d) z_0 [B, N, D] at angles [B]: one measure for networks of every path."""
    return spread(angle.cos()) * noise - spread(angle.sin()) * clean
