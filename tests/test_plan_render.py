"""Plans on their way: through the renderer, over ZeroMQ, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from bridge.cli import cli
from bridge.client import connect
from bridge.commands import plan as command
from engine.errors import BadRequest, Unavailable
from engine.models import planner as P
from engine.planning.bars import OPEN, has_open, transposed
from engine.planning.chords import MODE_NAMES
from engine.planning.files import read_plan, to_json, write_plan
from engine.render.load import load_renderer
from engine.render.planned import VARIABLE, drawn_key
from engine.training.planner_bundle import add_to_bundle
from engine.types import Note, Plan, PlanBar, PromptPart, Renderer, Strengths
from tests.bridge_helpers import fake_server
from tests.plan_values import song
from tests.rendering import follow, sound
from tests.tiny_bundle import STYLES, TAGS, ask, make_bundle, play


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that writes plans."""
    home = tmp_path_factory.mktemp("planner")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = P.Planner(P.PlannerConfig(STYLES, TAGS, width=32, layers=2, heads=2))
    P.save_planner(model, home / "planner.safetensors")
    bundle = make_bundle(home / "tiny")
    return add_to_bundle(bundle.folder, home / "planner.safetensors").folder


@pytest.fixture(scope="module")
def renderer(folder: Path) -> Renderer:
    return load_renderer(folder)


def test_a_plan_that_is_sent_is_played_and_comes_back(renderer: Renderer) -> None:
    took = play(renderer, ask(bars=2, plan=song(2)))
    assert took.rendered.plan == song(2)
    notes = [(k, note) for k, bar in enumerate(song(2).bars) for note in bar.melody or ()]
    melody = tuple(msgspec.structs.replace(note, beat=note.beat + 4 * k) for k, note in notes)
    parts = ("drums", "bass", "chords", "lead")
    named = play(renderer, ask(bars=2, chords="Am F", key="A minor", parts=parts, melody=melody))
    levelled = msgspec.structs.replace(
        song(2), bars=tuple(msgspec.structs.replace(bar, intensity_db=None) for bar in song(2).bars)
    )
    same = play(renderer, ask(bars=2, plan=levelled))
    assert np.array_equal(same.audio, named.audio)


def test_an_edited_bar_is_heard(renderer: Renderer) -> None:
    plan = song(2)
    edited = msgspec.structs.replace(plan, bars=(plan.bars[0], transposed(plan.bars[1], 3)))
    before, after = (play(renderer, ask(bars=2, plan=p)) for p in (plan, edited))
    assert after.rendered.plan == edited
    assert not np.array_equal(before.bars[1].audio, after.bars[1].audio)


def test_a_plan_is_written_and_played_from_one_seed(renderer: Renderer) -> None:
    first, again = (play(renderer, ask(bars=2, plan=True, seed=7)) for _ in range(2))
    plan = first.rendered.plan
    assert plan is not None and len(plan.bars) == 2 and not has_open(plan.bars)
    assert again.rendered.plan == plan and np.array_equal(again.audio, first.audio)
    assert play(renderer, ask(bars=2, plan=plan, seed=7)).rendered.plan == plan
    loose = play(renderer, ask(bars=1, plan=True, seed=None)).rendered
    assert play(renderer, ask(bars=1, plan=True, seed=loose.seed)).rendered.plan == loose.plan


def test_targets_of_the_request_are_in_the_plan(renderer: Renderer) -> None:
    asked = ask(bars=4, plan=True, chords="Dm G", key="D dorian", parts=("bass", "chords"), form="AB")
    plan = play(renderer, asked).rendered.plan
    assert plan is not None
    assert [bar.chords[0].name for bar in plan.bars if bar.chords] == ["Dm", "G", "Dm", "G"]
    assert {bar.key for bar in plan.bars} == {"D dorian"}
    assert all(set(bar.parts or ()) <= {"bass", "chords"} and bar.melody == () for bar in plan.bars)
    assert [bar.section for bar in plan.bars] == ["A", "A", "B", "B"]


