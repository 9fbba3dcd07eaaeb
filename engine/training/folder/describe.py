"""Captions for a sound: a user's own sentences, or a few made of folder names, name words, tags, tempo and key."""

from __future__ import annotations

from engine.training.folder.grid import Grid
from engine.training.folder.hints import Hints

NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
TEMPO_WORDS = ((76, "very slow"), (96, "slow"), (116, "mid-tempo"), (136, "upbeat"), (156, "fast"), (401, "very fast"))
SURE = 0.5


def key_name(root: int, mode: str) -> str:
    return f"{NOTES[root]} {mode}"


def tempo_word(bpm: float) -> str:
    return next(word for limit, word in TEMPO_WORDS if bpm < limit)


def captions(hints: Hints, grid: Grid, key: tuple[int, str, float] | None) -> list[str]:
    """One to five captions. A user's own stand alone; without any word at all, tempo and key remain."""
    if hints.captions:
        return list(hints.captions)
    words = ", ".join(hints.words)
    details = []
    if grid.tempo_sure >= SURE:
        details = [f"{tempo_word(float(grid.tempo))}, {round(float(grid.tempo))} bpm"]
    if key is not None and key[2] >= SURE:
        details.append(f"in {key_name(key[0], key[1])}")
    if not words:
        return [", ".join(["music", *details])]
    made = [words, " ".join(hints.words[:4]), hints.words[0]]
    made += [f"{words}, {detail}" for detail in details]
    return list(dict.fromkeys(made))


def tags(hints: Hints, style: str, grid: Grid) -> dict[str, list[str]]:
    """Tags of the kinds that the corpus' songs have; every kind holds something a caption can say."""
    words = [word for word in hints.words if word != style]
    return {
        "genre": [style],
        "mood": words[:4] or [style],
        "instruments": words[:4] or ["sounds"],
        "tempo": [tempo_word(float(grid.tempo)), f"{round(float(grid.tempo))} bpm"],
        "era": [style],
        "production": words[4:8] or [style],
        "meter": [str(grid.meter)],
        "mode": [style],
    }
