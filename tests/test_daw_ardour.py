"""The Ardour scripts in a real Ardour 7 without a window (dummy backend), with a real engine: a region goes on for four
bars at its exact sample, and new bars come at a bar of the session."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.demo_engine import engine_process
from engine.fake import FakeRenderer
from engine.types import BarAudio, Request
from tests.hosts.ardour_host import Ardour, need_ardour, read_region
from tests.hosts.song import Part, Song

SCRIPTS = Path(__file__).resolve().parent.parent / "plugin_host" / "daw" / "ardour"
ATTACCA = Path(sys.executable).parent / "attacca"
SONG = Song((Part(0, Fraction(240)), Part(2, Fraction("197.3"), 3, 4)))
TEMPO, METER = "0:240,2:197.3", "0:4/4,2:3/4"
SOURCE_BARS, BARS = 4, 4
ACTION_SECONDS = 100.0
AT_BAR = 12  # as Ardour counts, from 1


@dataclass
class Studio:
    """A session with a region of SOURCE_BARS bars at its start, and a running engine that the scripts find."""

    ardour: Ardour
    session: Path
    source: np.ndarray

    def act(self, action: str, bar: int, bars: int, prompt: str = "", seed: int = 7) -> dict[str, int]:
        """Runs an action of headless.lua. What it returns, or AssertionError with what it says."""
        words = f'action = "{action}", track = "loop", bar = {bar}, bars = {bars}, prompt = "{prompt}", seed = {seed}'
        self.ardour.lua(f"good, made = pcall(headless.run, Session, {{ {words} }})", seconds=ACTION_SECONDS)
        if self.ardour.ask("good") != "true":
            raise AssertionError(self.ardour.ask("made"))
        told = self.ardour.ask("made.first .. ' ' .. made.frames .. ' ' .. made.seed .. ' ' .. made.off")
        return dict(zip(("first", "frames", "seed", "off"), map(int, told.split()), strict=True))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    need_ardour()
    folder = tmp_path_factory.mktemp("ardour")
    source = np.random.default_rng(5).uniform(-0.5, 0.5, (SONG.frame(SOURCE_BARS), 2)).astype(np.float32)
    soundfile.write(folder / "source.wav", source, SONG.rate, subtype="FLOAT")
    (folder / "plugins").mkdir()
    with engine_process("--fake", "--no-live") as engine:
        found = {"ATTACCA": str(ATTACCA), "ATTACCA_ZMQ": engine.zmq}
        with Ardour(folder, folder / "plugins", **found) as ardour:
            session = ardour.create("song", SONG)
            ardour.track("loop")
            ardour.lua(f'headless = dofile("{SCRIPTS}/headless.lua")')
            ardour.lua(f'headless.place(Session, track, "source")("{folder}/source.wav", 0, {len(source)})')
            yield Studio(ardour, session, source)


def test_a_region_goes_on_for_four_bars_at_its_exact_sample(studio: Studio, tmp_path: Path) -> None:
    first, last = SONG.frame(SOURCE_BARS), SONG.frame(SOURCE_BARS + BARS)
    assert studio.ardour.region_at(0) == ("source", 0, first)
    made = studio.act("continue", 1, BARS)
    assert made == {"first": first, "frames": last - first, "seed": 7, "off": made["off"]}
    assert abs(made["off"]) <= 1, "Ardour's own bar lines may be a sample early"
    assert studio.ardour.region_at(first + 1) == ("attacca-bar1", first, last - first)
    assert studio.ardour.region_at(first - 1)[0] == "source", "what was there stays"
    in_session = read_region(studio.session, "attacca-bar1")
    context = tmp_path / "context.wav"
    soundfile.write(context, studio.source, SONG.rate, subtype="FLOAT")
    assert np.array_equal(in_session, as_the_engine_renders(context)), "every sample of the engine's"


def as_the_engine_renders(context: Path) -> np.ndarray:
    """What a fake engine answers to the request that the script has to make. [frames, 2]"""
    bars: list[BarAudio] = []
    asked = Request(
        id="x", kind="continue", source=str(context), bars=BARS, tempo=TEMPO, meter=METER, at_bar=SOURCE_BARS, seed=7
    )
    FakeRenderer().render(asked, None, bars.append, lambda _: None, lambda: False)
    return np.concatenate([bar.audio for bar in bars if bar.first_frame >= 0])


def test_new_bars_come_at_a_bar_of_the_session(studio: Studio) -> None:
    at, end = SONG.frame(AT_BAR - 1), SONG.frame(AT_BAR + 1)
    made = studio.act("generate", AT_BAR, 2, "warm deep house")
    assert abs(made["first"] - at) <= 1
    assert abs(made["frames"] - (end - at)) <= 1
    assert studio.ardour.region_at(at + 10)[1:] == (made["first"], made["frames"])
    clicks = read_region(studio.session, f"attacca-bar{AT_BAR}")
    assert np.abs(clicks[:100]).max() > 0.2, "it begins with the bar's click"


def test_mistakes_are_one_sentence_and_leave_the_session_alone(studio: Studio) -> None:
    before = len(list(studio.session.rglob("*.wav")))
    with pytest.raises(AssertionError, match="no region of loop sounds at bar 40"):
        studio.act("continue", 40, 4)
    with pytest.raises(AssertionError, match="not a whole number from 1 to 256"):
        studio.act("generate", 30, 999, "house")
    with pytest.raises(AssertionError, match="say what it should sound like"):
        studio.act("generate", 30, 2)
    assert len(list(studio.session.rglob("*.wav"))) == before


WINDOW = """
ardour = function() end
answer = { bars = 2.0, prompt = "house", seed = 7.0 }
LuaDialog = { Dialog = function() return { run = function() return answer end } end,
  Message = function(title, text) said = text return { run = function() end } end, MessageType = {}, ButtonType = {} }
