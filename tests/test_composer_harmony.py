"""Chords, voicings and comping of the composer, against hand-written pitch classes and hard musical bounds."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.training.corpus.chordnames import degree_semitones, parse_numeral, span
from engine.training.corpus.comp import compose_comp
from engine.training.corpus.comppattern import parse_pattern
from engine.training.corpus.comptable import ANY_METER, COMPS, FIGURES
from engine.training.corpus.harmony import harmonise
from engine.training.corpus.progressions import EXTRA, SCALES, mode_of, parse_progression, parse_progressions
from engine.training.corpus.song import ChordSpan, NoteEvent, Section
from engine.training.corpus.style import Style
from engine.training.corpus.stylekeys import KEYS, section_family, style_key
from engine.training.corpus.styletable import STYLE_NAMES, load_styles, steps_per_bar
from engine.training.corpus.voicing import SHAPES, shape_pitch_classes, voice_chord, voice_progression

# Written by hand: numeral in C -> (bass, absolute name, note names).
BY_HAND = {
    "I": ("C", "C", "C E G"),
    "i": ("C", "Cm", "C Eb G"),
    "iv": ("F", "Fm", "F Ab C"),
    "V": ("G", "G", "G B D"),
    "bVI": ("Ab", "Ab", "Ab C Eb"),
    "bVII": ("Bb", "Bb", "Bb D F"),
    "bIII": ("Eb", "Eb", "Eb G Bb"),
    "bII": ("Db", "Db", "Db F Ab"),
    "bvii": ("Bb", "Bbm", "Bb Db F"),
    "Imaj7": ("C", "Cmaj7", "C E G B"),
    "Imaj9": ("C", "Cmaj9", "C E G B D"),
    "V7": ("G", "G7", "G B D F"),
    "ii9": ("D", "Dm9", "D F A C E"),
    "i11": ("C", "Cm11", "C Eb G Bb D F"),
    "iih7": ("D", "Dm7b5", "D F Ab C"),
    "#Io7": ("Db", "Dbdim7", "Db E G Bb"),
    "V7b9": ("G", "G7b9", "G B D F Ab"),
    "V7#9": ("G", "G7#9", "G B D F Bb"),
    "V13": ("G", "G13", "G B D F A E"),
    "V13sus": ("G", "G13sus", "G C D F A E"),
    "V9sus": ("G", "G9sus", "G C D F A"),
    "VI7b13": ("A", "A7b13", "A C# G F"),
    "Isus2": ("C", "Csus2", "C D G"),
    "Vsus4": ("G", "Gsus4", "G C D"),
    "IVadd9": ("F", "Fadd9", "F A C G"),
    "i(add9)": ("C", "Cmadd9", "C Eb G D"),
    "ivm6": ("F", "Fm6", "F Ab C D"),
    "i6": ("C", "Cm6", "C Eb G A"),
    "I69": ("C", "C69", "C E G A D"),
    "i(maj7)": ("C", "Cm(maj7)", "C Eb G B"),
    "i5": ("C", "C5", "C G"),
    "bII7#11": ("Db", "Db7#11", "Db F Ab B G"),
    "IVmaj9#11": ("F", "Fmaj9#11", "F A C E G B"),
    "I/3": ("E", "C/E", "C E G"),
    "V/7": ("B", "G/B", "G B D"),
    "V7/1": ("C", "G7/C", "G B D F"),
    "i/b7": ("Bb", "Cm/Bb", "C Eb G"),
    "v6": ("Bb", "Gm/Bb", "G Bb D"),
    "iii/5": ("G", "Em/G", "E G B"),
    "I+": ("C", "Caug", "C E G#"),
}
PITCH = {"C": 0, "Db": 1, "D": 2, "Eb": 3, "E": 4, "F": 5, "F#": 6, "G": 7, "Ab": 8, "A": 9, "Bb": 10, "B": 11}
PITCH |= {"C#": 1, "G#": 8}
SECTIONS = [
    Section("In", 0, 4, -8.0), Section("A", 4, 8, -4.0), Section("C", 12, 8, 0.0), Section("B", 20, 8, -4.0),
    Section("A2", 28, 8, -4.0), Section("Out", 36, 4, -8.0),
]  # fmt: skip
INTENSITY = [1] * 4 + [2] * 8 + [5] * 8 + [3] * 8 + [4] * 8 + [1] * 4
BARS = 40


@pytest.mark.parametrize("numeral", BY_HAND)
@pytest.mark.parametrize("key_root", [0, 7])
def test_numerals_match_the_hand_written_notes(numeral: str, key_root: int) -> None:
    bass, name, notes = BY_HAND[numeral]
    parsed = parse_numeral(numeral)
    assert parsed is not None
    chord = span(parsed, key_root, Fraction(0), Fraction(4))
    assert set(chord.pitch_classes) == {(PITCH[n] + key_root) % 12 for n in notes.split()}
    assert chord.pitch_classes[0] == chord.root
    assert chord.bass == (PITCH[bass] + key_root) % 12
    if key_root == 0:
        assert chord.name == name


@pytest.mark.parametrize("text", ["", "x", "II:2", "blues", "Imaj77x", "of", "I/8", "bridge", "(p.25)", "iiii"])
def test_words_are_not_numerals(text: str) -> None:
    assert parse_numeral(text) is None


def test_degrees_count_from_the_major_scale() -> None:
    assert [degree_semitones(d) for d in ("1", "b2", "b3", "3", "#4", "5", "b7", "7", "9", "#11")] == [
        0, 1, 3, 4, 6, 7, 10, 11, 2, 6,
    ]  # fmt: skip


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_every_chord_word_of_every_style_is_read(name: str) -> None:
    """No word of the tables' harmony lines is skipped, and durations are as written."""
    for raw in load_styles()[name].progressions:
        parsed = parse_progression(raw)
        assert parsed is not None, raw
        words = raw.split()
        assert [numeral.text for numeral, _ in parsed.chords] == [word.split(":")[0] for word in words]
        for word, (_, bars) in zip(words, parsed.chords, strict=True):
            assert bars == (Fraction(word.split(":")[1]) if ":" in word else 1)


