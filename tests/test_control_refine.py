"""Requests that are refined, on the real renderer with small untrained networks; and sentences for what cannot be."""

from __future__ import annotations

import time

import msgspec
import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from engine.control import optimise as O
from engine.control.refine import Refiner
from engine.control.targets import Intensity, Melody, Structure
from engine.control.wanted import budget_of, judged_pitch, wanted
from engine.controls import check
from engine.controls.form import parse_form, parse_refine
from engine.errors import BadRequest, Cancelled
from engine.models import features as F
from engine.models.joint import Joint
from engine.render.adherence import Judge
from engine.render.condition import gather, place_of
from engine.render.generate import ModelRenderer
from engine.render.job import Job, rising
from engine.render.sample import latents
from engine.types import CurvePoint, Note, Only, PromptPart, Renderer, Request, Strengths, Stretch
from tests.rendering import follow, sound
from tests.tiny_bundle import ask, play, untrained

CURVE = (CurvePoint(beat=0, db=-40), CurvePoint(beat=4, db=-20))
NOTES = (Note(pitch=64, beat=0, length=2), Note(pitch=67, beat=2, length=2))

LATER = (Note(pitch=64, beat=4, length=2), Note(pitch=67, beat=6, length=2))


@pytest.fixture
def model(renderer: Renderer) -> ModelRenderer:
    assert isinstance(renderer, ModelRenderer)
    return renderer


def job_of(model: ModelRenderer, request: Request) -> Job:
    place = place_of(request, None)
    material = gather(request, place, model.pasts, model.prompt_sense(request))
    return Job(request, place, material, torch.ones(1), 5, lambda: False, lambda share: None)


def made_by(model: ModelRenderer, request: Request, targets: list, budget: O.Budget, **options: object):
    """(latents, the refiner) of a request whose targets are given."""
    job = job_of(model, request)
    refiner = Refiner(model.networks, targets, budget, **options)
    windows = list(refiner.latents(job))
    assert sum(map(len, windows)) == job.new + 2
    return torch.cat(windows), refiner


@pytest.mark.parametrize("steps", [1, 3])
def test_without_iterations_it_is_plain_sampling(model: ModelRenderer, steps: int) -> None:
    request = ask(bars=9, steps=steps)
    plain = latents(model.made_by, job_of(model, request))
    found, refiner = made_by(model, request, [], O.Budget(10))
    assert torch.equal(found, torch.cat(list(plain)))
    assert refiner.iterations == 0


@pytest.mark.parametrize("schedule", [O.SINGLE, O.ADAPTIVE])
def test_every_window_comes_closer_and_none_is_worse(model: ModelRenderer, schedule: O.Schedule) -> None:
    frames = round(18 * F.FRAME_RATE_HZ)
    level = torch.linspace(-45, -15, frames)
    _, refiner = made_by(
        model, ask(bars=9, steps=2), [Intensity(level)], O.Budget(8), schedule=schedule, rate=0.3, hold=0.0
    )
    assert len(refiner.reached) > 1
    for window in refiner.reached:
        assert window.refined["intensity"] <= window.plain["intensity"]
    assert refiner.terms()["intensity"] < 0.95 * refiner.terms(plain=True)["intensity"]
    assert sum(window.frames for window in refiner.reached) == pytest.approx(frames, abs=40)


def test_the_guard_holds_the_sound_to_that_of_plain_sampling(model: ModelRenderer) -> None:
    """Six decibels up is what is wanted; the more the guard counts, the less the mean spectrum moves."""
    plain, _ = made_by(model, ask(bars=2), [], O.Budget(1))
    before = model.networks.codec.decode(plain[None])[0, 16:].mean(0)
    moved = []
    for hold in (0.0, 100.0):
        level = Intensity(torch.full((round(4 * F.FRAME_RATE_HZ),), -10.0), enough=0.0)
        found, refiner = made_by(model, ask(bars=2), [level], O.Budget(12), rate=0.1, hold=hold)
        after = model.networks.codec.decode(found[None])[0, 16:].mean(0)
        moved.append(float((after - before).square().mean()))
        assert set(refiner.terms()) == ({"intensity", "timbre"} if hold else {"intensity"})
    assert moved[1] < 0.8 * moved[0]


