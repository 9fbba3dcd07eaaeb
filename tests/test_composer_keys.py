"""Changes of key: plans, chords and lines that follow them, exact annotation, excerpts."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.training.corpus import keyplan
from engine.training.corpus.compose import compose, sketch_song
from engine.training.corpus.excerpt import excerpt
from engine.training.corpus.progressions import SCALES
from engine.training.corpus.song import Section, Song
from engine.training.corpus.styletable import load_styles

FORM = [
    Section("In", 0, 4, -8.0), Section("V", 4, 8, -4.0), Section("C", 12, 8, 0.0), Section("Br", 20, 8, -5.0),
    Section("C", 28, 8, 0.0), Section("Out", 36, 4, -8.0),
]  # fmt: skip


@lru_cache(maxsize=1)
def modulating() -> list[Song]:
    """Six songs that change their key, of styles that like to."""
    found = []
    for name in ("soul", "indie pop", "orchestral", "folk", "balkan", "rock"):
        style = load_styles()[name]
        seed = next(s for s in range(70_000, 70_200) if len(set(sketch_song(s, style).keys)) > 1)
        found.append(compose(seed, name))
    return found


def test_chances_are_chances_and_most_songs_stay_at_home() -> None:
    moved = Counter()  # type: Counter[int]
    for seed in range(600):
        keys = keyplan.plan_keys("indie", FORM, 5, "major", np.random.default_rng(seed))
        moved[len({k.root for k in keys})] += 1
    assert 0.2 < moved[2] / 600 < 0.45
    assert set(moved) == {1, 2}


def test_every_kind_comes_and_does_what_it_is_called() -> None:
    shifts: dict[int, set[int]] = {}
    for seed in range(2000):
        for style_key, mode in (("cinematic", "minor"), ("soul", "major")):
            keys = keyplan.plan_keys(style_key, FORM, 2, mode, np.random.default_rng(seed))
            away = {i: k for i, k in enumerate(keys) if k.shift}
            for index, key in away.items():
                assert key.root == (2 + key.shift) % 12
                shifts.setdefault(abs(key.shift), set()).add(index)
                if key.flipped:
                    assert key.shift == (3 if mode == "minor" else -3)
            if {k.shift for k in away.values()} & {1, 2}:
                assert sorted(away) == [4, 5], "from the last chorus on"
            elif away:
                assert list(away) == [3], "the bridge alone"
            assert keys[0].shift == 0
    assert {1, 2, 3, 4, 5, 7} <= set(shifts)


def test_keys_begin_with_the_song_and_change_at_sections() -> None:
    for song in modulating():
        starts = {s.first_bar for s in song.sections}
        assert song.keys[0][0] == 0
        assert all(first in starts for first, _, _ in song.keys)
        assert all(a[0] < b[0] and a[1:] != b[1:] for a, b in pairwise(song.keys))
        assert all(0 <= root < 12 and mode in SCALES for _, root, mode in song.keys)
        assert any((root, mode) == (song.key_root, song.mode) for _, root, mode in song.keys)


def _inside(song: Song, pitch_class: int, bar: int, keys: list[tuple[int, int, str]]) -> bool:
    root, mode = next(k[1:] for k in reversed(keys) if k[0] <= bar)
    return (pitch_class - root) % 12 in SCALES[mode]


def test_chords_and_melody_speak_the_key_of_their_bar() -> None:
    """Against the songs' own key plan many more notes fit than when everything is heard in the main key."""
    own, main = [], []
    for song in modulating():
        home = [(0, song.key_root, song.mode)]
        away = {b for b in range(song.bars) if next(k for k in reversed(song.keys) if k[0] <= b)[1:] != home[0][1:]}
        assert away
        for note in song.melody:
            bar = int((note.beat + 1e-6) / float(song.bar_beats))
            own.append(_inside(song, note.pitch % 12, bar, song.keys))
        chords = [(c, int((c.beat + 1e-6) / float(song.bar_beats))) for c in song.chords]
        for chord, bar in chords:
            if bar in away and bar + 1 in away:
                own += [_inside(song, p, bar, song.keys) for p in chord.pitch_classes[:3]]
                main += [_inside(song, p, bar, home) for p in chord.pitch_classes[:3]]
    assert np.mean(own) > 0.88
    assert np.mean(main) < np.mean(own) - 0.05


def test_excerpt_has_the_keys_of_its_bars() -> None:
    for song in modulating():
        change = song.keys[1][0]
        before, across = excerpt(song, 0, change), excerpt(song, change - 2, 4)
        assert before.keys == song.keys[:1]
        assert (before.key_root, before.mode) == song.keys[0][1:]
        assert across.keys == [(0, *song.keys[0][1:]), (2, *song.keys[1][1:])]
        after = excerpt(song, change, 2)
        assert (after.key_root, after.mode) == song.keys[1][1:]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), min_size=1, max_size=6),
    st.data(),
)
def test_cut_agrees_with_counting_bars(plan: list[tuple[int, int]], data: st.DataObject) -> None:
    """Oracle: write the key of every bar out, slice the list, and fold equal neighbours again."""
    bars = [root for count, root in plan for _ in range(count)]

    def folded(roots: list[int]) -> list[tuple[int, int, str]]:
        return [(i, r, "major") for i, r in enumerate(roots) if i == 0 or roots[i - 1] != r]

    first = data.draw(st.integers(0, len(bars) - 1))
    count = data.draw(st.integers(1, len(bars) - first))
    cut = keyplan.cut(folded(bars), first, count)
    assert cut == folded(bars[first : first + count])
    most = Counter(bars[first : first + count]).most_common(1)[0][1]
    root, _ = keyplan.main_key(cut, count)
    assert bars[first : first + count].count(root) == most


@pytest.mark.parametrize("name", ["soul", "house"])
def test_every_song_tells_its_keys_and_the_main_one(name: str) -> None:
    song = compose(3, name)
    assert song.keys[0][0] == 0
    assert keyplan.main_key(song.keys, song.bars) == (song.key_root, song.mode)
