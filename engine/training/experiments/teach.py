"""One recipe to one trained network: the same loop, data, batch and budget for all; resumed where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from engine.diffusion.flow import logit_normal_times
from engine.diffusion.paths import FLOW, PATHS
from engine.diffusion.paths import Path as NoisePath
from engine.errors import BadRequest
from engine.models import backbones
from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.models.dual_path_base import BackboneConfig
from engine.models.masked import Masked, MaskedConfig, MelFeatures
from engine.models.semantic import Semantic, SemanticConfig, semantic_loss
from engine.training import devices, finished, masked, windows
from engine.training.distillations.adversarial import Adversarial, Critic, Features, Heads
from engine.training.distillations.common import Example, Method, Trio, over_new
from engine.training.distillations.consistency import GuidedConsistency
from engine.training.distillations.jumps import Jumps
from engine.training.distillations.listening import ListenerFeatures
from engine.training.distillations.trajectory import Trajectory
from engine.training.experiments.material import Material
from engine.training.experiments.speak import DROPPED, FIT_CLIPS, Spoken, Tokens, fit_centres, tokens_with
from engine.training.loop import Averaged, Stage, run
from engine.training.recipes import BESIDE, FEATURES, SEMANTIC, Recipe, named

WINDOW, BATCH = 128, 8
LR, STUDENT_LR, HEADS_LR = 1e-3, 3e-4, 3e-4
REFERENCE_DECAY = 0.95
METHODS: dict[str, Callable[..., Any]] = {
    "consistency": GuidedConsistency, "trajectory": Trajectory, "jumps": Jumps
}  # fmt: skip


@dataclass
class Counted:
    """A clock of steps: each look in which something was done since the last is one second."""

    done: float = 0.0

    def __call__(self) -> float:
        return self.done


@dataclass(frozen=True)
class Bench:
    """Where and how long: each run trains for `seconds`, or for `steps` where given."""

    folder: Path
    material: Material
    console: Console
    seconds: float
    steps: int | None = None
    window: int = WINDOW
    batch: int = BATCH
    parameters: int | None = None
    features: MaskedConfig = field(default_factory=MaskedConfig)

    def run_folder(self, recipe: Recipe, seed: int) -> Path:
        return self.folder / "runs" / recipe.name / f"seed-{seed}"

    @property
    def budget(self) -> float:
        """In the unit of the stage's clock: seconds, or steps."""
        return self.seconds if self.steps is None else float(self.steps)


class Work:
    """One stage of a run: `one` step is counted where the budget is one of steps."""

    def __init__(self, bench: Bench, name: str, module: nn.Module, folder: Path, lr: float, decay: float,
                 beside: tuple[Stage, ...] = ()) -> None:  # fmt: skip
        self.counted = Counted() if bench.steps is not None else None
        more: dict[str, Any] = {"clock": self.counted} if self.counted else {}
        self.stage = Stage(name, module, bench.budget, folder, lr=lr, decay=decay, beside=beside, **more)
        self.bench = bench

    def go(self, one: Callable[[Any], dict[str, Tensor]], feed: Callable[[], Any]) -> None:
        def step(batch: Any) -> dict[str, Tensor]:
            if self.counted is not None:
                self.counted.done += 1.0
            return one(batch)

        run(self.stage, self.bench.console, step, every=25, feed=feed)


def equal_times(path: NoisePath, count: int, generator: torch.Generator) -> Tensor:
    """Training times [count] at which any path has the same shares of noise: the flow's logit-normal ones."""
    return path.time_at(FLOW.angle(logit_normal_times(count, generator)))


def even_times(path: NoisePath, count: int, generator: torch.Generator) -> Tensor:
    """Times [count] from all of [0, 1]: where sampling begins, noise must be known to within alpha(1)."""
    return torch.rand(count, generator=generator, device=generator.device)


TIMES = {"equal": equal_times, "even": even_times}


