"""The lead, the counter melody and the captions of the composer: counted, bounded, repeatable."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.training.corpus.captions import caption, make_tags, style_phrases
from engine.training.corpus.counter import compose_counter
from engine.training.corpus.harmony import harmonise
from engine.training.corpus.ladder import Ladder
from engine.training.corpus.melody import compose_melody
from engine.training.corpus.motif import MotifNote, cells_for, make_motif, operate, parse_cell, reshaped
from engine.training.corpus.progressions import SCALES
from engine.training.corpus.song import ChordSpan, NoteEvent, Part, Section
from engine.training.corpus.style import Style
from engine.training.corpus.styletable import STYLE_NAMES, load_styles, steps_per_bar
from engine.training.corpus.words import INSTRUMENTS

SECTIONS = [
    Section("In", 0, 4, -8.0),
    Section("A", 4, 8, -4.0),
    Section("C", 12, 8, 0.0),
    Section("B", 20, 8, -4.0),
    Section("A2", 28, 8, -4.0),
    Section("Out", 36, 4, -8.0),
]
BARS = 40
INTENSITY = [2] * 4 + [3] * 8 + [5] * 8 + [3] * 8 + [4] * 8 + [2] * 4
GROUPS = {(6, 8): (6, 6), (12, 8): (3, 3, 3, 3), (7, 8): (4, 4, 6)}


@dataclass
class Written:
    """One seed's lead with what it was written over."""

    lead: list[NoteEvent]
    counter: list[NoteEvent]
    chords: list[ChordSpan]
    bar: float
    step: float


def _write(style: Style, seed: int, meter: tuple[int, int] | None = None) -> Written:
    meter = meter or style.meters[0][0]
    bar = Fraction(4 * meter[0], meter[1])
    steps = steps_per_bar(meter)
    rng = np.random.default_rng(seed)
    key = seed % 12
    groups = GROUPS.get(meter)
    hint = style.modes[seed % len(style.modes)]
    harmony = harmonise(style, key, hint, SECTIONS, bar, rng, modulating=False)
    chords, mode = harmony.chords, harmony.mode
    lead = compose_melody(style, chords, SECTIONS, key, mode, bar, steps, INTENSITY, rng, groups)
    counter = compose_counter(style, chords, SECTIONS, key, mode, bar, steps, INTENSITY, rng, lead, groups)
    return Written(lead, counter, chords, float(bar), float(bar / steps))


@pytest.fixture(scope="module")
def leads() -> dict[str, list[Written]]:
    """Six seeds of every style in its first meter."""
    return {name: [_write(style, seed) for seed in range(6)] for name, style in load_styles().items()}


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_lines_are_monophonic_in_range_and_inside_the_song(name: str) -> None:
    style = load_styles()[name]
    low, high = style.melody_range
    for meter, _ in style.meters:
        for seed in range(3):
            written = _write(style, seed, meter)
            assert len(written.lead) >= 8
            for line in (written.lead, written.counter):
                for before, after in pairwise(line):
                    assert before.beat + before.length <= after.beat + 1e-6
                for note in line:
                    assert note.length > 0
                    assert note.beat >= 0
                    assert note.beat + note.length <= BARS * written.bar + 1e-6
                    assert 1 <= note.velocity <= 127
                    assert note.offset_ms == 0
                    assert abs(2 * note.beat / written.step - round(2 * note.beat / written.step)) < 1e-3
            assert all(low <= n.pitch <= high for n in written.lead)
            assert all(50 <= n.pitch <= 81 for n in written.counter)


def test_intervals_are_mostly_steps(leads: dict[str, list[Written]]) -> None:
    """Unison 15-30 %, steps 40-60 %, leaps over a fifth 3-8 % (a little wider: the bars are bent by chords)."""
    sizes = [
        abs(b.pitch - a.pitch)
        for written in (w for ws in leads.values() for w in ws)
        for a, b in pairwise(written.lead)
        if b.beat - a.beat - a.length < 2
    ]
    counts = Counter(sizes)
    total = len(sizes)
    assert total > 6_000
    assert 0.14 <= counts[0] / total <= 0.30
    assert 0.36 <= (counts[1] + counts[2]) / total <= 0.60
    assert 0.03 <= sum(n for size, n in counts.items() if size > 7) / total <= 0.09
    assert sum(n for size, n in counts.items() if size > 12) / total < 0.02


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_strong_notes_are_chord_tones(name: str, leads: dict[str, list[Written]]) -> None:
    """On the bar line, in the chord: 0.6 of the time in the freest style, not always in any busy one."""
    inside = []
    for written in leads[name]:
        starts = [c.beat for c in written.chords]
        for note in written.lead:
            if abs(note.beat / written.bar - round(note.beat / written.bar)) < 1e-6:
                chord = written.chords[int(np.searchsorted(starts, note.beat + 1e-6)) - 1]
                inside.append(note.pitch % 12 in chord.pitch_classes)
    if len(inside) >= 15:
        assert np.mean(inside) >= 0.6, f"{np.mean(inside):.2f} of {len(inside)}"


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_rests_follow_the_style(name: str, leads: dict[str, list[Written]]) -> None:
    wanted = load_styles()[name].melody_rest
    rests = [1 - sum(n.length for n in w.lead) / (BARS * w.bar) for w in leads[name]]
    assert wanted - 0.12 <= float(np.mean(rests)) <= wanted + 0.27


