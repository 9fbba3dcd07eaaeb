"""What the second composer does against literal repetition: chords that turn in later phrases, freer jazz time.

Rock and folk go round four chords: from the second phrase of a section on some of them change places or are
borrowed from elsewhere in the section, so that all parts that follow the chords change with them. Jazz rides
and walks by one pattern: its time is broken now and then, the bass skips or rests on halves, chords fall elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.training.corpus.drums import DrumHit
from engine.training.corpus.song import ChordSpan, NoteEvent, Section

TURNING = frozenset({10, 19})
"""Numbers of the styles whose chords turn: rock, folk."""
JAZZ = 15
_EPS = 1e-6
_RIDES = (
    (0, 4, 6, 8, 12, 14), (0, 4, 8, 12), (0, 4, 6, 8, 12), (0, 6, 8, 14), (2, 4, 8, 10, 12), (0, 4, 10, 14), (0, 8), (2, 6, 10, 14),
    (0, 6, 10, 12),
)  # fmt: skip
_RIDE_ODDS = (0.2, 0.12, 0.14, 0.1, 0.1, 0.1, 0.1, 0.07, 0.07)
_KEPT = {"P": 0.65, "K": 0.5}
"""Chance of a bar that the pedal hat stays, and that the kick is feathered."""


def turned(chords: list[ChordSpan], sections: list[Section], bar: float, rng: np.random.Generator) -> list[ChordSpan]:
    """Chords of a song whose later phrases differ; the last bar of a section keeps its own."""
    whole = {round(c.beat / bar): c for c in chords if _fills_a_bar(c, bar)}
    for section in sections:
        bars = [b for b in range(section.first_bar, section.first_bar + section.bars - 1) if b in whole]
        borrowed = [whole[b] for b in bars]
        for phrase in range(1, -(-section.bars // 4)):
            first = section.first_bar + 4 * phrase
            here = [b for b in range(first, first + 4) if b in whole and b in bars]
            _turn(whole, here, borrowed, phrase, rng)
    return [whole[round(c.beat / bar)] if _fills_a_bar(c, bar) else c for c in chords]


def _fills_a_bar(chord: ChordSpan, bar: float) -> bool:
    place = chord.beat / bar
    return abs(chord.length - bar) < _EPS and abs(place - round(place)) < _EPS


def _turn(
    whole: dict[int, ChordSpan], here: list[int], borrowed: list[ChordSpan], phrase: int, rng: np.random.Generator
) -> None:
    """One phrase: two neighbours change places, or one chord is another of the section's; both in odd phrases."""
    kind = rng.random()
    if len(here) >= 3 and (kind < 0.55 or phrase % 2):
        one = here[int(rng.integers(1, len(here) - 1))]
        other = here[here.index(one) + 1]
        whole[one], whole[other] = _moved(whole[other], whole[one]), _moved(whole[one], whole[other])
    if here and (kind >= 0.4 or phrase % 2):
        bar = here[int(rng.integers(len(here)))]
        around = {whole[b].root for b in (bar - 1, bar, bar + 1) if b in whole}
        fresh = [chord for chord in borrowed if chord.root not in around]
        if fresh:
            whole[bar] = _moved(fresh[int(rng.integers(len(fresh)))], whole[bar])


def _moved(chord: ChordSpan, to: ChordSpan) -> ChordSpan:
    return replace(chord, beat=to.beat, length=to.length)


def broken_time(hits: list[DrumHit], bars: int, steps: int, rng: np.random.Generator) -> list[DrumHit]:
    """4/4 bars whose ride (or brushes) has another of its patterns and accents, now and then without hat or feathered kick."""
    if steps != 16:
        return hits
    ride = max("RHJ", key=lambda letter: sum(hit.letter == letter for hit in hits))
    out: list[DrumHit] = []
    for bar in range(bars):
        here = [hit for hit in hits if bar * steps <= hit.step < (bar + 1) * steps]
        riding = [hit for hit in here if hit.letter == ride and not hit.step % 1]
        quiet = {letter for letter, chance in _KEPT.items() if rng.random() > chance and letter != ride}
        out += [
            h for h in here if h not in riding and not (h.letter in quiet and h.digit <= (9 if h.letter == "P" else 4))
        ]
        if not riding:
            continue
        usual = float(np.mean([hit.digit for hit in riding]))
        for place in _RIDES[int(rng.choice(len(_RIDES), p=_RIDE_ODDS))]:
            accent = 1.0 if place in (4, 12) else -0.5 if place % 4 else 0.0
            digit = float(np.clip(usual + accent + rng.normal(0.0, 1.4), 2.0, 9.0))
            out.append(DrumHit(bar * steps + place, ride, digit))
    return sorted(out, key=lambda hit: (hit.step, hit.letter))


