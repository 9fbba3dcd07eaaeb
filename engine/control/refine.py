"""Sampling with a search in front: what a render calls in place of `engine.render.sample.latents` when it is to refine.

Window by window: the noise that plain sampling would have drawn is searched (`optimise`), and what is found is decoded
in the request's number of steps. Of what was found and plain sampling, that counts which meets its targets in that
decoding, else what comes closest: a window is never further from its targets than plain sampling would have it.

*Threading*: runs in the renderer's thread. Cancellation is looked at before each pass of the student, on the way
back between passes, and in each iteration: within 100 ms on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from engine.control.optimise import ADAPTIVE, RATE, SINGLE, Budget, Outcome, Schedule, Step, Terms, Verdict, optimise
from engine.control.surrogate import Objective, Path
from engine.control.targets import Seen, Target, Timbre, mean_levels
from engine.control.wanted import budget_of, wanted
from engine.errors import Cancelled
from engine.models import features as F
from engine.models.codec import LATENTS
from engine.models.load import Networks
from engine.render.condition import CONTEXT, Material, Place
from engine.render.past import UNSURE
from engine.render.sample import spans
from engine.types import Request

PAST_FRAMES = 128
NOTHING = "There is nothing to refine towards: give a curve, a melody, a form or words."
HOLD = 1.0


@dataclass(frozen=True)
class Reached:
    """Of one window, decoded: each target's loss as plain sampling has it and as it is now, weighted by frames."""

    frames: int
    plain: Terms
    refined: Terms
    outcome: Outcome