def test_a_continuation_is_planned_from_what_is_before_it(renderer: Renderer) -> None:
    quiet, loud = (
        follow(renderer, sound(48_000 * 4, level=level), bars=1, plan=True).rendered.plan for level in (0.001, 0.2)
    )
    assert quiet is not None and loud is not None and quiet != loud


def test_open_fields_are_filled_only_when_asked(renderer: Renderer) -> None:
    part = Plan(bars=(PlanBar(section="verse"), OPEN))
    as_it_is = play(renderer, ask(bars=2, plan=part)).rendered.plan
    assert as_it_is == part
    filled = play(renderer, ask(bars=2, plan=msgspec.structs.replace(part, fill=True))).rendered.plan
    assert filled is not None and not has_open(filled.bars) and filled.bars[0].section == "verse" and not filled.fill


def test_what_does_not_fit_is_told(renderer: Renderer, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="The plan has 4 bars, but 2 are asked for"):
        play(renderer, ask(bars=2, plan=song()))
    with pytest.raises(BadRequest, match="is in 4/4, but the bar to be made is in 3/4"):
        play(renderer, ask(bars=4, meter="3/4", plan=song()))
    plain = load_renderer(make_bundle(tmp_path / "plain").folder)
    with pytest.raises(Unavailable, match="writes no plans"):
        play(plain, ask(plan=True))
    assert play(plain, ask(bars=4, plan=song())).rendered.plan == song()


def test_words_alone_are_planned_where_that_is_left_to_the_engine(renderer: Renderer) -> None:
    words = (PromptPart(text="house"),)
    took = play(renderer, ask(bars=2, prompts=words, plan="auto", seed=4))
    plan = took.rendered.plan
    assert plan is not None and any(line.startswith("Planned from the words: ") for line in took.rendered.remarks)
    assert np.array_equal(took.audio, play(renderer, ask(bars=2, prompts=words, plan=plan, seed=4)).audio)
    keyed = play(renderer, ask(bars=2, prompts=words, plan="auto", key="D dorian", parts=("bass",))).rendered.plan
    assert keyed is not None and {(bar.key, bar.parts) for bar in keyed.bars} == {("D dorian", ("bass",))}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"chords": "Am F"},
        {"melody": (Note(pitch=60, beat=0.0, length=1.0),)},
        {"edit": "loop"},
        {"meter": "9/4"},
        {"strengths": Strengths(prompt=0.0)},
    ],
)
def test_where_more_is_told_or_less_nothing_is_planned(renderer: Renderer, told: dict[str, Any]) -> None:
    prompts = (PromptPart(text="house"),) if told else ()
    left, none = (
        play(renderer, ask(bars=1, steps=1, prompts=prompts, seed=4, plan=plan, **told)) for plan in ("auto", False)
    )
    assert left.rendered.plan is None and left.rendered.remarks == none.rendered.remarks
    assert np.array_equal(left.audio, none.audio)


def test_a_bundle_without_a_planner_renders_words_as_ever(tmp_path: Path) -> None:
    plain = load_renderer(make_bundle(tmp_path / "plain").folder)
    words = (PromptPart(text="house"),)
    left, none = (play(plain, ask(bars=1, steps=1, prompts=words, seed=4, plan=plan)) for plan in ("auto", False))
    assert left.rendered.plan is None and np.array_equal(left.audio, none.audio)


def test_a_continuation_is_not_planned_unasked(renderer: Renderer) -> None:
    took = follow(renderer, sound(48_000 * 2), bars=1, plan="auto", prompts=(PromptPart(text="house"),), steps=1)
    assert took.rendered.plan is None


def test_a_mode_is_drawn_as_the_styles_have_them() -> None:
    modes = tuple(tuple(1.0 if m == s else 0.0 for m in range(10)) for s in range(2))
    prompt, rng = np.array([0.0, 1.0, 0.3, 0.3, 0.3], np.float32), np.random.default_rng(0)
    drawn = [drawn_key(modes, prompt, rng) for _ in range(40)]
    assert {key.mode for key in drawn} == {MODE_NAMES[1]} and len({key.root for key in drawn}) > 6