def test_leads_stay_in_key_or_chord(leads: dict[str, list[Written]]) -> None:
    foreign = total = 0
    for name, writtens in leads.items():
        if name in ("jazz swing", "bossa nova", "soul", "funk", "boom bap", "lo-fi hip hop"):
            continue  # they approach by semitones
        for seed, written in enumerate(writtens):
            starts = [c.beat for c in written.chords]
            tones = {(p - seed) % 12 for c in written.chords for p in c.pitch_classes}
            scale = max(SCALES.values(), key=lambda s, tones=tones: len(tones & set(s)))  # type: ignore[misc]
            for note in written.lead:
                chord = written.chords[int(np.searchsorted(starts, note.beat + 1e-6)) - 1]
                total += 1
                foreign += (note.pitch - seed) % 12 not in scale and note.pitch % 12 not in chord.pitch_classes
    assert foreign / total < 0.08


def test_a_returning_section_brings_its_rhythm_back() -> None:
    """A and A2: the bars' onset patterns have more in common than A and B have."""
    back, other = [], []
    for name in STYLE_NAMES:
        if load_styles()[name].kind == "jazz":
            continue
        for seed in range(4):
            written = _write(load_styles()[name], seed)

            def rhythms(first: int, written: Written = written) -> list[frozenset[int]]:
                return [
                    frozenset(
                        round((n.beat - b * written.bar) / written.step)
                        for n in written.lead
                        if b * written.bar - 1e-6 <= n.beat < (b + 1) * written.bar - 1e-6
                    )
                    for b in range(first, first + 8)
                ]

            home = set(rhythms(4)) - {frozenset()}
            back.append(np.mean([r in home for r in rhythms(28) if r] or [0]))
            other.append(np.mean([r in home for r in rhythms(20) if r] or [0]))
    assert np.mean(back) > 0.5
    assert np.mean(back) > np.mean(other) + 0.15


def test_leads_are_functions_of_the_seed() -> None:
    style = load_styles()["indie pop"]
    assert _write(style, 7) == _write(style, 7)
    lines = {tuple((n.beat, n.pitch) for n in _write(style, 12 * seed).lead) for seed in range(8)}
    assert len(lines) == 8


@pytest.mark.parametrize("name", ["orchestral", "folk", "house", "afrobeat", "balkan"])
def test_counter_mostly_sings_in_rests_or_below(name: str, leads: dict[str, list[Written]]) -> None:
    notes = [(n, w) for w in leads[name] for n in w.counter]
    assert len(notes) > 30
    fine = 0
    for note, written in notes:
        over = [
            m for m in written.lead if m.beat < note.beat + note.length - 1e-6 and note.beat < m.beat + m.length - 1e-6
        ]
        fine += not over or note.pitch < max(m.pitch for m in over) + 1
    assert fine / len(notes) > 0.8


def test_cells_are_read_with_rests_and_starts() -> None:
    assert parse_cell("3 3 2 r8") == (None, ((0, 3), (3, 3), (6, 2)))
    assert parse_cell("@2 2 2 r2 3 3") == (None, ((2, 2), (4, 2), (8, 3), (11, 3)))
    assert parse_cell("[14] 4 4 6") == (14, ((0, 4), (4, 4), (8, 6)))


def test_cells_of_six_eight_and_waltz_are_kept_apart() -> None:
    texts = ("[12] 6 6", "[12] 4 4 4", "[12] 8 4", "[12] 4 2 4 2")
    assert cells_for(texts, 12, (6, 6)) == [((0, 6), (6, 6)), ((0, 4), (4, 2), (6, 4), (10, 2))]
    assert cells_for(texts, 12, (4, 4, 4)) == [((0, 4), (4, 4), (8, 4)), ((0, 8), (8, 4))]


