"""Which notes the lows are taken to: those of key and chord go before others, and what is clearly foreign stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.models import conditions as K
from engine.models import lownotes
from engine.models import lows as L
from engine.models.lownotes import LowNotes, leads
from engine.render.condition import PromptSense, gather, place_of
from engine.render.decode import Decoder
from engine.render.past import Pasts
from engine.types import Only, Request, Strengths, Stretch
from tests.tiny_bundle import untrained

C_MAJOR, F_CHORD, OPEN = (0, 2, 4, 5, 7, 9, 11), (5, 9, 0), ()
C2 = 36 - 69


def told(scale: tuple[int, ...], chord: tuple[int, ...], frames: int = 1) -> np.ndarray:
    """Leads [frames, 12]."""
    table = np.zeros((2, 12), np.float32)
    table[0, list(scale)], table[1, list(chord)] = 1.0, 1.0
    found = leads(table[0], table[1:].repeat(frames, axis=0))
    return np.zeros((frames, 12), np.float32) if found is None else found


def taken(midi: list[float], scale: tuple[int, ...] = C_MAJOR, chord: tuple[int, ...] = OPEN) -> list[float]:
    """MIDI notes of one peak over frames."""
    pitch = np.array(midi, np.float32)[:, None] - 69
    return [float(note) + 69 for note in LowNotes(told(scale, chord, len(midi))).of(pitch)[:, 0]]


@pytest.mark.parametrize(
    ("midi", "scale", "chord", "wanted"),
    [
        (36.4, C_MAJOR, OPEN, 36.0),
        (36.7, C_MAJOR, OPEN, 36.0),  # nearer to C#, which is foreign
        (36.8, C_MAJOR, OPEN, 37.0),  # clearly C#: a chromatic note stays
        (39.6, C_MAJOR, OPEN, 40.0),
        (40.55, C_MAJOR, OPEN, 41.0),  # between two notes of the scale: the nearest
        (40.45, C_MAJOR, F_CHORD, 41.0),  # ... unless one of them is the chord's
        (40.3, C_MAJOR, F_CHORD, 40.0),
        (42.3, C_MAJOR, (6, 10, 1), 42.0),  # a chord outside of the key
        (36.7, OPEN, OPEN, 37.0),  # nothing is told
        (36.7, OPEN, (0, 4, 7), 36.0),  # a chord without a key
    ],
)
def test_notes_of_chord_and_scale_go_before_others(midi: float, scale: tuple, chord: tuple, wanted: float) -> None:
    assert taken([midi], scale, chord) == [wanted]


def test_a_held_note_does_not_flip_and_gives_way_to_a_clear_step() -> None:
    assert taken([40.3, 40.55, 40.6, 40.45]) == [40, 40, 40, 40]
    assert taken([40.3, 40.55, 40.7]) == [40, 40, 41]
    assert taken([36.0, 36.5, 36.95, 37.0]) == [36, 36, 37, 37]  # a chromatic step after a note of the scale
    assert taken([37.0, 36.7]) == [37, 36]  # a foreign note is not held
    assert taken([40.4, 41.6, 40.55]) == [40, 41, 41]  # a leap is another peak


@given(st.floats(28, 60, allow_subnormal=False), st.lists(st.booleans(), min_size=24, max_size=24))
def test_no_peak_is_moved_away_from_a_note_that_it_lies_on(midi: float, told_notes: list[bool]) -> None:
    scale = tuple(n for n in range(12) if told_notes[n])
    chord = tuple(n for n in range(12) if told_notes[12 + n])
    for before in (-1, 0, 1):
        note = taken([round(midi) + before * 0.6, midi], scale, chord)[-1]
        assert abs(note - midi) <= 0.5 + lownotes.HELD_CENTS / 200 + 1e-4
        if abs(midi - round(midi)) < 0.09:
            assert note == round(midi)


def test_where_nothing_is_told_each_bit_is_that_of_the_nearest_note() -> None:
    rng = np.random.default_rng(3)
    hertz = np.exp(rng.uniform(np.log(32), np.log(320), (200, 9))).astype(np.float32)
    silent = LowNotes(np.zeros((200, 12), np.float32))
    np.testing.assert_array_equal(L.in_tune(hertz, 12.0, silent), L.in_tune(hertz, 12.0))
    assert leads(np.zeros(12), np.zeros((4, 12))) is None
    known = np.zeros((200, 12), np.float32)
    known[100:] = told(C_MAJOR, OPEN)
    found, plain = L.in_tune(hertz, 12.0, LowNotes(known)), L.in_tune(hertz, 12.0)
    np.testing.assert_array_equal(found[:100], plain[:100])
    assert (found[100:] != plain[100:]).mean() > 0.05


def test_notes_stand_on_the_tuning_of_the_context() -> None:
    c_sharp = 440 * 2 ** ((37 + 0.2 - 0.35 - 69) / 12)
    hertz = np.array([[c_sharp]], np.float32)
    assert L.in_tune(hertz, 20.0, LowNotes(told(C_MAJOR, OPEN)))[0, 0] == pytest.approx(440 * 2 ** ((36.2 - 69) / 12))


def test_cuts_change_no_note() -> None:
    """Also where pieces have more peaks than others, and past the last frame that is told."""
    rng = np.random.default_rng(5)
    low = np.cumsum(rng.normal(size=(120, 81)), axis=0).astype(np.float32) - 30
    lead = told(C_MAJOR, F_CHORD, 90)
    lead[40:60] = 0.0
    whole = L.advances(low, 0.0, LowNotes(lead))
    notes, first = LowNotes(lead), 0
    for count in (1, 7, 30, 2, 50, 30):
        found = L.advances(low[first : first + count], 0.0, notes)
        np.testing.assert_array_equal(found, whole[first : first + count, : found.shape[1]])
        assert (whole[first : first + count, found.shape[1] :] == L.NOWHERE).all()
        first += count


def test_what_is_told_is_read_back_from_the_conditions() -> None:
    chroma = np.zeros((16, 12), np.float32)
    chroma[8:, list(F_CHORD)] = 1.0
    frames = K.frame_features(K.FrameTargets(chroma=chroma, melody=np.full(16, 61)), 16)
    overall = K.global_features(40, np.ones(40, np.float32), ("bass", "drums"), (0, "major"), 120.0)
    scale, chords = K.told_notes(frames, overall)
    assert tuple(np.flatnonzero(scale)) == C_MAJOR
    np.testing.assert_array_equal(chords, chroma)
    scale, chords = K.told_notes(K.frame_features(K.FrameTargets(), 16), K.global_features(40))
    assert leads(scale, chords) is None


def test_a_decoder_reads_the_leads_from_where_it_speaks_and_is_the_same_in_pieces() -> None:
    networks = untrained()
    made = torch.randn(24, 64, generator=torch.Generator().manual_seed(1))

    def spoken(lead: np.ndarray | None, sizes: tuple[int, ...]) -> np.ndarray:
        decoder = Decoder(networks.codec, networks.vocoder, made[:4], 7, None, 0.0, unheard=16, low_leads=lead)
        decoder.push(made[4:], last=True)
        return np.concatenate([decoder.speak(size) for size in sizes])

    plain, lead = spoken(None, (176,)), told(C_MAJOR, F_CHORD, 192)
    np.testing.assert_array_equal(spoken(0 * lead, (176,)), plain)
    lead[16 + 80 :] = 0.0
    lead[:16] = 0.0
    whole = spoken(lead, (176,))
    assert not np.array_equal(whole, plain)
    cut = spoken(lead, (11, 5, 28, 50, 50, 32))
    assert np.square(whole - cut).mean() < 1e-6 * np.square(whole).mean()
    lead[16 : 16 + 80] = 0.0
    np.testing.assert_array_equal(spoken(lead, (176,)), plain)


def asked_leads(**told_too: object) -> np.ndarray | None:
    """Leads of two new bars at 120, a second before them included."""
    request = Request(id="bass", kind="generate", bars=2, tempo="120", seed=1, **told_too)
    networks = untrained()
    sense = PromptSense(networks.student.config.prompt, None, -20.0)
    return gather(request, place_of(request, None), Pasts(networks), sense).low_leads


def test_what_a_request_switches_off_or_says_nowhere_does_not_act() -> None:
    assert asked_leads() is None
    assert asked_leads(chords="Dm", strengths=Strengths(chords=0.0)) is None
    key = asked_leads(key="C major", strengths=Strengths(chords=0.0))
    assert key is not None and set(np.unique(key)) == {0.0, lownotes.SCALE_CENTS}
    both = asked_leads(key="C major", chords="Dm")
    assert both is not None
    assert both[-20].tolist() == [50, 0, 70, 0, 50, 70, 0, 50, 0, 70, 0, 50]
    assert both[0].tolist() == [50, 0, 50, 0, 50, 50, 0, 50, 0, 50, 0, 50], "nothing is said of what lies before"
    part = asked_leads(chords="Dm", only=Only(chords=Stretch(begin=4.0, end=8.0)))
    assert part is not None and not part[: len(part) // 2].any() and part[-20].max() == lownotes.CHORD_CENTS
