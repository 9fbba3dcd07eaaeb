"""A contiguous cut of a song."""

from __future__ import annotations

from dataclasses import replace

from engine.training.corpus import keyplan, tempomap
from engine.training.corpus.song import NoteEvent, Section, Song


def excerpt(song: Song, first_bar: int, bars: int) -> Song:
    """A contiguous cut of whole bars with beats from 0. Notes that began before are gone, others end with it.

    AssertionError if the cut lies outside the song.
    """
    assert bars > 0
    assert 0 <= first_bar <= song.bars - bars, f"bars {first_bar}+{bars} of {song.bars}"
    start, end = float(first_bar * song.bar_beats), float((first_bar + bars) * song.bar_beats)

    def cut(notes: list[NoteEvent]) -> list[NoteEvent]:
        return [_shifted(n, start, end) for n in notes if start - 1e-6 <= n.beat < end - 1e-6]

    parts = [
        replace(
            part,
            notes=cut(part.notes),
            controls=[replace(c, beat=c.beat - start) for c in part.controls if start <= c.beat < end],
        )
        for part in song.parts
    ]
    chords = [
        replace(c, beat=max(c.beat, start) - start, length=min(c.beat + c.length, end) - max(c.beat, start))
        for c in song.chords
        if c.beat < end - 1e-6 and c.beat + c.length > start + 1e-6
    ]
    keys = keyplan.cut(song.keys, first_bar, bars)
    root, mode = keyplan.main_key(keys, bars) if keys else (song.key_root, song.mode)
    return replace(
        song,
        key_root=root,
        mode=mode,
        keys=keys,
        bars=bars,
        sections=_cut_sections(song.sections, first_bar, bars),
        slower=tempomap.cut(song.slower, first_bar * song.bar_beats, bars * song.bar_beats),
        chords=chords,
        parts=[p for p in parts if p.notes],
        melody=cut(song.melody),
    )


def _shifted(note: NoteEvent, start: float, end: float) -> NoteEvent:
    beat = max(0.0, note.beat - start)
    offset = max(0.0, note.offset_ms) if beat < 0.02 else note.offset_ms
    return replace(note, beat=beat, length=min(note.length, end - note.beat), offset_ms=offset)


def _cut_sections(sections: list[Section], first_bar: int, bars: int) -> list[Section]:
    out = []
    for section in sections:
        first = max(section.first_bar, first_bar)
        end = min(section.first_bar + section.bars, first_bar + bars)
        if end > first:
            out.append(replace(section, first_bar=first - first_bar, bars=end - first))
    return out
