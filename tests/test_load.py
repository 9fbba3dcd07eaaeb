"""Networks come out of a bundle as they went in: parameters are not drawn first, and every one is filled."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import bundle
from engine.errors import BadBundle
from engine.models import load
from tests.tiny_bundle import make_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("load") / "tiny"
    make_bundle(place)
    return place


def test_all_that_a_file_holds_is_loaded_and_frozen(folder: Path) -> None:
    checked, threads = bundle.load(folder), torch.get_num_threads()
    networks = load.load_networks(checked)
    assert torch.get_num_threads() == threads
    for name, module in vars(networks).items():
        state, held = module.state_dict(), load_file(str(checked.weights(name)))
        assert state.keys() == held.keys()
        assert all(torch.equal(value, held[key].float()) for key, value in state.items())
        assert not any(one.requires_grad for one in module.parameters()) and not module.training
        assert all(bool(torch.isfinite(value).all()) for _, value in module.named_buffers())


def test_a_file_that_lacks_a_weight_is_refused(folder: Path, tmp_path: Path) -> None:
    checked = bundle.load(folder)
    networks = load.load_networks(checked)
    held = load_file(str(checked.weights("prompt")))
    held.pop(next(iter(held)))
    save_file(held, str(tmp_path / "prompt.safetensors"))
    with pytest.raises(BadBundle, match="does not fit its manifest"):
        load._fill(networks.prompt, tmp_path / "prompt.safetensors")


def test_networks_that_are_to_learn_are_still_drawn() -> None:
    torch.manual_seed(1)
    assert float(torch.nn.Linear(64, 64).weight.detach().std()) > 0.01
