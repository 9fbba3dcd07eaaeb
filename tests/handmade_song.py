"""A small song written by hand, for tests of the corpus renderer."""

from __future__ import annotations

from fractions import Fraction

from engine.training.corpus.song import (
    ChordSpan,
    ControlEvent,
    MixSettings,
    NoteEvent,
    Part,
    Section,
    Song,
)


def handmade_song(bars: int = 8, tempo: Fraction = Fraction(7200, 61), meter: tuple[int, int] = (4, 4)) -> Song:
    """Drums, bass, chords, lead and a pad over two chords; every part plays in every bar."""
    length = 4.0 * meter[0] / meter[1]
    halves = int(2 * length)
    starts = [bar * length for bar in range(bars)]
    drums = [
        NoteEvent(start + step / 2, 0.25, 36 if step % 4 == 0 else 42, 110 if step % 4 == 0 else 80, 3.0)
        for start in starts
        for step in range(halves)
    ] + [NoteEvent(start + 1.0, 0.25, 38, 105, -4.0) for start in starts]
    roots = [(9, (9, 0, 4)), (5, (5, 9, 0))]
    chords = [ChordSpan(start, length, *roots[bar % 2], roots[bar % 2][0], "x") for bar, start in enumerate(starts)]
    bass = [NoteEvent(c.beat, length * 0.9, 36 + c.root - 12 * (c.root > 7), 100) for c in chords]
    comp = [NoteEvent(c.beat, length * 0.8, 60 + pc, 80) for c in chords for pc in c.pitch_classes]
    lead = [NoteEvent(c.beat + 0.5 * i, 0.4, 72 + i, 95, 5.0) for c in chords for i in range(4)]
    pad = [NoteEvent(c.beat, length, 55 + c.root % 12, 70) for c in chords]
    groups = (Fraction(3, 2),) * (meter[0] // 3) if meter[1] == 8 else (Fraction(1),) * meter[0]
    return Song(
        seed=7, style="handmade", tempo=tempo, meter=meter, key_root=9, mode="minor", bars=bars,
        sections=[Section("A", 0, bars // 2, -3.0), Section("B", bars // 2, bars - bars // 2, 0.0)],
        chords=chords,
        parts=[
            Part("kit", "drums", 0, drums),
            Part("bass", "bass", 33, bass, gain_db=-2.0, duck_db=3.0),
            Part("keys", "chords", 4, comp, gain_db=-7.0, pan=0.3, chorus=0.3, delay_send_db=-18.0),
            Part("lead", "lead", 81, lead, [ControlEvent(0.0, -1, 0.0)], gain_db=-3.0, drive_db=3.0),
            Part("pad", "other", 89, pad, gain_db=-11.0, reverb_send_db=-8.0, lowpass_hz=4000.0),
        ],
        melody=lead, beat_groups=groups, swing=0.5, mix=MixSettings(tape=0.2), tags={"genre": ["house"]},
    )  # fmt: skip
