"""Generated twins of held-out excerpts: caption, tempo, meter, key and parts of a held-out clip, nothing of its sound.

One render of each serves timing, bass, keys and texture. The key is moved by a random interval, so that
style and key cannot go together; every second twin is told the clip's chords, moved alike. Twins, and the
clips through codec and vocoder, are kept in OUT/twins as FLAC, and made anew for another bundle.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from engine.models.conditions import mode_pitch_classes
from engine.training.metrics import targets
from engine.training.metrics.bench import FIRST_SEED, FRAME_SAMPLES, Bench, Song
from engine.training.windows import PRESENT_SHARE
from engine.types import MODEL_RATE_HZ, PART_NAMES, Audio, Part, PromptPart, Request
from engine.whole import whole

CLIPS = 50
SECONDS = 10.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Excerpt:
    """Bars of a held-out song, and the request for its twin. shift: semitones from its key to the twin's."""

    index: int
    song: Song
    first_bar: int
    bars: int
    shift: int

    @property
    def name(self) -> str:
        return f"twin-{self.index}"

    @property
    def first(self) -> int:
        return self.song.line(self.first_bar)

    @property
    def last(self) -> int:
        return self.song.line(self.first_bar + self.bars)

    @property
    def chords_given(self) -> bool:
        return bool(self.index % 2)

    def audio(self) -> Audio:
        return self.song.audio(self.first, self.last)

    def frames(self, name: str) -> np.ndarray:
        """A stored per-frame array over the excerpt."""
        return self.song.array(name)[round(self.first / FRAME_SAMPLES) : round(self.last / FRAME_SAMPLES)]

    def events(self) -> Array:
        """Written drums [n, 2] inside the excerpt: ms from its first bar line, General MIDI key."""
        events = self.song.array("onsets_ms").astype(np.float64)
        events[:, 0] -= 1000.0 * self.first / MODEL_RATE_HZ
        return events[(events[:, 0] >= 0) & (events[:, 0] < 1000.0 * (self.last - self.first) / MODEL_RATE_HZ)]

    def key(self, shift: int = 0) -> tuple[int, str]:
        """(root, mode) at the excerpt's middle, moved by `shift`."""
        root, mode = key_at(self.song, self.first_bar + self.bars / 2)
        return (root + shift) % 12, mode

    def pitch_classes(self, shift: int = 0) -> tuple[int, ...]:
        """The key's notes, moved by `shift`."""
        return mode_pitch_classes(*self.key(shift))

    def chroma(self, shift: int = 0) -> NDArray[np.uint8]:
        """Chord notes [T, 12] per feature frame, moved by `shift`."""
        return np.roll(self.frames("chroma"), shift, axis=1)

    def request(self) -> Request:
        facts = self.song.facts
        present = self.frames("presence").mean(axis=0)
        captions = facts["captions"]
        heard = (name for name, on in zip(PART_NAMES, present, strict=True) if on > PRESENT_SHARE)
        parts = tuple(cast(Part, name) for name in heard)
        chords = targets.chords_of(self.song, self.first_bar, self.bars, self.shift) if self.chords_given else ""
        return Request(
            id=self.name, kind="generate", bars=self.bars, tempo=facts["tempo"], meter=self.song.meter,
            seed=FIRST_SEED + self.index, prompts=(PromptPart(text=captions[self.index % len(captions)]),),
            key=targets.key_name(*self.key(self.shift)), chords=chords or None,
            parts=parts or None,
        )  # fmt: skip


def key_at(song: Song, bar: float) -> tuple[int, str]:
    """(root, mode) of a song at a bar; songs that change key list where."""
    found = (song.facts["key_root"], song.facts["mode"])
    for first, root, mode in song.facts.get("keys", ()):
        if first <= bar:
            found = (root, mode)
    return int(found[0]), str(found[1])


def excerpts(songs: list[Song], count: int) -> list[Excerpt]:
    """`count` excerpts of about 10 s, in turn from the songs' beginnings, middles and ends, loud enough to be music."""
    rng = np.random.default_rng(FIRST_SEED)
    found = []
    for index in range(count):
        song = songs[index % len(songs) if count > len(songs) else index * len(songs) // count]
        bars = max(1, min(song.bars, round(SECONDS / song.bar_seconds)))
        starts = range(song.bars - bars + 1)
        first_bar = starts[round((0.5, 0.1, 0.9)[(index // len(songs)) % 3] * (len(starts) - 1))]
        found.append(Excerpt(index, song, first_bar, bars, int(rng.integers(-5, 7))))
    return found


def of(bench: Bench) -> list[Excerpt]:
    return excerpts(bench.songs, bench.scaled(CLIPS))


def twin(bench: Bench, excerpt: Excerpt) -> Audio:
    """The generated twin, as long as the excerpt."""
    return _kept(bench, f"{excerpt.name}.flac", lambda: bench.render(excerpt.request()))


def coded(bench: Bench, excerpt: Excerpt) -> Audio:
    """The excerpt through codec and vocoder."""
    return _kept(bench, f"{excerpt.name}-coded.flac", lambda: bench.reconstructed(excerpt.audio()))


def _kept(bench: Bench, name: str, make: Callable[[], Audio]) -> Audio:
    """Read OUT/twins/name, or make and keep it (16 bit)."""
    import soundfile

    path = _folder(bench) / name
    if not path.is_file():
        with whole(path) as part:
            soundfile.write(part, make().clip(-1.0, 1.0), MODEL_RATE_HZ, format="FLAC", subtype="PCM_16")
    return np.asarray(soundfile.read(path, dtype="float32", always_2d=True)[0], np.float32)


def _folder(bench: Bench) -> Path:
    """OUT/twins, emptied if it holds another bundle's or other songs'."""
    folder = bench.out / "twins"
    about: dict[str, Any] = {
        "files": bench.renderer.source.manifest["files"],
        "songs": [song.path.name for song in bench.songs],
        "clips": bench.scaled(CLIPS),
    }
    text = json.dumps(about, sort_keys=True)
    marker = folder / "about.json"
    if not marker.is_file() or marker.read_text() != text:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("twin-*"):
            path.unlink()
        marker.write_text(text)
    return folder
