"""REAPER: replaces the time selection on the selected track by new bars that go on from what is before it.

One file for REAPER's own Python: nothing but the standard library, and no model. What it wants of REAPER is the small
class `Reaper`, so that everything else is tested without it. It was never run in REAPER.

*Threading*: REAPER's main thread waits for the engine, at most 2 s for a sign of life and 60 s for the bars.
"""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import struct
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

ENGINE = ("127.0.0.1", 9810)
ALIVE_SECONDS = 2.0
BARS_SECONDS = 60.0
CONTEXT_BARS = 8
NEAR_SECONDS = 0.0005
SAME_TEMPO = 1e-4


class Mistake(Exception):
    """What the user is told, in one sentence."""


@dataclass(frozen=True)
class Bar:
    """A bar of the project: its line and the next one in seconds, its length in quarters, its meter."""

    begin_s: float
    end_s: float
    quarters: float
    meter: str

    @property
    def tempo(self) -> float:
        """Quarters per minute."""
        return self.quarters * 60 / (self.end_s - self.begin_s)


@dataclass(frozen=True)
class Sound:
    """An item of the track: where it sounds, in seconds, and from where in its file."""

    begin_s: float
    end_s: float
    path: str
    offset_s: float
    speed: float


class Daw(Protocol):
    """What the script needs of REAPER."""

    def selection(self) -> tuple[float, float]:
        """Begin and end of the time selection in seconds; equal if there is none."""

    def bar_at(self, seconds: float) -> int:
        """The bar, from 0, in which a time lies."""

    def bar(self, number: int) -> Bar:
        """Bar `number`, from 0."""

    def sounds(self) -> list[Sound]:
        """The items of the selected track. Raises Mistake if no track is selected."""

    def folder(self) -> str:
        """Where the project keeps its files."""

    def replace(self, begin_s: float, end_s: float, path: str, length_s: float) -> None:
        """What the selected track has between two times makes way for a file."""


# ---- OSC: flat messages of text, whole numbers and floats


def pack(address: str, tags: str, *values: int | float | str) -> bytes:
    """One datagram. tags: s, i and f."""
    data = _text(address) + _text("," + tags)
    for tag, value in zip(tags, values, strict=True):
        data += _text(str(value)) if tag == "s" else struct.pack(">" + tag, value)
    return data


def unpack(datagram: bytes) -> tuple[str, list[Any]]:
    """Address and arguments."""
    address, at = _read_text(datagram, 0)
    tags, at = _read_text(datagram, at)
    values: list[Any] = []
    for tag in tags[1:]:
        if tag == "s":
            text, at = _read_text(datagram, at)
            values.append(text)
        else:
            values.append(struct.unpack_from(">" + tag, datagram, at)[0])
            at += 4
    return address, values


def _text(text: str) -> bytes:
    data = text.encode()
    return data + b"\0" * (4 - len(data) % 4)


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), (end // 4 + 1) * 4


class Engine:
    """A running `attacca serve`, by OSC. Use as a context manager."""

    def __init__(self, address: tuple[str, int] = ENGINE) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))

    def __enter__(self) -> Engine:
        self.send("/attacca/ping", "s", "reaper")
        if not any(address == "/attacca/pong" for address, _ in self._replies(ALIVE_SECONDS)):
            self._socket.close()
            raise Mistake(f"No engine answers at {self._address[0]}:{self._address[1]}: start one with attacca serve.")
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, address: str, tags: str, *values: int | float | str) -> None:
        """One message, not waited for."""
        self._socket.sendto(pack(address, tags, *values), self._address)

    def bars(self, source: str, prompt: str, bars: int, tempo: float, meter: str, seed: int) -> tuple[str, float]:
        """New bars that follow the WAV `source` (empty: from the prompt alone): their file and length in seconds."""
        wanted = uuid.uuid4().hex
        if source:
            if prompt:
                self.send("/attacca/prompt", "sf", prompt, 1.0)
            self.send("/attacca/continue", "ssifsi", wanted, source, bars, tempo, meter, seed)
            if prompt:
                self.send("/attacca/prompt", "")
        else:
            self.send("/attacca/generate", "ssifsi", wanted, prompt, bars, tempo, meter, seed)
        for address, values in self._replies(BARS_SECONDS):
            if address == "/attacca/done" and values[0] == wanted:
                return values[1], values[2] / values[3]
            if address == "/attacca/fail" and values[0] == wanted:
                raise Mistake(values[2])
        self.send("/attacca/cancel", "s", wanted)
        raise Mistake(f"The engine did not answer within {BARS_SECONDS:g} s.")

    def _replies(self, seconds: float) -> Iterator[tuple[str, list[Any]]]:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                yield unpack(self._socket.recv(65_536))
            except OSError:  # late, or nobody at that port
                return


