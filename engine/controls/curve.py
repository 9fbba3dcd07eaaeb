"""Intensity curves: dBFS over quarters, linear between points, ends held (DEFINITIONS.md, "Controls")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import BadAudio, BadRequest
from engine.timing import TempoMap, shown
from engine.types import MAX_SECONDS, RATE_RANGE_HZ, CurvePoint

FLOOR_DB, CEILING_DB = -60.0, 6.0
HOPS_PER_SECOND = 100
WINDOW_SECONDS = 1
BLOCKS_PER_SECOND = 800
MAX_POINTS = 10_000
MAX_BEAT = 100_000
MAX_TEXT_BYTES = 1_000_000
THINNING_DB = 0.1
CURVE_SENTENCE = (
    'An intensity curve is "beat:dB,beat:dB,..." with beats that do not fall, from 0 up, and levels from -60 to 6 dB,'
    ' as in "0:-30,8:-12", or a file .csv, .json, .wav or .flac'
)

_TYPED = re.compile(r"[0-9+\-.:,eE\s]*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,24})?|\.[0-9]{1,24})(?:[eE][+-]?[0-9]{1,2})?")
Array = NDArray[np.float64]


def parse_curve(
    text: str, tempo_map: TempoMap | None = None, bars: int | None = None, first_bar: int = 0
) -> tuple[CurvePoint, ...]:
    """The points that CURVE or FILE describes.

    text: "beat:dB,...", or a path to .csv (two columns), .json ([[beat, dB], ...]) or .wav/.flac.
    Beats are quarters from the first new bar. With tempo_map and bars, points past the end are
    refused; an audio file needs tempo_map (its time zero is `first_bar`) and is cut at the end.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise BadRequest(f"{CURVE_SENTENCE}; this one is longer than {MAX_TEXT_BYTES} characters.")
    end = None
    if tempo_map is not None and bars is not None:
        end = tempo_map.bar_start_quarters(first_bar + bars) - tempo_map.bar_start_quarters(first_bar)
    if ":" in text and _TYPED.fullmatch(text):
        return checked(_typed(text), end)
    path, suffix = Path(text), Path(text).suffix.lower()
    if suffix in (".wav", ".flac"):
        return _audio_curve(path, tempo_map, end, first_bar)
    if suffix not in (".csv", ".json"):
        raise BadRequest(f"{CURVE_SENTENCE}; got {shown(text)}.")
    content = read_text(path)
    return checked(_from_csv(content) if suffix == ".csv" else _from_json(content), end)


def checked(points: Sequence[tuple[float, float]], end: Fraction | None = None) -> tuple[CurvePoint, ...]:
    """(beat, dB) pairs as curve points; BadRequest for no points, disorder, values out of range, past the end."""
    if not 1 <= len(points) <= MAX_POINTS:
        raise BadRequest(f"An intensity curve has 1 to {MAX_POINTS} points; got {len(points)}.")
    before = 0.0
    for beat, db in points:
        if not (isfinite(beat) and isfinite(db) and 0 <= beat <= MAX_BEAT and FLOOR_DB <= db <= CEILING_DB):
            raise BadRequest(f"{CURVE_SENTENCE}; got {beat:g}:{db:g}.")
        if beat < before:
            raise BadRequest(f"{CURVE_SENTENCE}; beat {beat:g} comes after beat {before:g}.")
        if end is not None and Fraction(beat) > end:
            raise BadRequest(
                f"The intensity curve has a point at beat {beat:g}, past the end of the new bars;"
                f" beats run from 0 to {end}."
            )
        before = beat
    return tuple(CurvePoint(beat=float(beat), db=float(db)) for beat, db in points)


def sample_curve(points: Sequence[CurvePoint], beats: Array) -> Array:
    """dBFS at positions in quarters, same shape as beats: linear between points, the ends held."""
    return np.asarray(np.interp(beats, [p.beat for p in points], [p.db for p in points]), np.float64)


