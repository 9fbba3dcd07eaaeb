"""The whole pipeline in seconds, on noise: stopped before the student, gone on with, continued from its own bundle."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from engine import bundle
from engine.models.prompt import sentence_encoder
from engine.models.sentences import VARIABLE, write_table
from engine.render.load import load_renderer
from engine.training import finished, pipeline, polish, prompt, stages
from engine.training.budget import Ledger
from tests.noise_songs import CAPTIONS, noise_corpus
from tests.tiny_bundle import ask, play

pytestmark = pytest.mark.timeout(400)  # every network of full size once: half a minute of one free core
QUIET = Console(quiet=True)
SMALL: dict[str, dict[str, Any]] = {"denoiser": {"width": 64, "layers": 1, "heads": 2}}
LEFT_SECONDS = 1.0
FOUNDATION = ("codec", "vocoder", "polish", "lows", "joint")


def begin(out: Path) -> None:
    """A corpus that is there, and a ledger that has little time left for all the rest."""
    noise_corpus(out / "corpus")
    ledger = Ledger.open(out / "stages" / "ledger.json", 30.0)
    ledger.settle("corpus", 30.0 - LEFT_SECONDS)
    ledger.entry("corpus").done = True
    ledger.save()


def train(out: Path, **more: Any) -> dict[str, Any]:
    return pipeline.run(0.5, "cpu", out, console=QUIET, settings=SMALL, workers=1, name="tiny", **more)


def steps(out: Path) -> dict[str, int]:
    return {name: json.loads((out / "stages" / f"{name}.json").read_text())["steps"] for name in FOUNDATION}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    """(OUT, result, steps when stopped) of a run that was stopped before the student and started again."""
    out = tmp_path_factory.mktemp("pipeline")
    texts = [*CAPTIONS, "house music with a kick", "funk and soul", "jazz trio"]
    write_table(out / "table", texts, torch.nn.functional.normalize(torch.eye(len(texts), 384), dim=-1))
    begin(out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(out / "table"))
        patch.setattr(prompt, "fit", partial(prompt.fit, steps=20))
        patch.setattr(polish, "TEMPERED_CLIPS", 1)
        sentence_encoder.cache_clear()
        with pytest.MonkeyPatch.context() as stop:
            stop.setattr(stages, "distilled", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train(out)
        before = steps(out)
        yield out, train(out), before
    sentence_encoder.cache_clear()


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_run_goes_on_where_it_was_stopped_and_ends_as_a_bundle_that_renders(place):
    out, result, before = place
    assert all(count >= 1 for count in before.values()) and steps(out) == before
    made = bundle.load(Path(result["bundle"]))
    assert made.name == "tiny" and made.styles == ["funk", "house"]
    assert made.config["denoiser"]["width"] == 64 and made.config["denoiser"]["jumps"]
    assert isinstance(made.config["lag_samples"], int) and abs(made.config["lag_samples"]) <= 480
    assert 0.0 <= made.config["noise_width"] <= 0.9
    take = play(load_renderer(made.folder), ask(1))
    assert take.audio.shape == (96_000, 2)
    assert torch.isfinite(torch.from_numpy(take.audio)).all()


def test_finished_stages_leave_what_the_bundle_holds(place):
    out, result, _ = place
    for name in (*FOUNDATION, "prompt", "teacher", "student"):
        assert finished.facts(out / "stages", name) is not None, name
    assert finished.facts(out / "stages", "polish")["l1_db"] > 0
    assert result["teacher_validation_loss"] == finished.facts(out / "stages", "teacher")["validation_loss"]
    shop = pipeline.prepare(0.5, out, "cpu", 1, QUIET)
    networks, vocabulary = pipeline.foundation(shop)
    kept = load_renderer(Path(result["bundle"])).networks
    assert vocabulary.tags == tuple(bundle.load(Path(result["bundle"])).config["tags"])
    for module in ("codec", "vocoder", "prompt", "listener"):
        theirs = getattr(kept, module).state_dict()
        for name, value in getattr(networks, module).state_dict().items():
            torch.testing.assert_close(value.half().float(), theirs[name].float(), msg=f"{module}.{name}")


def test_the_card_the_ledger_and_the_curves_tell_what_was_done(place):
    out, result, before = place
    text = (Path(result["bundle"]) / "MODEL_CARD.md").read_text()
    for said in ("3 excerpts", "1 held out", "no GPU", "Known weaknesses", "| 1 | codec |", "Not evaluated"):
        assert said in text, said
    manifest = bundle.read_manifest(Path(result["bundle"]))["training"]
    assert manifest["legs"][0]["stages"]["codec"]["steps"] == before["codec"]
    rows = {row["stage"]: row for row in result["stages"]}
    assert rows["teacher"]["samples"] == 8 * rows["teacher"]["steps"] and rows["encode"]["songs"] == 3
    assert (out / "losses.png").is_file()
    assert result["minutes"] >= 0.4


def test_a_run_from_a_bundle_keeps_its_codec_and_counts_as_another_leg(place, tmp_path):
    _, result, _ = place
    begin(tmp_path)
    first = Path(result["bundle"])
    again = Path(train(tmp_path, start_from=first)["bundle"])
    old, new = (bundle.read_manifest(folder) for folder in (first, again))
    same = {name: old["files"][name] == new["files"][name] for name in old["files"] if name != bundle.CARD}
    assert same == {f"{n}.safetensors": n != "student" for n in bundle.MODULES}
    legs = new["training"]["legs"]
    assert [leg["from"] for leg in legs] == [None, "tiny"] and "codec" not in legs[1]["stages"]
    assert new["training"]["minutes"]["teacher"] >= old["training"]["minutes"]["teacher"]
    with pytest.raises(pipeline.BadRequest, match="resume"):
        train(tmp_path, resume=False)