def said_loss(
    model: Denoiser, path: NoisePath, example: Example, generator: torch.Generator, tokens: Tokens | None = None,
    times: str = "equal",
) -> Tensor:  # fmt: skip
    """Mean squared error of what a teacher says, over the new frames; now and then no tokens are spoken to it."""
    clean, new, given = example
    if tokens is not None and float(torch.rand((), generator=generator)) >= DROPPED:
        model = cast(Denoiser, Spoken(model, tokens(clean)))
    time = TIMES[times](path, len(clean), generator)
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    with devices.autocast(clean.device):
        said = model(path.diffuse(clean, noise, time), time, torch.ones_like(time), given)
    return over_new((said.float() - path.target(clean, noise, time)).square(), new)


def taught(bench: Bench, recipe: Recipe, seed: int) -> Denoiser:
    """A teacher from nothing."""
    torch.manual_seed(seed)
    count = bench.parameters or recipe.parameters
    config = backbones.sized(recipe.kind, bench.material.prompt, count, recipe.slerp)
    if recipe.tokens and isinstance(config, BackboneConfig):
        config = replace(config, tokens=recipe.tokens)
    model = backbones.build(config)
    tokens = tokens_with(*voice_of(bench, seed)) if recipe.tokens else None
    work = Work(bench, recipe.name, model, bench.run_folder(recipe, seed), LR, 0.998)
    generator = devices.generator(work.stage.device, seed + work.stage.steps)
    path = PATHS[recipe.path]
    work.go(
        lambda example: {"loss": said_loss(model, path, example, generator, tokens, recipe.times)},
        feed(bench, seed, work.stage.steps),
    )
    return model.eval()


def feed(bench: Bench, seed: int, steps: int) -> Callable[[], Example]:
    """Batches of windows: the same for every recipe of a seed."""
    rng = np.random.default_rng([seed, steps])
    return lambda: windows.batch(bench.material.songs, bench.batch, bench.window, rng)


def distilled(bench: Bench, recipe: Recipe, seed: int) -> Denoiser:
    """A student of the recipe's teacher of the same seed."""
    folder = bench.run_folder(recipe, seed)
    teacher = opened(bench, named(recipe.teacher), seed).requires_grad_(False)
    plain = METHODS[recipe.method](**recipe.settings)
    student, reference = (backbones.student_of(teacher, plain.jumps) for _ in range(2))
    beside, method = adversary(bench, recipe, seed, plain, folder)
    work = Work(bench, recipe.name, student.requires_grad_(True), folder, STUDENT_LR, 0.99, beside)
    reference.load_state_dict(student.state_dict())
    follower = Averaged(reference, REFERENCE_DECAY)
    trio = Trio(student, reference.requires_grad_(False), teacher, PATHS[named(recipe.teacher).path])
    generator = devices.generator(work.stage.device, seed + 1 + work.stage.steps)

    def one(example: Example) -> dict[str, Tensor]:
        follower.update(student, 10**6)
        follower.copy_to(reference)
        return method(trio, example, generator).losses

    work.go(one, feed(bench, seed + 1, work.stage.steps))
    return student.eval()


def adversary(bench: Bench, recipe: Recipe, seed: int, plain: Any, folder: Path) -> tuple[tuple[Stage, ...], Method]:
    """(stages beside the student's, the method), with heads on the recipe's features where it has any."""
    if not recipe.features:
        return (), plain
    torch.manual_seed(seed)
    features = frozen_features(bench, recipe, seed)
    heads = Heads(features.widths, bench.material.prompt + 1)
    stage = Stage("heads", heads, bench.budget, folder, lr=HEADS_LR, decay=0.99)
    return (stage,), Adversarial(plain, Critic(features, heads, stage.step), balance=recipe.balance)


def frozen_features(bench: Bench, recipe: Recipe, seed: int) -> Features:
    """What the adversary looks at. Raises BadRequest where the bundle's listener does not listen to features."""
    if recipe.features == "mel":
        return MelFeatures(bench.material.codec, opened_features(bench, seed))
    if bench.material.listener is None:
        raise BadRequest(f"{recipe.name}: this bundle has no network that places sound and text in one space.")
    return ListenerFeatures(bench.material.codec, bench.material.listener)


