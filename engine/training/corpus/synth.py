"""From written notes to stems: fluidsynth for pitched parts, placed one-shots for drums.

fluidsynth acts on events at multiples of 64 samples (1.3 ms). Drums must be tighter: each hit
is rendered once, its own attack lag is measured and removed, and it is added at the exact
sample. Pitched notes are scheduled to the nearest 64 samples after removing the instrument's
measured lag. Levels are calibrated, so that `gain_db` means the same for every program.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import Unavailable
from engine.training.corpus.levels import RATE_HZ, Stem, block_power, from_db, k_weighted
from engine.training.corpus.placing import Hit, attack_frame, event_frame, place_hits, trimmed
from engine.training.corpus.song import NoteEvent, Part
from engine.training.corpus.soundfonts import INSTALL_HINT

WARNINGS = 2
BLOCK = 64
PRE_ROLL = 64 * BLOCK
DRUM_BANK = 128
REFERENCE_DB = -18.0
"""K-weighted level of a calibrated note at velocity 100; a calibrated kick is 6 dB above."""
BEND_RANGE_SEMITONES = 12
MAX_LAG_FRAMES = 720
_HIT_SECONDS = 3.0
_VELOCITY_STEP = 16
_HITS_KEPT = 1500
_SENT_CONTROLLERS = frozenset({1, 2, 11, 64, 65, 66, 67, 71, 74})
_KICK_DB = {35: 0.0, 36: 0.0}
_DRUM_DB = _KICK_DB | {
    37: -7.0, 38: -1.0, 39: -2.0, 40: -1.0, 41: -3.0, 42: -11.0, 43: -3.0, 44: -13.0, 45: -3.0,
    46: -10.0, 47: -3.0, 48: -3.0, 49: -7.0, 50: -3.0, 51: -11.0, 52: -8.0, 53: -10.0, 55: -8.0,
    57: -7.0, 59: -11.0,
}  # fmt: skip
_PERCUSSION_DB = -11.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured of one instrument. lag_frames: note-on to attack; gain: to reference."""

    lag_frames: int
    gain: float


def _burst_level_db(audio: Stem, window: int) -> float:
    """Loudest K-weighted level of any block of `window` frames."""
    return float(10.0 * np.log10(block_power(k_weighted(audio), window).max(initial=0.0) + 1e-12))


