"""The Ardour scripts in Ardour's own window, from slots of its Script Manager: selection, dialog, import, samples."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.demo_engine import engine_process
from tests.hosts.ardour_host import Ardour, need_ardour
from tests.hosts.ardour_window import SUPERCLOCK_HZ, ArdourWindow, fill_slots, need_window, prepare
from tests.test_daw_ardour import ATTACCA, BARS, SCRIPTS, SONG, SOURCE_BARS, as_the_engine_renders
from tests.waiting import wait

pytestmark = pytest.mark.timeout(400)
ACTIONS = ("attacca_continue", "attacca_generate")
GO_ON, NEW_BARS = "Attacca: go on from the region", "Attacca: new bars here"
ACTION_SECONDS = 100.0
BAR = {1: SOURCE_BARS + 1, 2: 13}
"""Where what a slot makes begins, as Ardour counts."""
ATTEMPTS = 5
TRACK_HEADER = (40, 345)
"""Where the first track's name is, below the master's."""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArdourWindow]:
    need_ardour()
    need_window()
    folder = tmp_path_factory.mktemp("window")
    source = np.random.default_rng(5).uniform(-0.5, 0.5, (SONG.frame(SOURCE_BARS), 2)).astype(np.float32)
    soundfile.write(folder / "source.wav", source, SONG.rate, subtype="FLOAT")
    (folder / "plugins").mkdir()
    with engine_process("--fake", "--no-live") as engine:
        with Ardour(folder, folder / "plugins", ATTACCA=str(ATTACCA), ATTACCA_ZMQ=engine.zmq) as ardour:
            session = ardour.create("song", SONG)
            ardour.track("loop")
            ardour.lua(f'headless = dofile("{SCRIPTS}/headless.lua")')
            ardour.lua(f'headless.place(Session, track, "source")("{folder}/source.wav", 0, {len(source)})')
            ardour.lua("headless = nil")
            ardour.save()
            scripts = folder / "config" / "ardour7" / "scripts"
            shutil.copytree(SCRIPTS, scripts)
            fill_slots(ardour, [scripts / f"{name}.lua" for name in ACTIONS])
        prepare(folder)
        with ArdourWindow(ardour, session) as found:
            yield found


def run_slot(window: ArdourWindow, slot: int, title: str, select: Callable[[], None], *keys: str) -> None:
    """Selects, calls a slot, types these keys into its dialog (bars, Tab, prompt, Tab, seed), says OK, until it works.

    Ardour may still be drawing what is to be selected: then the action says what is missing, and is called again.
    """

    def shown() -> set[str]:
        return set(window.screen.tool("xdotool", "search", "--onlyvisible", "--name", title).splitlines())

    for _ in range(ATTEMPTS):
        select()
        window.act(f"LuaAction/script-{slot}")
        dialog = window.screen.window(title)
        window.keys(dialog, *keys, "alt+o")
        wait(
            lambda dialog=dialog: dialog not in shown() or window.keys(dialog, "alt+o"), "the dialog closes", pause_s=2
        )
        name = f"attacca-bar{BAR[slot]}-*.wav"
        wait(lambda name=name: shown() or len(window.files(name)) == 2, "it is done", ACTION_SECONDS, pause_s=0.2)
        if not shown():
            return
        window.keys(shown().pop(), "Return")  # what it says: select the region, select the track
        wait(lambda: not shown(), "the message closes")
    raise AssertionError(f"nothing was selected in {ATTEMPTS} attempts")


def regions(text: str, name: str) -> list[tuple[int, int]]:
    """(first sample, samples) of what a session's playlists hold of a region."""
    found = re.findall(rf'<Region name="{name}[^>]* length="a(\d+)@a(\d+)"', text[text.index("<Playlists") :])
    return [(round(int(at) * SONG.rate / SUPERCLOCK_HZ), round(int(n) * SONG.rate / SUPERCLOCK_HZ)) for n, at in found]


def imported(window: ArdourWindow, bar: int) -> tuple[np.ndarray, tuple[int, int]]:
    """[frames, 2] of the files that an action brought in for a bar, and where a saved session has their region."""
    name = f"attacca-bar{bar}"
    wait(lambda: regions(window.save(), name), "the region", ACTION_SECONDS, pause_s=0.5)
    (place,) = regions(window.save(), name)
    return np.stack([soundfile.read(file, dtype="float32")[0] for file in window.files(f"{name}-*.wav")], 1), place


def test_a_selected_region_goes_on_from_an_action_slot(window: ArdourWindow, tmp_path: Path) -> None:
    run_slot(window, 1, GO_ON, lambda: window.act("Editor/select-all-objects"), "4", "Tab", "Tab", "7")
    heard, place = imported(window, BAR[1])
    first, last = SONG.frame(SOURCE_BARS), SONG.frame(SOURCE_BARS + BARS)
    assert place == (first, last - first)
    source = np.random.default_rng(5).uniform(-0.5, 0.5, (first, 2)).astype(np.float32)
    soundfile.write(tmp_path / "context.wav", source, SONG.rate, subtype="FLOAT")
    assert np.array_equal(heard, as_the_engine_renders(tmp_path / "context.wav")), "every sample of the engine's"


def test_new_bars_come_to_the_selected_track_from_an_action_slot(window: ArdourWindow) -> None:
    at, end = SONG.frame(BAR[2] - 1), SONG.frame(BAR[2] + 1)
    window.osc("/locate", at - 4_000, 0)
    run_slot(window, 2, NEW_BARS, lambda: window.screen.click(*TRACK_HEADER), "2", "Tab", *"house", "Tab", "7")
    heard, (first, frames) = imported(window, BAR[2])
    assert abs(first - at) <= 1 and abs(frames - (end - at)) <= 1
    assert len(heard) == frames and np.abs(heard[:100]).max() > 0.2, "it begins with the bar's click"
