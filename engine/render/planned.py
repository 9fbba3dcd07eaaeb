"""The plan of a request: one that was sent, or one that the bundle's planner writes from prompt and bars so far.

*Threading*: the renderer's thread alone. The planner is loaded when it is first asked for; it writes a bar in some
milliseconds and asks between bars whether it was cancelled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.controls import parse_key
from engine.errors import BadRequest, Unavailable
from engine.models.listener import Heard
from engine.models.planner import FILE, facts_vector, load_planner, translated
from engine.models.planwriter import Weights, Writer
from engine.planning import chords as C
from engine.planning import sampling
from engine.planning import tokens as T
from engine.planning.bars import OPEN, has_open, meter_text
from engine.planning.conditions import conditioned, fitted, main_key, parts_of
from engine.planning.sampling import Draw, Rules
from engine.planning.wishes import repeats, wishes_of
from engine.render.condition import Place, PromptSense, past_of, place_of
from engine.render.past import Pasts
from engine.render.source import Check, to_stereo, unchecked
from engine.timing import Meter
from engine.types import Plan, PlanBar, Request

VARIABLE = "ATTACCA_PLANNER"
KNOWN_BARS = 8
LEVELS_DB = (-60.0, 6.0)
USUAL = Draw(temperature=0.9, top_p=0.95)
HEAR = Callable[[], Heard | None]
NO_PLANNER = "This bundle writes no plans (it has no {file}): send a whole plan, or use a bundle that has one."


@dataclass(frozen=True)
class Situation:
    """What a plan is written from. heard: what sounds before the new bars; known: bars before them, oldest first."""

    prompt: PromptSense
    heard: Heard | None
    known: tuple[tuple[PlanBar, Meter], ...]
    tempo: float


class Planning:
    """Plans for a renderer's requests."""

    def __init__(self, bundle: Bundle) -> None:
        """file: the planner's weights: those that ATTACCA_PLANNER names, else the bundle's."""
        self.bundle = bundle
        self.file = Path(os.environ.get(VARIABLE) or bundle.folder / FILE)

    @cached_property
    def model(self) -> Weights:
        """The planner; Unavailable where there is none."""
        if not self.file.is_file():
            raise Unavailable(NO_PLANNER.format(file=self.file.name))
        return Weights(load_planner(self.file))

    def planned(
        self, request: Request, place: Place, sense: PromptSense, hear: HEAR, check: Check, how: Draw = USUAL
    ) -> tuple[Request, Plan | None]:
        """(the request with its plan's targets, the plan as it will be played); without a plan the request alone."""
        request = seeded(request)
        if request.plan == "auto":
            return self._if_words_alone(request, place, sense, check, how)
        plan = self.plan_of(request, place, sense, hear, check, how)
        if plan is None:
            return request, None
        told, remarks = conditioned(plan, request, meters_of(place, request.bars))
        place.remarks.extend(remarks)
        return told, plan

    def _if_words_alone(
        self, request: Request, place: Place, sense: PromptSense, check: Check, how: Draw
    ) -> tuple[Request, Plan | None]:
        """A plan where words are all that is told and one can be written; else the request as it is, without a word."""
        bare = msgspec.structs.replace(request, plan=False)
        if sense.vector is None or not words_alone(request) or not self.file.is_file():
            return bare, None
        remarks = list(place.remarks)
        asked = msgspec.structs.replace(request, plan=True)
        try:
            told, plan = self.planned(asked, place, sense, lambda: None, check, how)
        except BadRequest:
            told, plan = bare, None
        place.remarks[:] = remarks
        if plan is not None:
            place.remarks.append(f"Planned from the words: {summary(plan)}; without a plan all of it stays open.")
        return told, plan

    def plan_of(
        self, request: Request, place: Place, sense: PromptSense, hear: HEAR, check: Check, how: Draw = USUAL
    ) -> Plan | None:
        """The request's plan over its bars, written where it is to be."""
        if request.plan is False:
            return None
        meters = meters_of(place, request.bars)
        sent = request.plan if isinstance(request.plan, Plan) else Plan(bars=(OPEN,), meter=str(meters[0]), fill=True)
        plan = fitted(sent, request.bars, meters)
        if plan.fill and has_open(plan.bars):
            tempo = float(place.tempo_map.tempo_at(place.anchor.begin_quarters))
            situation = Situation(sense, hear(), known_bars(place), tempo)
            bars = self.write(request, plan.bars, meters, situation, how, check)
            plan = Plan(bars=bars)
        return msgspec.structs.replace(plan, meter=meter_text(meters), fill=False)

    def write(
        self,
        request: Request,
        bars: tuple[PlanBar, ...],
        meters: tuple[Meter, ...],
        situation: Situation,
        how: Draw,
        check: Check,
    ) -> tuple[PlanBar, ...]:
        """The bars with all that they leave open written, from the request's targets and seed."""
        config = self.model.config
        rng = np.random.default_rng([request.seed or 0, 0x6B6579])
        wishes = wishes_of(request, bars, meters)
        vector = situation.prompt.vector if situation.heard is None else situation.heard.prompt
        vector = situation.prompt.vector if situation.prompt.vector is not None else vector
        names = [*self.bundle.config["styles"], *self.bundle.config["tags"]]
        prompt = None if vector is None else translated(vector, names, [*config.styles, *config.tags])
        key = first_key(request, wishes, situation.heard) or drawn_key(config.modes, prompt, rng)
        facts = facts_vector(config, prompt, situation.tempo, meters[0], key.mode)
        known = tuple((with_key(bar, situation.heard, key), meter) for bar, meter in situation.known)
        rules = Rules(T.parts_token(request.parts) - 1 if request.parts else None, request.key is None)
        begin = partial(Writer, self.model, facts, sampling.ROOM)
        draw = Draw(how.temperature, how.top_p, request.seed or 0)
        paired = list(zip(wishes, meters, strict=True))
        return sampling.write(begin, known, paired, key, draw, rules, repeats(request.form, len(bars)), check)