class Synth:
    """One loaded fluidsynth. Not shared between threads; keep one per process and font.

    What it renders depends on its arguments alone, to the last bit: the SoundFont stays, and each part or note
    gets a synthesiser of its own (0.1 ms), as fluidsynth would reuse the filters and the phases of its voices.
    """

    def __init__(self, font: Path) -> None:
        try:
            import fluidsynth
        except ImportError as missing:
            raise Unavailable(f"fluidsynth cannot be loaded. Try: {INSTALL_HINT}") from missing
        self._api: Any = fluidsynth
        self._settings = fluidsynth.new_fluid_settings()
        for key, number in (("synth.sample-rate", float(RATE_HZ)), ("synth.gain", 0.5)):
            fluidsynth.fluid_settings_setnum(self._settings, key.encode(), number)
        for key, value in (
            ("synth.reverb.active", 0), ("synth.chorus.active", 0),
            ("synth.polyphony", 192), ("synth.cpu-cores", 1),
        ):  # fmt: skip
            fluidsynth.fluid_settings_setint(self._settings, key.encode(), value)
        self._library = self._typed(ctypes.CDLL(fluidsynth.find_libfluidsynth()))
        self._synth = fluidsynth.new_fluid_synth(self._settings)
        self._font = fluidsynth.fluid_synth_sfload(self._synth, str(font).encode(), 0)
        if self._font < 0:
            raise Unavailable(f"The SoundFont {font} cannot be read. Try: {INSTALL_HINT}")
        self._sounds = self._library.fluid_synth_get_sfont_by_id(self._synth, self._font)
        self._write: Any = self._library.fluid_synth_write_float
        self._write.argtypes = [
            ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int,
            ctypes.c_void_p, ctypes.c_int, ctypes.c_int,
        ]  # fmt: skip
        self._bend_range: Any = self._library.fluid_synth_pitch_wheel_sens
        self._bend_range.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        self._calibrations: dict[tuple[int, int], Calibration] = {}
        self._hits: dict[tuple[int, int, int], Hit] = {}
        self._drum_gains: dict[tuple[int, int], float] = {}

    def close(self) -> None:
        """Free the synth; it must not be used afterwards."""
        self._api.delete_fluid_synth(self._synth)
        self._api.delete_fluid_settings(self._settings)

    def render(self, part: Part, tempo: float, frames: int) -> Stem:
        """Stereo stem [2, frames] at 48 kHz of one part, calibrated, before the part's gain."""
        if part.group == "drums":
            return self._render_drums(part, tempo, frames)
        return self._render_pitched(part, tempo, frames)

    # --- fluidsynth -----------------------------------------------------------------------

    @staticmethod
    def _typed(library: Any) -> Any:
        """libfluidsynth with the pointers of what is called past pyfluidsynth; its warnings are not printed."""
        pointer = ctypes.c_void_p
        library.fluid_set_log_function.argtypes = [ctypes.c_int, pointer, pointer]
        library.fluid_set_log_function(WARNINGS, None, None)  # each taken font: "no preset found", 16 times
        library.fluid_synth_get_sfont_by_id.restype = pointer
        library.fluid_synth_get_sfont_by_id.argtypes = [pointer, ctypes.c_int]
        for name in ("fluid_synth_add_sfont", "fluid_synth_remove_sfont"):
            getattr(library, name).argtypes = [pointer, pointer]
        return library

    def _renew(self) -> None:
        """A synthesiser that has not played yet takes over the font."""
        self._library.fluid_synth_remove_sfont(self._synth, self._sounds)
        self._api.delete_fluid_synth(self._synth)
        self._synth = self._api.new_fluid_synth(self._settings)
        self._font = self._library.fluid_synth_add_sfont(self._synth, self._sounds)

    def _select(self, bank: int, program: int) -> None:
        self._renew()
        api, synth = self._api, self._synth
        self._pull(np.zeros((2, 2 * BLOCK), np.float32), 0, 2 * BLOCK)
        if api.fluid_synth_program_select(synth, 0, self._font, bank, program) < 0:
            api.fluid_synth_program_select(synth, 0, self._font, bank, 0)
        self._bend_range(synth, 0, BEND_RANGE_SEMITONES)

    def _pull(self, target: Stem, start: int, count: int) -> None:
        """Render `count` frames into target [2, frames] (C order) at `start`."""
        left = target.ctypes.data + 4 * start
        right = left + 4 * target.shape[1]
        self._write(self._synth, count, left, 0, 1, right, 0, 1)

    def _note(self, bank: int, program: int, key: int, velocity: int, hold: int, total: int) -> Stem:
        """A single note [2, total], held for `hold` frames."""
        self._select(bank, program)
        out = np.zeros((2, total), np.float32)
        self._api.fluid_synth_noteon(self._synth, 0, key, velocity)
        self._pull(out, 0, hold)
        self._api.fluid_synth_noteoff(self._synth, 0, key)
        if total > hold:
            self._pull(out, hold, total - hold)
        return out

    # --- pitched parts --------------------------------------------------------------------

    def calibration(self, program: int, key: int) -> Calibration:
        """Lag and gain of a program in the octave of `key`, measured once."""
        octave = min(8, max(2, (key + 6) // 12))
        found = self._calibrations.get((program, octave))
        if found is None:
            note = self._note(0, program, 12 * octave, 100, 24_000, 24_000)
            level_db = _burst_level_db(note, 4800)
            away_db = REFERENCE_DB - level_db if level_db > -70.0 else 0.0  # out of its range
            gain = from_db(min(24.0, max(-24.0, away_db)))
            found = Calibration(min(MAX_LAG_FRAMES, attack_frame(note)), gain)
            self._calibrations[program, octave] = found
        return found

    def _render_pitched(self, part: Part, tempo: float, frames: int) -> Stem:
        blocks = -(-(PRE_ROLL + frames) // BLOCK)
        out = np.zeros((2, blocks * BLOCK), np.float32)
        if not part.notes:
            return out[:, PRE_ROLL : PRE_ROLL + frames]
        middle = int(np.median([note.pitch for note in part.notes]))
        measured = self.calibration(part.program, middle)
        self._select(0, part.program)
        at = 0
        for block, _, action, first, second in _schedule(part, tempo, measured.lag_frames):
            block = min(max(0, block), blocks)
            if block > at:
                self._pull(out, at * BLOCK, (block - at) * BLOCK)
                at = block
            self._act(action, first, second)
        if at < blocks:
            self._pull(out, at * BLOCK, (blocks - at) * BLOCK)
        return out[:, PRE_ROLL : PRE_ROLL + frames] * np.float32(measured.gain)

    def _act(self, action: str, first: int, second: int) -> None:
        if action == "on":
            self._api.fluid_synth_noteon(self._synth, 0, first, second)
        elif action == "off":
            self._api.fluid_synth_noteoff(self._synth, 0, first)
        elif action == "bend":
            self._api.fluid_synth_pitch_bend(self._synth, 0, first)
        else:
            self._api.fluid_synth_cc(self._synth, 0, first, second)

    # --- drums ----------------------------------------------------------------------------

    def _drum_gain(self, kit: int, key: int) -> float:
        """Gain of a key: three quarters of the way from the kit's own level to the usual one."""
        found = self._drum_gains.get((kit, key))
        if found is None:
            note = self._note(DRUM_BANK, kit, key, 110, 14_400, 14_400)
            level_db = _burst_level_db(note, 1440)
            away_db = min(20.0, max(-20.0, wanted_drum_db(key) - level_db))
            found = from_db(away_db) if level_db > -100.0 else 0.0
            self._drum_gains[kit, key] = found
        return found

    def _one_shot(self, kit: int, key: int, velocity: int) -> Stem:
        """A drum note [2, frames], rendered until it is 60 dB below its peak or `_HIT_SECONDS` old."""
        chunk = 150 * BLOCK
        chunks = int(_HIT_SECONDS * RATE_HZ) // chunk
        audio = np.zeros((2, chunks * chunk), np.float32)
        self._select(DRUM_BANK, kit)
        self._api.fluid_synth_noteon(self._synth, 0, key, velocity)
        peak = 0.0
        for index in range(chunks):
            self._pull(audio, index * chunk, chunk)
            now = float(np.abs(audio[:, index * chunk : (index + 1) * chunk]).max())
            peak = max(peak, now)
            if index == chunks // 2:
                self._api.fluid_synth_noteoff(self._synth, 0, key)
            if now < 1e-3 * peak:
                return audio[:, : (index + 1) * chunk]
        return audio

    def hit(self, kit: int, key: int, velocity: int) -> Hit:
        """The one-shot of a drum key at a velocity (velocities share samples in steps of 16)."""
        layer = min(127, -(-velocity // _VELOCITY_STEP) * _VELOCITY_STEP)
        found = self._hits.pop((kit, key, layer), None)
        if found is None:
            gain = np.float32(self._drum_gain(kit, key))
            audio = self._one_shot(kit, key, layer)
            found = Hit(trimmed(audio * gain), attack_frame(audio))
            if len(self._hits) >= _HITS_KEPT:
                del self._hits[next(iter(self._hits))]
        self._hits[kit, key, layer] = found  # the last used stands last
        scale = np.float32((velocity / layer) ** 2)
        return Hit(found.audio * scale, found.onset)

    def _render_drums(self, part: Part, tempo: float, frames: int) -> Stem:
        return place_hits(part.notes, lambda key, velocity: self.hit(part.program, key, velocity), tempo, frames)


def wanted_drum_db(key: int) -> float:
    """K-weighted level that a stroke of a General MIDI drum key has at velocity 110."""
    return REFERENCE_DB + 6.0 + _DRUM_DB.get(key, _PERCUSSION_DB)


def _schedule(part: Part, tempo: float, lag_frames: int) -> list[tuple[int, int, str, int, int]]:
    """Sorted (block, order, action, first, second); note-offs come before note-ons of a block."""

    def block_of(beat: float, offset_ms: float) -> int:
        frame = event_frame(beat, offset_ms, tempo) + PRE_ROLL - lag_frames
        return (frame + BLOCK // 2) // BLOCK

    events: list[tuple[int, int, str, int, int]] = []
    by_pitch: dict[int, list[NoteEvent]] = {}
    for note in part.notes:
        by_pitch.setdefault(note.pitch, []).append(note)
    for pitch, notes in by_pitch.items():
        starts = sorted(((block_of(n.beat, n.offset_ms), n) for n in notes), key=lambda s: s[0])
        for index, (start, note) in enumerate(starts):
            end = max(start + 1, block_of(note.beat + note.length, note.offset_ms))
            if index + 1 < len(starts):
                end = min(end, starts[index + 1][0])
            events.append((start, 2, "on", pitch, note.velocity))
            events.append((end, 0, "off", pitch, 0))
    for control in part.controls:
        block = block_of(control.beat, 0.0)
        if control.controller == -1:
            share = control.value / BEND_RANGE_SEMITONES
            bend = min(16383, max(0, 8192 + round(8192 * share)))
            events.append((block, 1, "bend", bend, 0))
        elif control.controller in _SENT_CONTROLLERS:
            value = min(127, max(0, round(control.value)))
            events.append((block, 1, "cc", control.controller, value))
    return sorted(events)
