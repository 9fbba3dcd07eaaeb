"""The statistics of composed songs: each measure against hand-made bars, then the songs against their styles."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest
from click.testing import CliRunner

from engine.training.corpus import measures as m
from engine.training.corpus import statistics, targets
from engine.training.corpus.compose import sketch_song
from engine.training.corpus.song import MixSettings, NoteEvent, Part, Section, Song
from engine.training.corpus.statistics import Figure
from engine.training.corpus.styletable import STYLE_NAMES, load_styles
from tests.composed_songs import all_songs

QUARTERS = tuple(Fraction(1) for _ in range(4))


def _song(parts: dict[str, list[tuple[float, int]]], bars: int = 4, **changes: object) -> Song:
    """Parts as (beat, pitch) lists, sixteenths long, in one section of 4/4 at 120 bpm."""
    groups = {"drums": "drums", "bass": "bass", "lead": "lead"}
    made = [
        Part(name, groups.get(name, "chords"), 0, [NoteEvent(beat, 0.25, pitch, 90) for beat, pitch in notes])
        for name, notes in parts.items()
    ]
    song = Song(
        1, "house", Fraction(120), (4, 4), 0, "major", bars, [Section("A", 0, bars, 0.0)], [], made, [], QUARTERS,
        50.0, MixSettings(), {}, [(0, 0, "major")],
    )  # fmt: skip
    return replace(song, **changes)  # type: ignore[arg-type]


def test_levels_of_the_grid() -> None:
    assert m.Grid.of(_song({})).levels == [0, 4, 3, 4, 2, 4, 3, 4, 1, 4, 3, 4, 2, 4, 3, 4]
    six = _song({}, meter=(6, 8), beat_groups=(Fraction(3, 2),) * 2)
    assert m.Grid.of(six).levels == [0, 4, 3, 4, 3, 4, 1, 4, 3, 4, 3, 4]


@pytest.mark.parametrize(
    ("steps", "share"),
    [
        ({0, 4, 8, 12}, 0.5),
        ({2, 6, 10, 14}, 1.0),
        ({0, 2, 4, 6, 8, 10, 12, 14}, 0.375),
        ({0, 3, 4}, 1 / 3),
        ({0}, 0.0),
    ],
)
def test_syncopation_counts_onsets_before_empty_stronger_steps(steps: set[int], share: float) -> None:
    """By hand: of quarters 3 and 4 wait for the next bar line, which is empty; of off-beats all wait."""
    assert m.syncopated(steps, m.Grid.of(_song({}))) == pytest.approx(share)


def test_positions_and_entropy() -> None:
    song = _song({"lead": [(0.0, 60), (0.5, 64), (0.75, 67), (1.0, 71)], "drums": [(0.0, 36), (0.0, 42)]})
    assert m.positions(song) == pytest.approx((400 / 6, 100 / 6, 100 / 6))
    assert m.pitch_entropy(song) == pytest.approx(2.0)


def test_bars_that_return_are_alike_and_others_are_not() -> None:
    same = _song({"bass": [(4.0 * bar + b, 36) for bar in range(8) for b in (0, 1.5)]}, 8)
    assert m.likeness(m.bar_vectors(same), same.sections, 4) == pytest.approx(1.0)
    assert m.literal(same, ("bass",)) == 1.0
    rng = np.random.default_rng(2)
    other = _song(
        {
            "bass": [
                (bar * 4 + int(s) / 4, int(rng.integers(30, 50))) for bar in range(8) for s in rng.permutation(16)[:3]
            ]
        },
        8,
    )
    assert m.likeness(m.bar_vectors(other), other.sections, 4) < 0.6
    assert m.literal(other, ("bass",)) == 0.0


def test_swing_kick_and_bass_and_notes_a_bar() -> None:
    bars = [(4.0 * bar + step / 4, 42) for bar in range(4) for step in range(16)]
    song = _song({"drums": bars})
    late = [replace(n, offset_ms=40.0 if round(4 * n.beat) % 2 else 0.0) for n in song.parts[0].notes]
    song.parts[0].notes = late
    assert m.swing_heard(song, 16) == pytest.approx(50 + 100 * 40 / 250)
    locked = _song({"drums": [(0.0, 36), (2.0, 36), (1.0, 38)], "bass": [(0.0, 36), (1.0, 36), (1.5, 36)]})
    assert m.kick_bass(locked) == pytest.approx((0.5, 2 / 3))
    assert m.notes_a_bar(locked, ("bass",)) == 3


def test_fills_and_drops_are_seen_where_they_are() -> None:
    groove = [(4.0 * bar + b, 38) for bar in range(8) for b in (1.0, 3.0)]
    fill = [(15.25, 45), (15.5, 45)]
    sections = [Section("Bd", 0, 4, -6.0), Section("Drop", 4, 4, 0.0)]
    song = _song({"drums": groove + fill}, 8, sections=sections)
    assert m.fills(song) == (1.0, 0.0)
    assert m.fills(_song({"drums": groove}, 8, sections=sections)) == (0.0, 0.0)
    assert m.drops(song) == [m.Drop(0.5, False)]
    stopped = [n for n in groove if not 14.0 <= n[0] < 16.0]
    rising = [(8.0 + i / 4, 38) for i in range(16)]
    assert m.drops(_song({"drums": stopped + rising}, 8, sections=sections)) == [m.Drop(3.0, True)]
    flat = [Section("A", 0, 4, -1.0), Section("B", 4, 4, 0.0)]
    assert m.drops(_song({"drums": groove}, 8, sections=flat)) == []


def test_figures_know_when_they_are_outside() -> None:
    assert Figure("x", 0.5, (0.6, 1.0)).outside
    assert not Figure("x", 0.6, (0.6, 1.0)).outside
    assert not Figure("x", float("nan"), (0.6, 1.0)).outside
    assert not Figure("x", 9.0).outside


def test_targets_name_every_style_with_sane_ranges() -> None:
    found = targets.targets()
    assert set(found) == set(STYLE_NAMES)
    for target in found.values():
        for low, high in (target.syncopation, target.s4, target.s8, target.entropy, target.chord_tones):
            assert 0 <= low < high < 3.6
        assert 97 <= sum(target.positions) <= 103


@lru_cache(maxsize=1)
def _figures() -> dict[str, dict[str, Figure]]:
    tables = load_styles()
    found = {name: statistics.measure_style(songs, tables[name]) for name, songs in all_songs().items()}
    return {name: {f.name: f for f in figures} for name, figures in found.items()}


def test_most_figures_lie_in_their_range() -> None:
    figures = [f for found in _figures().values() for f in found.values() if f.wanted and not np.isnan(f.value)]
    outside = Counter(f.name for f in figures if f.outside)
    assert len(figures) > 400
    assert sum(outside.values()) < 0.2 * len(figures), outside.most_common(8)


def test_no_part_leaves_its_register_and_comping_stays_above_the_bass() -> None:
    for name, found in _figures().items():
        for figure in found.values():
            if figure.name.startswith("off_") or figure.name == "OVL":
                assert not figure.outside, (name, figure)


def test_syncopation_and_repetition_are_near_their_ranges() -> None:
    """Bossa nova's kick and bass (0 6 8 14, where every off-beat is resolved) count as straight by this measure."""
    for name, found in _figures().items():
        for key, slack in (("SYN", 0.22 if name == "bossa nova" else 0.12), ("S4", 0.2), ("PCE", 0.35)):
            figure = found[key]
            assert figure.wanted is not None
            assert figure.wanted[0] - slack <= figure.value <= figure.wanted[1] + slack, (name, figure)