def test_own_progressions_have_no_unread_word() -> None:
    assert set(EXTRA) == set(KEYS) == {style_key(n) for n in STYLE_NAMES}
    for texts in EXTRA.values():
        for text in texts:
            parsed = parse_progression(text)
            assert parsed is not None
            assert len(parsed.chords) == len([w for w in text.split() if w != "bridge"]), text


def test_half_bars_repeats_bridges_and_prose() -> None:
    parsed = parse_progression("bIImaj7 Imaj9 (.5 each) x2")
    assert parsed is not None
    assert [(n.text, b) for n, b in parsed.chords] == [("bIImaj7", Fraction(1, 2)), ("Imaj9", Fraction(1, 2))] * 2
    prose = parse_progression("dorian/aeolian, change every 1-4 bars: i9:2 iv9:2")
    assert prose is not None
    assert prose.bars == 4
    bridge = parse_progressions("I7:4; bridge IV9:4 bVI9:2")[1]
    assert bridge.bridge
    assert bridge.bars == 6


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("I V vi IV", "major"),
        ("i bVI bIII bVII", "minor"),
        ("i7 IV9", "dorian"),
        ("I bVII IV I", "mixolydian"),
        ("i:4 bII:4", "phrygian"),
        ("i iv V:2", "harmonic minor"),
        ("I II", "lydian"),
        ("I:2 bII:2", "phrygian dominant"),
    ],
)
def test_modes_are_heard(text: str, mode: str) -> None:
    parsed = parse_progression(text)
    assert parsed is not None
    assert mode_of(parsed) == mode


def _song(style: Style, seed: int, meter: tuple[int, int] | None = None) -> tuple[list[ChordSpan], str, Fraction]:
    numerator, denominator = meter or style.meters[0][0]
    bar = Fraction(4 * numerator, denominator)
    rng = np.random.default_rng(seed)
    hint = style.modes[seed % len(style.modes)]
    harmony = harmonise(style, seed % 12, hint, SECTIONS, bar, rng, modulating=False)
    return harmony.chords, harmony.mode, bar


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_chords_fill_the_song_without_gaps(name: str) -> None:
    style = load_styles()[name]
    for meter, _ in style.meters:
        chords, mode, bar = _song(style, 5, meter)
        at = 0.0
        for chord in chords:
            assert chord.beat == pytest.approx(at)
            assert chord.length >= 0.5
            at = chord.beat + chord.length
        assert at == pytest.approx(float(BARS * bar))
        assert mode in SCALES
        starts = {c.beat for c in chords}
        assert all(float(s.first_bar * bar) in starts for s in SECTIONS), "a section starts with its own chord"