# ---- a piece of a WAV file, its frames as they are


def cut(path: str, begin_s: float, end_s: float, target: str) -> None:
    """Writes the frames between two times of a WAV into another. Raises Mistake where it is none, or ends before."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
            raise Mistake("What is before the selection is no WAV file: glue the item and run this again.")
        form = b""
        while len(header := file.read(8)) == 8:
            name, size = header[:4], int.from_bytes(header[4:], "little")
            if name == b"data":
                break
            body = file.read(size + size % 2)
            form = body[:size] if name == b"fmt " else form
        rate, frame_bytes = struct.unpack_from("<I", form, 4)[0], struct.unpack_from("<H", form, 12)[0]
        first, last = round(begin_s * rate), round(end_s * rate)
        file.seek(first * frame_bytes, os.SEEK_CUR)
        data = file.read((last - first) * frame_bytes)
    if len(data) < (last - first) * frame_bytes:
        raise Mistake("The file before the selection ends too early: glue the item and run this again.")
    with open(target, "wb") as file:
        chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
        file.write(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)


# ---- what is done


def replace_selection(daw: Daw, engine: Engine, prompt: str = "", seed: int = -1) -> str:
    """Puts new bars in the place of the time selection, rounded to whole bars. Returns the new file. Raises Mistake."""
    first, last = _selected(daw)
    begin_s, end_s = daw.bar(first).begin_s, daw.bar(last).begin_s
    sound = next((one for one in daw.sounds() if one.begin_s < begin_s <= one.end_s + NEAR_SECONDS), None)
    context = first if sound is None else _context(daw, sound, first)
    if context == first and not prompt:
        raise Mistake("There is no whole bar before the selection to go on from: give a prompt.")
    tempo, meter = _steady(daw, context, last)
    with tempfile.TemporaryDirectory(prefix="attacca-") as scratch:
        source = ""
        if sound is not None and context < first:
            source, shift_s = os.path.join(scratch, "context.wav"), sound.offset_s - sound.begin_s
            cut(sound.path, daw.bar(context).begin_s + shift_s, begin_s + shift_s, source)
        made, length_s = engine.bars(source, prompt, last - first, tempo, meter, seed)
    kept = os.path.join(daw.folder(), f"attacca-bar{first + 1}-{uuid.uuid4().hex[:6]}.wav")
    shutil.copyfile(made, kept)  # the engine tidies its own folder
    daw.replace(begin_s, end_s, kept, length_s)
    return kept


def _selected(daw: Daw) -> tuple[int, int]:
    """The first bar of the selection and the one after its last."""
    begin_s, end_s = daw.selection()
    first, last = _nearest(daw, begin_s), _nearest(daw, end_s)
    if end_s <= begin_s or last <= first:
        raise Mistake("Select the bars to be replaced: the time selection holds no whole bar.")
    return first, last


def _nearest(daw: Daw, seconds: float) -> int:
    number = daw.bar_at(seconds)
    bar = daw.bar(number)
    return number + (seconds - bar.begin_s > bar.end_s - seconds)


def _context(daw: Daw, sound: Sound, first: int) -> int:
    """The bar from which on the sound before the selection is heard: a whole one, of one tempo with the selection."""
    if abs(sound.speed - 1) > 1e-9:
        raise Mistake("What is before the selection plays at another speed: glue the item and run this again.")
    begin = first
    while begin > max(0, first - CONTEXT_BARS) and daw.bar(begin - 1).begin_s >= sound.begin_s - NEAR_SECONDS:
        if not _same(daw.bar(begin - 1), daw.bar(first)):
            break
        begin -= 1
    return begin


def _steady(daw: Daw, first: int, last: int) -> tuple[float, str]:
    """Tempo and meter of bars; Mistake where they change."""
    bars = [daw.bar(number) for number in range(first, last)]
    if not all(_same(bar, bars[0]) for bar in bars):
        raise Mistake("Tempo or meter change inside of the selection: select bars of one tempo.")
    return round(bars[0].tempo, 3), bars[0].meter


def _same(one: Bar, other: Bar) -> bool:
    return one.meter == other.meter and abs(one.tempo - other.tempo) < SAME_TEMPO * other.tempo


# ---- REAPER itself


class Reaper:
    """`Daw` by REAPER's own functions, which Python finds in `reaper_python` while REAPER runs it."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def selection(self) -> tuple[float, float]:
        found = self._api.RPR_GetSet_LoopTimeRange(False, False, 0.0, 0.0, False)
        return found[2], found[3]

    def bar_at(self, seconds: float) -> int:
        return int(self._api.RPR_TimeMap2_timeToBeats(0, seconds, 0, 0, 0.0, 0)[3])

    def bar(self, number: int) -> Bar:
        line = self._api.RPR_TimeMap_GetMeasureInfo(0, number, 0.0, 0.0, 0, 0, 0.0)
        after = self._api.RPR_TimeMap_GetMeasureInfo(0, number + 1, 0.0, 0.0, 0, 0, 0.0)
        return Bar(line[0], after[0], line[4] - line[3], f"{line[5]}/{line[6]}")

    def _track(self) -> Any:
        if not self._api.RPR_CountSelectedTracks(0):
            raise Mistake("Select the track whose bars are to be replaced.")
        return self._api.RPR_GetSelectedTrack(0, 0)

    def _items(self, track: Any) -> list[tuple[Any, float, float]]:
        """Each item with its begin and end in seconds."""
        found = []
        for index in range(self._api.RPR_CountTrackMediaItems(track)):
            item = self._api.RPR_GetTrackMediaItem(track, index)
            begin_s = self._api.RPR_GetMediaItemInfo_Value(item, "D_POSITION")
            found.append((item, begin_s, begin_s + self._api.RPR_GetMediaItemInfo_Value(item, "D_LENGTH")))
        return found

    def sounds(self) -> list[Sound]:
        found = []
        for item, begin_s, end_s in self._items(self._track()):
            take = self._api.RPR_GetActiveTake(item)
            source = self._api.RPR_GetMediaItemTake_Source(take)
            path = self._api.RPR_GetMediaSourceFileName(source, "", 4096)[1]
            offset_s = self._api.RPR_GetMediaItemTakeInfo_Value(take, "D_STARTOFFS")
            speed = self._api.RPR_GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
            if path:
                found.append(Sound(begin_s, end_s, path, offset_s, speed))
        return found

    def folder(self) -> str:
        return str(self._api.RPR_GetProjectPath("", 4096)[0])

    def replace(self, begin_s: float, end_s: float, path: str, length_s: float) -> None:
        track = self._track()
        self._api.RPR_Undo_BeginBlock2(0)
        for item, from_s, to_s in self._items(track):
            if from_s < end_s - NEAR_SECONDS and to_s > begin_s + NEAR_SECONDS:
                inner = item if from_s >= begin_s - NEAR_SECONDS else self._api.RPR_SplitMediaItem(item, begin_s)
                if to_s > end_s + NEAR_SECONDS:
                    self._api.RPR_SplitMediaItem(inner, end_s)
                self._api.RPR_DeleteTrackMediaItem(track, inner)
        item = self._api.RPR_AddMediaItemToTrack(track)
        take = self._api.RPR_AddTakeToMediaItem(item)
        self._api.RPR_SetMediaItemTake_Source(take, self._api.RPR_PCM_Source_CreateFromFile(path))
        for name, value in (("D_POSITION", begin_s), ("D_LENGTH", length_s), ("D_FADEINLEN", 0.0)):
            self._api.RPR_SetMediaItemInfo_Value(item, name, value)
        self._api.RPR_UpdateArrange()
        self._api.RPR_Undo_EndBlock2(0, "Attacca: replace time selection", -1)


def main() -> None:
    """What REAPER's action does: asks, replaces, tells."""
    api = importlib.import_module("reaper_python")
    asked = api.RPR_GetUserInputs("Attacca", 2, "Prompt,Seed (-1: any),separator=|,extrawidth=200", "|-1", 1024)
    if not asked[0]:
        return
    prompt, _, seed = asked[4].rpartition("|")
    try:
        with Engine() as engine:
            replace_selection(Reaper(api), engine, prompt.strip(), int(seed or -1))
    except (Mistake, OSError, ValueError) as error:
        api.RPR_ShowMessageBox(str(error), "Attacca", 0)


if __name__ == "__main__":
    main()
