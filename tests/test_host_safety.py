"""The safety stage fed what breaks ears, at each offset of a block: NaN, Inf, 1e30, DC, full-scale square, silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from benchmarks.host_safety import BURST_FRAMES, FEEDS, LONGEST_AFTER_MS, feed, judged, peak_db
from plugin_host.dc import RECENT_BLOCKS, DcBlock
from plugin_host.safety import Safety
from plugin_host.stage import BLOCK_FRAMES

RATE_HZ = 48_000
OFFSETS = (0, 1, 63, 64, 255, 256, 257, 500, 511)


@pytest.mark.parametrize("kind", FEEDS)
def test_whatever_comes_at_whatever_offset_nothing_dangerous_leaves(kind: str) -> None:
    """benchmarks.host does the same at each of the 512 offsets."""
    for offset in OFFSETS:
        found = judged(kind, offset)
        assert found.bad_samples == 0, offset
        assert found.true_peak_db <= -1.0, offset
        assert found.normal_after_ms <= LONGEST_AFTER_MS[kind], offset


def test_the_judge_hears_what_is_wrong() -> None:
    """A stage that does nothing is found out: the feeds are dangerous."""
    for kind in FEEDS:
        sound = feed(kind, 100)
        if kind in ("nan", "inf"):
            assert not np.isfinite(sound).all()
        elif kind != "silence":
            assert peak_db(np.clip(sound[:, :48_000], -4, 4)) > -1.0
    assert BURST_FRAMES > 4 * BLOCK_FRAMES


def music(frames: int, seed: int = 0) -> Any:
    """Something with bass, in stereo: [2, frames]."""
    seconds = np.arange(frames) / RATE_HZ
    bass = 0.4 * np.sin(2 * np.pi * 41 * seconds) + 0.2 * np.sin(2 * np.pi * 440 * seconds)
    noise = np.random.default_rng(seed).normal(0, 0.03, (2, frames))
    return (bass + noise).astype(np.float32)


def through(stage: Any, sound: Any, block: int = 480) -> Any:
    parts = [stage.process(sound[:, at : at + block].copy()) for at in range(0, sound.shape[1], block)]
    return np.concatenate(parts, axis=1)


def test_music_passes_bit_exact_and_music_with_an_offset_loses_it() -> None:
    clean = music(4 * RATE_HZ)
    stage = Safety(RATE_HZ, 2)
    out = through(stage, clean)
    assert np.array_equal(out, clean[:, : out.shape[1]])
    assert stage.dc_frames == 0
    stage = Safety(RATE_HZ, 2)
    out = through(stage, clean + np.float32([[0.1], [-0.05]]))
    late = out[:, 2 * RATE_HZ :]
    assert np.abs(late.mean(axis=1) - clean[:, 2 * RATE_HZ : out.shape[1]].mean(axis=1)).max() < 0.003
    assert stage.dc_frames > 2 * RATE_HZ
    steps = np.abs(np.diff(out - clean[:, : out.shape[1]], axis=1)).max()
    assert steps < 0.001, "the offset glides away"


def test_an_offset_that_goes_in_a_step_is_let_go_of() -> None:
    stage = DcBlock(RATE_HZ, 1)
    frames = 2 * RATE_HZ
    sound = np.concatenate([np.full((1, frames), 0.8), np.zeros((1, RATE_HZ))], axis=1).astype(np.float32)
    out = through(stage, sound)
    assert np.abs(out[:, frames - 4096 : frames - 512]).max() < 0.01
    after = frames + (RECENT_BLOCKS + 2) * BLOCK_FRAMES
    assert not out[:, after:].any()


@pytest.mark.parametrize("hertz", [20, 31, 41, 55])
def test_the_deepest_bass_is_no_offset(hertz: int) -> None:
    seconds = np.arange(3 * RATE_HZ) / RATE_HZ
    tone = (0.8 * np.sin(2 * np.pi * hertz * seconds))[None].astype(np.float32)
    stage = DcBlock(RATE_HZ, 1)
    out = through(stage, tone)
    assert stage.blocked_frames == 0 and np.array_equal(out, tone[:, : out.shape[1]])