@pytest.mark.parametrize("name", ["rock", "folk", "indie pop", "house"])
def test_sections_of_one_family_share_their_progression(name: str) -> None:
    style = load_styles()[name]
    for seed in range(8):
        chords, _, bar = _song(style, seed)

        def heard(first_bar: int, chords: list[ChordSpan] = chords, bar: Fraction = bar) -> list[str]:
            begin, end = float(first_bar * bar), float((first_bar + 4) * bar)
            return [c.name for c in chords if begin <= c.beat < end]

        assert heard(4) == heard(28)


def test_functional_songs_end_on_the_tonic() -> None:
    for name in ("folk", "jazz swing", "orchestral", "indie pop"):
        for seed in range(6):
            chords, _, _ = _song(load_styles()[name], seed)
            assert chords[-1].root == seed % 12


def test_chords_are_a_function_of_the_seed() -> None:
    style = load_styles()["soul"]
    assert _song(style, 3) == _song(style, 3)
    assert len({tuple(c.name for c in _song(style, seed)[0]) for seed in range(0, 96, 12)}) >= 5


def test_no_progression_rules_a_style() -> None:
    for name in ("house", "lo-fi hip hop", "folk"):
        firsts = Counter()  # type: Counter[tuple[int, ...]]
        for seed in range(100):
            chords, _, bar = _song(load_styles()[name], seed)
            begin = float(4 * bar)
            firsts[tuple((c.root - seed) % 12 for c in chords if begin <= c.beat < begin + float(4 * bar))] += 1
        assert max(firsts.values()) <= 30, firsts.most_common(2)


PLAIN = st.sampled_from(
    ["I", "IV", "V", "vi", "ii7", "Imaj9", "V13", "iih7", "V7b9", "bVImaj7", "i9", "Vsus4", "i5", "bVII", "#Io7"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PLAIN, min_size=2, max_size=8), st.sampled_from(SHAPES), st.integers(0, 11))
def test_voicings_hold_chord_tones_in_range_and_move_little(names: list[str], shape: str, key_root: int) -> None:
    chords = []
    for i, name in enumerate(names):
        numeral = parse_numeral(name)
        assert numeral is not None
        chords.append(span(numeral, key_root, Fraction(4 * i), Fraction(4)))
    voiced = voice_progression(chords, shape, 53, 74)
    for chord, notes in zip(chords, voiced, strict=True):
        assert list(notes) == sorted(set(notes))
        assert len(notes) >= 2
        assert all(53 <= n <= (76 if shape == "pw" else 74) for n in notes)
        assert {n % 12 for n in notes} <= set(chord.pitch_classes)


def test_voices_move_by_small_steps() -> None:
    """Same-size neighbours: at most 4 semitones a voice nearly always, under 2 on average."""
    moves: list[int] = []
    for name in STYLE_NAMES:
        for seed in range(4):
            chords, _, _ = _song(load_styles()[name], seed)
            for shape in ("tri", "rA", "d2"):
                for before, after in pairwise(voice_progression(chords, shape, 53, 74)):
                    if len(before) == len(after):
                        moves += [abs(a - b) for a, b in zip(before, after, strict=True)]
    assert np.mean(np.array(moves) > 4) < 0.02
    assert np.mean(moves) < 2.0


def test_close_voicings_avoid_mud() -> None:
    for name in STYLE_NAMES:
        chords, _, _ = _song(load_styles()[name], 2)
        for notes in voice_progression(chords, "d2", 50, 76):
            tight = [b - a for a, b in pairwise(notes) if a < 52 and b - a < 7]
            assert len(tight) <= 1
            assert notes[0] >= 50


def test_shapes_take_what_they_say() -> None:
    numeral = parse_numeral("V13")
    assert numeral is not None
    chord = span(numeral, 0, Fraction(0), Fraction(4))
    assert set(shape_pitch_classes(chord, "sh")) == {11, 5}
    assert {11, 5} <= set(shape_pitch_classes(chord, "rA"))
    assert 7 not in shape_pitch_classes(chord, "rA")
    assert set(shape_pitch_classes(chord, "pw")) == {7, 2}
    assert voice_chord(chord, "pw", 48, 66) == (55, 62, 67)


