"""The project map of a live session: exact places, learnt from a host's reports, kept in a cache, told to requests."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.live.learn import Told, agrees, learnt, told_by
from bridge.live.map import ProjectMap, announced, published
from bridge.sync.position import host_position
from bridge.timeline.structs import position_at
from engine.controls import on_grid
from engine.errors import BadRequest
from engine.timing import new_bar_boundaries
from engine.types import InlineAudio, Request

TEMPO, METER = "0:120,3:97.3,6+1.5:140.001,9:7200/61", "0:4/4,5:7/8,8:3/4"
RATES = [44_100, 48_000, 96_000]


def report(song: ProjectMap, frame: int, noise: float = 0.0) -> Told:
    """What a host with this tempo map tells at a frame, in doubles."""
    place = position_at(song.segments(), song.rate, frame)
    assert place is not None
    meter = (place.numerator, place.denominator)
    tempo = place.tempo * (1 + noise * 1e-9)
    told = host_position(
        "plugin", 0, frame, song.rate, True,
        tempo=tempo, bar=place.bar, quarter=place.quarter + noise, numerator=meter[0], denominator=meter[1],
    )  # fmt: skip
    assert told is not None
    musical = told_by(told)
    assert musical is not None
    return musical


def play(song: ProjectMap, frames: range, known: ProjectMap | None = None, noise: float = 0.0) -> ProjectMap:
    """Learn from all blocks of a pass."""
    before = None
    for n, frame in enumerate(frames):
        told = report(song, frame, noise * (-1) ** n)
        known = learnt(known, before, told) or known
        assert known is not None
        assert agrees(known, told)
        before = told
    assert known is not None
    return known


@pytest.mark.parametrize("rate", RATES)
def test_every_place_has_its_frame_and_back(rate: int) -> None:
    song = announced(rate, TEMPO, METER)
    for bar in range(-3, 14):
        first, end = song.frame(bar), song.frame(bar + 1)
        assert song.bar_at(first) == bar == song.bar_at(end - 1)
        for quarter in song.beats(bar):
            at = song.frame(bar, quarter)
            assert first <= at < end
            assert abs(song.quarter_at(at) - quarter) * 10_000 < 1
    assert song.frame(3) == 3 * 2 * rate


@pytest.mark.parametrize(("rate", "block", "noise"), [(44_100, 441, 0), (48_000, 2048, 0), (48_000, 700, 1e-6)])
def test_a_first_pass_learns_the_map_exactly(rate: int, block: int, noise: float) -> None:
    song = announced(rate, TEMPO, METER)
    known = play(song, range(0, song.frame(11), block), noise=noise)
    lines = [known.frame(bar) - song.frame(bar) for bar in range(12)]
    assert lines == [0] * 12
    assert [piece.tempo for piece in known.pieces] == [piece.tempo for piece in song.pieces]
    if not noise:
        assert [known.exact(bar) for bar in range(12)] == [song.exact(bar) for bar in range(12)]


def test_what_a_pass_has_taught_is_not_learnt_again() -> None:
    song = announced(48_000, TEMPO, METER)
    known = play(song, range(0, song.frame(11), 2048))
    assert play(song, range(0, song.frame(11), 441), known) is known


def test_a_pass_that_begins_inside_and_goes_back() -> None:
    song = announced(48_000, TEMPO, METER)
    known = play(song, range(song.frame(7), song.frame(11), 2048))
    known = play(song, range(0, song.frame(11), 2048), known)
    assert [known.frame(bar) for bar in range(12)] == [song.frame(bar) for bar in range(12)]


def test_a_map_that_changed_is_new_from_there_on_and_old_before() -> None:
    song, edited = announced(48_000, "0:120,4:100", "4/4"), announced(48_000, "0:120,4:90", "4/4")
    known = play(song, range(0, song.frame(8), 2048))
    known = play(edited, range(edited.frame(3), edited.frame(8), 2048), known)
    assert [known.exact(bar) for bar in range(10)] == [edited.exact(bar) for bar in range(10)]


def test_bars_count_from_where_the_first_report_says() -> None:
    told = Told(1_000_000, 48_000, 20, Fraction(1), Fraction(120), announced(48_000, "120", "4/4").meter(0))
    known = learnt(None, None, told)
    assert known is not None
    assert known.frame(20) == 1_000_000 - 24_000
    assert known.pieces[0].at <= 0


@pytest.mark.parametrize("rate", RATES)
def test_a_cache_keeps_the_map_for_the_next_engine(rate: int) -> None:
    song = announced(rate, TEMPO, METER)
    again = published(rate, song.segments())
    assert again is not None
    assert [again.frame(bar) for bar in range(14)] == [song.frame(bar) for bar in range(14)]
    assert max(abs(again.exact(bar) - song.exact(bar)) for bar in range(14)) < Fraction(1, 10**8)


def test_what_no_map_takes_is_no_report() -> None:
    for tempo, bar, quarter in ((999.0, 0, 0.0), (float("nan"), 0, 0.0), (120.0, 0, 9.0), (120.0, 10**9, 0.0)):
        told = host_position(
            "plugin", 0, 0, 48_000, True, tempo=tempo, bar=bar, quarter=quarter, numerator=4, denominator=4
        )
        assert told is not None
        assert told_by(told) is None
    with pytest.raises(BadRequest, match="at most 512"):
        announced(48_000, ",".join(f"{bar}:{100 + bar % 2}" for bar in range(513)), "4/4")


def test_where_bars_do_not_follow_each_other_the_map_is_broken() -> None:
    song = announced(48_000, "120", "4/4")
    meter = song.meter(0)
    far = learnt(song, None, Told(10 * 96_000 + 5, 48_000, 60_000, Fraction(0), Fraction(100), meter))
    assert far is not None
    assert (far.bar_at(10 * 96_000), far.bar_at(10 * 96_000 + 5)) == (10, 60_000)
    assert (far.unbroken_from(96_000), far.unbroken_from(11 * 96_000)) == (0, 10 * 96_000 + 5)
    back = learnt(far, None, Told(20 * 96_000, 48_000, -9, Fraction(0), Fraction(90), meter))
    assert back is not None
    assert [piece.bar for piece in back.pieces] == [-9], "what does not lie before it in bars and frames is given up"


@given(st.sampled_from(RATES), st.integers(0, 9), st.integers(1, 4), st.integers(0, 300_000))
def test_requests_land_on_the_projects_frames(rate: int, bar: int, bars: int, context: int) -> None:
    """What a request renders between its bar lines lies between the project's, at every rate and with any context."""
    song = announced(rate, TEMPO, METER)
    at = song.frame(bar, Fraction(1))
    first = max(0, at - context)
    base = song.bar_at(first)
    tempo, meter = song.texts(base, bar + bars)
    request = Request(
        id="a", kind="continue", bars=bars, tempo=tempo, meter=meter, at_bar=bar - base, at_beat=1.0,
        source_offset=str(first - song.exact(base)),
        inline=InlineAudio(rate=rate, channels=2, frames=max(1, at - first)),
    )  # fmt: skip
    if at == first:
        return
    tempo_map, place = on_grid(request, at - first, rate)
    lines = new_bar_boundaries(place, tempo_map, bars, rate)
    assert place.start_frame == at - first
    assert [at + line for line in lines[1:]] == [song.frame(bar + k) for k in range(1, bars + 1)]
