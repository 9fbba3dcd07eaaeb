"""A planner as a stage of the pipeline: within its share, left out where there is little, and in the bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from rich.console import Console

from engine import bundle as bundles
from engine.models import planner as P
from engine.models.prompt import PromptHead
from engine.training import devices, finished, planner_bundle
from engine.training import planner as training
from engine.training.budget import NEEDS, Ledger, Plan
from engine.training.prompt import Vocabulary
from engine.training.workshop import Workshop
from tests.tiny_bundle import STYLES, TAGS, make_bundle

FACTS = {
    "perplexity a token, held out": {"planner": 1.5, "bigram": 4.0, "unigram": 5.0},
    "songs": {"training": 12, "held out": 3},
    "music": {"chords": {"composed": 4.1, "planned": 3.9}, "seconds": {"planned": 0.2}},
}


def shop_in(out: Path, seconds: float, **more: Any) -> Workshop:
    """A run whose planner may take `seconds`."""
    ledger = Ledger.open(out / "stages" / "ledger.json", seconds)
    shop = Workshop(
        out / "corpus", out / "stages", Plan.of(1, "cpu"), 1, Console(quiet=True), ledger, devices.CPU, ("planner",)
    )
    shop.settings = {"planner": {"width": 32, "layers": 1, "heads": 2, "most": 3, "held": 2}}
    for name, value in more.items():
        setattr(shop, name, value)
    return shop


@pytest.fixture
def head() -> PromptHead:
    torch.manual_seed(0)
    return PromptHead(len(STYLES), len(TAGS)).eval()


@pytest.fixture(autouse=True)
def texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captions as vectors without the sentence encoder, and small batches."""
    monkeypatch.setattr("engine.training.prompt.embed_all", lambda texts: torch.ones(len(texts), 384))
    monkeypatch.setattr(training, "BATCH", 2)
    monkeypatch.setattr(training, "MEASURED_WINDOWS", 4)
    monkeypatch.setattr(planner_bundle, "LEAST_SECONDS", 0.5)


VOCABULARY = Vocabulary(tuple(STYLES), tuple(TAGS))


def test_a_stage_trains_one_and_loads_what_it_left(tmp_path: Path, head: PromptHead) -> None:
    shop = shop_in(tmp_path, 4.0)
    made = planner_bundle.planned(shop, head, VOCABULARY)
    assert made is not None and made.config.styles == tuple(STYLES) and shop.ledger.done("planner")
    held = finished.facts(shop.folder, "planner")
    assert held is not None and held["facts"]["perplexity a token, held out"]["planner"] > 1
    again = planner_bundle.planned(shop_in(tmp_path, 4.0), head, VOCABULARY)
    assert again is not None
    for name, value in made.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)
    bundle = make_bundle(tmp_path / "b")
    planner_bundle.add_from(shop, bundle.folder, again, None)
    loaded = bundles.load(bundle.folder)
    assert P.load_planner(loaded.folder / P.FILE).config == again.config
    assert loaded.manifest["training"]["planner"]["songs"]["training"] >= 1


def test_with_little_time_or_sounds_of_ones_own_there_is_none(tmp_path: Path, head: PromptHead) -> None:
    for name, shop in (
        ("short", shop_in(tmp_path / "short", 0.3)),
        ("own", shop_in(tmp_path / "own", 60.0, source=tmp_path)),
    ):
        assert planner_bundle.planned(shop, head, VOCABULARY) is None, name
        assert shop.ledger.done("planner")
        assert planner_bundle.planned(shop, head, VOCABULARY) is None, name
    other = shop_in(tmp_path / "other", 60.0, stages=("teacher",))
    assert planner_bundle.planned(other, head, VOCABULARY) is None and not other.ledger.done("planner")


def test_its_share_is_small() -> None:
    assert 0 < Plan.of(75).seconds["planner"] < 0.04 * 75 * 60
    assert NEEDS["planner"].floor_s == 0


def test_a_bundle_hands_its_planner_on(tmp_path: Path) -> None:
    start, target = (make_bundle(tmp_path / name).folder for name in ("start", "target"))
    shop = shop_in(tmp_path, 1.0)
    planner_bundle.add_from(shop, target, None, start)
    assert P.FILE not in bundles.load(target).manifest["files"]
    weights = tmp_path / "planner.safetensors"
    P.save_planner(P.Planner(P.PlannerConfig(STYLES, TAGS, width=32, layers=1, heads=2)), weights)
    planner_bundle.add_to_bundle(start, weights, FACTS)
    planner_bundle.add_from(shop, target, None, start)
    files = [bundles.load(folder).manifest["files"][P.FILE] for folder in (start, target)]
    assert files[0] == files[1] and "4.10" not in (target / bundles.CARD).read_text()
    assert bundles.read_manifest(target)["training"]["planner"] == FACTS


def test_one_command_adds_a_planner_with_what_was_measured(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b").folder
    card = folder / bundles.CARD
    card.write_text("# tiny\n\n<!-- evaluation -->\n## Tables\n")
    manifest = bundles.read_manifest(folder)
    bundles.seal(folder, {name: value for name, value in manifest.items() if name != "files"})
    weights = tmp_path / "planner.safetensors"
    P.save_planner(P.Planner(P.PlannerConfig(STYLES, TAGS, width=32, layers=1, heads=2)), weights)
    (tmp_path / "planner.facts.json").write_text(json.dumps(FACTS))
    for _ in range(2):
        result = CliRunner().invoke(training.main, ["--weights", str(weights), "--bundle", str(folder), "--add"])
        assert result.exit_code == 0, result.output
    assert P.FILE in bundles.load(folder).manifest["files"]
    text = card.read_text()
    assert text.count("## Planner") == 1 and text.index("## Planner") < text.index("<!-- evaluation -->")
    assert "1.50" in text and "| chords | 4.1 | 3.9 |" in text and text.rstrip().endswith("## Tables")
    refused = CliRunner().invoke(training.main, ["--add"])
    assert refused.exit_code == 2 and "--minutes" in refused.output
