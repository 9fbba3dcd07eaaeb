"""The ReaScript's logic, with a real engine, on a stand-in for REAPER that keeps items on one track.

REAPER itself is not to be had here: that the script does in REAPER what it does here is not tested by anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bridge.demo_engine import engine_process
from engine.fake import FakeRenderer
from engine.types import BarAudio, Request
from plugin_host.daw.reaper import attacca_replace_selection as script
from plugin_host.daw.reaper.attacca_replace_selection import Bar, Mistake, Sound
from tests.hosts.song import Part, Song

SONG = Song((Part(0, Fraction("197.3"), 3, 4), Part(12, Fraction(240))), 44_100)
BEGIN_BAR, END_BAR, STEADY_BARS = 4, 6, 12


@dataclass
class Track:
    """A project with one track; `Daw` as the script wants it."""

    song: Song
    items: list[Sound] = field(default_factory=list)
    chosen: tuple[float, float] = (0.0, 0.0)
    files: str = ""
    replaced: list[tuple[float, float, str, float]] = field(default_factory=list)

    def line_s(self, bar: int) -> float:
        return float(self.song.line(bar) / self.song.rate)

    def selection(self) -> tuple[float, float]:
        return self.chosen

    def bar_at(self, seconds: float) -> int:
        return next(bar for bar in range(1000) if self.line_s(bar + 1) > seconds)

    def bar(self, number: int) -> Bar:
        part = [part for part in self.song.parts if part.bar <= number][-1]
        meter = f"{part.numerator}/{part.denominator}"
        return Bar(self.line_s(number), self.line_s(number + 1), float(part.bar_quarters), meter)

    def sounds(self) -> list[Sound]:
        return self.items

    def folder(self) -> str:
        return self.files

    def replace(self, begin_s: float, end_s: float, path: str, length_s: float) -> None:
        self.replaced.append((begin_s, end_s, path, length_s))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    renders = tmp_path_factory.mktemp("renders")
    with engine_process("--fake", "--no-live", "--render-dir", str(renders)) as running:
        host, _, port = running.osc.rpartition(":")
        yield host, int(port)


@pytest.fixture
def track(tmp_path: Path) -> Track:
    """Noise from bar 1 to 6, out of the middle of a 24-bit file; bars 4 and 5 are selected, a bit beside the lines."""
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, (SONG.frame(6) + 1000, 2))
    soundfile.write(tmp_path / "take.wav", noise, SONG.rate, subtype="PCM_24")
    found = Track(SONG, files=str(tmp_path / "project"))
    Path(found.files).mkdir()
    begin_s = found.line_s(1)
    found.items = [Sound(begin_s, found.line_s(6), str(tmp_path / "take.wav"), 1000 / SONG.rate, 1.0)]
    found.chosen = (found.line_s(BEGIN_BAR) + 0.03, found.line_s(END_BAR) - 0.02)
    return found


def test_the_selection_is_replaced_by_bars_that_follow_what_is_before_it(
    track: Track, address: tuple[str, int], tmp_path: Path
) -> None:
    with script.Engine(address) as engine:
        kept = script.replace_selection(track, engine, "", 7)
    ((begin_s, end_s, path, length_s),) = track.replaced
    assert (begin_s, end_s) == (track.line_s(BEGIN_BAR), track.line_s(END_BAR)), "whole bars"
    assert path == kept
    assert Path(kept).parent == Path(track.files)
    assert abs(length_s - (end_s - begin_s)) < 1 / SONG.rate
    made, rate = soundfile.read(kept, dtype="float32")
    assert rate == SONG.rate, "the file's own rate"
    context = tmp_path / "context.wav"
    script.cut(str(tmp_path / "take.wav"), 1000 / rate, 1000 / rate + begin_s - track.line_s(1), str(context))
    bars: list[BarAudio] = []
    asked = Request(id="x", kind="continue", source=str(context), bars=2, tempo="197.3", meter="3/4", seed=7)
    FakeRenderer().render(asked, None, bars.append, lambda _: None, lambda: False)
    assert np.array_equal(made, np.concatenate([bar.audio for bar in bars if bar.first_frame >= 0]))


def test_a_piece_of_a_file_keeps_its_bits(track: Track, tmp_path: Path) -> None:
    script.cut(track.items[0].path, 1000 / SONG.rate, 3000 / SONG.rate, str(tmp_path / "piece.wav"))
    piece, _ = soundfile.read(tmp_path / "piece.wav")
    assert np.array_equal(piece, soundfile.read(track.items[0].path)[0][1000:3000])
    assert soundfile.info(tmp_path / "piece.wav").subtype == "PCM_24"
    with pytest.raises(Mistake, match="ends too early"):
        script.cut(track.items[0].path, 0.0, 1000.0, str(tmp_path / "piece.wav"))
    (tmp_path / "text.wav").write_text("not a sound file at all")
    with pytest.raises(Mistake, match="glue"):
        script.cut(str(tmp_path / "text.wav"), 0.0, 1.0, str(tmp_path / "piece.wav"))


def test_without_anything_before_it_a_prompt_makes_the_bars(track: Track, address: tuple[str, int]) -> None:
    track.items = []
    with script.Engine(address) as engine:
        with pytest.raises(Mistake, match="give a prompt"):
            script.replace_selection(track, engine)
        kept = script.replace_selection(track, engine, "warm deep house")
    assert abs(soundfile.info(kept).duration - (track.line_s(END_BAR) - track.line_s(BEGIN_BAR))) < 1e-4


def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(track: Track, address: tuple[str, int]) -> None:
    with script.Engine(address) as engine:
        wrong = replace(track, chosen=(track.line_s(3), track.line_s(3) + 0.1))
        with pytest.raises(Mistake, match="no whole bar"):
            script.replace_selection(wrong, engine)
        wrong = replace(track, chosen=(track.line_s(STEADY_BARS - 1), track.line_s(STEADY_BARS + 1)))
        with pytest.raises(Mistake, match="one tempo"):
            script.replace_selection(wrong, engine, "house")
        wrong = replace(track, items=[replace(track.items[0], speed=1.5)])
        with pytest.raises(Mistake, match="another speed"):
            script.replace_selection(wrong, engine)
        with pytest.raises(Mistake, match="whole number from 1 to 256"):
            engine.bars("", "house", 999, 120.0, "4/4", -1)
    with pytest.raises(Mistake, match="attacca serve"), script.Engine(("127.0.0.1", 9)):
        pass
    assert track.replaced == []


class Api:
    """REAPER's functions as its API documentation describes them, on items that are dictionaries."""

    def __init__(self) -> None:
        self.items = [{"D_POSITION": 0.0, "D_LENGTH": 4.0}, {"D_POSITION": 4.0, "D_LENGTH": 6.0}]
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def called(*arguments: Any) -> Any:
            self.calls.append(name)
            return {"RPR_CountSelectedTracks": 1, "RPR_PCM_Source_CreateFromFile": arguments[:1]}.get(name, 0)

        return called

    def RPR_CountTrackMediaItems(self, track: Any) -> int:
        return len(self.items)

    def RPR_GetTrackMediaItem(self, track: Any, index: int) -> Any:
        return self.items[index]

    def RPR_GetMediaItemInfo_Value(self, item: Any, name: str) -> float:
        return float(item[name])

    def RPR_SetMediaItemInfo_Value(self, item: Any, name: str, value: float) -> None:
        item[name] = value

    def RPR_SplitMediaItem(self, item: Any, seconds: float) -> Any:
        right = {"D_POSITION": seconds, "D_LENGTH": item["D_POSITION"] + item["D_LENGTH"] - seconds}
        item["D_LENGTH"] = seconds - item["D_POSITION"]
        self.items.append(right)
        return right

    def RPR_DeleteTrackMediaItem(self, track: Any, item: Any) -> None:
        self.items.remove(item)

    def RPR_AddMediaItemToTrack(self, track: Any) -> Any:
        self.items.append({"new": True})
        return self.items[-1]

    def RPR_TimeMap_GetMeasureInfo(self, project: int, bar: int, *_: Any) -> tuple[float, ...]:
        return (bar * 1.5, project, bar, bar * 3.0, bar * 3.0 + 3.0, 3, 4, 120.0)

    def RPR_GetSet_LoopTimeRange(self, *_: Any) -> tuple[Any, ...]:
        return (False, False, 3.0, 6.0, False)


def test_the_seam_cuts_out_the_selection_and_leaves_the_rest() -> None:
    api = Api()
    reaper = script.Reaper(api)
    assert reaper.selection() == (3.0, 6.0)
    assert reaper.bar(2) == Bar(3.0, 4.5, 3.0, "3/4")
    assert reaper.bar(2).tempo == 120.0
    reaper.replace(3.0, 6.0, "new.wav", 3.0)
    left = sorted((item["D_POSITION"], item["D_LENGTH"], "new" in item) for item in api.items)
    assert left == [(0.0, 3.0, False), (3.0, 3.0, True), (6.0, 4.0, False)]
    assert api.calls.index("RPR_Undo_BeginBlock2") < api.calls.index("RPR_Undo_EndBlock2"), "one step to undo"
