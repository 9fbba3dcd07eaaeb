"""The real renderer on untrained networks: every control reaches the sound, and none at strength 0."""

from __future__ import annotations

import numpy as np
import pytest

from engine.controls.request import check
from engine.types import CurvePoint, Note, PromptPart, Renderer, Strengths
from tests.rendering import RATE, follow, power_db, sound
from tests.tiny_bundle import ask, play

CONTROLS = {
    "melody": {"melody": (Note(pitch=60, beat=0, length=1), Note(pitch=67, beat=1.5, length=2))},
    "intensity": {"intensity": (CurvePoint(beat=0, db=-40), CurvePoint(beat=4, db=-12))},
    "chords": {"chords": "Am F"},
    "key": {"key": "F# minor"},
    "parts": {"parts": ("drums", "bass")},
    "guidance": {"guidance": 5.0},
    "steps": {"steps": 3},
    "prompt": {"prompts": (PromptPart(text="deep house"), PromptPart(text="piano", weight=0.5))},
}


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_reaches_the_sound(renderer: Renderer, name: str) -> None:
    request = ask(2, **CONTROLS[name])  # type: ignore[arg-type]
    check(request)
    assert np.abs(play(renderer, request).audio - play(renderer, ask(2)).audio).max() > 1e-3


OTHERS = {
    "melody": {"melody": (Note(pitch=72, beat=0.5, length=1),)},
    "intensity": {"intensity": (CurvePoint(beat=0, db=-30),)},
    "chords": {"chords": "Gm7 C7"},
    "prompt": {"prompts": (PromptPart(text="slow jazz"),)},
}


@pytest.mark.parametrize("name", OTHERS)
def test_at_strength_0_a_control_is_not_heard(renderer: Renderer, name: str) -> None:
    strengths = Strengths(**{name: 0.0})
    one, other = (
        play(renderer, ask(strengths=strengths, **given[name])).audio  # type: ignore[arg-type]
        for given in (CONTROLS, OTHERS)
    )
    np.testing.assert_array_equal(one, other)


def test_what_sounds_under_the_new_bars_reaches_them(renderer: Renderer) -> None:
    """A change two bars after the start is heard only by a request that plays over the source."""
    source = sound(12 * RATE)
    other = source.copy()
    other[7 * RATE :] *= 0.05
    for under, differs in ((True, True), (False, False)):
        takes = [follow(renderer, s, at_bar=2, bars=3, under=under).audio for s in (source, other)]
        assert (np.abs(takes[0] - takes[1]).max() > 1e-3) == differs


def test_loudness_is_carried_over_unless_a_curve_is_given(renderer: Renderer) -> None:
    loud, quiet = (follow(renderer, sound(4 * RATE, level=level), bars=2).audio for level in (0.2, 0.05))
    assert power_db(loud) > power_db(quiet) + 3.0
    curve = {"intensity": (CurvePoint(beat=0, db=-20),)}
    near = [follow(renderer, sound(4 * RATE, level=v), bars=2, **curve).audio for v in (0.2, 0.05)]
    assert abs(power_db(near[0]) - power_db(near[1])) < power_db(loud) - power_db(quiet)


def test_a_strength_that_cannot_act_is_remarked(renderer: Renderer) -> None:
    assert play(renderer, ask(strengths=Strengths(melody=1.0))).rendered.remarks == ()
    (remark,) = play(renderer, ask(strengths=Strengths(melody=0.5))).rendered.remarks
    assert "count as 1" in remark
