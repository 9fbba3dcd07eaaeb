"""Timing, bass, keys, texture, seams, codec and the melody probe, run on an untrained bundle and made-up songs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from engine.render.generate import ModelRenderer
from engine.render.load import load_renderer
from engine.timing import TempoMap
from engine.training.corpus import sample
from engine.training.corpus.mix import Mixed, song_frames
from engine.training.corpus.soundfonts import KNOWN
from engine.training.corpus.sources import Sources
from engine.training.metrics import listening, targets, twins
from engine.training.metrics.bench import Bench, Song
from engine.training.metrics.sections import bass, codec, keys, seams, texture, timing
from tests.handmade_song import handmade_song
from tests.tiny_bundle import make_bundle

RATE = 48_000


def sound_of(path: Path, tempo: int, seed: int) -> None:
    """A stored song of 8 bars: the written drums as clicks, bass and chords as tones, all at their times."""
    song = handmade_song(8, Fraction(tempo))
    song.style, song.swing = "house", 50.0
    rng = np.random.default_rng(seed)
    wave = 0.001 * rng.normal(size=song_frames(song))
    for part in song.parts:
        for note in part.notes:
            at = round((note.beat * 60 / tempo + note.offset_ms / 1000) * RATE)
            if part.group == "drums":
                burst = rng.normal(size=2000) * np.exp(-np.arange(2000) / 300)
                wave[at : at + 2000] += 0.2 * burst[: len(wave[at : at + 2000])]
            elif part.group in ("bass", "chords"):
                time = np.arange(round(note.length * 60 / tempo * RATE)) / RATE
                tone = 0.05 * np.sin(2 * np.pi * 440 * 2 ** ((note.pitch - 69) / 12) * time)
                wave[at : at + len(tone)] += (2 * tone if part.group == "bass" else tone)[
                    : len(wave[at : at + len(tone)])
                ]
    both = np.stack([wave, 0.7 * wave], 1).astype(np.float32)
    power = np.full((len(both) // 512, 5), 1e-3, np.float32)
    half = (both / 2).astype(np.float32)
    mixed = Mixed(both, half, half, ("drums",), ("bass", "lead"), power, -14.0)
    sample.store(path, song, mixed, ["a house track"], Sources(KNOWN[0], {}, {}, False))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("sections")
    make_bundle(root / "bundle")
    (root / "corpus" / "test").mkdir(parents=True)
    for index, tempo in enumerate((120, 132, 144)):
        sound_of(root / "corpus" / "test" / f"{index:06d}.safetensors", tempo, index)
    renderer = load_renderer(root / "bundle")
    assert isinstance(renderer, ModelRenderer)
    (root / "out").mkdir()
    songs = [Song(path) for path in sorted((root / "corpus" / "test").glob("*"))]
    return Bench(renderer, songs, 8, root / "out", Console(quiet=True))


def test_twins_ask_for_the_excerpt_in_another_key(bench: Bench) -> None:
    for excerpt in twins.excerpts(bench.songs, 6):
        request = excerpt.request()
        assert request.tempo == excerpt.song.facts["tempo"] and request.bars == excerpt.bars
        assert request.key == targets.key_name((9 + excerpt.shift) % 12, "minor")
        assert (request.chords is not None) == bool(excerpt.index % 2)
        assert excerpt.first_bar + excerpt.bars <= excerpt.song.bars
        assert set(excerpt.pitch_classes(excerpt.shift)) == {
            (pc + excerpt.shift) % 12 for pc in excerpt.pitch_classes()
        }


def test_keys_that_change_are_the_ones_in_the_excerpt(bench: Bench) -> None:
    song = Song(bench.songs[0].path)
    song.facts["keys"] = [[0, 9, "minor"], [4, 0, "major"]]
    assert twins.key_at(song, 3.5) == (9, "minor") and twins.key_at(song, 4.0) == (0, "major")


def test_events_are_those_of_the_excerpt(bench: Bench) -> None:
    excerpt = twins.Excerpt(0, bench.songs[0], 2, 4, 0)
    events = excerpt.events()
    assert len(events) == 4 * 9 and events[0].tolist() == pytest.approx([3.0, 36.0], abs=1e-3)


def test_a_twin_is_kept_and_read_again(bench: Bench) -> None:
    excerpt = twins.of(bench)[0]
    first = twins.twin(bench, excerpt)
    tempo_map: TempoMap = excerpt.song.tempo_map
    assert len(first) == tempo_map.bar_boundaries(0, excerpt.bars, RATE)[-1]
    (path,) = (bench.out / "twins").glob(f"{excerpt.name}.flac")
    made = path.stat().st_mtime_ns
    assert np.array_equal(twins.twin(bench, excerpt), first) and path.stat().st_mtime_ns == made


def test_timing(bench: Bench) -> None:
    found = timing.measure(bench)
    click = found["bands"]["click, above 2 kHz"]
    assert click["rows"]["held-out"]["p50_ms"] < 2.0 and abs(click["rows"]["held-out"]["median_ms"]) < 1.0
    assert click["held-out at its own events"]["heard"] == click["held-out at its own events"]["lines"]
    assert found["downbeats"]["held-out"]["mean"] == 1.0 and found["downbeats"]["chance"]["mean"] == 0.25
    assert abs(found["swing"]["straight"]["held-out"]["mean"] - 50.0) < 1.5
    assert "Targets: p50 5 ms" in timing.table(found).markdown()


def test_bass(bench: Bench) -> None:
    found = bass.measure(bench)
    assert found["rows"]["held-out"]["in_key"]["mean"] > 0.9 and found["rows"]["held-out"]["cents"]["mean"] < 5
    assert found["at the score's note"]["held-out"]["mean"] > 0.9
    assert len(found["tones"]) == len(bass.TONES) and "Held notes" in bass.table(found).markdown()


def test_keys(bench: Bench) -> None:
    found = keys.measure(bench)
    assert found["chords"]["held-out"]["mean"] > 0.8
    assert found["keys"]["model"]["key"]["n"] == 2 and "Krumhansl" in keys.table(found).markdown()


def test_texture(bench: Bench) -> None:
    found = texture.measure(bench)
    assert found["rows"]["held-out"]["width_db"]["mean"] == pytest.approx(3.1, abs=0.1)  # 20 log10 0.7
    ratio = found["against held-out"]["model"]["width_db"]["mean"]
    assert ratio == pytest.approx(
        found["rows"]["model"]["width_db"]["mean"] / found["rows"]["held-out"]["width_db"]["mean"] - 1, abs=1e-3
    )
    assert "within 15 %" in texture.table(found).markdown()


def test_seams(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTACCA_LOOPS", raising=False)
    found = seams.measure(bench)
    rows = found["rows"]
    assert rows["the song itself"]["spectrum_db"]["mean"] < 2.0 < rows["model"]["spectrum_db"]["mean"]
    assert abs(rows["recorded loops repeated"]["spectrum_db"]["mean"]) < 1e-6
    assert found["loops"] == ["loop_mika"] and "loop_mika" in seams.table(found).markdown()


def test_codec(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTACCA_LOOPS", raising=False)
    bench.songs[0].facts["held_out"] = True
    found = codec.measure(bench)
    assert set(found["groups"]) == {"held-out sources", "recorded loops"}
    assert found["groups"]["held-out sources"]["both"]["log_mel_db"]["n"] == 1
    assert "spectral_db" not in found["rows"]["codec"] and found["rows"]["vocoder"]["spectral_db"]["mean"] > 1.0
    assert "Targets (both)" in codec.table(found).markdown()


def test_without_a_training_split_half_the_songs_teach_the_probe(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "STEPS", 2)
    learnt = listening.melody_probe(bench)
    assert learnt.learnt_from == {"000000.safetensors", "000002.safetensors"}
    pitch = np.array([0, 4, -1, 7])
    assert np.isnan(learnt.accuracy(bench.songs[0], pitch, pitch))
    assert learnt.accuracy(bench.songs[1], np.array([0, 5, 0, 7]), pitch) == pytest.approx(2 / 3)
    before = (bench.out / "probe" / "melody.safetensors").stat().st_mtime_ns
    listening.melody_probe(bench)
    assert (bench.out / "probe" / "melody.safetensors").stat().st_mtime_ns == before


def test_lessons_are_labelled_in_time(bench: Bench) -> None:
    song = bench.songs[0]
    pitch = listening.frame_pitch(song, 0, song.line(2))
    # the lead plays eighths of 0.4 quarters, 5 ms late: 72 is steady from 0.05 + 0.005 s to 0.2 - 0.05 s
    assert pitch[2] == 72 and pitch[0] == -1 and set(pitch[pitch >= 0]) <= {72, 73, 74, 75}
    first = listening.busiest(song, 2 * RATE)
    assert 0 <= first <= song.facts["frames"] - 2 * RATE and first % 512 == 0
