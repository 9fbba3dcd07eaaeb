"""The real renderer on a project's grid, on untrained networks: frames, phases, targets, context, the same bytes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from engine.controls.request import check
from engine.errors import BadRequest
from engine.models import features
from engine.render.condition import CONTEXT, grid_phases, past_of, place_of, quarters_of, targets_of
from engine.render.generate import ModelRenderer
from engine.types import Audio, CurvePoint, Note, Renderer, Strengths
from tests.project_grid import Project
from tests.rendering import RATE, described, follow, sound
from tests.test_timing_project import exact_phases, gap
from tests.tiny_bundle import Take, ask, play

F = Fraction
STEPS = ((0, F(0), F(127)), (1, F(7, 3), F(8173, 100)), (3, F(0), F(7200, 61)), (3, F(1, 2), F(211)))
METERS = ((0, 4, 4), (2, 7, 8), (4, 3, 4))
EVEN = Project(((0, F(0), F(225, 2)),), ((0, 4, 4),), RATE, F(0))
"""112.5 quarters a minute: a quarter is 25 600 frames, 50 feature frames; a bar 102 400."""


def window(renderer: Renderer, project: Project, first: int, audio: Audio, **fields: object) -> Take:
    """A continuation of audio that lies on the project from frame `first` on."""
    given = {**project.fields, "source_offset": project.offset(first), **fields}
    check(ask(inline=described(audio, project.rate), **given))  # type: ignore[arg-type]
    return follow(renderer, audio, project.rate, **given)


@pytest.mark.parametrize(
    ("rate", "origin", "at_bar", "beat"),
    [
        (44_100, F(-1, 2), 0, F(0)),
        (48_000, F(10**6, 7), 1, F(5, 2)),
        (44_100, F(10**9, 7), 2, F(0)),
        (48_000, F(-1, 2), 3, F(1, 960)),
    ],
)
def test_bars_lie_on_their_project_frames(
    renderer: Renderer, rate: int, origin: Fraction, at_bar: int, beat: Fraction
) -> None:
    project = Project(STEPS, METERS, rate, origin)
    lines = project.lines(at_bar, 2, beat)
    first = lines[0] - 30_011
    take = window(renderer, project, first, sound(30_011, rate=rate), bars=2, at_bar=at_bar, at_beat=float(beat))
    assert list(take.rendered.bar_frames) == [b - a for a, b in pairwise(lines)]
    assert len(take.lead_in) == rate // 50 and np.isfinite(take.audio).all() and np.abs(take.audio).max() > 1e-3
    bare = {**project.fields, "rate": rate, "at_bar": at_bar, "at_beat": float(beat), "bars": 2}
    made = play(renderer, ask(source_offset=project.offset(0), **bare))  # type: ignore[arg-type]
    assert made.rendered.bar_frames == take.rendered.bar_frames and len(made.lead_in) == 0


@pytest.mark.parametrize("under", [False, True])
def test_a_window_of_the_source_gives_the_same_bytes(renderer: Renderer, under: bool) -> None:
    """More than the 48 latents of context that the model hears make no difference, wherever the window begins."""
    project = Project(STEPS, METERS, RATE, F(0))
    source, (start, *_) = sound(12 * RATE), project.lines(3, 1)
    fields = {"at_bar": 3, "bars": 2, "under": under, "melody": (Note(pitch=60, beat=1, length=2),), "chords": "Am F"}
    plain = follow(renderer, source, **project.fields, **fields)
    for first in (0, 1, start - 5 * RATE + 3):
        cut = window(renderer, project, first, source[first:], **fields)
        assert (cut.rendered.bar_frames, cut.rendered.remarks) == (plain.rendered.bar_frames, ())
        assert cut.audio.tobytes() == plain.audio.tobytes() and cut.lead_in.tobytes() == plain.lead_in.tobytes()
    moved = window(renderer, project, 7, source[:-7], **fields)
    assert moved.rendered.bar_frames == plain.rendered.bar_frames and (moved.audio != plain.audio).any()


def test_plain_requests_are_those_of_a_grid_from_frame_0(renderer: Renderer) -> None:
    plain = play(renderer, ask(2, "0:127.3,1:80", meter="7/8", key="Am"))
    placed = {"at_bar": 0, "at_beat": 0.0, "source_offset": "0", "meter": "0:7/8,90:3/4"}
    assert play(renderer, ask(2, "0:127.3,1:80", key="Am", **placed)).audio.tobytes() == plain.audio.tobytes()


@pytest.mark.parametrize("seconds", [0.02, 0.3, 2.5])
def test_a_short_context_is_heard_as_far_as_it_goes(renderer: Renderer, seconds: float) -> None:
    project = Project(STEPS, METERS, RATE, F(1, 3))
    start, frames = project.lines(3, 1)[0], round(seconds * RATE)
    source = sound(6 * RATE)
    audio = source[-frames:]
    fields = {**project.fields, "at_bar": 3, "source_offset": project.offset(start - frames)}
    place = place_of(ask(inline=described(audio, RATE), **fields), audio)
    ahead, past = past_of(place)
    assert past is not None and ahead == min(CONTEXT, max(2, int(seconds * RATE / 4096)))
    np.testing.assert_array_equal(past[-min(frames, len(past)) :], audio[-len(past) :])
    take = window(renderer, project, start - frames, audio, at_bar=3)
    whole = window(renderer, project, start - len(source), source, at_bar=3)
    assert take.rendered.bar_frames == whole.rendered.bar_frames and (take.audio != whole.audio).any()
    assert len(take.lead_in) == min(frames, RATE // 50) and np.isfinite(take.audio).all()


def test_a_window_that_begins_on_the_line_is_made_from_nothing(renderer: Renderer) -> None:
    project = Project(STEPS, METERS, RATE, F(1, 3))
    offset = project.offset(project.lines(3, 1)[0])
    begun = follow(renderer, sound(RATE), **project.fields, at_bar=3, source_offset=offset)
    made = play(renderer, ask(**project.fields, at_bar=3, source_offset=offset))
    assert len(begun.lead_in) == 0 and begun.audio.tobytes() == made.audio.tobytes()


@pytest.mark.parametrize(("at_bar", "beat"), [(2, F(0)), (3, F(7, 4)), (1, F(3))])
def test_phases_go_on_through_context_and_new_bars(at_bar: int, beat: Fraction) -> None:
    """At the exact centre of each feature frame, before and after NEW begins, they are the project's own."""
    project = Project(STEPS, METERS, RATE, F(22, 7))
    begun = project.lines(at_bar, 1, beat)[0]
    fields = {
        **project.fields,
        "at_bar": at_bar,
        "at_beat": float(beat),
        "source_offset": project.offset(begun - 20_000),
    }
    audio = sound(20_000)
    place = place_of(ask(inline=described(audio, RATE), **fields), audio)
    beats, bars = grid_phases(place, -30, 90, F(1))
    for i in range(-30, 60):
        exact = exact_phases(project, F(begun + i * features.HOP))
        assert gap(beats[i + 30], exact[0]) < F(1, 10**6) and gap(bars[i + 30], exact[1]) < F(1, 10**6)


