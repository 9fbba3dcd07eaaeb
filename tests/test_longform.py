"""The long-form benchmark's measure, on sounds whose edges are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.longform import BAR_FRAMES, compared, edges_of, inside_of, summary
from engine.models.codec import LATENT_HOP
from engine.types import Audio

RATE = 48_000


class Ears:
    """Hears how bright a clip is."""

    name = "made"

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError

    def clips(self, clips: Sequence[Audio]) -> np.ndarray:
        bright = [float(np.square(np.diff(clip, axis=0)).mean() / np.square(clip).mean()) for clip in clips]
        angle = np.minimum(np.array(bright), 1.5)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def steady(seconds: float) -> Audio:
    """Quiet noise under a click on each beat."""
    audio = np.random.default_rng(0).normal(0, 0.01, (round(seconds * RATE), 2))
    for beat in range(int(2 * seconds)):
        audio[beat * RATE // 2 : beat * RATE // 2 + 200] += 0.3
    return audio.astype(np.float32)


def test_a_change_of_sound_at_an_edge_is_seen_and_a_steady_sound_is_not() -> None:
    audio, edge = steady(24), 12 * RATE + 20_000
    plain = summary(compared(audio, [edge], Ears()))
    changed = audio.copy()
    changed[edge:] = np.cumsum(changed[edge:], axis=0) * 0.02
    changed[edge : edge + 300] += 0.5
    found = summary(compared(changed, [edge], Ears()))
    assert abs(plain["flux_db"]) < 2 and plain["distance"] < 0.01
    assert found["flux_db"] > plain["flux_db"] + 6
    assert found["distance"] > 10 * found["distance_inside"]
    assert found["spectrum_db"] > 3 * found["spectrum_inside_db"]


def test_places_inside_are_clear_of_edges_and_at_the_same_place_of_the_bar() -> None:
    edges = [5 * BAR_FRAMES + 1000, 7 * BAR_FRAMES + 5000]
    places = inside_of(edges[0], edges, 12 * BAR_FRAMES)
    assert places and all((place - edges[0]) % BAR_FRAMES == 0 for place in places)
    assert 7 * BAR_FRAMES + 1000 not in places and edges[0] not in places


def test_edges_are_those_of_the_windows() -> None:
    assert edges_of("chained", 90) == [] and edges_of("fused", 140) == []
    for way in ("chained", "fused", "independent"):
        edges = edges_of(way, 1502)
        assert edges and edges[0] > 0 and edges[-1] < 1502 * LATENT_HOP
    assert edges_of("chained", 1502) == edges_of("independent", 1502) != edges_of("fused", 1502)
