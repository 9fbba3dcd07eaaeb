"""Composed songs as plans: what the planner learns from. No audio; scores are made a hundred times faster than sound.

Seeds of songs lie above 2^32, where no song of a rendered corpus has its own; those that are held out lie above 2^34.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from engine.controls.harmony import MODES
from engine.controls.keyed import NAMES
from engine.planning import chords as C
from engine.planning import drums as D
from engine.planning import tokens as T
from engine.timing import Meter
from engine.training.corpus.captions import caption
from engine.training.corpus.song import NoteEvent, Song
from engine.training.corpus.stylekeys import section_family
from engine.types import PART_NAMES, Note, Part, PlanBar, PlanChord

CAPTIONS = 1
TRAIN_SEED, HELD_OUT_SEED = 2**33, 2**34
LEVEL = (-16.15, 0.58, 0.91, 1.18)
"""dBFS of a bar: constant, per dB of its section's level, per LU of the song's loudness above -12, per part beyond two.
Fitted by `fit_level` on 101 rendered songs (error 2.7 dB; on 30 held-out songs 3.3 dB, of a constant 6.8 dB)."""


@dataclass(frozen=True)
class Score:
    """A song as the planner sees it. key: of the first bar; captions: what a listener might ask for."""

    style: str
    captions: tuple[str, ...]
    tempo: float
    meter: Meter
    key: T.Key
    bars: tuple[PlanBar, ...]

    def events(self) -> T.Events:
        return T.encode(self.bars, [self.meter] * len(self.bars), self.key)


def score_of(song: Song, levels_db: Iterable[float] | None = None) -> Score:
    """The plan that a composed song follows. levels_db: what was measured of each bar, else what its score leads to."""
    meter = Meter(*song.meter)
    levels = level_features(song) @ np.array(LEVEL) if levels_db is None else np.array(list(levels_db))
    lead, hits = _by_bar(song, song.melody), _hits(song, meter)
    playing, keys = _playing(song), _keys(song)
    chords = _chords(song)
    sections = [section_family(s.name) for s in song.sections for _ in range(s.bars)]
    bars = []
    for bar in range(song.bars):
        kind, density = D.kind_of(hits[bar], meter)
        bars.append(
            PlanBar(
                section=sections[bar],
                key=C.key_name(*keys[bar]),
                chords=chords[bar],
                melody=tuple(lead[bar]),
                drums=kind,
                drum_density=density,
                parts=playing[bar],
                intensity_db=float(np.clip(levels[bar], -60.0, 6.0)),
            )
        )
    rng = np.random.default_rng([song.seed, 0x706C616E])
    captions = tuple(caption(song.tags, rng) for _ in range(CAPTIONS))
    return Score(song.style, captions, float(song.tempo), meter, T.Key(*keys[0]), tuple(bars))


def _place(song: Song, beat: float) -> tuple[int, float]:
    """(bar, beat from its line) of the sixteenth next to a beat."""
    quarters = float(song.bar_beats)
    snapped = int(beat * 4 + 0.5) / 4
    bar = min(song.bars - 1, int((snapped + 1e-9) // quarters))
    return bar, max(0.0, snapped - bar * quarters)


def _by_bar(song: Song, notes: Iterable[NoteEvent]) -> dict[int, list[Note]]:
    found: defaultdict[int, list[Note]] = defaultdict(list)
    for n in sorted(notes, key=lambda n: n.beat):
        bar, beat = _place(song, n.beat)
        length = max(1, round(n.length * 4 + 0.2)) / 4  # what the player cut short was written longer
        found[bar].append(Note(pitch=n.pitch, beat=beat, length=length, velocity=n.velocity))
    return found


def _hits(song: Song, meter: Meter) -> dict[int, list[D.Hit]]:
    found: defaultdict[int, list[D.Hit]] = defaultdict(list)
    for part in song.parts:
        for note in part.notes if part.group == "drums" else ():
            bar, beat = _place(song, note.beat)
            found[bar].append((beat, note.pitch, note.velocity))
    return found


def _playing(song: Song) -> list[tuple[Part, ...]]:
    """Which groups sound in each bar."""
    quarters = float(song.bar_beats)
    heard = np.zeros((song.bars, len(PART_NAMES)), bool)
    for part in song.parts:
        group = PART_NAMES.index(cast(Part, part.group))
        for note in part.notes:
            first = int((note.beat + 0.05) // quarters)
            last = int((note.beat + max(0.0, note.length - 0.3)) // quarters)
            heard[max(0, first) : max(first, last) + 1, group] = True
    return [cast(tuple[Part, ...], tuple(n for n, on in zip(PART_NAMES, row, strict=True) if on)) for row in heard]


def _keys(song: Song) -> list[tuple[int, str]]:
    keys = song.keys or [(0, song.key_root, song.mode)]
    ends = [first for first, _, _ in keys[1:]] + [song.bars]
    found: list[tuple[int, str]] = []
    for (_, root, mode), end in zip(keys, ends, strict=True):
        found += [(root, mode if mode in MODES else "minor")] * (end - len(found))
    return found


def _chords(song: Song) -> list[tuple[PlanChord, ...]]:
    """Each bar's chords; one that is held from the bar before stands on the line."""
    quarters = float(song.bar_beats)
    found: list[dict[float, str]] = [{} for _ in range(song.bars)]
    for span in song.chords:
        name = _spelt(span.name, span.root, span.bass)
        first, beat = _place(song, span.beat)
        found[first][beat] = name
        end = span.beat + span.length
        for bar in range(first + 1, min(song.bars, int(np.ceil(end / quarters - 1e-6)))):
            found[bar].setdefault(0.0, name)
    return [tuple(PlanChord(beat=b, name=n) for b, n in sorted(bar.items())) for bar in found]


def _spelt(name: str, root: int, bass: int) -> str:
    """A chord's name as tokens spell it."""
    _, quality, above = C.relative(name.partition("/")[0] + (f"/{NAMES[bass]}" if bass != root else ""), root)
    return C.absolute(0, quality, above, root)


# ---- levels ------------------------------------------------------------------------------------


def level_features(song: Song) -> NDArray[np.float64]:
    """[bars, 4]: 1, the section's level in dB, the song's loudness from -12 LUFS, parts that play beyond two."""
    levels = [s.level_db for s in song.sections for _ in range(s.bars)]
    parts = [len(playing) - 2.0 for playing in _playing(song)]
    loudness = song.mix.loudness_lufs + 12.0
    return np.array([[1.0, level, loudness, count] for level, count in zip(levels, parts, strict=True)])


def fit_level(songs: Iterable[tuple[Song, list[float]]]) -> tuple[NDArray[np.float64], float]:
    """(LEVEL, root mean square error in dB) by least squares over songs with the measured dBFS of each bar."""
    rows, levels = zip(*((level_features(song), np.array(measured)) for song, measured in songs), strict=True)
    features, wanted = np.concatenate(rows), np.concatenate(levels)
    found, *_ = np.linalg.lstsq(features, wanted, rcond=None)
    return found, float(np.sqrt(np.mean((features @ found - wanted) ** 2)))
