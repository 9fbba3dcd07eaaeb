"""DawDreamer as an offline host: every render begins at frame 0, the signature is 4/4, tempo is one float32 a block."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from tests.hosts.song import Song

PPQN = 960


def dawdreamer() -> Any:
    """The module; skips with the reason where it is missing."""
    return pytest.importorskip("dawdreamer", reason="needs dawdreamer: pip install dawdreamer")


class DawDreamer:
    """A render engine whose graph is: sound -> plugins of NAME=PATH in a row -> out.

    pads: plugins that come first (a gate). The song may change tempo where it likes; the host takes it up at the
    next block, and counts position by the tempo that it told.
    """

    def __init__(self, song: Song, plugins: dict[str, Path], audio: np.ndarray | None = None, block: int = 512) -> None:
        self.daw = dawdreamer()
        self.song, self.block = song, block
        self.engine = self.daw.RenderEngine(song.rate, block)
        given = np.zeros((2, block), np.float32) if audio is None else np.ascontiguousarray(audio.T, np.float32)
        graph = [(self.engine.make_playback_processor("sound", given), [])]
        self.plugins = {}
        for name, path in plugins.items():
            processor = self.engine.make_plugin_processor(name, str(path))
            graph.append((processor, [graph[-1][0].get_name()]))
            self.plugins[name] = processor
        self.engine.load_graph(graph)
        self.engine.set_bpm(self._tempi(), PPQN)

    def _tempi(self) -> np.ndarray:
        """The tempo of each 1/PPQN of a quarter, until a bar after the last part's beginning."""
        tempi = [np.full(0, 0.0, np.float32)]
        for one, after in zip(self.song.parts, self.song.parts[1:], strict=False):
            tempi.append(np.full(int((after.bar - one.bar) * one.bar_quarters * PPQN), float(one.tempo), np.float32))
        tempi.append(np.full(PPQN, float(self.song.parts[-1].tempo), np.float32))
        return np.concatenate(tempi).astype(np.float32)

    def parameters(self, name: str) -> dict[str, int]:
        return {entry["name"]: entry["index"] for entry in self.plugins[name].get_parameters_description()}

    def render(self, frames: int) -> np.ndarray:
        """From frame 0 on. Returns [frames, 2] float32; frames is cut to whole blocks by the host."""
        self.engine.render(frames / self.song.rate + 1e-7)
        return np.ascontiguousarray(self.engine.get_audio().T)

    def start(self, frames: int) -> Render:
        """Renders in a thread, so that the caller can pace it by a gate."""
        return Render(self, frames)


class Render:
    """A render under way; use as a context manager, `audio` is there at its end."""

    def __init__(self, host: DawDreamer, frames: int) -> None:
        self.audio = np.zeros((0, 2), np.float32)
        self._thread = threading.Thread(target=self._run, args=(host, frames), daemon=True)

    def _run(self, host: DawDreamer, frames: int) -> None:
        self.audio = host.render(frames)

    def __enter__(self) -> Render:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._thread.join(90)
        assert kind is not None or not self._thread.is_alive(), "the render does not end"


def block_positions(song: Song, frames: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Quarters and tempo that DawDreamer tells at each block's start: it adds up what it told."""
    quarters, tempi = [], []
    at = 0.0
    for _ in range(0, frames, block):
        tempo = float(np.float32(_tempo_at(song, at)))
        quarters.append(at)
        tempi.append(tempo)
        at += block / (song.rate * 60) * tempo
    return np.array(quarters), np.array(tempi)


def _tempo_at(song: Song, quarters: float) -> float:
    starts = [0.0]
    for one, after in zip(song.parts, song.parts[1:], strict=False):
        starts.append(starts[-1] + float((after.bar - one.bar) * one.bar_quarters))
    pulse = int(quarters * PPQN) / PPQN
    index = max(i for i, start in enumerate(starts) if start <= pulse)
    return float(song.parts[index].tempo)
