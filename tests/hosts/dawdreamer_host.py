"""DawDreamer as an offline host: every render begins at frame 0, the signature is 4/4, tempo is one float32 a block."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from tests.hosts import juce_state
from tests.hosts.song import Song

PPQN = 960


def dawdreamer() -> Any:
    """The module; skips with the reason where it is missing."""
    return pytest.importorskip("dawdreamer", reason="needs dawdreamer: pip install dawdreamer")


class DawDreamer:
    """A render engine whose graph is: sound -> plugins of NAME=PATH in a row -> out.

    Plugins named in `beside` hang on the last of the row, beside each other; all are recorded. The song may change
    tempo where it likes; the host takes it up at the next block, and counts position by the tempo that it told.
    """

    def __init__(
        self,
        song: Song,
        plugins: dict[str, Path],
        audio: np.ndarray | None = None,
        block: int = 512,
        beside: dict[str, Path] | None = None,
    ) -> None:
        self.daw = dawdreamer()
        self.song, self.block = song, block
        self.engine = self.daw.RenderEngine(song.rate, block)
        given = np.zeros((2, block), np.float32) if audio is None else np.ascontiguousarray(audio.T, np.float32)
        graph = [(self.engine.make_playback_processor("sound", given), [])]
        self.plugins: dict[str, Any] = {}
        for name, path in plugins.items():
            graph.append((self._add(name, path), [graph[-1][0].get_name()]))
        if beside:
            trunk = graph[-1][0].get_name()
            graph += [(self._add(name, path), [trunk]) for name, path in beside.items()]
            graph.append((self.engine.make_add_processor("sum", [1.0] * len(beside)), list(beside)))
        self.engine.load_graph(graph)
        self.engine.set_bpm(self._tempi(), PPQN)

    def _add(self, name: str, path: Path) -> Any:
        self.plugins[name] = self.engine.make_plugin_processor(name, str(path))
        self.plugins[name].record = True
        return self.plugins[name]

    def _tempi(self) -> np.ndarray:
        """The tempo of each 1/PPQN of a quarter, until a bar after the last part's beginning.

        A part begins one pulse early: the host adds up floats, and may stand a hair before a line that it is on.
        """
        ends = [int(start * PPQN) - 1 for start in starts_in_quarters(self.song)[1:]]
        tempi = [float(part.tempo) for part in self.song.parts]
        lengths = np.diff([0, *ends, (ends or [0])[-1] + PPQN])
        return np.repeat(np.array(tempi, np.float32), lengths)

    def parameters(self, name: str) -> dict[str, int]:
        return {entry["name"]: entry["index"] for entry in self.plugins[name].get_parameters_description()}

    def automate(self, name: str, parameter: str, values: np.ndarray, ppqn: int = 1) -> None:
        """A parameter's value (0 to 1) for each 1/ppqn of a quarter."""
        index = self.parameters(name)[parameter]
        assert self.plugins[name].set_automation(index, values.astype(np.float32), ppqn=ppqn)

    def set(self, name: str, parameter: str, value: float) -> None:
        self.plugins[name].set_parameter(self.parameters(name)[parameter], value)

    def state(self, name: str, folder: Path) -> bytes:
        """The plugin's state, as the host writes it into a file."""
        self.plugins[name].save_state(str(folder / "state"))
        return (folder / "state").read_bytes()

    def load(self, name: str, state: bytes, folder: Path) -> None:
        (folder / "state").write_bytes(state)
        with contextlib.suppress(RuntimeError):  # "no available editor UI", after the state is set
            self.plugins[name].load_state(str(folder / "state"))

    def say(self, name: str, folder: Path, **values: str) -> None:
        """Sets prompt_a, prompt_b, seed: the plugin's words, as a project would bring them."""
        self.load(name, juce_state.changed(self.state(name, folder), **values), folder)

    def heard(self, name: str) -> np.ndarray:
        """What a plugin gave in the last render. [frames, 2] float32"""
        return np.ascontiguousarray(self.plugins[name].get_audio().T)

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

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

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


def starts_in_quarters(song: Song) -> list[float]:
    """Quarters from the project's start to each part."""
    starts = [0.0]
    for one, after in zip(song.parts, song.parts[1:], strict=False):
        starts.append(starts[-1] + float((after.bar - one.bar) * one.bar_quarters))
    return starts


def _tempo_at(song: Song, quarters: float) -> float:
    pulse = int(quarters * PPQN)
    begun = [
        part for part, start in zip(song.parts, starts_in_quarters(song), strict=True) if int(start * PPQN) - 1 <= pulse
    ]
    return float(begun[-1].tempo)
