"""Words against sound: the bundle's own space, and the choice of another."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

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
    monkeypatch.setenv(CLAP_VARIABLE, str(tmp_path / "clap.pt"))
    with pytest.raises(Unavailable, match="is no file"):
        chosen(untrained())
    if importlib.util.find_spec("laion_clap") is None:
        (tmp_path / "clap.pt").write_bytes(b"")
        with pytest.raises(Unavailable, match="laion_clap is not installed; run: pip install --no-deps laion-clap"):
            chosen(untrained())


PACKAGE = '''
"""The signatures of laion_clap 1.1.7 with a network of one line."""
from pathlib import Path
import numpy as np

class CLAP_Module:
    def __init__(self, enable_fusion=False, device=None, amodel="HTSAT-tiny", tmodel="roberta"):
        print("a line on stdout")
        self.heard = []

    def load_ckpt(self, ckpt=None, model_id=-1, verbose=True):
        print("Load Checkpoint...")
        assert not verbose
        if Path(ckpt).read_bytes() != b"weights":
            raise RuntimeError("Error(s) in loading state_dict")

    def get_text_embedding(self, x, tokenizer=None, use_tensor=False):
        assert isinstance(x, list) and len(x) > 1 and not use_tensor
        return np.array([[len(text), 1.0] for text in x])

    def get_audio_embedding_from_data(self, x, use_tensor=False):
        assert x.ndim == 2 and x.dtype == np.float32 and x.shape[1] <= 480000 and not use_tensor
        self.heard.append(x.shape[1])
        return np.stack([np.abs(x).max(1), np.full(len(x), 0.1)], axis=1)
'''


def test_clap_is_driven_as_its_package_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The package cannot be run here (it fetches its text encoder): something with its interface stands in for it."""
    (tmp_path / "laion_clap.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "laion_clap", raising=False)
    weights = tmp_path / "clap.pt"
    monkeypatch.setenv(CLAP_VARIABLE, str(weights))
    weights.write_bytes(b"something else")
    with pytest.raises(Unavailable, match="takes a checkpoint without fusion"):
        chosen(untrained())
    weights.write_bytes(b"weights")
    judge = chosen(untrained())
    assert isinstance(judge, Clap) and capsys.readouterr().out == ""
    clips = [np.full((frames, 2), 0.5, np.float32) for frames in (48_000, 1_000_000)]
    found = cosines(judge, ["one"], clips)
    assert found.shape == (1, 2) and np.isfinite(found).all()
    assert judge.module.heard == [48_000, 333_334, 333_333, 333_333]
    np.testing.assert_allclose(np.linalg.norm(judge.clips(clips), axis=1), 1.0, atol=1e-6)
    monkeypatch.delitem(sys.modules, "laion_clap")