def read_text(path: Path) -> str:
    """A small text file, or BadRequest that says what is wrong with it."""
    name = shown(path.name or str(path))
    try:
        if not path.is_file():
            raise BadRequest(f"There is no file {name}.")
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise BadRequest(f"{name} is larger than {MAX_TEXT_BYTES // 1_000_000} MB; give fewer points.")
        return data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise BadRequest(f"Cannot read {name}: {_why(error)}.") from None


def _why(error: Exception) -> str:
    return error.strerror or "no such file" if isinstance(error, OSError) else "it is not UTF-8 text"


def _number(text: str) -> float:
    bare = text.strip()
    if _NUMBER.fullmatch(bare) is None:
        raise BadRequest(f"{CURVE_SENTENCE}; got {shown(text)}.")
    return float(bare)


def _pair(parts: list[str]) -> tuple[float, float]:
    if len(parts) != 2:
        raise BadRequest(f"{CURVE_SENTENCE}; got {shown(':'.join(parts))}.")
    return _number(parts[0]), _number(parts[1])


def _typed(text: str) -> list[tuple[float, float]]:
    return [_pair(point.split(":")) for point in text.split(",")]


def _from_csv(content: str) -> list[tuple[float, float]]:
    """Two columns with comma, semicolon or tab; one header line and # comments may stand above."""
    lines = [line for line in content.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines and not any(c.isdigit() for c in lines[0]):
        lines = lines[1:]
    return [_pair(re.split(r"[,;\t]", line)) for line in lines]


def _from_json(content: str) -> list[tuple[float, float]]:
    """[[beat, dB], ...], [{"beat": b, "db": d}, ...], or {"points": either}."""
    try:
        value: Any = msgspec.json.decode(content)
        if isinstance(value, dict):
            value = value["points"]
        pairs = [(p["beat"], p["db"]) if isinstance(p, dict) else p for p in value]
        return msgspec.convert(pairs, list[tuple[float, float]])
    except (msgspec.MsgspecError, RecursionError, KeyError, TypeError):
        raise BadRequest(f"{CURVE_SENTENCE}; a .json file holds [[beat, dB], [beat, dB], ...].") from None


def intensity_envelope(audio: NDArray[np.floating[Any]], rate: int) -> tuple[Array, Array]:
    """(seconds [T], dBFS [T]) of audio [frames, channels] every 10 ms from 0 to its end.

    10 log10 of mean power over channels under a 1 s Hann window that weighs only what lies inside
    the audio, floor -60. The window is evaluated at the centres of blocks of about 1 ms.
    """
    return _envelope(_block_power(audio, rate // BLOCKS_PER_SECOND), len(audio), rate)


def _block_power(audio: NDArray[np.floating[Any]], block: int) -> Array:
    """Summed mean-over-channels power of each block of frames; the last block may be short."""
    frames, channels = audio.shape
    whole = np.ascontiguousarray(audio[: frames // block * block]).reshape(-1, block * channels)
    power = np.einsum("bi,bi->b", whole, whole, dtype=np.float64)
    if frames % block:
        power = np.append(power, np.square(audio[frames // block * block :], dtype=np.float64).sum())
    return np.asarray(power / channels, np.float64)


def _envelope(power: Array, frames: int, rate: int) -> tuple[Array, Array]:
    """`intensity_envelope` from block sums of power."""
    block, half = rate // BLOCKS_PER_SECOND, rate * WINDOW_SECONDS / 2
    starts = np.arange(len(power)) * block
    sizes = np.minimum(block, frames - starts).astype(np.float64)
    places = starts + (sizes - 1) / 2
    seconds: Array = np.arange(1 + frames * HOPS_PER_SECOND // rate, dtype=np.float64) / HOPS_PER_SECOND
    mean = _hann_sums(power, places, seconds * rate, half) / _hann_sums(sizes, places, seconds * rate, half)
    db = np.maximum(FLOOR_DB, 10 * np.log10(np.maximum(mean, 1e-12)))
    return seconds, np.asarray(db, np.float64)


def _hann_sums(values: Array, places: Array, centres: Array, half: float) -> Array:
    """Sums of values under a Hann window of half-width `half` around each centre, by three running sums.

    sum v(n) (1 + cos(pi (n - c) / half)) / 2 over |n - c| < half; cos(a - b) splits into products of n and c.
    """
    start, stop = np.searchsorted(places, centres - half), np.searchsorted(places, centres + half)

    def windowed(weighted: Array) -> Array:
        running = np.concatenate(([0.0], np.cumsum(weighted)))
        return np.asarray(running[stop] - running[start])

    turn, at = np.pi / half * places, np.pi / half * centres
    cosine, sine = windowed(values * np.cos(turn)), windowed(values * np.sin(turn))
    return np.asarray(0.5 * (windowed(values) + np.cos(at) * cosine + np.sin(at) * sine))


def _audio_curve(
    path: Path, tempo_map: TempoMap | None, end: Fraction | None, first_bar: int
) -> tuple[CurvePoint, ...]:
    if tempo_map is None:
        raise BadRequest("An audio file as an intensity curve needs a tempo; give one, or a curve in beats.")
    seconds, db = _file_envelope(path)
    points = _thinned(seconds, np.minimum(np.round(db, 3), CEILING_DB))
    return checked(_in_beats(points, tempo_map, end, first_bar))


def _file_envelope(path: Path) -> tuple[Array, Array]:
    """The envelope of an audio file, read in pieces."""
    import soundfile

    name = shown(path.name or str(path))
    try:
        if not path.is_file():
            raise BadAudio(f"There is no file {name}.")
        with soundfile.SoundFile(path) as file:
            rate, frames = file.samplerate, 0
            if not RATE_RANGE_HZ[0] <= rate <= RATE_RANGE_HZ[1] or not 0 < file.frames <= MAX_SECONDS * rate:
                raise BadAudio(f"{name} must hold audio of up to {MAX_SECONDS // 60} minutes at 8000 to 192000 Hz.")
            block, pieces = rate // BLOCKS_PER_SECOND, []
            while len(audio := file.read(block * 1024, dtype="float32", always_2d=True)):
                if not np.isfinite(audio).all():
                    raise BadAudio(f"{name} holds values that are not finite.")
                pieces.append(_block_power(audio, block))
                frames += len(audio)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        raise BadAudio(f"Cannot read {name} as audio; give a WAV or FLAC file.") from None
    if not frames:
        raise BadAudio(f"{name} is empty.")
    return _envelope(np.concatenate(pieces), frames, rate)


def _in_beats(
    points: list[tuple[float, float]], tempo_map: TempoMap, end: Fraction | None, first_bar: int
) -> list[tuple[float, float]]:
    """Seconds to quarters from the first new bar, cut at the end with a last point there."""
    base = tempo_map.bar_start_quarters(first_bar)
    start, found = tempo_map.seconds_at(base), []
    for seconds, db in points:
        found.append((float(tempo_map.quarters_at(start + Fraction(seconds).limit_denominator(10**6)) - base), db))
        if end is not None and found[-1][0] > end:
            (b0, d0), (b1, d1) = found[-2], found[-1]
            found[-1] = (float(end), d0 + (d1 - d0) * (float(end) - b0) / (b1 - b0))
            break
    return found


def _thinned(seconds: Array, db: Array) -> list[tuple[float, float]]:
    """The fewest points that a halving search needs to stay within 0.1 dB (Douglas-Peucker on levels)."""
    tolerance = THINNING_DB
    while True:
        keep, spans = {0, len(db) - 1}, [(0, len(db) - 1)]
        while spans:
            first, last = spans.pop()
            if last - first < 2:
                continue
            line = np.interp(seconds[first : last + 1], seconds[[first, last]], db[[first, last]])
            gaps = np.abs(db[first : last + 1] - line)
            worst = first + int(gaps.argmax())
            if gaps[worst - first] > tolerance:
                keep.add(worst)
                spans += [(first, worst), (worst, last)]
        if len(keep) <= MAX_POINTS:
            return [(float(seconds[i]), float(db[i])) for i in sorted(keep)]
        tolerance *= 2
