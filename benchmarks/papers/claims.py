"""What the papers claim, beside what our runs say; the verdict is computed from intervals.

A claim is that one way of sampling (or one network) is better than another, or at most `within` times as far away.
Where both intervals overlap so that it may be either, nothing can be told. The clips are the same for all, which the
intervals do not use: they are wider than a paired comparison's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.papers.lines import SAYINGS, VIEWS, Figure, Line, by_recipe, figure, saying, seconds
from engine.training import recipes as R

AGREES, NOT, OPEN, WAITS = "agrees", "does not", "cannot be told: intervals overlap", "has not run"
OURS = "ours"


@dataclass(frozen=True)
class Pick:
    """A recipe, and of its ways of sampling the one that has `wanted`; none for what its network says."""

    recipe: str
    wanted: dict[str, Any] = field(default_factory=dict)

    def rows(self, lines: Iterable[Line]) -> list[Line]:
        """The way of sampling, a row for each seed."""
        fields = {"gamma": None, "tokens": "", **self.wanted}
        own = by_recipe(lines).get(self.recipe, [])
        return [row for one in own for row in one.get("systems", ()) if all(row[k] == v for k, v in fields.items())]


@dataclass(frozen=True)
class Claim:
    """`better` lies lower (si_snri_db: higher) than `worse`, or at most `within` times as high."""

    table: str
    source: str
    says: str
    better: Pick
    worse: Pick
    within: float = 1.0

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(VIEWS) if self.better.wanted else tuple(SAYINGS)


def judged(better: Figure, worse: Figure, within: float = 1.0, higher: bool = False) -> str:
    """The verdict on better <= within * worse (with `higher`, on better >= worse) from their intervals."""
    if higher:
        better, worse = worse, better
    if better.high < within * worse.low:
        return AGREES
    return NOT if better.low > within * worse.high else OPEN


def pair(claim: Claim, view: str, lines: Sequence[Line]) -> tuple[Figure, Figure] | None:
    """Both figures of a claim; None where one has not run, or failed."""
    own = by_recipe(lines)
    found = [
        figure(pick.rows(lines), view) if claim.better.wanted else saying(own.get(pick.recipe, []), view)
        for pick in (claim.better, claim.worse)
    ]
    return (found[0], found[1]) if found[0] is not None and found[1] is not None else None


def verdict(claim: Claim, view: str, lines: Sequence[Line]) -> str:
    both = pair(claim, view, lines)
    return judged(*both, claim.within, view == "si_snri_db") if both else WAITS


def at(recipe: str, steps: int, **more: Any) -> Pick:
    return Pick(recipe, {"steps": steps, **more})


def teacher(steps: int, scale: float = R.USUAL_SCALE, solver: str = "ddim") -> Pick:
    return at("teacher", steps, scale=scale, solver=solver)


def angles(recipe: str, schedule: str, steps: int) -> Pick:
    return at(recipe, steps, solver="ddim", schedule=schedule, scale=1.0)


AUDIOLCM, MUSICCM, DITTO2, MELODY = "AudioLCM", "MusicCM", "DITTO-2", "MeLoDy"
STUDENTS = ("jumps", "lcd", "ctm")
CLAIMS = (
    Claim(R.MAIN, AUDIOLCM, "2 steps lie within 6 % of the teacher (FAD 1.67 against 1.56 at 100 steps)",
          at("audiolcm", 2), teacher(50, 6.0), 1.06),
    Claim(R.MAIN, MUSICCM, "4 steps lie within 2 % of the teacher (FD 27.13 against 26.67 at 50 steps)",
          at("musiccm", 4), teacher(50, 3.0), 1.02),
    Claim(R.MAIN, MUSICCM, "4 steps are better than 1 (FD 27.13 against 32.12)", at("musiccm", 4), at("musiccm", 1)),
    Claim(R.MAIN, DITTO2, "trajectories beat consistency at several steps (FAD 0.640 against 0.685)",
          at("ditto2", 4), at("audiolcm", 4)),
    Claim(R.MAIN, DITTO2, "the same with w in [0, 2]", at("ctm", 4), at("lcd", 4)),
    Claim(R.MAIN, DITTO2, "a trajectory gets better with steps (FAD 0.640 at 2 against 0.696 at 1)",
          at("ctm", 2), at("ctm", 1)),
    Claim(R.MAIN, DITTO2, "fresh noise of gamma in [0.05, 0.35] is better than none",
          at("ctm", 4, gamma=0.2), at("ctm", 4)),
    Claim(R.MAIN, DITTO2, "and than ping-pong", at("ctm", 4, gamma=0.2), at("ctm", 4, gamma=1.0)),
    *(Claim(R.MAIN, OURS, f"`{name}` at 4 steps beats the teacher at 4", at(name, 4), teacher(4)) for name in STUDENTS),
    *(Claim(R.MAIN, OURS, f"`jumps` at 4 steps beat `{name}` at 4", at("jumps", 4), at(name, 4))
      for name in STUDENTS[1:]),
    *(Claim(R.K, AUDIOLCM, f"k = 20 is better than k = {k} (best of 1, 5, 10, 20, 50)",
            at("lcd", 2), at(f"lcd-k{k}", 2)) for k in (1, 5, 10)),
    Claim(R.GUIDANCE, AUDIOLCM, "w near 5 is best: its student at w = 5 beats one at w = 0.5",
          at("audiolcm", 2), at("lcd", 2)),
    Claim(R.GUIDANCE, AUDIOLCM, "the teacher at w = 5 beats itself at w = 0.5", teacher(50, 6.0), teacher(50)),
    Claim(R.GUIDANCE, OURS, "a range of weights does no harm beside one (within 10 %)",
          at("lcd", 4), at("lcd-w2", 4), 1.1),
    Claim(R.DISTANCE, AUDIOLCM, "Huber is more robust than squared error: better", at("lcd", 2), at("lcd-l2", 2)),
    Claim(R.ADVERSARY, MUSICCM, "the adversary helps (FD 27.13 against 28.65 at 4 steps)",
          at("musiccm", 4), at("musiccm-plain", 4)),
    Claim(R.ADVERSARY, OURS, "it helps AudioLCM's distillation, at 4 steps", at("lcd-adversary", 4), at("lcd", 4)),
    Claim(R.ADVERSARY, OURS, "it helps trajectories, at 4 steps", at("ctm-adversary", 4), at("ctm", 4)),
    Claim(R.NETWORK, MUSICCM, "masked mel patches beat the text-audio network (FD 27.13 against 27.55)",
          at("musiccm", 4), at("musiccm-listener", 4)),
    Claim(R.TOLD, OURS, "a student that is told s is better at 4 steps", at("ctm", 4), at("ctm-untold", 4)),
    Claim(R.PATH, OURS, "rectified flow beats the variance-preserving path at 50 steps",
          teacher(50), at("teacher-vp", 50, solver="ddim")),
    Claim(R.PATH, OURS, "the variance-preserving path wants even training times, as its papers have them, at 50 steps",
          at("teacher-vp-even", 50, solver="ddim"), at("teacher-vp", 50, solver="ddim")),
    Claim(R.PATH, OURS, "rectified flow beats angles at 50 steps",
          teacher(50), at("angular", 50, solver="ddim", schedule="")),
    Claim(R.PATH, OURS, "DPM-Solver++ beats DDIM at 8 steps", teacher(8, solver="dpm2m"), teacher(8)),
    Claim(R.BACKBONE, MELODY, "dual path beats a 1-D U-Net (velocity MSE 0.12 against 0.13, SI-SNRi 6.15 against 5.33)",
          Pick("dual-path-slerp"), Pick("unet-1d")),
    Claim(R.BACKBONE, MELODY, "dual path beats a 2-D U-Net (velocity MSE 0.12 against 0.15, SI-SNRi 6.15 against 4.96)",
          Pick("dual-path-slerp"), Pick("unet-2d")),
    Claim(R.BACKBONE, OURS, "dual path beats the transformer", Pick("dual-path-slerp"), Pick("angular")),
    Claim(R.BACKBONE, OURS, "a learnable Slerp of time beats sines", Pick("dual-path-slerp"), Pick("dual-path")),
    *(Claim(R.ANGLE, MELODY, f"its schedule beats the uniform one at {steps} steps (FAD {ours} against {even})",
            angles("dual-path-slerp", "melody", steps), angles("dual-path-slerp", "uniform", steps))
      for steps, ours, even in ((10, "5.93", "8.52"), (20, "5.41", "6.31"))),
    *(Claim(R.PATH, MELODY, f"its angle schedule beats the uniform one on the transformer, {steps} steps",
            angles("angular", "melody", steps), angles("angular", "uniform", steps)) for steps in (10, 20)),
    Claim(R.LANGUAGE, OURS, "tokens that the language model draws help, at 10 steps",
          at("dual-path-language", 10, tokens="drawn"), at("dual-path-language", 10)),
    Claim(R.LANGUAGE, OURS, "tokens of the real clip help, at 10 steps",
          at("dual-path-language", 10, tokens="real"), at("dual-path-language", 10)),
    Claim(R.LANGUAGE, OURS, "told tokens, it beats the dual path without a language model, at 10 steps",
          at("dual-path-language", 10, tokens="drawn"), angles("dual-path-slerp", "melody", 10)),
)  # fmt: skip


@dataclass(frozen=True)
class Speed:
    """`quick` is `times` as quick as `slow` in the paper; seconds have no interval, so that nothing is judged."""

    source: str
    says: str
    times: float
    quick: Pick
    slow: Pick

    def found(self, lines: Sequence[Line]) -> float | None:
        quick, slow = self.quick.rows(lines), self.slow.rows(lines)
        return seconds(slow) / seconds(quick) if quick and slow else None


SPEEDS = (
    Speed(MUSICCM, "4 steps against 50 DDIM steps, 0.37 s against 2.19 s (decoding included)", 2.19 / 0.37,
          at("musiccm", 4), teacher(50, 3.0)),
    Speed(MUSICCM, "1 step against 50, 0.23 s against 2.19 s (decoding included)", 2.19 / 0.23,
          at("musiccm", 1), teacher(50, 3.0)),
    Speed(AUDIOLCM, "2 steps against the teacher's 100, RTF 0.003 against 0.18 (ours: against 50)", 0.18 / 0.003,
          at("audiolcm", 2), teacher(50, 6.0)),
    Speed(MELODY, "5 steps against 20, 7.5 against 2.4 times real time (V100)", 7.5 / 2.4,
          angles("dual-path-slerp", "melody", 5), angles("dual-path-slerp", "melody", 20)),
)  # fmt: skip