def test_the_loss_told_is_that_of_the_latents_given(model: ModelRenderer) -> None:
    level = torch.linspace(-45, -15, round(2 * F.FRAME_RATE_HZ))
    found, refiner = made_by(model, ask(bars=1, steps=2), [Intensity(level)], O.Budget(5), hold=0.0)
    features = model.networks.codec.decode(found[None])[:, 16:]
    from engine.control.extract import intensity_db

    error = (intensity_db(features)[0, : len(level)] - level).square()
    assert refiner.terms()["intensity"] == pytest.approx(float(error.mean()), rel=0.02)


def test_targets_can_be_combined(model: ModelRenderer) -> None:
    request = ask(bars=2, intensity=CURVE, melody=NOTES, form="AB", refine="3", prompts=(PromptPart(text="house"),))
    take = play(model, request)
    remark = take.rendered.remarks[-1]
    assert remark.startswith("Refined in ") and all(name in remark for name in ("intensity", "melody", "form"))
    plain = play(model, msgspec.structs.replace(request, refine=None, form=None))
    assert take.audio.shape == plain.audio.shape and not np.array_equal(take.audio, plain.audio)
    assert np.array_equal(take.audio, play(model, request).audio), "the same request gives the same bytes"


def test_progress_rises_through_search_and_sound(model: ModelRenderer) -> None:
    take = play(model, ask(bars=2, intensity=CURVE, refine="6"))
    assert take.progress == sorted(take.progress) and take.progress[-1] == 1.0
    assert sum(0 < share < 0.9 for share in take.progress) >= 3


def test_a_request_with_nothing_to_refine_is_plain_and_says_so(model: ModelRenderer) -> None:
    take, plain = play(model, ask(refine="6")), play(model, ask())
    assert np.array_equal(take.audio, plain.audio)
    assert any("nothing to refine" in remark for remark in take.rendered.remarks)


def test_a_continuation_is_refined_behind_its_context(model: ModelRenderer) -> None:
    audio = sound(48_000 * 4)
    plain = follow(model, audio, intensity=CURVE)
    take = follow(model, audio, intensity=CURVE, refine="6")
    assert take.audio.shape == plain.audio.shape and take.lead_in.shape == plain.lead_in.shape
    assert not np.array_equal(take.audio, plain.audio)


@pytest.mark.parametrize("after", [1, 4, 30])
def test_a_cancel_is_seen_in_time(model: ModelRenderer, after: int) -> None:
    looks: list[float] = []

    def cancelled() -> bool:
        looks.append(time.perf_counter())
        return len(looks) > after

    with pytest.raises(Cancelled):
        play(model, ask(bars=4, intensity=CURVE, melody=NOTES, refine="1000"), cancelled=cancelled)
    assert len(looks) == after + 1


def test_a_time_budget_is_shared_by_the_windows(model: ModelRenderer) -> None:
    """Only the search counts; each window begins at least one iteration."""
    level = torch.full((round(18 * F.FRAME_RATE_HZ),), 0.0)
    _, refiner = made_by(model, ask(bars=9), [Intensity(level)], O.Budget(seconds=1.0))
    assert len(refiner.reached) > 1 and all(window.outcome.iterations >= 1 for window in refiner.reached)
    searched = sum(window.outcome.seconds for window in refiner.reached)
    longest = max(window.outcome.seconds / window.outcome.iterations for window in refiner.reached)
    assert searched < 1.0 + 4 * longest * len(refiner.reached) + 20.0, "and what others took of the processor"


def targets_of(model: ModelRenderer, **fields: object):
    request = ask(bars=2, **fields)
    job = job_of(model, request)
    return wanted(request, job.place, job.material, Joint(2, 3).eval())