def test_every_comp_pattern_is_well_formed() -> None:
    lengths = {"[14]": 14, "[18]": 18, "[20]": 20, "[12a]": 12, "[12b]": 12}
    texts = [t for roles in COMPS.values() for group in roles.values() for t in group]
    for text in texts + [t for group in ANY_METER.values() for t in group]:
        steps = lengths.get(text.split()[0], 16)
        pattern = parse_pattern(text)
        assert pattern.shape in SHAPES
        for written, bar in zip(text.split(": ")[1].split("|"), pattern.bars, strict=True):
            assert len(bar) == len(written.split()), text
            for hit in bar:
                assert 0 <= hit.pos < steps, text
                assert 1 <= hit.length <= steps, text
                assert 1 <= hit.accent <= 9
    assert set(COMPS) == set(FIGURES) == set(KEYS)
    for figures in FIGURES.values():
        assert all(re.fullmatch(r"[124]:( (1|3|5|7|8|10|12|15))+", f) for f in figures)


def _play(
    style: Style, role: str, meter: tuple[int, int], seed: int = 4
) -> tuple[list[NoteEvent], list[ChordSpan], Fraction]:
    chords, _, bar = _song(style, seed, meter)
    rng = np.random.default_rng(seed)
    notes = compose_comp(style, role, chords, SECTIONS, bar, steps_per_bar(meter), INTENSITY, rng)
    return notes, chords, bar


@pytest.mark.parametrize("role", ["comp1", "comp2", "pad", "arp"])
@pytest.mark.parametrize("name", STYLE_NAMES)
def test_comping_plays_the_chords_on_the_grid(name: str, role: str) -> None:
    style = load_styles()[name]
    for meter, _ in style.meters:
        notes, chords, bar = _play(style, role, meter)
        step = float(bar / steps_per_bar(meter))
        total = float(BARS * bar)
        assert notes
        outside = 0
        for note in notes:
            assert abs(note.beat / step - round(note.beat / step)) < 1e-6
            assert note.length > 0
            assert note.beat + note.length <= total + 1e-6
            assert 46 <= note.pitch <= 88
            assert 1 <= note.velocity <= 127
            assert 0 <= note.offset_ms < 400
            sounding = [c for c in chords if c.beat <= note.beat + 1e-6 < c.beat + c.length]
            ahead = [c for c in chords if note.beat < c.beat <= note.beat + 2 * step + 1e-6]
            allowed = set().union(*(c.pitch_classes for c in sounding + ahead))
            outside += note.pitch % 12 not in allowed
        assert outside == 0


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_intensity_brings_notes_and_loudness(name: str) -> None:
    style = load_styles()[name]
    notes, _, bar = _play(style, "comp1", style.meters[0][0])
    quiet = [n for n in notes if n.beat < float(4 * bar)]
    loud = [n for n in notes if float(12 * bar) <= n.beat < float(20 * bar)]
    assert len(loud) / 8 >= len(quiet) / 4
    assert np.mean([n.velocity for n in loud]) > np.mean([n.velocity for n in quiet])


def test_pads_hold_common_tones_and_never_overlap_themselves() -> None:
    style = load_styles()["synthwave"]
    notes, chords, bar = _play(style, "pad", (4, 4))
    by_pitch: dict[int, list[NoteEvent]] = {}
    for note in notes:
        assert note.length <= float(4 * bar) + 1e-6
        by_pitch.setdefault(note.pitch, []).append(note)
    for same in by_pitch.values():
        for a, b in pairwise(sorted(same, key=lambda n: n.beat)):
            assert a.beat + a.length <= b.beat + 1e-6
    assert len(notes) < 4 * len(chords), "common tones are tied"
    ends = {float((s.first_bar + s.bars) * bar) for s in SECTIONS}
    assert all(not (n.beat < end - 1e-6 and n.beat + n.length > end + 1e-6) for n in notes for end in ends)


def test_comping_is_a_function_of_the_seed() -> None:
    style = load_styles()["funk"]
    assert _play(style, "comp1", (4, 4))[0] == _play(style, "comp1", (4, 4))[0]
    assert _play(style, "comp1", (4, 4), 1)[0] != _play(style, "comp1", (4, 4), 2)[0]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("A", "verse"),
        ("A'", "verse"),
        ("A2", "verse"),
        ("Verse", "verse"),
        ("C", "chorus"),
        ("Drop", "chorus"),
        ("Hook", "chorus"),
        ("B", "bridge"),
        ("Br", "bridge"),
        ("Bk", "break"),
        ("Bd", "build"),
        ("In", "intro"),
        ("Inst", "solo"),
        ("Solo1", "solo"),
        ("Out", "outro"),
        ("End", "outro"),
        ("Fade", "outro"),
        ("Pre", "pre"),
    ],
)
def test_section_families(name: str, family: str) -> None:
    assert section_family(name) == family
