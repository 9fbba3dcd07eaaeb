"""Words against sound: the bundle's own space, and the choice of another."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from engine.errors import Unavailable
from engine.models import features as F
from engine.models.joint import Joint
from engine.models.similarity import CLAP_VARIABLE, Clap, Own, chosen, cosines
from tests.tiny_bundle import STYLES, TAGS, untrained


def test_a_bundle_without_the_space_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLAP_VARIABLE, raising=False)
    with pytest.raises(Unavailable, match="newer bundle"):
        chosen(untrained())


def test_the_bundles_own_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLAP_VARIABLE, raising=False)
    networks = untrained()
    networks.listener = Joint(len(STYLES), len(TAGS)).eval()
    rng = np.random.default_rng(0)
    clips = [rng.normal(0, 0.1, (seconds * 24_000, 2)).astype(np.float32) for seconds in (1, 2, 14)]
    judge = chosen(networks)
    assert isinstance(judge, Own)
    found = cosines(judge, ["house", "slow jazz"], clips)
    assert found.shape == (2, 3) and np.abs(found).max() <= 1.0 + 1e-5
    np.testing.assert_allclose(np.linalg.norm(judge.clips(clips), axis=1), 1.0, atol=1e-5)
    with torch.no_grad():
        direct = networks.listener.similarity(
            ["house", "slow jazz"], F.analyse_tensor(torch.from_numpy(clips[1]))[None]
        )
    np.testing.assert_allclose(found[:, 1:2], direct.numpy(), atol=1e-4)


def test_clap_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CLAP_VARIABLE, str(tmp_path / "clap"))
    with pytest.raises(Unavailable, match=r"no folder with a config.json; it takes a folder as of laion/clap"):
        chosen(untrained())
    (tmp_path / "clap").mkdir()
    (tmp_path / "clap" / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(Unavailable, match=r"transformers is not installed; run: pip install 'attacca-engine\[clap\]'"):
        chosen(untrained())


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LAION-CLAP of the real package, small and untrained, kept as its owner would keep a trained one."""
    transformers = pytest.importorskip("transformers", reason="pip install 'attacca-engine[clap]'")
    folder = tmp_path_factory.mktemp("clap")
    torch.manual_seed(1)
    text = {
        "vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
        "max_position_embeddings": 80,
    }  # fmt: skip
    audio = {
        "depths": [1, 1], "num_attention_heads": [2, 2], "num_hidden_layers": 2, "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
    }  # fmt: skip
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    transformers.ClapModel(config).save_pretrained(folder)
    letters = {letter: place for place, letter in enumerate(ByteLevel.alphabet(), start=4)}
    plain = Tokenizer(BPE({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | letters, [], unk_token="<unk>"))
    plain.pre_tokenizer = ByteLevel()
    plain.save(str(folder / "bare.json"))
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "bare.json"), model_max_length=77, **names
    )
    extractor = transformers.ClapFeatureExtractor(truncation="rand_trunc")
    transformers.ClapProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def test_clap_by_its_package(monkeypatch: pytest.MonkeyPatch, clap_folder: Path) -> None:
    monkeypatch.setenv(CLAP_VARIABLE, str(clap_folder))
    judge = chosen(untrained())
    assert isinstance(judge, Clap)
    rng = np.random.default_rng(0)
    short, other = (rng.normal(0, level, (48_000, 2)).astype(np.float32) for level in (0.1, 0.3))
    long = np.concatenate([short] * 21)
    clips = judge.clips([short, other, long])
    assert clips.shape == (3, 24) and clips.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(clips[:2], axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(clips, judge.clips([short, other, long]))  # no random stretch of a long clip
    np.testing.assert_allclose(judge.clips([other])[0], clips[1], atol=1e-5)
    texts = judge.texts(["house", "a much longer sentence about slow jazz"])
    np.testing.assert_allclose(judge.texts(["house"])[0], texts[0], atol=1e-5)  # its company makes no difference
    assert cosines(judge, ["house"], [short]).shape == (1, 1) and not np.allclose(texts[0], texts[1])


def test_clap_with_other_files_says_so(monkeypatch: pytest.MonkeyPatch, clap_folder: Path, tmp_path: Path) -> None:
    monkeypatch.setenv(CLAP_VARIABLE, str(tmp_path))
    (tmp_path / "config.json").write_text((clap_folder / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(Unavailable, match=r"cannot be loaded from .* with model.safetensors and its tokenizer"):
        chosen(untrained())