function one(value) return function() local left = value
  return { iter = function() return function() local now = left left = nil return now end end } end end
Editing = {}
selection = { regions = { regionlist = one(region) }, tracks = { routelist = one(route) } }
Editor = { get_selection = function() return selection end,
  do_import = function(self, files, a, b, c, d, e, at, plugin, onto, markers)
    for path in files:iter() do local file = io.open(path, "rb")
    local _, bytes, channels = headless.attacca.wav_data(file) file:close()
    imported = at:samples() .. " " .. bytes // channels // 4 .. " " .. onto:name() end end }
"""


@pytest.mark.parametrize("action", ["attacca_continue", "attacca_generate"])
def test_what_ardour_keeps_of_an_action_does_its_work(studio: Studio, action: str) -> None:
    """Ardour keeps the byte code of `factory` alone. Its window is a stand-in here: dialog, selection, import."""
    ardour = studio.ardour
    scripts = ardour.folder / "config" / "ardour7" / "scripts"
    scripts.mkdir(exist_ok=True)
    shutil.copy(SCRIPTS / "attacca.lua", scripts)
    ardour.lua("region = track:playlist():top_region_at(Temporal.timepos_t(0)) imported = nil said = nil")
    ardour.lua('route = Session:route_by_name("loop")')
    ardour.lua(WINDOW)
    ardour.lua(f'dofile("{SCRIPTS}/{action}.lua") kept = load(string.dump(factory, true)) factory = nil')
    ardour.lua("kept()()", seconds=ACTION_SECONDS)
    imported, said = ardour.ask("imported"), ardour.ask("said")
    ardour.lua("region = nil route = nil selection = nil Editor = nil LuaDialog = nil kept = nil collectgarbage()")
    assert said == "nil"
    at = SOURCE_BARS if action == "attacca_continue" else 0  # the play head stands at the start
    assert imported == f"{SONG.frame(at)} {SONG.frame(at + 2) - SONG.frame(at)} loop"


def test_both_actions_are_scripts_that_ardour_takes() -> None:
    for name in ("attacca_continue", "attacca_generate"):
        text = (SCRIPTS / f"{name}.lua").read_text()
        assert re.match(r'ardour \{\s*\["type"\] = "EditorAction"', text)
        assert "function factory" in text
