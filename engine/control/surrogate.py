"""What the search goes through: few steps of the student from noise to latents, and what their features say.

The gradient goes to the noise alone: weights are frozen, so none of theirs is worked out or stored, and few steps
need no checkpoints (DITTO-2, 3.4: K + T passes in place of 4 K T).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.control.optimise import Check, Terms, Verdict, watched
from engine.control.targets import Seen, Target
from engine.diffusion import consistency, jumps
from engine.diffusion.trajectory import gamma_sample, trajectory
from engine.models.codec import PATCH, Codec
from engine.models.denoiser import Conditions, Denoiser

CODEC_REACH = 2


@dataclass(frozen=True)
class Path:
    """A student's way from noise [B, N, 64] to latents under `given`; guidance as the student takes it.

    fresh: further noise of that shape, always the same: consistency sampling needs one for every step but the first,
    gamma sampling (students with jumps) as many where gamma is more than 0.
    """

    student: Denoiser
    given: Conditions
    guidance: Tensor
    fresh: Sequence[Tensor] = ()
    gamma: float = 0.0

    def __call__(self, noise: Tensor, passes: int, check: Check = lambda: None) -> Tensor:
        """Latents [B, N, 64] in `passes` steps; `check` is called before each and may raise."""
        drawn = iter(self.fresh)
        if self.student.config.jumps and self.gamma > 0.0:
            path = trajectory(self.student, self.guidance, self.given)
            return gamma_sample(
                lambda z, time, to: watched(path(z, time, to), check), self.given, noise, passes, self.gamma,
                lambda: next(drawn), check,
            )  # fmt: skip
        if self.student.config.jumps:
            return self._jumped(noise, passes, check)
        first = [noise]
        return consistency.sample(
            lambda z, time: watched(self._consistent(z, time), check),
            lambda: first.pop() if first else next(drawn),
            consistency.sampling_times(passes).to(noise),
            check,
        )

    def _consistent(self, z: Tensor, time: Tensor) -> Tensor:
        return consistency.consistency(self.student, z, time, self.guidance, self.given)

    def _jumped(self, noise: Tensor, passes: int, check: Check) -> Tensor:
        """`jumps.sample`, looked at on the way back as well."""
        z, time = noise, torch.ones(len(noise), dtype=noise.dtype, device=noise.device)
        for length in jumps.jump_lengths(passes):
            check()
            jump = torch.full_like(time, length)
            velocity = jumps.mean_velocity(self.student, z, time, jump, self.guidance, self.given)
            z = watched(z - length * velocity, check)
            time = time - length
            z = jumps.pinned(z, noise, time, self.given)
        return z


@dataclass
class Objective:
    """Latents [B, N, 64] of a window to a verdict. The first `known` latents are context, the next is latent `first`.

    past [B, n, CHANNELS]: the features right before latent `first`, final; may be empty.
    """

    codec: Codec
    targets: Sequence[Target]
    known: int
    first: int
    past: Tensor

    def seen(self, latents: Tensor) -> Seen:
        """What is decoded of a window, behind the past."""
        margin = min(self.known, 2 * CODEC_REACH)
        made = self.codec.decode(latents[:, self.known - margin :])[:, margin * PATCH :]
        fresh = self.first * PATCH
        past = self.past.to(made).expand(len(made), -1, -1)
        return Seen(torch.cat([past, made], dim=1), fresh - self.past.shape[1], fresh)

    def __call__(self, latents: Tensor) -> Verdict:
        return self.judge(self.seen(latents))

    def judge(self, seen: Seen) -> Verdict:
        """The weighted sum of the targets' losses, each in its own unit."""
        total = seen.features.new_zeros(())
        terms: Terms = {}
        met = True
        for target in self.targets:
            loss = target.loss(seen)
            if loss is None or target.weight == 0.0:
                continue
            total = total + target.weight / target.unit * loss
            terms[target.name] = float(loss.detach())
            met = met and terms[target.name] <= target.enough
        if not total.requires_grad and seen.features.requires_grad:
            total = total + 0.0 * seen.features.sum()
        return Verdict(total, terms, met)
