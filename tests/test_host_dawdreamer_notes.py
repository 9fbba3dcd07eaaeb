"""*Attacca Notes* (VST3) in DawDreamer: what is played reaches the engine with the project frame it was played at."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.timeline.cache import EngineSide, discover
from tests.hosts.attacca_plugin import build_plugins
from tests.hosts.dawdreamer_host import dawdreamer
from tests.hosts.live_rig import cache_folder

pytestmark = pytest.mark.timeout(400)  # the first test of a clone builds the plugin
RATE = 48_000
NOTES = ((60, 100, 0.5, 0.25), (64, 90, 1.0, 0.25))
"""(pitch, velocity, begin in seconds, length in seconds)."""


@pytest.mark.parametrize("block", [64, 256, 1000])
def test_notes_reach_the_engine_at_their_project_frames(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    library = dawdreamer()
    plugin = build_plugins().folder / "AttaccaNotes.vst3"
    with cache_folder(monkeypatch) as folder:
        host = library.RenderEngine(RATE, block)
        host.set_bpm(120)
        notes = host.make_plugin_processor("notes", str(plugin))
        for note in NOTES:
            notes.add_midi_note(*note)
        host.load_graph([(notes, [])])
        side = attached(folder)
        host.render(2.0)
        heard = [(note.frame, note.data) for note in side.notes() if note.data[0] & 0xE0 == 0x80]
        transport = side.transport()
        side.close()
    expected = sorted(
        (round(RATE * at), bytes((status, pitch, value)))
        for pitch, velocity, begin, length in NOTES
        for at, status, value in ((begin, 0x90, velocity), (begin + length, 0x80, velocity))
    )
    assert [(frame, data[:2]) for frame, data in heard] == [(frame, data[:2]) for frame, data in expected]
    assert [data[2] for _, data in heard if data[0] == 0x90] == [100, 90]
    assert transport is not None
    assert transport.tempo == 120


def attached(folder: Path) -> EngineSide:
    (cache,) = discover(folder)
    assert cache.title == "Attacca Notes"
    return EngineSide.attach(cache.path)
