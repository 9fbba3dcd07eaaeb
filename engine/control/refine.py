"""Sampling with a search in front: what a render calls in place of `engine.render.sample.latents` when it is to refine.

Window by window: the noise that plain sampling would have drawn is searched (`optimise`), and what is found is decoded
in the request's number of steps. Of what was found and plain sampling, that counts which meets its targets in that
decoding, else what comes closest: a window is never further from its targets than plain sampling would have it.

*Threading*: runs in the renderer's thread. Cancellation is looked at before each pass of the student, on the way
back between passes, and in each iteration: within 100 ms on one core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from engine.control.optimise import ADAPTIVE, RATE, SINGLE, Budget, Outcome, Schedule, Step, Terms, Verdict, optimise
from engine.control.surrogate import Objective, Path
from engine.control.targets import Seen, Target, Timbre, mean_levels
from engine.control.wanted import budget_of, wanted
from engine.errors import Cancelled
from engine.models import features as F
from engine.models.denoiser import Conditions
from engine.models.load import Networks
from engine.render.condition import CONTEXT
from engine.render.job import Job
from engine.render.past import UNSURE
from engine.render.sample import spans

PAST_FRAMES = 128
HOLD = 1.0
MOST_PASSES = 8


@dataclass(frozen=True)
class Window:
    """Latents that are made at a time. given: conditions of N latents, of which the first `known` are context.

    first: the latent that comes next, counted from time zero. past [1, n, CHANNELS]: the features right before it.
    done, share: of the whole search, how much came before and how much it is, 0..1.
    """

    given: Conditions
    known: int
    first: int
    past: Tensor
    done: float
    share: float


class Noises:
    """What plain sampling draws for a job's windows, in its order: one noise for jumps, one a step for consistency.

    Further ones, which more passes or gamma need, come from a stream of their own.
    """

    def __init__(self, networks: Networks, job: Job) -> None:
        self._own = 1 if networks.student.config.jumps else job.steps
        self._generator = torch.Generator().manual_seed(job.seed)
        self._extra = torch.Generator().manual_seed(job.seed + 1)

    def draw(self, like: Tensor) -> list[Tensor]:
        """The noises of one window, in the shape of its latents."""
        own, extra = self._own, MOST_PASSES - self._own
        drawn = [torch.randn(like.shape, generator=self._generator) for _ in range(own)]
        return drawn + [torch.randn(like.shape, generator=self._extra) for _ in range(extra)]


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

    @staticmethod
    def of(networks: Networks, job: Job, budget: Budget | None = None) -> Refiner:
        """Towards what the job's request wants, within what it says; budget: within another one."""
        assert job.request.refine is not None
        targets = wanted(job.request, job.place, job.material, networks.listener)
        return Refiner(networks, targets, budget or budget_of(job.request.refine), ADAPTIVE)

    def latents(self, job: Job) -> Iterator[Tensor]:
        """Yield windows of new latents [n, 64] in order, from latent -UNSURE to `job.new`, as `sample.latents` does."""
        noises, known, total = Noises(self.networks, job), job.material.sure, job.new + UNSURE
        past = torch.zeros(1, 0, F.CHANNELS)
        for first, last in spans(job.new, len(known)):
            given = job.material.span(first - len(known), last, known)
            window = Window(given, len(known), first, past, (first + UNSURE) / total, (last - first) / total)
            clean, seen = self.search(window, noises, job)
            past = seen.features[:, -PAST_FRAMES:].detach()
            made = clean[0, len(known) :]
            known = torch.cat([known, made])[-CONTEXT:]
            yield made

    def search(self, window: Window, noises: Noises, job: Job) -> tuple[Tensor, Seen]:
        """(latents [1, N, 64], what is seen of them) of a window: the best of what was found and of plain sampling."""
        first, *later = noises.draw(window.given.context)
        path = Path(self.networks.student, window.given, job.guidance, later, self.gamma)
        objective = Objective(self.networks.codec, self.targets, window.known, window.first, window.past)
        with torch.no_grad():
            clean = path(first, job.steps, job.check)
            seen = objective.seen(clean)
            objective = self._guarded(objective, seen)
            plain = (clean, seen, objective.judge(seen))
        outcome = self._optimised(path, objective, first, window, job)
        found = outcome.bests if outcome.iterations else ()
        with torch.no_grad():
            tried = [plain, *(_decoded(path, objective, one, job) for one in found)]
        clean, seen, verdict = min(tried, key=lambda one: (not one[2].met, float(one[2].loss)))
        frames = max(0, seen.last - max(0, seen.fresh))
        self.reached.append(Reached(frames, plain[2].terms, verdict.terms, outcome))
        for target in self.targets:
            target.keep(seen)
        return clean, seen

    def _guarded(self, objective: Objective, plain: Seen) -> Objective:
        """The objective with the guard that holds mean spectrum and power to those of plain sampling."""
        if self.hold <= 0 or not self.targets:
            return objective
        spectrum, power = mean_levels(plain)
        return replace(objective, targets=[*self.targets, Timbre(spectrum[0], float(power), self.hold)])

    def _optimised(self, path: Path, objective: Objective, noise: Tensor, window: Window, job: Job) -> Outcome:
        """The search from one noise, within the window's share of the budget."""
        seconds = None if self.budget.seconds is None else self.budget.seconds * window.share
        budget = Budget(self.budget.iterations, seconds) if self.targets else Budget(iterations=0)

        def told(step: Step) -> None:
            job.progress(window.done + window.share * step.share)

        outcome = optimise(path, objective, noise, budget, self.schedule, self.rate, told, job.cancelled)
        if outcome.ended == "cancelled":
            raise Cancelled("cancelled while it was refined")
        return outcome

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
        count = "one iteration" if self.iterations == 1 else f"{self.iterations} iterations"
        return f"Refined in {count}: {', '.join(parts) or 'nothing was within reach'}."


NAMES = {
    "intensity": "intensity {:.2f} to {:.2f} dB^2",
    "melody": "melody {:.2f} to {:.2f} nats",
    "structure": "form {:.3f} to {:.3f}",
    "text": "distance to the words {:.2f} to {:.2f}",
}


def _decoded(path: Path, objective: Objective, noise: Tensor, job: Job) -> tuple[Tensor, Seen, Verdict]:
    """What a noise becomes in the request's number of steps: latents, what is seen of them, and how that is judged."""
    clean = path(noise, job.steps, job.check)
    seen = objective.seen(clean)
    return clean, seen, objective.judge(seen)
