"""Keys as chords: every note in the key, the tonic first, readable by the chord parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.controls import parse_chords, parse_key, progression
from engine.controls.harmony import MODES
from engine.timing import Meter

ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@given(st.sampled_from(ROOTS), st.sampled_from(sorted(MODES)), st.integers(0, 2**31))
def test_chords_of_a_key_stay_in_it_and_begin_on_its_tonic(root, mode, seed):
    key = parse_key(f"{root} {mode}")
    chords = parse_chords(progression(key, seed), 4, Meter(4, 4))
    assert chords[0].root == key.root
    if mode != "locrian":
        assert {pc for chord in chords for pc in chord.pitch_classes} <= set(key.pitch_classes)
    assert progression(key, seed) == progression(key, seed)


@pytest.mark.parametrize(("name", "expected"), [("C", "C G Am F"), ("Am", "Am F C G"), ("D dorian", "Dm Dm F C")])
def test_plain_keys_are_played_as_expected(name, expected):
    assert progression(parse_key(name), 0) == expected


def test_seeds_differ():
    assert len({progression(parse_key("G minor"), seed) for seed in range(4)}) > 2