def test_a_requests_targets(model: ModelRenderer) -> None:
    found = {one.name: one for one in targets_of(
        model, intensity=CURVE, melody=NOTES, form="AB", prompts=(PromptPart(text="jazz", weight=2),)
    )}  # fmt: skip
    assert set(found) == {"intensity", "melody", "structure", "text"}
    level, melody, structure = found["intensity"], found["melody"], found["structure"]
    assert isinstance(level, Intensity) and isinstance(melody, Melody) and isinstance(structure, Structure)
    frames = int(4 * F.FRAME_RATE_HZ)
    assert len(level.level_db) == len(melody.pitch) == frames
    assert float(level.level_db[0]) == -40 and float(level.level_db[-1]) == -20
    assert float(level.level_db[round(F.FRAME_RATE_HZ)]) == pytest.approx(-30, abs=0.2)
    seconds = torch.arange(frames) / F.FRAME_RATE_HZ
    near = torch.minimum((seconds - 1).abs(), (seconds - 2).abs()) < 0.04
    assert (melody.pitch[near] == -1).all() and (melody.pitch[seconds > 2.06] == -1).all()
    assert (melody.pitch[(seconds > 0.1) & (seconds < 0.9)] == 64).all()
    assert (melody.pitch[(seconds > 1.1) & (seconds < 1.9)] == 67).all()
    assert structure.similarity.shape == (8, 8) and float(structure.similarity[0, 7]) == 0.0


def test_strengths_weigh_targets_and_switch_them_off(model: ModelRenderer) -> None:
    strengths = Strengths(intensity=0.0, melody=2.0, prompt=0.0)
    found = targets_of(model, intensity=CURVE, melody=NOTES, prompts=(PromptPart(text="jazz"),), strengths=strengths)
    assert [(one.name, one.weight) for one in found] == [("melody", 2.0)]


def test_targets_act_where_they_are_to(model: ModelRenderer) -> None:
    """Over the first of two bars: the curve to its line, the melody's second note not at all."""
    only = Only(intensity=Stretch(begin=0, end=4), melody=Stretch(begin=0, end=2))
    level, melody = targets_of(model, intensity=CURVE, melody=NOTES, only=only)
    assert isinstance(level, Intensity) and isinstance(melody, Melody) and level.mask is not None
    assert level.mask.sum() == pytest.approx(2 * F.FRAME_RATE_HZ, abs=1) and bool(level.mask[0])
    assert (melody.pitch == 64).any() and not (melody.pitch == 67).any()