def freer_bass(notes: list[NoteEvent], bar: float, rng: np.random.Generator) -> list[NoteEvent]:
    """A walking line with bars in two, skips before a beat and softer or stronger beats."""
    out: list[NoteEvent] = []
    for number in sorted({int(note.beat / bar + _EPS) for note in notes}):
        here = [n for n in notes if int(n.beat / bar + _EPS) == number]
        in_two, skips = rng.random() < 0.28, rng.random() < 0.55
        if in_two and len(here) >= 4:
            kept = [n for n in here if round(n.beat - number * bar) in (0, 2)] or here[:1]
            ends = [n.beat for n in kept[1:]] + [(number + 1) * bar]
            here = [replace(n, length=0.92 * (end - n.beat)) for n, end in zip(kept, ends, strict=True)]
        elif skips and len(here) >= 3:
            at = here[int(rng.integers(len(here) - 1))]
            if at.length > 0.6:
                cut = replace(at, length=0.45)
                ghost = replace(at, beat=at.beat + 0.5, length=0.3, velocity=max(20, round(0.7 * at.velocity)))
                here = [cut if n is at else n for n in here] + [ghost]
        out += [replace(n, velocity=int(np.clip(n.velocity * rng.uniform(0.75, 1.15), 20, 126))) for n in here]
    return sorted(out, key=lambda n: (n.beat, n.pitch))


def freer_comp(notes: list[NoteEvent], chords: list[ChordSpan], rng: np.random.Generator) -> list[NoteEvent]:
    """Struck chords an eighth later or left out, as long as the harmony they were written for lasts."""
    ends = np.array([chord.beat + chord.length for chord in chords])
    out: list[NoteEvent] = []
    for beat in sorted({note.beat for note in notes}):
        struck = [n for n in notes if n.beat == beat]
        if struck[0].length > 1.5:
            out += struck
            continue
        end = float(ends[min(len(ends) - 1, int(np.searchsorted(ends, beat + _EPS, side="right")))])
        kind = rng.random()
        if kind < 0.22:
            continue
        if kind < 0.5 and beat + 1.0 <= end:
            struck = [replace(n, beat=n.beat + 0.5, length=min(n.length, 0.5)) for n in struck]
        louder = float(rng.uniform(0.8, 1.2))
        out += [replace(n, velocity=int(np.clip(n.velocity * louder, 15, 126))) for n in struck]
    return _apart(sorted(out, key=lambda n: (n.beat, n.pitch)))


def freer_lead(
    notes: list[NoteEvent], sections: list[Section], bar: float, rng: np.random.Generator
) -> list[NoteEvent]:
    """A line whose sections after the first run some notes into longer ones and lean on others."""
    first = (sections[0].first_bar + sections[0].bars) * bar
    out: list[NoteEvent] = []
    for note in notes:
        before = out[-1] if out else None
        touches = (
            before is not None and note.beat - before.beat - before.length < 0.26 and note.beat - before.beat < 1.01
        )
        if before is not None and touches and note.beat >= first and note.beat % 1.0 > _EPS and rng.random() < 0.3:
            out[-1] = replace(before, length=note.beat + note.length - before.beat)
            continue
        lean = float(rng.uniform(0.8, 1.18)) if note.beat >= first else 1.0
        out.append(replace(note, velocity=int(np.clip(note.velocity * lean, 15, 126))))
    return out


def _apart(notes: list[NoteEvent]) -> list[NoteEvent]:
    """A key struck where it still sounds ends what sounded; two on one place become one."""
    by_key: dict[int, NoteEvent] = {}
    out: list[NoteEvent] = []
    for note in notes:
        before = by_key.get(note.pitch)
        if before is not None and note.beat - before.beat < _EPS:
            continue
        if before is not None and before.beat + before.length > note.beat:
            out[out.index(before)] = replace(before, length=note.beat - before.beat)
        by_key[note.pitch] = note
        out.append(note)
    return out
