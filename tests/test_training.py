"""The training loop and its examples on data made by hand."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from engine.models import codec as C
from engine.models import conditions as K
from engine.models import denoiser as D
from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.training import codec, distil, loop, teacher, windows
from engine.training.data import Latents
from engine.types import PART_NAMES

PROMPTS = 6
QUIET = Console(quiet=True)


def some_song(seed: int = 0, count: int = 80) -> Latents:
    rng = np.random.default_rng(seed)
    frames = count * C.PATCH
    melody = np.where(rng.random(frames) < 0.5, rng.integers(55, 80, frames), -1)
    latents = {name: torch.from_numpy(rng.normal(size=(count, C.LATENTS)).astype(np.float32)) for name in "ab"}
    presence = np.ones((frames, 5), np.uint8)
    presence[:, 4] = 0
    return Latents(
        facts={"tempo": "240/2", "key_root": 9, "mode": "minor"},
        latents={"mix": latents["a"] + latents["b"], **latents},
        intensity={name: rng.normal(-20, 3, frames).astype(np.float32) for name in ("mix", "a", "b")},
        presence=presence,
        groups={"mix": PART_NAMES, "a": ("drums", "bass"), "b": ("chords", "lead", "other")},
        beat_phase=(np.arange(frames) * 0.02 % 1).astype(np.float32),
        bar_phase=(np.arange(frames) * 0.005 % 1).astype(np.float32),
        melody=melody.astype(np.int64),
        melody_onset=np.zeros(frames, np.float32),
        chroma=np.ones((frames, 12), np.float32),
        prompts=rng.random((3, PROMPTS)).astype(np.float32),
    )


def test_a_batch_marks_what_is_new_and_hides_it_from_the_context():
    rng = np.random.default_rng(0)
    clean, new, given = windows.batch([some_song(s) for s in range(3)], 64, 40, rng)
    assert clean.shape == (64, 40, C.LATENTS) and new.shape == (64, 40, 1)
    assert given.frames.shape == (64, 40, 8, D.FRAME_FEATURES)
    assert given.globals.shape == (64, DenoiserConfig(prompt=PROMPTS).globals_width)
    assert not (given.context_mask * new).any()
    assert torch.equal(given.context, clean * given.context_mask)
    assert new.sum(1).min() > 0
    kinds = {bool(row.any()) for row in given.context_mask}
    assert kinds == {True, False}


def test_sub_mix_targets_carry_their_complement_under_them():
    song = some_song()
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(200):
        example = windows.example(song, 40, rng)
        if example.conditions.under_mask.any():
            seen += 1
            total = example.clean + example.conditions.under
            starts = [s for s in range(41) if torch.allclose(song.latents["mix"][s : s + 40], total, atol=1e-5)]
            assert len(starts) == 1
    assert 24 < seen < 72


def test_each_condition_is_withheld_about_as_often_as_stated():
    song, rng = some_song(), np.random.default_rng(2)
    flags = np.array([windows.example(song, 40, rng).conditions.globals.numpy() for _ in range(600)])
    prompt = 1 - flags[:, 0].mean()
    key = 1 - flags[:, PROMPTS + 1 + D.PART_FEATURES].mean()
    assert prompt == pytest.approx(windows.DROP_GLOBAL["prompt"], abs=0.05)
    alone = windows.WORDS_ALONE_SHARE
    assert key == pytest.approx(alone + (1 - alone) * windows.DROP_GLOBAL["key"], abs=0.07)


def test_some_examples_have_words_and_a_beat_and_nothing_else():
    song, rng = some_song(), np.random.default_rng(3)
    alone = [e for e in (windows.example(song, 40, rng) for _ in range(600)) if not told_of_notes_or_context(e)]
    assert len(alone) / 600 == pytest.approx(windows.WORDS_ALONE_SHARE, abs=0.05)
    for example in alone:
        assert example.new.all()
        assert not example.conditions.under_mask.any()
    assert np.mean([bool(e.conditions.globals[0]) for e in alone]) > 0.7


def told_of_notes_or_context(example: windows.Example) -> bool:
    given = example.conditions
    frames = given.frames.flatten(0, 1)
    said = frames[:, D.BEAT_FEATURES], frames[:, D.BEAT_FEATURES + D.MELODY_FEATURES], frames[:, -2]
    parts_or_key = given.globals[PROMPTS + 1], given.globals[PROMPTS + 1 + D.PART_FEATURES]
    return any(bool(flag.any()) for flag in (*said, *parts_or_key, given.context_mask))


def test_frame_features_place_pitch_class_height_and_flags():
    targets = K.FrameTargets(
        beat_phase=np.array([0.0, 0.25], np.float32),
        bar_phase=np.array([0.0, 0.5], np.float32),
        melody=np.array([69, -1]),
        intensity_db=np.array([-22.0, -10.0], np.float32),
    )
    rows = K.frame_features(targets, 2)
    np.testing.assert_allclose(rows[0, :5], [1, 0, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(rows[1, :5], [1, 1, 0, 0, -1], atol=1e-6)
    assert rows[0, D.BEAT_FEATURES] == 1 and rows[0, D.BEAT_FEATURES + 1 + 9] == 1
    assert rows[1, D.BEAT_FEATURES] == 1 and not rows[1, D.BEAT_FEATURES + 1 : D.BEAT_FEATURES + 13].any()
    assert not rows[:, D.BEAT_FEATURES + D.MELODY_FEATURES].any()
    assert rows[1, -2:].tolist() == [1.0, 1.0]
    K.withhold_notes(rows, 1, 2)
    assert not rows[0, D.BEAT_FEATURES : -2].any() and rows[1, D.BEAT_FEATURES] == 1


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1))


def fit(stage: loop.Stage) -> None:
    def one(_: float) -> dict[str, torch.Tensor]:
        return {"loss": (stage.module.slope - 3.0).square().sum()}

    loop.run(stage, QUIET, one, every=50)


def test_a_stage_keeps_its_budget_learns_and_resumes_where_it_stopped(tmp_path):
    seconds = itertools.count().__next__  # a second passes with each step
    first = loop.Stage("line", Line(), 400, tmp_path, lr=0.1, decay=0.9, clock=seconds)
    fit(first)
    assert float(first.module.slope.detach()) == pytest.approx(3.0, abs=0.3)
    assert first.steps == 400
    again = loop.Stage("line", Line(), 400, tmp_path, lr=0.1, decay=0.9, clock=seconds)
    assert again.steps == first.steps and again.spent == first.spent
    fit(again)
    assert again.steps == first.steps
    longer = loop.Stage("line", Line(), 600, tmp_path, lr=0.1, decay=0.9, clock=seconds)
    fit(longer)
    assert longer.steps > first.steps
    rows = [json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    assert rows[0]["loss"] > rows[-1]["loss"]


def test_a_stage_stopped_by_the_user_keeps_what_it_has(tmp_path):
    stage = loop.Stage("line", Line(), 60, tmp_path, lr=0.1, decay=0.9)

    def one(_: float) -> dict[str, torch.Tensor]:
        if stage.steps == 20:
            raise KeyboardInterrupt
        return {"loss": (stage.module.slope - 3.0).square().sum()}

    with pytest.raises(KeyboardInterrupt):
        loop.run(stage, QUIET, one, every=50)
    assert loop.Stage("line", Line(), 60, tmp_path, lr=0.1, decay=0.9).steps == 20


def test_the_schedule_warms_up_and_ends_low():
    values = [loop.cosine(x) for x in (0.0, 0.02, 0.5, 1.0)]
    assert values[0] < 0.01 and values[1] == pytest.approx(1.0, abs=0.01)
    assert values[1] > values[2] > values[3] == pytest.approx(0.03)


def test_velocity_and_distillation_losses_reach_the_student_alone():
    config = DenoiserConfig(prompt=PROMPTS, width=32, layers=1, heads=2)
    example = windows.batch([some_song()], 4, 40, np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    guide, student, target = Denoiser(config), Denoiser(config), Denoiser(config)
    loss = teacher.velocity_loss(guide, *example, generator)
    assert float(loss.detach()) == pytest.approx(float((example[0] ** 2).mean() + 1), rel=0.25)
    distil.distillation_loss(student, target, guide, example, generator).backward()
    assert all(p.grad is None for p in [*guide.parameters(), *target.parameters()])
    assert student.output.weight.grad is not None and student.output.weight.grad.abs().sum() > 0


def test_pair_times_are_neighbours_on_the_grid_and_guidance_in_its_range():
    generator = torch.Generator().manual_seed(0)
    upper, lower = distil.pair_times(500, generator)
    torch.testing.assert_close(upper - lower, torch.full((500,), 1 / distil.JUMPS))
    assert lower.min() == 0 and upper.max() == 1
    scales = distil.draw_guidance(500, generator)
    assert scales.min() >= 1 and scales.max() <= 6


def test_latents_are_scaled_by_their_effect_and_have_unit_mean_square():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(40, C.LATENTS, generator=generator) @ torch.randn(
        C.LATENTS, C.PATCH_WIDTH, generator=generator
    )
    model = C.Codec(width=16, blocks=1)
    model.init_from_pca(patches)
    codec.finish(model, patches[None].repeat(20, 1, 1))
    with torch.no_grad():
        latents = (model.encode_raw(patches[None]) - model.latent_mean) * model.latent_scale
    assert float(latents.square().mean()) == pytest.approx(1.0, abs=0.25)
