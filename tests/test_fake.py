"""The fake renderer sits on the model's grid: whatever window a request is, its frames are the project's."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import controls
from engine.errors import BadRequest
from engine.fake import FakeRenderer
from engine.resident import Resident
from engine.types import Audio, InlineAudio, Request
from tests.bridge_helpers import Heard
from tests.project_grid import Project, projects
from tests.tiny_bundle import Take, play

F = Fraction
PROJECT = Project(
    ((0, F(0), F(120)), (2, F(5, 2), F(9037, 100)), (5, F(0), F(7200, 61))), ((0, 4, 4), (3, 7, 8)), 44_100, F(-22, 7)
)


def asked(project: Project, kind: str, **fields: object) -> Request:
    given = {"id": "t", "rate": project.rate, "seed": 1, **project.fields, **fields}
    return Request(kind=kind, **given)  # type: ignore[arg-type]


def whole_of(project: Project, bars: int) -> tuple[Audio, list[int]]:
    """All bars in one generation, and the lines on the project that its frames lie between."""
    request = asked(project, "generate", bars=bars, at_bar=0, source_offset=project.offset(0))
    controls.check(request)
    return play(FakeRenderer(), request).audio, project.lines(0, bars)


def window(project: Project, first: int, frames: int, **fields: object) -> Take:
    """A continuation of a stretch of the project that begins on frame `first`."""
    audio = np.full((frames, 2), 0.1, np.float32)
    inline = InlineAudio(rate=project.rate, channels=2, frames=frames)
    request = asked(project, "continue", inline=inline, source_offset=project.offset(first), **fields)
    controls.check(request)
    return play(FakeRenderer(), request, audio)


@settings(max_examples=25)
@given(st.data(), projects(most_bars=8, rate=8000))
def test_bars_rendered_in_any_order_make_the_whole(data: st.DataObject, project: Project) -> None:
    bars = 9
    whole, lines = whole_of(project, bars)
    assert len(whole) == lines[-1] - lines[0]
    made = np.full_like(whole, np.nan)
    for bar in data.draw(st.permutations(range(bars))):
        ahead = data.draw(st.integers(1, 9000))
        take = window(project, lines[bar] - ahead, ahead, bars=1, at_bar=bar)
        assert len(take.lead_in) == min(160, ahead)
        made[lines[bar] - lines[0] : lines[bar + 1] - lines[0]] = take.audio
    np.testing.assert_array_equal(made, whole)


@pytest.mark.parametrize("beat", [0.0, 1 / 960, 0.5, 1.25, 2.5, 3.25, 3479 / 960])
@pytest.mark.parametrize("bar", [0, 2, 3, 4])
def test_from_a_beat_on_is_the_end_of_the_bar(bar: int, beat: float) -> None:
    if beat >= PROJECT.length(bar):
        with pytest.raises(BadRequest, match="at_beat"):
            window(PROJECT, 0, 9, bars=1, at_bar=bar, at_beat=beat)
        return
    whole, lines = whole_of(PROJECT, 6)
    edges = PROJECT.lines(bar, 2, F(round(beat * 960), 960))
    take = window(PROJECT, edges[0] - 5000, 5000, bars=2, at_bar=bar, at_beat=beat)
    assert list(take.rendered.bar_frames) == [b - a for a, b in pairwise(edges)]
    np.testing.assert_array_equal(take.audio, whole[edges[0] - lines[0] : edges[2] - lines[0]])


def test_a_generation_from_a_bar_on_is_the_rest_of_the_whole() -> None:
    whole, lines = whole_of(PROJECT, 8)
    take = play(FakeRenderer(), asked(PROJECT, "generate", bars=3, at_bar=5, source_offset=PROJECT.offset(0)))
    assert take.lead_in.shape == (0, 2) and take.rendered.remarks == ()
    np.testing.assert_array_equal(take.audio, whole[lines[5] - lines[0] :])


def test_plain_requests_are_those_at_bar_0_of_a_grid_from_frame_0() -> None:
    fields = {"bars": 3, "tempo": "0:119.98,1:77", "meter": "7/8", "rate": 44_100}
    plain, placed = (
        play(FakeRenderer(), asked(PROJECT, "generate", **{**fields, **more}))
        for more in ({}, {"at_bar": 0, "at_beat": 0.0, "source_offset": "0"})
    )
    assert plain.rendered == placed.rendered and plain.audio.tobytes() == placed.audio.tobytes()


def test_a_line_is_missed_by_a_frame_without_the_offset() -> None:
    """What the offset is for: rounded from a window's own frames, some line of this project lies elsewhere."""
    lines = PROJECT.lines(0, 30)
    tempo_map = controls.request_map(asked(PROJECT, "generate", bars=1))
    assert tempo_map.bar_frames(0, 30, PROJECT.rate) != [b - a for a, b in pairwise(lines)]


def test_the_resident_checks_and_renders_a_window() -> None:
    resident, heard = Resident(FakeRenderer(), check=controls.check), Heard()
    resident.start()
    lines = PROJECT.lines(4, 2)
    inline = InlineAudio(rate=44_100, channels=2, frames=1000)
    fields = {"bars": 2, "at_bar": 4, "source_offset": PROJECT.offset(lines[0] - 1000), "inline": inline}
    resident.submit(asked(PROJECT, "continue", **fields), np.full((1000, 2), 0.1, np.float32), heard)
    resident.submit(asked(PROJECT, "continue", **{**fields, "id": "u", "at_beat": 3.5}), None, heard)
    ended, refused = heard.end("t"), heard.end("u")
    resident.close()
    assert ended.report is not None and list(ended.report.bar_frames) == [b - a for a, b in pairwise(lines)]
    assert refused.ending == "refused" and "to before 3.5 in bar 4 (7/8)" in refused.text
