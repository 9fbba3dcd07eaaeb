"""Shared by all tests: no test talks to an engine that happens to run on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