NOTES = (Note(pitch=60, beat=0, length=1.5), Note(pitch=64, beat=2.25, length=1), Note(pitch=67, beat=4, length=3))
CURVE = (CurvePoint(beat=0, db=-40), CurvePoint(beat=3, db=-10), CurvePoint(beat=8, db=-30))


def test_what_is_laid_over_the_bars_stays_when_they_begin_later() -> None:
    """Beats of melody, chords and curve count from the first new bar's line, also where NEW begins inside of it."""
    fields = {**EVEN.fields, "at_bar": 2, "bars": 2, "source_offset": "0", "chords": "Am:2 F | C", "melody": NOTES}
    whole, late = (place_of(ask(**fields, at_beat=beat), None) for beat in (0.0, 1.0))  # type: ignore[arg-type]
    assert late.lines == [0, 76_800, 179_200]
    asked = ask(**fields)  # type: ignore[arg-type]
    first, then = (targets_of(asked, p, 0, quarters_of(p, 0, n), F(1)) for p, n in ((whole, 400), (late, 350)))
    for name in ("beat_phase", "bar_phase", "melody", "chroma", "melody_onset"):
        one, other = getattr(first, name)[50:], getattr(then, name)
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert (then.melody[:25] == 60).all() and not then.melody_onset[:60].any() and then.melody_onset[62:64].sum() == 1


def test_a_chord_lasts_its_bar_in_a_map_of_meters() -> None:
    project = Project(EVEN.tempi, ((0, 4, 4), (3, 3, 4), (4, 2, 4)), RATE, F(0))
    place = place_of(ask(4, **{**project.fields, "at_bar": 2}, chords="C G"), None)
    chroma = targets_of(ask(4, **project.fields, chords="C G"), place, 0, quarters_of(place, 0, 550), F(1)).chroma
    assert chroma is not None
    sounding = ["C" if row[0] and not row[2] else "G" if row[2] else "" for row in chroma]
    assert sounding == ["C"] * 200 + ["G"] * 150 + ["C"] * 100 + ["G"] * 100


def test_a_curve_reaches_the_sound_at_its_own_beats(renderer: Renderer) -> None:
    """A step of the curve at beat 2 of the bar lies inside of NEW, two beats in, or one where NEW begins at 1."""
    curve = (CurvePoint(beat=1.99, db=-45), CurvePoint(beat=2.0, db=-12))
    fields = {**EVEN.fields, "at_bar": 2, "bars": 1, "intensity": curve, "strengths": Strengths(prompt=0.0)}
    for beat in (0.0, 1.0):
        wave = play(renderer, ask(**fields, at_beat=beat)).audio  # type: ignore[arg-type]
        level = [
            float(np.square(part).mean())
            for part in np.split(wave[: len(wave) // 25_600 * 25_600], len(wave) // 25_600)
        ]
        assert level[-1] > 3.0 * level[0]


def test_what_cannot_be_placed_is_refused_in_one_sentence(renderer: Renderer) -> None:
    assert isinstance(renderer, ModelRenderer)
    start = EVEN.lines(3, 1)[0]
    for first, fields, words in (
        (start + 1, {"at_bar": 3}, "1 frames before the input's first frame"),
        (start - 9, {"at_bar": 70}, "64 bars beyond"),
        (start, {"at_bar": 3, "at_beat": 4.0}, "to before 4 in bar 3"),
        (-(10**10), {"at_bar": 3}, "24 hours"),
    ):
        audio = sound(100)
        with pytest.raises(BadRequest, match=words) as error:
            follow(renderer, audio, **EVEN.fields, source_offset=EVEN.offset(first), **fields)
        assert "\n" not in str(error.value)
