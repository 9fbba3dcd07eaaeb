"""Grooves: grid, syncopation, swing, fills, kick and bass, silences; statistics of STYLES section 4."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from engine.training.corpus.drumfills import fill_chance
from engine.training.corpus.drums import compose_drums
from engine.training.corpus.form import plan_form
from engine.training.corpus.humanise import Feel, ar1, monophonic
from engine.training.corpus.meters import beats_in_steps, draw_meter, felt_beats, fitting_grooves
from engine.training.corpus.song import NoteEvent, Song
from engine.training.corpus.styletable import STYLE_NAMES, load_styles, steps_per_bar
from tests.composed_songs import all_songs, flat, notes_of, sixteenths

KICK, SNARES = 36, (37, 38, 39, 40)


def _steps(song: Song, name: str, keys: tuple[int, ...] | None = None) -> set[int]:
    return {round(4 * n.beat) for n in notes_of(song, name) if keys is None or n.pitch in keys}


def _level(step: int, song: Song) -> int:
    """0 bar, 1 beat, 2 eighth, 3 sixteenth."""
    place = step % sixteenths(song)
    starts = {int(4 * sum(song.beat_groups[:i])) for i in range(len(song.beat_groups))}
    return 0 if place == 0 else 1 if place in starts else 2 if place % 2 == 0 else 3


def _syncopation(onsets: set[int], song: Song) -> float:
    """Share of onsets whose next stronger step is empty."""
    count = 0
    for step in onsets:
        following = step + 1
        while _level(following, song) >= _level(step, song) and following < step + 20:
            following += 1
        count += _level(step, song) > 0 and following not in onsets
    return count / max(1, len(onsets))


def _mean_syncopation(name: str) -> float:
    values = []
    for song in all_songs()[name]:
        for part in song.parts:
            if part.group != "drums":
                values.append(_syncopation(_steps(song, part.name), song))
        values.append(_syncopation(_steps(song, "drums", (KICK,)), song))
    return float(np.mean(values))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("house", 0.28, 0.62), ("drum and bass", 0.25, 0.58), ("rock", 0.12, 0.45), ("funk", 0.4, 0.7),
        ("afrobeat", 0.38, 0.7), ("ambient", 0.03, 0.4), ("orchestral", 0.05, 0.35), ("folk", 0.08, 0.4),
    ],
)  # fmt: skip
def test_syncopation_lies_near_the_styles_range(name: str, low: float, high: float) -> None:
    assert low < _mean_syncopation(name) < high


def test_funk_is_finer_than_rock_and_rock_than_ambient() -> None:
    def fine(name: str) -> float:
        levels = [_level(s, song) for song in all_songs()[name] for p in song.parts for s in _steps(song, p.name)]
        return float(np.mean([v == 3 for v in levels]))

    assert fine("funk") > 0.25 > fine("rock") > fine("ambient")
    assert fine("jazz swing") < 0.08
    assert fine("bossa nova") < 0.12


def test_four_on_the_floor_and_backbeats() -> None:
    for song in all_songs()["rock"]:
        if song.meter == (4, 4):
            snare = [round(4 * n.beat) % 16 for n in notes_of(song, "drums") if n.pitch == 38 and n.velocity > 75]
            assert np.mean([s in (4, 8, 12) for s in snare]) > 0.6
    for song in all_songs()["house"]:
        kicks = [round(4 * n.beat) % 16 for n in notes_of(song, "drums") if n.pitch == KICK]
        assert np.mean([k % 4 == 0 for k in kicks]) > 0.85


def test_live_bass_meets_the_kick() -> None:
    for name in ("funk", "rock", "soul", "indie pop", "trap"):
        shares = []
        for song in all_songs()[name]:
            kicks, bass = _steps(song, "drums", (KICK,)), _steps(song, "bass")
            both_bars = {b // sixteenths(song) for b in bass}
            kicks = {k for k in kicks if k // sixteenths(song) in both_bars}
            shares.append(len(kicks & bass) / max(1, len(kicks)))
        assert np.mean(shares) > 0.55, name


def test_bass_never_sounds_just_before_its_kick() -> None:
    for song in flat():
        kicks = {round(n.beat, 4): n.offset_ms for n in notes_of(song, "drums") if n.pitch == KICK}
        for note in notes_of(song, "bass"):
            assert note.offset_ms >= kicks.get(round(note.beat, 4), note.offset_ms)


def test_electronic_basses_are_ducked() -> None:
    for name in ("house", "techno", "drum and bass"):
        for song in all_songs()[name]:
            for part in song.parts:
                assert part.group != "bass" or part.duck_db > 1


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_fills_stand_at_phrase_ends_only(name: str) -> None:
    style = load_styles()[name]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        meter, grouping, groups = draw_meter(style, rng)
        bar_beats, steps = Fraction(4 * meter[0], meter[1]), steps_per_bar(meter)
        plan = plan_form(style, Fraction(int(style.bpm[2])), bar_beats, 90.0, rng)
        grooves = fitting_grooves(style, meter, steps, grouping)
        track = compose_drums(style, grooves, plan, beats_in_steps(groups, bar_beats, steps), steps, rng)
        ends = {p.end_bar for p in plan} | {p.section.first_bar + k for p in plan for k in range(4, p.section.bars, 4)}
        for first, end in track.fills:
            assert end % steps == 0
            assert end // steps in ends
            assert 0 < end - first <= max(steps // 2 + 4, 12)
        assert len(track.kicks) == plan[-1].end_bar


def test_fill_chances_grow_with_the_phrase() -> None:
    style = load_styles()["rock"]
    chances = [fill_chance(bar, 16, style) for bar in range(16)]
    assert [i for i, c in enumerate(chances) if c] == [3, 7, 11, 15]
    assert chances[3] < chances[7] < chances[15]


def test_swing_moves_the_second_note_of_the_pair() -> None:
    style = load_styles()["lo-fi hip hop"]
    feel = Feel(style, 60.0, 90.0, 16.0, (0.0,), (0.0,))
    quarter_ms = 60_000 / 90
    assert feel.swing_ms(3.0) == pytest.approx(0)
    assert feel.swing_ms(3.5) == pytest.approx(0)
    assert feel.swing_ms(3.25) == pytest.approx(0.1 * 0.5 * quarter_ms)
    jazz = Feel(load_styles()["jazz swing"], 200 / 3, 120.0, 16.0, (0.0,), (0.0,))
    assert jazz.swing_ms(7.5) == pytest.approx((2 / 3 - 0.5) * 500)


def test_heard_swing_is_the_songs_swing() -> None:
    for name in ("lo-fi hip hop", "boom bap", "house", "funk", "jazz swing"):
        songs = all_songs()[name]
        pair = 1.0 if load_styles()[name].swing_grid == 8 else 0.5
        for song in songs:
            if song.swing < 54:
                continue
            ms = 60_000 / float(song.tempo)
            off = [n for p in song.parts for n in p.notes if abs((n.beat / pair) % 1 - 0.5) < 1e-3]
            on = [n for p in song.parts for n in p.notes if (n.beat / pair) % 1 < 1e-3]
            late = np.median([n.offset_ms for n in off]) - np.median([n.offset_ms for n in on])
            assert 50 + 100 * late / ms / pair == pytest.approx(song.swing, abs=3.5), (name, song.seed)


def test_humanising_stays_near_the_prescribed_time() -> None:
    for name in ("techno", "house", "synthwave"):
        for song in all_songs()[name]:
            kicks = [n.offset_ms for n in notes_of(song, "drums") if n.pitch == KICK and n.beat % 1 < 1e-6]
            assert abs(np.median(kicks)) < 1.0
            assert np.std(kicks) < 2.0


def test_live_drummers_never_play_machine_equal() -> None:
    for name in ("rock", "funk", "jazz swing", "folk"):
        for song in all_songs()[name]:
            hats = [n.velocity for n in notes_of(song, "drums") if n.pitch in (42, 51)]
            runs = [len(set(hats[i : i + 6])) for i in range(len(hats) - 6)]
            assert not runs or min(runs) > 1


def test_noise_is_correlated_clipped_and_of_the_asked_size() -> None:
    noise = np.array(ar1(20_000, 6.0, np.random.default_rng(3)))
    assert np.std(noise) == pytest.approx(6.0, rel=0.08)
    assert np.corrcoef(noise[:-1], noise[1:])[0, 1] == pytest.approx(0.5, abs=0.05)
    assert np.abs(noise).max() <= 15.0


def test_felt_beats_follow_the_definitions() -> None:
    half = Fraction(1, 2)
    assert felt_beats((4, 4)) == (1, 1, 1, 1)
    assert felt_beats((6, 8)) == (3 * half, 3 * half)
    assert felt_beats((7, 8)) == (1, 1, 3 * half)
    assert felt_beats((7, 8), "322") == (3 * half, 1, 1)
    assert felt_beats((5, 4)) == (1,) * 5
    assert felt_beats((12, 8)) == (3 * half,) * 4


def test_monophonic_cuts_where_the_next_note_is_heard() -> None:
    played = monophonic([NoteEvent(0, 2, 60, 90, 10.0), NoteEvent(1, 1, 62, 90, -40.0)], 60.0)
    assert [n.length for n in played] == [pytest.approx(0.95), 1]


def test_open_and_closed_hat_never_meet() -> None:
    for song in flat():
        opened, closed = _steps(song, "drums", (46,)), _steps(song, "drums", (42,))
        rolls = {s for n in notes_of(song, "drums") if n.pitch == 42 for s in [round(4 * n.beat)] if n.beat * 4 % 1}
        assert not (opened & closed) - rolls or song.style == "trap"