def test_plans_travel_beside_the_audio_over_zeromq(tmp_path: Path) -> None:
    with fake_server(tmp_path) as server, connect(server.zeromq.endpoint) as engine:
        assert engine.generate("house", bars=4, tempo=240, plan=song()).report.plan == song()
        assert engine.generate("house", bars=1, tempo=240).report.plan is None


# ---- the command line ------------------------------------------------------------------------


def ran(*words: str | Path) -> str:
    result = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_attacca_plan_writes_both_files_and_rewrites_bars(folder: Path, tmp_path: Path) -> None:
    common = ("plan", "--prompt", "house", "--tempo", "120", "--bundle", folder, "--json")
    told = json.loads(ran(*common, "--bars", "4", "--seed", "3", "-o", tmp_path / "a.mid"))
    assert told["bars"] == 4 and len(told["chords"]) >= 4
    first = read_plan(tmp_path / "a.json")
    assert read_plan(tmp_path / "a.mid") == first
    ran(*common, "--from", tmp_path / "a.mid", "--rewrite", "2,4", "--seed", "9", "-o", tmp_path / "b.mid")
    second = read_plan(tmp_path / "b.json")
    assert [a == b for a, b in zip(first.bars, second.bars, strict=True)] == [True, False, True, False]


def test_generate_plays_a_plan_file_and_writes_one(folder: Path, tmp_path: Path) -> None:
    write_plan(tmp_path / "in.mid", song(2))
    common = ("generate", "--prompt", "house", "--tempo", "240", "--bars", "2", "--steps", "1", "--bundle", folder)
    ran(*common, "--plan", tmp_path / "in.mid", "--plan-out", tmp_path / "out.mid", "-o", tmp_path / "x.wav")
    assert read_plan(tmp_path / "out.mid") == read_plan(tmp_path / "out.json") == song(2)
    ran(*common, "--plan-out", tmp_path / "own.mid", "--takes", "2", "-o", tmp_path / "y.wav")
    takes = [read_plan(tmp_path / f"own-{k}.json") for k in (1, 2)]
    assert takes[0] != takes[1] and not any(has_open(plan.bars) for plan in takes)


def test_generate_plans_words_alone_where_it_is_told_to(folder: Path, tmp_path: Path) -> None:
    common = ("generate", "--prompt", "house", "--tempo", "240", "--bars", "1", "--steps", "1", "--bundle", folder)
    files = {}
    for name, words in {"unsaid": (), "auto": ("--plan", "auto"), "off": ("--plan", "off")}.items():
        ran(*common, "--seed", "5", *words, "-o", tmp_path / f"{name}.wav")
        files[name] = (tmp_path / f"{name}.wav").read_bytes()
    assert files["unsaid"] == files["off"] != files["auto"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--plan", "off", "--plan-out", "plan.mid"), "leave it or --plan off away"),
        (("--plan", "auto", "--plan-fill"), "give one with --plan"),
        (("--plan", "nothing.mid"), "There is no plan file"),
        (("--plan-fill",), "give one with --plan"),
        (("--plan-out", "plan.wav"), "name a MIDI file"),
        (("--plan-out", "no/such/plan.mid"), "there is no folder"),
    ],
)
def test_mistakes_of_plan_options_are_sentences(
    words: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadRequest, match=says):
        ran("generate", "--prompt", "house", "--tempo", "120", "--bars", "2", *words, "-o", "x.wav")


def test_bars_to_rewrite_need_a_plan(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="give it with --from"):
        command.kept_plan(None, "2")
    path = tmp_path / "p.json"
    path.write_bytes(to_json(song()))
    kept = command.kept_plan(path, "2-3")
    assert isinstance(kept, Plan) and [bar == OPEN for bar in kept.bars] == [False, True, True, False]


def test_the_planner_may_be_named_by_the_environment(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_bundle(tmp_path / "plain").folder
    monkeypatch.setenv(VARIABLE, str(folder / P.FILE))
    ran("plan", "--prompt", "jazz", "--tempo", "90", "--bars", "1", "--bundle", plain, "-o", tmp_path / "a.mid")
    assert len(read_plan(tmp_path / "a.json").bars) == 1