def test_a_search_for_one_bar_leaves_the_others_alone(model: ModelRenderer) -> None:
    """The curve on the second of three bars: searched there; the first bar keeps its bytes, the third its level."""
    only, bar = Only(intensity=Stretch(begin=4, end=8)), 96_000
    level = (CurvePoint(beat=4, db=-35.0), CurvePoint(beat=8, db=-35.0))
    told = [play(model, ask(bars=3, intensity=level, only=only, refine=k, steps=1)) for k in ("1", "8")]
    assert told[1].rendered.remarks[-1].startswith("Refined in ") and "intensity" in told[1].rendered.remarks[-1]
    plain = play(model, ask(bars=3, steps=1)).audio
    assert all(np.array_equal(plain[: bar // 2], take.audio[: bar // 2]) for take in told)
    assert not np.allclose(plain[bar : 2 * bar], told[1].audio[bar : 2 * bar], atol=1e-3)
    later = slice(2 * bar + 72_000, 3 * bar)
    power = [float(np.square(audio[later]).mean()) for audio in (plain, told[1].audio)]
    assert power[0] == pytest.approx(power[1], rel=0.05)


def test_what_is_wanted_everywhere_is_searched_before_what_is_wanted_in_a_part(model: ModelRenderer) -> None:
    request = ask(bars=2, intensity=CURVE, melody=LATER, only=Only(melody=Stretch(begin=4, end=8)), refine="0.5s")
    began, take = time.perf_counter(), play(model, request)
    elsewhere, within = take.rendered.remarks[-2:]
    assert elsewhere.startswith("Refined in ") and within.startswith("Refined in ")
    assert "intensity" in elsewhere and "melody" not in elsewhere and "intensity" in within
    assert take.progress == sorted(take.progress) and take.progress[-1] == 1.0
    assert time.perf_counter() - began < 60


def test_the_report_holds_the_forms_error(model: ModelRenderer) -> None:
    """Noise with a hump at 500 Hz, at 6 kHz and at 500 Hz again is an ABA, and no AAB."""
    noise, bar = np.random.default_rng(0).standard_normal((3 * 96_000, 2)), 96_000
    dark, bright = (
        lfilter([1.0], [1.0, -1.9 * np.cos(2 * np.pi * hertz / 48_000), 0.9025], noise, axis=0) for hertz in (500, 6000)
    )
    audio = dark / dark.std()
    audio[bar : 2 * bar] = (bright / bright.std())[bar : 2 * bar]
    judge, error = Judge(model.networks), {}
    for form in ("ABA", "AAB"):
        request = ask(bars=3, form=form, refine="1")
        assert judge.wants(request, [])
        found = judge.adherence(request, place_of(request, None), [], (0.05 * audio).astype(np.float32), lambda: None)
        assert found.form_error is not None and found.intensity_error_db is None
        error[form] = found.form_error
    assert error["ABA"] < 0.3 < 0.5 < error["AAB"]
    take = play(model, ask(bars=3, form="ABA", refine="1"))
    assert take.rendered.adherence is not None and take.rendered.adherence.form_error is not None


def test_pitches_near_changes_are_not_judged() -> None:
    pitch = np.repeat(np.array([60, -1, 62], np.int8), 30)
    judged = judged_pitch(pitch)
    assert (judged[:25] == 60).all() and (judged[25:65] == -1).all() and (judged[65:] == 62).all()


def test_refine_and_form_are_read() -> None:
    assert (
        parse_refine("70") == (70, None)
        and parse_refine(" 5s ") == (None, 5.0)
        and parse_refine("0.5 S") == (None, 0.5)
    )
    assert budget_of("12") == O.Budget(12, None) and budget_of("2s") == O.Budget(None, 2.0)
    assert parse_form("aba", 6) == ("A", "A", "B", "B", "A", "A")


@pytest.mark.parametrize("text", ["", "0", "-3", "1001", "5 m", "s", "0.01s", "601s", "1e3", "nan", "٣", "5s5"])
def test_a_bad_refine_is_one_sentence(text: str) -> None:
    with pytest.raises(BadRequest, match="1 to 1000"):
        parse_refine(text)


@pytest.mark.parametrize(
    ("text", "bars"), [("", 4), ("A1", 4), ("A B", 4), ("ABC", 4), ("AAAAA", 4), ("Ä", 4), ("A" * 65, 65)]
)
def test_a_bad_form_is_one_sentence(text: str, bars: int) -> None:
    with pytest.raises(BadRequest, match="letters"):
        parse_form(text, bars)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"form": "AB", "bars": 4}, "give refine"),
        ({"form": "ABA", "bars": 4, "refine": "5"}, "3 divides"),
        ({"refine": "fast"}, "number of iterations"),
    ],
)
def test_requests_that_cannot_be_refined_are_refused_at_the_edge(fields: dict, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        check(ask(**fields))


def test_an_edit_that_does_not_begin_from_noise_is_not_refined() -> None:
    request = Request(id="t", kind="continue", bars=1, tempo="120", source="in.wav", at_bar=1, edit="vary", refine="5")
    with pytest.raises(BadRequest, match="refine searches the noise"):
        check(request)


def test_what_is_told_never_falls() -> None:
    heard: list[float] = []
    told = rising(heard.append)
    for share in (0.1, 0.4, 0.2, 0.5, 0.0, 1.0):
        told(share)
    assert heard == [0.1, 0.4, 0.4, 0.5, 0.5, 1.0]


def test_weights_stay_frozen_and_hold_no_gradient(model: ModelRenderer) -> None:
    before = {name: value.clone() for name, value in model.networks.student.state_dict().items()}
    play(model, ask(bars=1, intensity=CURVE, refine="3"))
    for name, value in model.networks.student.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None and not p.requires_grad for n in vars(model.networks).values() for p in n.parameters())


def test_the_untrained_networks_are_frozen_as_the_search_needs() -> None:
    assert not any(p.requires_grad for p in untrained().student.parameters())
