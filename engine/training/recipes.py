"""The grid of experiments on the four papers: what is trained, from what, and how it is sampled when it is judged.

All have equal data, size and budget (`engine.training.experiments`). A recipe is a teacher (no `teacher`), a student of
one, or the frozen feature network. `RECIPES` holds them by name; tables of docs/papers.md are named in `tables`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from engine.errors import BadRequest

PARAMETERS = 3_000_000
USUAL_SCALE = 1.5
FEW = (1, 2, 4, 8)


@dataclass(frozen=True)
class System:
    """One way of sampling. solver: "ddim" or "dpm2m" of a teacher, "" for a student's own algorithm.

    schedule: of the angles ("uniform" or "melody"), "" for even times. scale: 1 + w. tokens: "drawn" by the language
    model or "real" ones of the held-out clip, "" for none.
    """

    steps: int
    scale: float = USUAL_SCALE
    solver: str = ""
    schedule: str = ""
    gamma: float | None = None
    tokens: str = ""

    @property
    def label(self) -> str:
        parts = [self.solver, self.schedule, f"{self.steps} step{'s' * (self.steps > 1)}", f"scale {self.scale:g}"]
        parts.append("" if self.gamma is None else f"gamma {self.gamma:g}")
        parts.append(f"{self.tokens} tokens" if self.tokens else "")
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Recipe:
    """method: "consistency", "trajectory" or "jumps", with its `settings`; features: the network behind an adversary,
    "" for none, "mel" for ours (AudioMAE's kind) and "listener" for the one that knows text. tokens: how many semantic
    tokens a dual path listens to. times: of training, "equal" shares of noise on any path or "even".
    balance: of an adversary (`distillations.adversarial`), None for MusicCM's lambda.
    """

    name: str
    says: str
    tables: tuple[str, ...] = ()
    kind: str = "transformer"
    path: str = "flow"
    slerp: bool = False
    teacher: str = ""
    method: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    features: str = ""
    parameters: int = PARAMETERS
    tokens: int = 0
    systems: tuple[System, ...] = ()
    times: str = "equal"
    balance: float | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Recipes that must have run before this one."""
        around = FEATURES if self.features == "mel" or self.name == SEMANTIC else SEMANTIC if self.tokens else ""
        return tuple(name for name in (self.teacher, around) if name)

    def as_facts(self) -> dict[str, Any]:
        return asdict(self)


FEATURES, SEMANTIC = "features", "semantic"
BESIDE = (FEATURES, SEMANTIC)
"""Networks beside the denoisers: trained, but not judged by what they make."""
TOKENS = 128
DDIM = tuple(System(steps, solver="ddim") for steps in (*FEW, 50))
SCALES = tuple(System(50, scale, "ddim") for scale in (1.0, 3.0, 6.0))
DPM = tuple(System(steps, solver="dpm2m") for steps in (4, 8, 20))
ANGLES = tuple(System(steps, 1.0, "ddim", schedule) for steps in (5, 10, 20) for schedule in ("uniform", "melody"))
SPOKEN = tuple(
    System(steps, 1.0, "ddim", "melody", tokens=tokens) for steps in (5, 10, 20) for tokens in ("", "drawn", "real")
)
OWN = tuple(System(steps) for steps in FEW)
NARROW: dict[str, Any] = {"low": 0.0, "high": 2.0}
"""Guidance weights near those that are used: the papers' [4, 12] lies beyond them (docs/LOG.md)."""


def at(scale: float) -> tuple[System, ...]:
    return tuple(System(steps, scale) for steps in FEW)


def student(name: str, says: str, tables: tuple[str, ...], method: str, systems: tuple[System, ...] = OWN,
            features: str = "", balance: float | None = None, **settings: Any) -> Recipe:  # fmt: skip
    return Recipe(name, says, tables, teacher="teacher", method=method, settings=settings, features=features,
                  systems=systems, balance=balance)  # fmt: skip


MAIN, K, GUIDANCE, DISTANCE, ADVERSARY, NETWORK, PATH, BACKBONE, ANGLE, TOLD, LANGUAGE = (
    "main", "k", "guidance", "distance", "adversary", "network", "path", "backbone", "angle", "told", "language",
)  # fmt: skip
_ALL = (
    Recipe(FEATURES, "masked mel patches, the frozen feature network"),
    Recipe("teacher", "transformer on rectified flow", (MAIN, PATH, GUIDANCE), systems=(*DDIM, *SCALES, *DPM)),
    Recipe("teacher-vp", "transformer, variance-preserving, says the noise", (PATH,), path="vp", systems=(*DDIM, *DPM)),
    Recipe("teacher-vp-even", "the same, trained at even times, as its papers do", (PATH,), path="vp", times="even",
           systems=(*DDIM, *DPM)),
    Recipe("angular", "transformer on angles, says the velocity", (PATH, BACKBONE), path="angular",
           systems=(*DDIM, *ANGLES)),
    Recipe("dual-path", "MeLoDy's denoiser, time by sines", (BACKBONE,), "dual_path", "angular", systems=ANGLES),
    Recipe("dual-path-slerp", "MeLoDy's denoiser, time by its learnable Slerp", (BACKBONE, ANGLE, LANGUAGE),
           "dual_path", "angular", True, systems=ANGLES),
    Recipe(SEMANTIC, "MeLoDy's language model over tokens of the feature network", tokens=TOKENS),
    Recipe("dual-path-language", "MeLoDy's denoiser under its language model", (LANGUAGE,), "dual_path", "angular",
           True, tokens=TOKENS, systems=SPOKEN),
    Recipe("unet-1d", "convolutions over time", (BACKBONE,), "unet1d", "angular", systems=ANGLES),
    Recipe("unet-2d", "convolutions over time and bands", (BACKBONE,), "unet2d", "angular", systems=ANGLES),
    student("audiolcm", "AudioLCM: k = 20, w in [4, 12], Huber", (MAIN, GUIDANCE), "consistency", at(6.0)),
    student("musiccm", "MusicCM: k = 1, w = 2, adversary, lambda 3", (MAIN, ADVERSARY, NETWORK), "consistency",
            at(3.0), "mel", k=1, grid=50, low=2.0, high=2.0, distance="l2"),
    student("ditto2", "DITTO-2: CTM, T = 20, w in [4, 12]", (MAIN, GUIDANCE), "trajectory",
            (*at(6.0), System(4, 6.0, gamma=0.2))),
    student("jumps", "ours: jumps by halves, scales 1 to 3", (MAIN,), "jumps"),
    student("lcd", "AudioLCM with w in [0, 2]", (MAIN, K, GUIDANCE, DISTANCE, ADVERSARY), "consistency", **NARROW),
    student("lcd-k1", "k = 1", (K,), "consistency", k=1, **NARROW),
    student("lcd-k5", "k = 5", (K,), "consistency", k=5, **NARROW),
    student("lcd-k10", "k = 10", (K,), "consistency", k=10, **NARROW),
    student("lcd-w2", "w = 2 alone", (GUIDANCE,), "consistency", at(3.0), low=2.0, high=2.0),
    student("lcd-l2", "squared error", (DISTANCE,), "consistency", distance="l2", **NARROW),
    student("lcd-adversary", "AudioLCM, w in [0, 2], with MusicCM's adversary", (MAIN, ADVERSARY), "consistency",
            features="mel", **NARROW),
    student("lcd-balanced", "the same, the adversary held to half the distillation's force", (ADVERSARY,),
            "consistency", features="mel", balance=0.5, **NARROW),
    student("musiccm-balanced", "MusicCM, the adversary held to half the distillation's force", (ADVERSARY,),
            "consistency", at(3.0), "mel", balance=0.5, k=1, grid=50, low=2.0, high=2.0, distance="l2"),
    student("musiccm-plain", "MusicCM without its adversary", (ADVERSARY,), "consistency", at(3.0), k=1, grid=50,
            low=2.0, high=2.0, distance="l2"),
    student("musiccm-listener", "MusicCM, features of the network that knows text", (NETWORK,), "consistency", at(3.0),
            "listener", k=1, grid=50, low=2.0, high=2.0, distance="l2"),
    student("ctm", "DITTO-2 with w in [0, 2]", (MAIN, GUIDANCE, ADVERSARY, TOLD), "trajectory",
            (*OWN, System(4, gamma=0.2), System(4, gamma=1.0)), **NARROW),
    student("ctm-untold", "CTM whose student is not told s", (TOLD,), "trajectory", jumps=False, **NARROW),
    student("ctm-adversary", "CTM, w in [0, 2], with MusicCM's adversary", (MAIN, ADVERSARY), "trajectory",
            features="mel", **NARROW),
)  # fmt: skip
RECIPES = {recipe.name: recipe for recipe in _ALL}
TABLES = {
    MAIN: "Teacher and students at 1 to 8 steps",
    K: "Steps of the solver in a pair, k",
    GUIDANCE: "Guidance: a range against one weight",
    DISTANCE: "Huber against squared error",
    ADVERSARY: "With and without the adversary",
    NETWORK: "The adversary's features: mel patches against the text-audio network",
    TOLD: "A trajectory student that is told how far it goes, and one that is not",
    PATH: "Paths: rectified flow, variance-preserving, angular",
    BACKBONE: "Denoisers of equal size and budget",
    ANGLE: "Angle schedules",
    LANGUAGE: "With and without the language model",
}


def named(name: str) -> Recipe:
    """The recipe of a name. Raises BadRequest."""
    if name not in RECIPES:
        raise BadRequest(f"There is no recipe {name!r}; choose one of {', '.join(RECIPES)}, or all.")
    return RECIPES[name]


def in_order(names: tuple[str, ...]) -> list[Recipe]:
    """The recipes of `names` ("all" for every one) and all that they need, what is needed first."""
    wanted = tuple(RECIPES) if "all" in names else names
    found: dict[str, Recipe] = {}
    for name in wanted:
        recipe = named(name)
        found |= {one.name: one for one in (*in_order(recipe.needs), recipe)} if recipe.needs else {name: recipe}
    return list(found.values())
