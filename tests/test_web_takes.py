"""Takes of the control page: any of their bars as WAV and MIDI, kept within bounds, continued."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import mido
import numpy as np
import pytest
import soundfile

pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")

from bridge.client import connect
from bridge.web.messages import BarRange
from bridge.web.shelf import Shelf
from engine.errors import BadRequest
from engine.events import Ended
from engine.types import BarAudio
from tests.bridge_helpers import ask
from tests.web_client import Client, Place, talk, web_engine


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with web_engine() as place:
        yield place


SONG = {
    "tempo": "120",
    "chords": "Am | F C | % | N.C.",
    "melody": [
        {"pitch": 60, "beat": 0.5, "length": 1},
        {"pitch": 64, "beat": 5, "length": 1.5},
        {"pitch": 67, "beat": 9, "length": 1},
    ],
}


def test_any_bars_of_a_take_as_wav_and_midi(place: Place) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.ask("song", bars=4, **SONG)
        await client.end("song")
        whole = client.audio("song")

        async def file(path: str) -> tuple[int, Any, bytes]:
            async with session.get(f"{place.base}/takes/song/{path}") as answer:
                return answer.status, answer.headers, await answer.read()

        for first, bars in ((0, 4), (1, 2), (3, 1)):
            status, headers, data = await file(f"audio.wav?first={first}&bars={bars}")
            samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
            assert status == 200 and rate == 48_000
            assert np.array_equal(samples, whole[first * 96_000 : (first + bars) * 96_000])
            assert f"bars-{first + 1}-{first + bars}.wav" in headers["Content-Disposition"]
        assert np.array_equal(np.frombuffer((await file("audio.f32"))[2], "<f4").reshape(-1, 2), whole)

        midi = mido.MidiFile(file=io.BytesIO((await file("melody.mid?first=1&bars=2"))[2]))
        assert notes_of(midi, "Melody") == [(960, 64), (960 * 5, 67)]
        midi = mido.MidiFile(file=io.BytesIO((await file("plan.mid"))[2]))
        assert len(notes_of(midi, "Melody")) == 3
        names = [(t, m.text) for t, m in absolute(midi, "Chords") if m.type == "text"]
        assert names == [(0, "Am"), (3840, "F"), (5760, "C"), (7680, "C"), (11_520, "N.C.")]
        for path, says in (
            ("audio.wav?first=4", b"has 4 bars"),
            ("audio.wav?first=1&bars=9", b"has 4 bars"),
            ("audio.wav?first=-1", b"first"),
            ("audio.wav?bars=x", b"bars"),
            ("audio.wav?what=1", b"what"),
            ("melody.mid?first=3&bars=1", b"no melody"),
        ):
            status, _, text = await file(path)
            assert status == 400 and says in text, (path, text)
        async with session.get(f"{place.base}/takes/nothing/audio.wav") as answer:
            assert answer.status == 404

    talk(place, conversation)


def absolute(midi: mido.MidiFile, name: str) -> list[tuple[int, Any]]:
    """(tick, message) of a track."""
    track = next(track for track in midi.tracks if track.name == name)
    ticks = np.cumsum([message.time for message in track])
    return [(int(tick), message) for tick, message in zip(ticks, track, strict=True)]


def notes_of(midi: mido.MidiFile, name: str) -> list[tuple[int, int]]:
    return [(tick, m.note) for tick, m in absolute(midi, name) if m.type == "note_on" and m.velocity]


def test_takes_are_there_for_a_page_that_comes_later_until_they_are_let_go(place: Place) -> None:
    async def make(session: Any, client: Client) -> None:
        await client.ask("kept", bars=1, seed=5)
        await client.end("kept")

    async def find(session: Any, client: Client) -> None:
        takes = (await client.until("takes"))["takes"]
        kept = next(take for take in takes if take["request"]["id"] == "kept")
        assert kept["report"]["seed"] == 5 and kept["bar_frames"] == [48_000] and kept["ending"] == "done"
        await client.send("forget", take="kept")
        assert (await client.until("forget")) == {"take": "kept"}
        async with session.get(f"{place.base}/takes/kept/audio.wav") as answer:
            assert answer.status == 404

    talk(place, make)
    talk(place, find)


def test_a_take_is_continued_by_its_own_sound(place: Place) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.ask("one", bars=2)
        await client.end("one")
        request = {"id": "two", "kind": "continue", "bars": 2, "tempo": "240"}
        await client.send("continue", take="one", request=request)
        tag, report = await client.end("two")
        assert tag == "done" and report["frames"] == 96_000
        with connect(place.engine.zmq) as other:
            again = other.continue_((client.audio("one"), 48_000), bars=2, tempo=240)
            assert np.array_equal(again.audio, client.audio("two"))

    talk(place, conversation)


def test_the_shelf_keeps_to_its_bounds() -> None:
    shelf = Shelf(max_takes=3, max_bytes=10_000)
    gone: list[str] = []
    for number, frames in enumerate((100, 100, 100, 100, 1000)):
        held = shelf.begin(ask(f"t{number}", bars=1))
        held.add(BarAudio(bar=0, first_frame=-5, rate=48_000, audio=np.ones((5, 2), np.float32), last=False))
        held.add(BarAudio(bar=0, first_frame=0, rate=48_000, audio=np.ones((frames, 2), np.float32), last=True))
        assert not shelf.forget(f"t{number}"), "it is still rendered"
        with pytest.raises(BadRequest, match="not kept"):
            shelf.find(f"t{number}")
        take, let_go = shelf.end(held, Ended(id=f"t{number}", ending="cancelled"))
        gone += let_go
        assert take is not None and take.bar_frames == (frames,)
    assert gone == ["t0", "t1"] and [take.number for take in shelf.all()] == [3, 4, 5]
    assert len(shelf.find("t4").audio(BarRange())) == 1000
    nothing = shelf.begin(ask("t5"))
    assert shelf.end(nothing, Ended(id="t5", ending="failed")) == (None, [])