def test_electronic_songs_build_stop_and_drop() -> None:
    found = _figures()
    for name in targets.DROPPING:
        assert found[name]["drops"].value >= 0.6, name
    silence = np.nanmean([found[name]["silence"].value for name in targets.DROPPING])
    builds = np.nanmean([found[name]["builds"].value for name in ("house", "drum and bass", "techno")])
    assert silence > 0.5
    assert builds > 0.4


def test_fills_stand_where_sections_end() -> None:
    ends = np.nanmean([f["fill_end"].value for n, f in _figures().items() if load_styles()[n].kind == "song"])
    inner = np.nanmean([f["fill_inside"].value for f in _figures().values()])
    assert ends > 0.45
    assert inner < 0.1


def test_a_fifth_of_the_songs_change_key() -> None:
    tables = list(load_styles().values())
    moved = [len(set(sketch_song(90_000 + seed, tables[seed % len(tables)]).keys)) > 1 for seed in range(330)]
    assert targets.MODULATING[0] < np.mean(moved) < targets.MODULATING[1]


def test_the_command_prints_a_table_and_json() -> None:
    shown = CliRunner().invoke(statistics.main, ["--songs", "1", "--style", "folk"])
    assert shown.exit_code == 0, shown.output
    assert "SYN" in shown.output
    assert "figures are outside" in shown.output
    told = CliRunner().invoke(statistics.main, ["--songs", "1", "--style", "folk", "--json"])
    record = json.loads(told.stdout)
    assert record["folk"]["S4"]["range"] == [0.55, 0.85]
    assert CliRunner().invoke(statistics.main, ["--style", "polka"]).exit_code == 2