def words_alone(request: Request) -> bool:
    """Whether a request leaves to a plan what is played."""
    named = (request.chords, request.melody, request.form, request.refine, request.edit, request.only)
    return request.kind == "generate" and all(value is None for value in named)


def summary(plan: Plan) -> str:
    """Key, chords and parts in some words."""
    chords = [chord.name for bar in plan.bars for chord in bar.chords or ()]
    once = [name for name, before in zip(chords, [None, *chords], strict=False) if name != before]
    parts = parts_of(plan.bars)
    shown = " ".join(once[:8]) + (" ..." if len(once) > 8 else "")
    return "; ".join(text for text in (main_key(plan.bars) or "", shown, ", ".join(parts)) if text)


def seeded(request: Request) -> Request:
    """A request for a plan has a seed, so that plan and sound come from the same one."""
    if request.plan is False or request.seed is not None:
        return request
    return msgspec.structs.replace(request, seed=int(np.random.SeedSequence().generate_state(1)[0]))


def heard_before(place: Place, pasts: Pasts) -> Heard | None:
    """What is heard in the source right before the new bars."""
    _, sound = past_of(place)
    return None if sound is None else pasts.of(sound).heard


def meters_of(place: Place, bars: int) -> tuple[Meter, ...]:
    """The meters of the new bars."""
    return place.tempo_map.meters_over(place.anchor.start_bar, bars)


def known_bars(place: Place) -> tuple[tuple[PlanBar, Meter], ...]:
    """The level of each whole bar of the source before the new ones, at most KNOWN_BARS, oldest first."""
    if place.source is None:
        return ()
    found: list[tuple[PlanBar, Meter]] = []
    tempo_map, anchor, rate = place.tempo_map, place.anchor, place.source.rate
    start = anchor.frame_of(anchor.begin_quarters, tempo_map, rate)
    end = anchor.start_frame
    for bar in range(anchor.start_bar - 1, anchor.start_bar - 1 - KNOWN_BARS, -1):
        first = anchor.start_frame - (start - anchor.frame_of(tempo_map.bar_start_quarters(bar), tempo_map, rate))
        sound = to_stereo(place.source.audio[max(0, first) : end])
        if first < 0 or len(sound) == 0:
            break
        power = float(np.mean(np.square(sound, dtype=np.float64)))
        level = float(np.clip(10 * np.log10(power + 1e-12), *LEVELS_DB))
        found.append((PlanBar(intensity_db=round(level, 1)), tempo_map.meter_at(bar)))
        end = first
    return tuple(reversed(found))


def with_key(bar: PlanBar, heard: Heard | None, key: T.Key) -> PlanBar:
    """A bar before the new ones, in their key, with the parts that are heard."""
    parts = heard.parts if heard is not None and heard.parts else None
    return msgspec.structs.replace(bar, key=C.key_name(key.root, key.mode), parts=parts)


def first_key(request: Request, wishes: tuple[PlanBar, ...], heard: Heard | None) -> T.Key | None:
    """The key that is asked for, else that of the first bar that names one, else what is heard."""
    named = request.key or next((bar.key for bar in wishes if bar.key is not None), None)
    if named is not None:
        key = parse_key(named)
        return T.Key(key.root, key.mode)
    return T.Key(*heard.key) if heard is not None and heard.key is not None else None


def drawn_key(
    modes: tuple[tuple[float, ...], ...], prompt: NDArray[np.float32] | None, rng: np.random.Generator
) -> T.Key:
    """A tonic by chance, and a mode as the prompt's styles have them."""
    table = np.array(modes or np.ones((1, len(C.MODE_NAMES))))
    weights = np.ones(len(table)) if prompt is None else prompt[: len(table)].astype(np.float64) + 1e-6
    chances = weights @ table
    return T.Key(int(rng.integers(12)), C.MODE_NAMES[int(rng.choice(len(chances), p=chances / chances.sum()))])


class Reader(Protocol):
    """What of a renderer a plan needs (engine.render.generate.ModelRenderer)."""

    planning: Planning
    pasts: Pasts

    def prompt_sense(self, request: Request, check: Check = unchecked) -> PromptSense: ...


def plan_alone(reader: Reader, request: Request, how: Draw = USUAL) -> tuple[Plan, tuple[str, ...]]:
    """(the plan of a request that asks for one, remarks); nothing is rendered."""
    assert request.plan is not False
    request = seeded(request)
    place = place_of(request, None)
    sense = reader.prompt_sense(request)
    plan = reader.planning.plan_of(request, place, sense, partial(heard_before, place, reader.pasts), unchecked, how)
    assert plan is not None
    return plan, tuple(place.remarks)
