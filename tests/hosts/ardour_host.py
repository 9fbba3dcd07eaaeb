"""Ardour without a window: `ardour7-lua -i` on its dummy backend, driven line by line, with an OSC surface.

Everything that Ardour writes (configuration, caches, sessions) lies in one folder that the test gives.

Threading: one thread talks to Ardour; a second reads its output into a queue, so that waits are bounded.
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import soundfile

from bridge.osc.codec import encode
from tests.hosts.song import Song

SCANNER = Path("/usr/lib/ardour7/ardour-vst3-scanner")
PROTOCOL = '<Protocol name="Open Sound Control (OSC)" active="1" feedback="0" address-only="1" remote-port="{reply}"/>'
CONFIG = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Ardour><Config><Option name="osc-port" value="{port}"/>'
    '<Option name="plugin-path-vst3" value="{vst3}"/></Config>'
    "<ControlProtocols>{protocol}</ControlProtocols></Ardour>\n"
)
LINE_SECONDS = 90.0


def need_ardour() -> None:
    """Skips with the reason where the host cannot be had."""
    if shutil.which("ardour7-lua") is None:
        pytest.skip("needs Ardour 7: sudo apt install ardour")


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ardour:
    """A running Ardour. Use as a context manager; `create` or `load` a session first.

    lv2_path, vst3_path: where plugins are looked for. more: its environment.
    """

    def __init__(self, folder: Path, lv2_path: Path, vst3_path: Path | None = None, **more: str) -> None:
        need_ardour()
        self.folder, self.osc_port, self.reply_port = folder, free_udp_port(), free_udp_port()
        self.environment = {**os.environ, "LV2_PATH": str(lv2_path), "HOME": str(folder), **more}
        for name in ("CONFIG", "CACHE", "DATA"):
            self.environment[f"XDG_{name}_HOME"] = str(folder / name.lower())
        self._configure(vst3_path)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._lines: queue.Queue[str] = queue.Queue()
        self.spoken: list[str] = []
        self._calls = 0
        self.process = subprocess.Popen(
            ["ardour7-lua", "-i"],
            env=self.environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _configure(self, vst3_path: Path | None) -> None:
        config = self.folder / "config" / "ardour7"
        config.mkdir(parents=True, exist_ok=True)
        protocol = PROTOCOL.format(reply=self.reply_port)
        (config / "config").write_text(CONFIG.format(port=self.osc_port, vst3=vst3_path or "", protocol=protocol))
        for bundle in sorted(vst3_path.glob("*.vst3")) if vst3_path else []:
            libraries = {"LD_LIBRARY_PATH": "/usr/lib/ardour7", "ARDOUR_DLL_PATH": "/usr/lib/ardour7"}
            command = [str(SCANNER), "-q", str(bundle)]
            subprocess.run(command, env={**self.environment, **libraries}, check=True, capture_output=True, timeout=60)

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self.spoken.append(line.rstrip("\n"))
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")

    def __enter__(self) -> Ardour:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lua(self, code: str, seconds: float = LINE_SECONDS) -> None:
        """Runs statements (globals stay); returns when they are done."""
        self.ask("true", before=code, seconds=seconds)

    def ask(self, expression: str, before: str = "", seconds: float = LINE_SECONDS) -> str:
        """The value of a Lua expression as text."""
        self._calls += 1
        line = " ".join(f"{before}".split("\n"))
        mark = f"=={self._calls}=="
        assert self.process.stdin is not None
        self.process.stdin.write(f'{line} print("{mark}", {expression})\n')
        self.process.stdin.flush()
        deadline = time.monotonic() + seconds
        while True:
            try:
                heard = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"Ardour does not answer: {line}\n" + "\n".join(self.spoken[-20:])) from None
            if heard.startswith(mark):
                return heard[len(mark) :].strip()
            assert not heard.startswith("Error:"), f"{heard} in: {line}"
            assert self.process.poll() is None, "Ardour has ended: " + "\n".join(self.spoken[-20:])

    def create(self, name: str, song: Song) -> Path:
        """A new session with the song's tempi and meters. Returns its folder."""
        session = self.folder / name
        assert self.ask(f'create_session("{session}", "{name}", {song.rate}) ~= nil') == "true"
        for part in song.parts:
            at = f"Temporal.timepos_t({song.frame(part.bar)})"
            tempo = f"Temporal.Tempo({float(part.tempo)!r}, {float(part.tempo)!r}, 4)"
            meter = f"Temporal.Meter({part.numerator}, {part.denominator})"
            self.lua(
                f"tm = Temporal.TempoMap.write_copy() tm:set_meter({meter}, {at}) tm:set_tempo({tempo}, {at}) "
                "Temporal.TempoMap.update(tm) tm = nil"
            )
        return session

    def load(self, name: str) -> None:
        session = self.folder / name
        assert self.ask(f'load_session("{session}", "{name}") ~= nil') == "true"

    def track(self, name: str) -> None:
        """A new stereo track, as global `track`."""
        self.lua(
            f'track = Session:new_audio_track(2, 2, nil, 1, "{name}", ARDOUR.PresentationInfo.max_order, '
            "ARDOUR.TrackMode.Normal, true):front():to_track()"
        )

    def find_track(self, name: str) -> None:
        """The track of that name as global `track`, its first plugin as `plugin`."""
        self.lua(f'track = Session:route_by_name("{name}"):to_track() plugin = track:nth_plugin(0)')

    def add_plugin(self, uri: str, kind: str = "LV2") -> None:
        """The plugin on `track`, as global `plugin`. uri: of an LV2; name of a VST3."""
        self.lua(f'plugin = ARDOUR.LuaAPI.new_plugin(Session, "{uri}", ARDOUR.PluginType.{kind}, "")')
        assert self.ask("plugin:isnil()") == "false", f"Ardour finds no {kind} {uri}"
        assert self.ask("track:add_processor_by_index(plugin, 0, nil, true)") == "0"

    def make_region(self, name: str, frames: int, at_frame: int = 0) -> None:
        """An empty region on `track`: its files, interchange/.../NAME%L.wav and %R.wav, are filled by `fill_region`."""
        self.lua(
            f"r = track:bounce_range({at_frame}, {at_frame + frames}, ARDOUR.InterThreadInfo(), "
            f'ARDOUR.LuaAPI.nil_proc(), false, "{name}")'
        )
        self.place(at_frame)

    def place(self, at_frame: int) -> None:
        """Puts region `r` onto `track`."""
        self.lua(f"track:playlist():add_region(r, Temporal.timepos_t({at_frame}), 1, false, 0, 0, false)")

    def bounce(self, first_frame: int, last_frame: int, name: str) -> None:
        """Bounces `track` with its plugins and puts the region where it came from."""
        self.lua(
            f"r = track:bounce_range({first_frame}, {last_frame}, ARDOUR.InterThreadInfo(), track:main_outs(), "
            f'false, "{name}")'
        )
        assert self.ask("r:isnil()") == "false"
        self.place(first_frame)

    def region_at(self, frame: int) -> tuple[str, int, int]:
        """Name, position and length in frames of the top region of `track` at a frame."""
        self.lua(f"at = track:playlist():top_region_at(Temporal.timepos_t({frame}))")
        words = self.ask("at:name() .. '|' .. at:position():samples() .. '|' .. at:length():samples()").split("|")
        self.lua("at = nil")
        return words[0], int(words[1]), int(words[2])

    def set_parameter(self, index: int, value: float) -> None:
        assert self.ask(f"ARDOUR.LuaAPI.set_processor_param(plugin, {index}, {value!r})") == "true"

    def parameter(self, index: int) -> float:
        return float(self.ask(f"({{ARDOUR.LuaAPI.get_processor_param(plugin, {index}, true)}})[1]"))

    def parameters(self) -> dict[str, int]:
        """Index by name of the plugin's control inputs, as Ardour counts: of an LV2 them alone, of a VST3 all."""
        self.lua("names = '' p = plugin:to_insert():plugin(0)")
        self.lua("all = plugin:to_insert():type() == ARDOUR.PluginType.VST3")
        self.lua(
            "i = 0 for n = 0, p:parameter_count() - 1 do if p:parameter_is_control(n) and p:parameter_is_input(n) then "
            "names = names .. p:parameter_label(n) .. '=' .. (all and n or i) .. '|' i = i + 1 end end"
        )
        pairs = [entry.split("=") for entry in self.ask("names").split("|") if entry]
        return {name: int(index) for name, index in pairs}

    def osc(self, address: str, *arguments: int | float | str) -> None:
        """A message to the OSC surface."""
        tags = "".join({int: "i", float: "f", str: "s"}[type(argument)] for argument in arguments)
        self._socket.sendto(encode(address, tags, arguments), ("127.0.0.1", self.osc_port))

    def frame(self) -> int:
        return int(self.ask("Session:transport_sample()"))

    def rolling(self) -> bool:
        return self.ask("Session:transport_rolling()") == "true"

    def roll_until(self, frame: int, seconds: float = 60.0) -> None:
        """Waits until the play head is there."""
        deadline = time.monotonic() + seconds
        while self.frame() < frame:
            assert time.monotonic() < deadline, f"the play head does not reach frame {frame}"
            time.sleep(0.05)

    def stop(self, seconds: float = 60.0) -> None:
        """Stops over OSC and waits until it stands."""
        self.osc("/transport_stop")
        deadline = time.monotonic() + seconds
        while self.rolling():
            assert time.monotonic() < deadline, "the transport does not stop"
            time.sleep(0.05)

    def save(self) -> None:
        assert self.ask('Session:save_state("")') == "0"

    def close(self) -> None:
        """Closes the session and ends Ardour."""
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.write("track = nil plugin = nil r = nil p = nil close_session()\nquit\n")
            self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._socket.close()


def audio_file(session: Path, name: str, side: str) -> Path:
    return session / "interchange" / session.name / "audiofiles" / f"{name}%{side}.wav"


def fill_region(session: Path, name: str, audio: np.ndarray, rate: int) -> None:
    """Writes `audio` [frames, 2] into the files of an empty region of a session that is closed."""
    for side, samples in zip("LR", audio.T, strict=True):
        path = audio_file(session, name, side)
        assert soundfile.info(path).frames == len(samples)
        soundfile.write(path, samples, rate, subtype="FLOAT")
    shutil.rmtree(session / "peaks", ignore_errors=True)


def read_region(session: Path, name: str) -> np.ndarray:
    """[frames, 2] float32 of a bounced region's files."""
    return np.stack([soundfile.read(audio_file(session, name, side), dtype="float32")[0] for side in "LR"], axis=1)
