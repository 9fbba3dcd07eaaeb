"""Words against sound: the bundle's own space, and the choice of another."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import Unavailable
from engine.models import features as F
from engine.models.joint import Joint
from engine.models.similarity import CLAP_VARIABLE, Own, chosen, cosines
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
        with pytest.raises(Unavailable, match="pip install laion_clap"):
            chosen(untrained())
