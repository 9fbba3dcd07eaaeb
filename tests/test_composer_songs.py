"""Whole songs: determinism, variety, form, registers, harmony, excerpts."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest

from engine.training.corpus.compose import compose, sketch_song, style_names
from engine.training.corpus.excerpt import excerpt
from engine.training.corpus.song import Song
from engine.training.corpus.styletable import load_styles, parse_style
from engine.types import PART_NAMES
from tests.composed_songs import all_songs, flat, likeness, notes_of


def test_every_style_composes_whole_bars_in_its_own_ranges() -> None:
    tables = load_styles()
    for song in flat():
        style = tables[song.style]
        assert song.meter in {m for m, _ in style.meters}
        factor = 1.5 if song.meter == (12, 8) else 1.0
        assert factor * style.bpm[0] - 0.5 <= song.tempo <= min(190, factor * style.bpm[1])
        assert 50 <= song.tempo <= 190
        assert sum(song.beat_groups) == song.bar_beats
        assert 16 <= song.bars <= 120
        assert {p.group for p in song.parts} <= set(PART_NAMES)
        assert len({p.name for p in song.parts}) == len(song.parts) >= 2


def test_sections_are_contiguous_and_the_loudest_is_near_zero() -> None:
    for song in flat():
        bar = 0
        for section in song.sections:
            assert section.first_bar == bar
            assert section.bars >= 2
            bar += section.bars
        assert bar == song.bars
        assert -1.5 < max(s.level_db for s in song.sections) <= 0


def test_same_seed_same_song_and_other_seeds_other_songs() -> None:
    for name in style_names()[::4]:
        assert compose(77, name) == compose(77, name)
    assert compose(5) == compose(5)
    texts = [repr([p.notes for p in song.parts]) for song in flat()]
    assert len(set(texts)) == len(texts)


def test_no_tonic_rules_and_meters_are_many() -> None:
    tables = list(load_styles().values())
    songs = [sketch_song(40_000 + seed, tables[seed % len(tables)]) for seed in range(220)]
    tonics = Counter(song.key_root for song in songs)
    assert set(tonics) == set(range(12))
    assert max(tonics.values()) <= 0.15 * len(songs)
    assert {(4, 4), (3, 4), (6, 8), (7, 8), (5, 4)} <= {song.meter for song in flat()}


def test_tempi_of_a_style_are_spread() -> None:
    for name, songs in all_songs().items():
        low, high, _ = load_styles()[name].bpm
        straight = [float(s.tempo) / (1.5 if s.meter == (12, 8) else 1) for s in songs]
        assert np.std(straight) > 0.12 * (high - low), name


def test_notes_are_playable_and_inside_the_song() -> None:
    for song in flat():
        end = float(song.bars * song.bar_beats)
        for part in song.parts:
            for note in part.notes:
                assert 0 <= note.beat < end
                assert note.length > 0
                assert note.beat + note.length <= end + 1e-6
                assert 1 <= note.velocity <= 127
                assert abs(note.offset_ms) < 160
                assert note.beat > 0.02 or note.offset_ms >= 0


@pytest.mark.parametrize(
    ("role", "low", "high"),
    [("bass", 24, 56), ("lead", 52, 92), ("comp1", 38, 88), ("pad", 40, 90), ("counter", 46, 88)],
)
def test_parts_keep_to_their_registers(role: str, low: int, high: int) -> None:
    pitches = [n.pitch for song in flat() for n in notes_of(song, role)]
    assert len(pitches) > 100
    assert low <= min(pitches)
    assert max(pitches) <= high


def test_chords_cover_the_song_without_gaps() -> None:
    for song in flat():
        assert song.chords[0].beat == 0
        for one, following in pairwise(song.chords):
            assert one.beat + one.length == pytest.approx(following.beat)
        last = song.chords[-1]
        assert last.beat + last.length == pytest.approx(float(song.bars * song.bar_beats))


def _share_in_chord(song: Song, role: str) -> float:
    """Share of a part's notes on bar lines that belong to the sounding chord."""
    hits = []
    for note in notes_of(song, role):
        if abs(note.beat % float(song.bar_beats)) < 1e-6:
            chord = next(c for c in song.chords if c.beat - 1e-6 <= note.beat < c.beat + c.length - 1e-6)
            hits.append(note.pitch % 12 in {*chord.pitch_classes, chord.bass})
    return float(np.mean(hits)) if hits else 1.0


def test_bass_states_the_chord_on_the_one() -> None:
    for name, songs in all_songs().items():
        assert np.mean([_share_in_chord(s, "bass") for s in songs]) > 0.9, name


def test_bass_and_lead_sound_one_note_at_a_time() -> None:
    for song in flat():
        for role in ("bass", "lead", "counter"):
            ms = 60_000 / float(song.tempo)
            for one, following in pairwise(notes_of(song, role)):
                gap = (following.beat - one.beat - one.length) * ms + following.offset_ms - one.offset_ms
                assert gap > -1.0, (song.style, role, one, following)


def test_melody_is_the_lead_as_it_sounds() -> None:
    for song in flat():
        assert song.melody == notes_of(song, "lead")


def test_bars_return_but_songs_are_no_dead_loops() -> None:
    for name, songs in all_songs().items():
        fours = np.nanmean([likeness(s, 4) for s in songs])
        assert (0.15 if name in ("ambient", "jazz swing") else 0.35) < fours < 0.985, name
    loops = np.nanmean([likeness(s, 4) for n in ("house", "techno", "afrobeat") for s in all_songs()[n]])
    assert loops > np.nanmean([likeness(s, 4) for n in ("jazz swing", "ambient") for s in all_songs()[n]])


def test_two_songs_of_a_style_are_not_alike() -> None:
    for name, songs in all_songs().items():
        same = [
            a.key_root == b.key_root and a.tempo == b.tempo and [c.name for c in a.chords] == [c.name for c in b.chords]
            for a, b in combinations(songs, 2)
        ]
        assert not any(same), name


def test_excerpt_cuts_everything_at_the_same_place() -> None:
    for songs in all_songs().values():
        song = songs[0]
        cut = excerpt(song, 5, 8)
        start, end = float(5 * song.bar_beats), float(13 * song.bar_beats)
        assert cut.bars == 8 == sum(s.bars for s in cut.sections)
        assert cut.sections[0].first_bar == 0
        assert sum(c.length for c in cut.chords) == pytest.approx(end - start)
        inside = sum(start - 1e-6 <= n.beat < end - 1e-6 for p in song.parts for n in p.notes)
        assert sum(len(p.notes) for p in cut.parts) == inside > 0
        assert max(n.beat + n.length for p in cut.parts for n in p.notes) <= end - start + 1e-6
        assert all(p.notes for p in cut.parts)


def test_excerpt_of_the_whole_song_is_the_song() -> None:
    song = all_songs()["rock"][0]
    assert excerpt(song, 0, song.bars) == song


def test_excerpt_outside_the_song_is_refused() -> None:
    song = all_songs()["house"][0]
    with pytest.raises(AssertionError):
        excerpt(song, song.bars - 3, 4)


def test_a_table_with_a_short_line_is_refused() -> None:
    from importlib import resources

    text = (resources.files("engine.training.corpus") / "tables" / "01_house.txt").read_text("utf-8")
    assert parse_style(text).name == "house"
    with pytest.raises(AssertionError, match="not 16 steps"):
        parse_style(text.replace("K:9...9...9...9...", "K:9...9...9...9..", 1))