@dataclass
class Refiner:
    """Draws windows of latents whose noise was searched towards `targets`. Weights must be frozen.

    budget: iterations a window, seconds a request. schedule: passes an iteration (`optimise.SINGLE`, `ADAPTIVE`).
    hold: how much it counts that a window's mean spectrum and power stay what plain sampling makes (`targets.Timbre`).
    gamma: share of noise that each decoding step renews (students with jumps; 0 is deterministic).
    `reached` fills up as windows are made.
    """

    networks: Networks
    targets: Sequence[Target]
    budget: Budget
    schedule: Schedule = SINGLE
    rate: float = RATE
    gamma: float = 0.0
    hold: float = HOLD
    reached: list[Reached] = field(default_factory=list)

    def latents(
        self,
        material: Material,
        new: int,
        steps: int,
        guidance: Tensor,
        seed: int,
        cancelled: Callable[[], bool],
        progress: Callable[[float], None] = lambda share: None,
    ) -> Iterator[Tensor]:
        """Yield windows of new latents [n, 64] in order, from latent -UNSURE to `new`, as `sample.latents` does.

        progress: the share of all windows that is searched, 0..1.
        """
        generator, extra = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1)
        known = material.context[: max(0, len(material.context) - UNSURE)]
        past = torch.zeros(1, 0, F.CHANNELS)
        for first, last in spans(new, len(known)):
            given = material.span(first - len(known), last, known)
            noises = self.noises(generator, extra, (1, last - first + len(known), LATENTS), steps)
            path = Path(self.networks.student, given, guidance, noises[1:], self.gamma)
            objective = Objective(self.networks.codec, self.targets, len(known), first, past)
            part = (last - first) / (new + UNSURE)
            done = (first + UNSURE) / (new + UNSURE)

            def told(step: Step, part: float = part, done: float = done) -> None:
                progress(done + part * step.share)

            clean, seen = self.window(path, objective, noises[0], steps, part, told, cancelled)
            for target in self.targets:
                target.keep(seen)
            past = seen.features[:, -PAST_FRAMES:].detach()
            made = clean[0, len(known) :]
            known = torch.cat([known, made])[-CONTEXT:]
            yield made

    def noises(
        self, generator: torch.Generator, extra: torch.Generator, shape: tuple[int, ...], steps: int
    ) -> list[Tensor]:
        """What plain sampling draws for a window, in its order: one noise for jumps, one a step for consistency.

        Further ones, which more passes or gamma need, come from `extra`.
        """
        own = 1 if self.networks.student.config.jumps else steps
        drawn = [torch.randn(shape, generator=generator) for _ in range(own)]
        return drawn + [torch.randn(shape, generator=extra) for _ in range(8 - own)]

    def window(
        self,
        path: Path,
        objective: Objective,
        noise: Tensor,
        steps: int,
        part: float,
        told: Callable[[Step], None],
        cancelled: Callable[[], bool],
    ) -> tuple[Tensor, Seen]:
        """(latents [1, N, 64], what is seen of them): the best of what was found and of plain sampling."""
        seconds = None if self.budget.seconds is None else self.budget.seconds * part
        budget = Budget(self.budget.iterations, seconds)
        budget = budget if self.targets else Budget(iterations=0)

        def check() -> None:
            if cancelled():
                raise Cancelled("cancelled while it rendered")

        with torch.no_grad():
            clean = path(noise, steps, check)
            seen = objective.seen(clean)
            if self.hold > 0 and self.targets:
                spectrum, power = mean_levels(seen)
                guard = Timbre(spectrum[0], float(power), self.hold)
                objective = replace(objective, targets=[*self.targets, guard])
            plain = (clean, seen, objective.judge(seen))
        outcome = optimise(path, objective, noise, budget, self.schedule, self.rate, told, cancelled)
        if outcome.ended == "cancelled":
            raise Cancelled("cancelled while it was refined")
        found = outcome.bests if outcome.iterations else ()
        with torch.no_grad():
            tried = [plain, *(self._decoded(path, objective, one, steps, check) for one in found)]
        clean, seen, verdict = min(tried, key=lambda one: (not one[2].met, float(one[2].loss)))
        frames = max(0, seen.last - max(0, seen.fresh))
        self.reached.append(Reached(frames, plain[2].terms, verdict.terms, outcome))
        return clean, seen

    def _decoded(
        self, path: Path, objective: Objective, noise: Tensor, steps: int, check: Callable[[], None]
    ) -> tuple[Tensor, Seen, Verdict]:
        clean = path(noise, steps, check)
        seen = objective.seen(clean)
        return clean, seen, objective.judge(seen)

    def terms(self, plain: bool = False) -> Terms:
        """Each target's loss over all windows made, weighted by their frames; of plain sampling if asked."""
        found = [(one.frames, one.plain if plain else one.refined) for one in self.reached]
        names = dict.fromkeys(name for _, terms in found for name in terms)
        weights = {name: sum(frames for frames, terms in found if name in terms) for name in names}
        return {
            name: sum(frames * terms[name] for frames, terms in found if name in terms) / max(1, weights[name])
            for name in names
        }

    @property
    def iterations(self) -> int:
        return sum(one.outcome.iterations for one in self.reached)

    def sentence(self) -> str:
        """What was reached, for people: losses before and after, in decoded features."""
        before, after = self.terms(plain=True), self.terms()
        parts = [NAMES[name].format(before[name], after[name]) for name in after if name in NAMES]
        return f"Refined in {self.iterations} iterations: {', '.join(parts) or 'nothing was within reach'}."


NAMES = {
    "intensity": "intensity {:.2f} to {:.2f} dB^2",
    "melody": "melody {:.2f} to {:.2f} nats",
    "structure": "form {:.3f} to {:.3f}",
    "text": "distance to the words {:.2f} to {:.2f}",
}


def refined(
    networks: Networks,
    request: Request,
    place: Place,
    material: Material,
    guidance: Tensor,
    seed: int,
    cancelled: Callable[[], bool],
    progress: Callable[[float], None],
    budget: Budget | None = None,
) -> Iterator[Tensor]:
    """Windows of latents of a request with `refine`, as `sample.latents` yields them; what it reached is remarked.

    budget: another one than the request says.
    """
    assert request.refine is not None
    targets = wanted(request, place, material, networks.listener)
    if not targets:
        place.remarks.append(NOTHING)
    refiner = Refiner(networks, targets, budget or budget_of(request.refine), ADAPTIVE)
    yield from refiner.latents(material, place.latents, request.steps, guidance, seed, cancelled, progress)
    if targets:
        place.remarks.append(refiner.sentence())


def rising(progress: Callable[[float], None]) -> Callable[[float], None]:
    """`progress` that never falls: what is searched counts before what is out."""
    most = 0.0

    def told(share: float) -> None:
        nonlocal most
        most = max(most, share)
        progress(most)

    return told