def learned(bench: Bench, recipe: Recipe, seed: int) -> nn.Module:
    """The recipe's network as it came out, trained now unless it is there already."""
    folder = bench.run_folder(recipe, seed)
    if finished.facts(folder, recipe.name) is not None:
        return _opened_beside(bench, recipe, seed) if recipe.name in BESIDE else opened(bench, recipe, seed)
    if recipe.name in BESIDE:
        made = _features(bench, seed, folder) if recipe.name == FEATURES else _language(bench, recipe, seed, folder)
        finished.keep(folder, recipe.name, made, config=vars(made.config))
        return made
    model = distilled(bench, recipe, seed) if recipe.teacher else taught(bench, recipe, seed)
    finished.keep(folder, recipe.name, model, config=backbones.as_facts(model.config))
    return model


def _features(bench: Bench, seed: int, folder: Path) -> Masked:
    torch.manual_seed(seed)
    model, codec = Masked(bench.features), bench.material.codec
    work = Work(bench, FEATURES, model, folder, LR, 0.995)
    generator = devices.generator(work.stage.device, seed + work.stage.steps)
    rng = np.random.default_rng([seed, 17, work.stage.steps])

    def batch() -> Tensor:
        return masked.mixes(bench.material.songs, bench.batch, bench.window, rng)

    work.go(lambda latents: {"loss": masked.latent_loss(model, codec, latents, generator)}, batch)
    return model.eval()


def _language(bench: Bench, recipe: Recipe, seed: int, folder: Path) -> Semantic:
    """The language model: centres from some clips, then the model over their tokens."""
    torch.manual_seed(seed)
    features = MelFeatures(bench.material.codec, opened_features(bench, seed))
    frame = features.masked.config.rows * features.masked.config.width
    told = DenoiserConfig(prompt=bench.material.prompt).globals_width
    model = Semantic(SemanticConfig(told=told, frame=frame, tokens=recipe.tokens))
    work = Work(bench, SEMANTIC, model, folder, LR, 0.995)
    generator = devices.generator(work.stage.device, seed + work.stage.steps)
    if work.stage.steps == 0:
        clips = masked.mixes(bench.material.songs, FIT_CLIPS, bench.window, np.random.default_rng([seed, 19]))
        fit_centres(model, features, clips, generator)
    tokens = tokens_with(model, features)

    def one(example: Example) -> dict[str, Tensor]:
        return {"loss": semantic_loss(model, tokens(example[0]), example[2].globals)}

    work.go(one, feed(bench, seed, work.stage.steps))
    return model.eval()


def voice_of(bench: Bench, seed: int) -> tuple[Semantic, MelFeatures]:
    """The finished language model and the features whose tokens it speaks. Raises BadRequest."""
    model = _opened_beside(bench, named(SEMANTIC), seed)
    assert isinstance(model, Semantic)
    return model.requires_grad_(False), MelFeatures(bench.material.codec, opened_features(bench, seed))


def opened(bench: Bench, recipe: Recipe, seed: int) -> Denoiser:
    """A finished denoiser. Raises BadRequest where the recipe has not run."""
    folder = bench.run_folder(recipe, seed)
    facts = finished.facts(folder, recipe.name)
    if facts is None:
        raise BadRequest(f"Run --recipe {recipe.name} --seed {seed} first.")
    model = backbones.build(backbones.from_facts(facts["config"]))
    finished.fill(folder, recipe.name, model)
    return model


def opened_features(bench: Bench, seed: int) -> Masked:
    """The finished feature network. Raises BadRequest."""
    model = _opened_beside(bench, named(FEATURES), seed)
    assert isinstance(model, Masked)
    return model


def _opened_beside(bench: Bench, recipe: Recipe, seed: int) -> Masked | Semantic:
    folder = bench.run_folder(recipe, seed)
    facts = finished.facts(folder, recipe.name)
    if facts is None:
        raise BadRequest(f"Run --recipe {recipe.name} --seed {seed} first.")
    held = facts["config"]
    model = Masked(MaskedConfig(**held)) if recipe.name == FEATURES else Semantic(SemanticConfig(**held))
    finished.fill(folder, recipe.name, model)
    return model