OPERATIONS = (
    "literal",
    "transpose",
    "tail",
    "pitches",
    "fragment",
    "sequence",
    "answer",
    "displace",
    "invert",
    "augment",
    "diminish",
)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["3 3 2 r8", "2 2 4 4 r4", "@2 2 2 2 4 4", "12 4", "1 1 2 r4 3 3 2"]),
    st.sampled_from(OPERATIONS),
    st.integers(0, 10**6),
)
def test_operations_keep_motifs_well_formed(text: str, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cell = reshaped(parse_cell(text)[1], rng)
    motif = make_motif(cell, "arch", rng)
    assert [(n.pos, n.length) for n in motif] == list(cell)
    changed = operate(motif, name, 16, "arch", rng)
    assert changed or name == "displace"
    positions = [n.pos for n in changed]
    assert positions == sorted(set(positions))
    assert all(n.length >= 1 and n.pos >= 0 for n in changed)


def test_operations_do_what_they_are_called() -> None:
    rng = np.random.default_rng(1)
    motif = (MotifNote(0, 4, 0), MotifNote(4, 4, 2), MotifNote(8, 8, 1))
    assert operate(motif, "literal", 16, "", rng) == motif
    assert [n.offset for n in operate(motif, "invert", 16, "", rng)] == [0, -2, -1]
    assert len({n.offset - m.offset for n, m in zip(operate(motif, "transpose", 16, "", rng), motif, strict=True)}) == 1
    assert operate(motif, "augment", 16, "", rng) == (MotifNote(0, 8, 0), MotifNote(8, 8, 2))
    assert [n.pos for n in operate(motif, "diminish", 16, "", rng)] == [0, 2, 4]
    assert operate(motif, "answer", 16, "", rng)[-1].offset == 0
    assert operate(motif, "fragment", 16, "", rng) == motif[:1]
    assert operate(motif, "tail", 16, "", rng)[:2] == motif[:2]


def test_ladder_bends_to_foreign_chord_tones() -> None:
    """Over V of a minor key the seventh degree is raised; over i it is not."""
    ladder = Ladder(9, "minor", (57, 81), "folk")
    tonic = ChordSpan(0, 4, 9, (9, 0, 4), 9, "Am")
    dominant = ChordSpan(4, 4, 4, (4, 8, 11), 4, "E")
    rung = ladder.nearest(67)
    assert ladder.pitch(rung) == 67
    assert ladder.pitch(rung, tonic) == 67
    assert ladder.pitch(rung, dominant) == 68


def _parts(style: Style) -> list[Part]:
    note = [NoteEvent(0.0, 1.0, 60, 80)]
    roles = (("drums", "drums", style.kits[0]), ("bass", "bass", style.programs["bass"][0]))
    more = (("comp1", "chords", style.programs["comp1"][0]), ("lead", "lead", style.programs["lead"][0]))
    return [Part(name, group, program, list(note)) for name, group, program in roles + more] + [
        Part("pad", "other", 89)
    ]


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_captions_are_varied_and_speak_of_the_style(name: str) -> None:
    style = load_styles()[name]
    rng = np.random.default_rng(5)
    parts = _parts(style)
    texts = []
    named = 0
    for _ in range(100):
        tags = make_tags(style, style.bpm[2], style.meters[0][0], "minor", parts, rng)
        assert set(tags) == {"genre", "mood", "instruments", "tempo", "era", "production", "meter", "mode"}
        assert all(words and all(word.strip() for word in words) for words in tags.values())
        assert tags["genre"][0] == name
        text = caption(tags, rng)
        texts.append(text)
        named += any(genre.lower() in text.lower() for genre in tags["genre"])
        assert "  " not in text
        assert not text.endswith((",", " ", " with", " and", " for", " in"))
        assert not set("{}[]<>") & set(text)
        assert not {"warm pad", "synth pad"} & set(tags["instruments"]), "silent parts are not named"
    assert named >= 75
    assert len(set(texts)) > 80
    lengths = [len(text.split()) for text in texts]
    assert min(lengths) <= 3
    assert max(lengths) >= 14


def test_tags_claim_no_instrument_that_is_silent() -> None:
    rng = np.random.default_rng(2)
    jazz = load_styles()["jazz swing"]
    trumpet = [Part("lead", "lead", 56, [NoteEvent(0, 1, 60, 80)])]
    for _ in range(40):
        tags = make_tags(jazz, 150.0, (4, 4), "major", trumpet, rng)
        assert tags["instruments"] == ["trumpet"]
        assert not any(word in sound for sound in tags["production"] for word in ("sax", "piano", "ride", "brush"))
    ambient = load_styles()["ambient"]
    drummed = make_tags(ambient, 64.0, (4, 4), "major", _parts(ambient), rng)
    assert not {"no drums", "beatless"} & set(drummed["production"])


def test_every_program_of_the_tables_has_a_word() -> None:
    used = {p for style in load_styles().values() for programs in style.programs.values() for p in programs}
    assert used <= set(INSTRUMENTS)


def test_phrases_lead_to_every_style_and_to_one_only() -> None:
    phrases = style_phrases()
    assert tuple(phrases) == STYLE_NAMES
    owners: dict[str, set[str]] = {}
    for name, texts in phrases.items():
        assert 20 <= len(texts) <= 40
        assert texts[0] == name
        assert len(set(texts)) == len(texts)
        for text in texts:
            owners.setdefault(text.lower(), set()).add(name)
    shared = {text: names for text, names in owners.items() if len(names) > 1}
    assert len(shared) <= 6, shared
