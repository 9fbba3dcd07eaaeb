"""Shared by all tests: no test talks to an engine that happens to run on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.types import Renderer

ROOT = Path(__file__).resolve().parent.parent
LOOP = ROOT / "bridge" / "samples" / "loop_mika.flac"
NOBODY = "tcp://127.0.0.1:9"

settings.register_profile("attacca", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("attacca")
os.environ["ATTACCA_ZMQ"] = NOBODY


@pytest.fixture
def loop_path() -> Path:
    """The shipped recorded loop: 44.1 kHz stereo, 8.000 s, 4 bars of 4/4 at 120 bpm."""
    return LOOP


@pytest.fixture(scope="session")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """The real renderer on small untrained networks."""
    from engine.render.load import load_renderer
    from tests.tiny_bundle import make_bundle

    folder = tmp_path_factory.mktemp("tiny")
    make_bundle(folder)
    return load_renderer(folder, "cpu")
