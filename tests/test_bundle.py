"""Bundles check themselves: every byte of the weights counts, and what is wrong is said in one sentence."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from engine import bundle
from engine.errors import AttaccaError, BadBundle
from engine.models.load import load_networks
from engine.render.load import bundle_folder, load_renderer
from tests.tiny_bundle import STYLES, make_bundle, untrained


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    make_bundle(folder)
    return folder


@pytest.fixture
def copy(sealed: Path, tmp_path: Path) -> Path:
    """A bundle of hard links: what a test changes it must replace."""
    return Path(shutil.copytree(sealed, tmp_path / "copy", copy_function=os.link))


def replace(path: Path, content: bytes | bytearray) -> None:
    path.unlink()
    path.write_bytes(content)


def refusal(folder: Path) -> str:
    """The sentence with which a bundle is refused."""
    with pytest.raises(BadBundle) as refused:
        load_renderer(folder, "cpu")
    text = str(refused.value)
    assert refused.value.code == "bad-bundle" and "\n" not in text and len(text) < 400
    return text


def rewrite(folder: Path, **changes: object) -> None:
    """Change entries of the manifest and nothing else; None takes an entry away."""
    path = folder / bundle.MANIFEST
    manifest = {**json.loads(path.read_text()), **changes}
    replace(path, json.dumps({k: v for k, v in manifest.items() if v is not None}).encode())


def test_what_was_sealed_is_loaded(sealed: Path) -> None:
    loaded = bundle.load(sealed)
    assert loaded.name == "tiny" and loaded.styles == list(STYLES)
    assert set(loaded.manifest["files"]) == {f"{m}.safetensors" for m in bundle.MODULES} | {bundle.CARD}
    networks, original = vars(load_networks(loaded)), vars(untrained())
    for name, module in original.items():
        state = networks[name].state_dict()
        for key, value in module.state_dict().items():
            assert torch.equal(state[key], value.half().float()), (name, key)


@pytest.mark.parametrize("name", ["codec", "vocoder", "student", "prompt"])
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_one_flipped_bit_anywhere_is_noticed(copy: Path, name: str, place: float) -> None:
    path = copy / f"{name}.safetensors"
    at = round(place * (path.stat().st_size - 1))
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    replace(path, content)
    assert path.name in refusal(copy)


def test_a_changed_model_card_is_noticed(copy: Path) -> None:
    replace(copy / bundle.CARD, b"Best model there is.\n")
    assert bundle.CARD in refusal(copy)


def test_a_truncated_file_is_noticed(copy: Path) -> None:
    path = copy / "codec.safetensors"
    replace(path, path.read_bytes()[:-1])
    assert "codec.safetensors" in refusal(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "vocoder.safetensors").unlink()
    assert "vocoder.safetensors" in refusal(copy)


def test_a_module_that_the_manifest_does_not_list_is_missed(copy: Path) -> None:
    (copy / "student.safetensors").unlink()
    files = json.loads((copy / bundle.MANIFEST).read_text())["files"]
    del files["student.safetensors"]
    rewrite(copy, files=files)
    assert "student.safetensors" in refusal(copy)


def test_a_file_outside_the_folder_is_never_opened(copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.safetensors"
    outside.write_bytes(b"x")
    files = json.loads((copy / bundle.MANIFEST).read_text())["files"]
    rewrite(copy, files={**files, "../elsewhere.safetensors": bundle.sha256(outside)})
    assert "elsewhere" in refusal(copy)


def test_another_format_says_which_one_is_read(copy: Path) -> None:
    rewrite(copy, format=bundle.FORMAT + 1)
    assert f"format {bundle.FORMAT + 1}" in refusal(copy) and f"reads {bundle.FORMAT}" in refusal(copy)


@pytest.mark.parametrize("entry", ["name", "format", "config", "files"])
def test_a_manifest_without_one_of_its_entries_is_refused(copy: Path, entry: str) -> None:
    rewrite(copy, **{entry: None})
    assert "manifest" in refusal(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\xff"])
def test_a_manifest_that_is_no_manifest_is_refused(copy: Path, text: str) -> None:
    replace(copy / bundle.MANIFEST, text.encode("latin-1"))
    assert bundle.MANIFEST in refusal(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": []},
        {"files": {"codec.safetensors": 7}},
        {"config": None},
        {"config": []},
        {"config": {}},
        {"config": {"denoiser": {"prompt": "wide"}, "styles": ["a"], "tags": []}},
        {"config": {"denoiser": {"prompt": 5, "wings": 2}, "styles": ["a"], "tags": []}},
        {"config": {"denoiser": {"prompt": 5, "heads": 0}, "styles": ["a"], "tags": []}},
        {"config": {"denoiser": {"prompt": 5}, "styles": 3, "tags": []}},
    ],
)
def test_a_manifest_with_wrong_values_is_refused(copy: Path, changes: dict[str, object]) -> None:
    rewrite(copy, **changes)
    refusal(copy)


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    config = json.loads((copy / bundle.MANIFEST).read_text())["config"]
    rewrite(copy, config={**config, "denoiser": {**config["denoiser"], "width": 32}})
    assert "does not fit" in refusal(copy)


def test_a_file_that_is_no_safetensors_is_refused_even_with_the_right_digest(copy: Path) -> None:
    path = copy / "prompt.safetensors"
    replace(path, b"PK\x03\x04 not weights")
    manifest = json.loads((copy / bundle.MANIFEST).read_text())
    rewrite(copy, files={**manifest["files"], path.name: bundle.sha256(path)})
    assert path.name in refusal(copy)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    assert "no bundle" in refusal(tmp_path)
    assert "no bundle" in refusal(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    assert "no bundle" in refusal(tmp_path / "file")


def test_the_bundle_is_chosen_by_name_then_environment_then_the_shipped_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ATTACCA_BUNDLE", raising=False)
    assert bundle_folder(None) == bundle.DEFAULT
    monkeypatch.setenv("ATTACCA_BUNDLE", str(tmp_path))
    assert bundle_folder(None) == tmp_path
    assert bundle_folder(tmp_path / "named") == tmp_path / "named"


def test_a_device_that_is_not_here_is_unavailable(sealed: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    with pytest.raises(AttaccaError, match="no CUDA device") as refused:
        load_renderer(sealed, "cuda")
    assert refused.value.code == "unavailable"
