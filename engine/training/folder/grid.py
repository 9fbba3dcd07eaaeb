"""Where the bars are: a straight grid of beats, from what is said about a sound and from listening to it.

The tracker is librosa's; it tells the tempo to a few percent. A comb over the onset envelope then finds period and
phase of the straight grid that most onsets agree with, and the onsets' own rise, seen at 1 ms, sets its phase. A file
that holds a whole number of bars at that tempo is taken for a loop: its length is the exact tempo. The downbeat is
where the lows begin and the harmony changes. Every figure comes with how sure it is, 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import soxr
from numpy.typing import NDArray

from engine.timing import TEMPO_RANGE_BPM, Meter, round_half_up
from engine.training.folder.hints import Hints
from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
RATE_HZ = 22_050
HOP = 128
ENVELOPE_HZ = RATE_HZ / HOP
USUAL_BPM = (66.0, 190.0)
LOOP_TOLERANCE = 0.002
LOOP_SLACK_SECONDS = 0.025
LONGEST_LOOP_SECONDS = 70.0
LOOP_BARS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
NEAR_SECONDS = 0.05
RISE_SEARCH_SECONDS = 0.06


@dataclass(frozen=True)
class Grid:
    """tempo in quarters a minute; first_beat_seconds: a downbeat, from just below 0 on; sure: of each, 0 to 1.

    origin: who said the tempo ("side-car", "name", "tags", "tracked"). loop: the whole file is whole bars.
    """

    tempo: Fraction
    meter: Meter
    first_beat_seconds: float
    origin: str
    tempo_sure: float
    beat_sure: float
    downbeat_sure: float
    loop: bool = False

    @property
    def beat_seconds(self) -> float:
        """Length of a felt beat (the mean one, where a meter's beats differ)."""
        return self.bar_seconds / len(self.meter.beats)

    @property
    def felt_bpm(self) -> float:
        return 60.0 / self.beat_seconds

    @property
    def bar_seconds(self) -> float:
        return float(self.meter.bar_quarters * 60 / self.tempo)

    @property
    def tracked(self) -> bool:
        """Whether nobody but the tracker says the tempo."""
        return self.origin in ("tracked", "assumed")

    @property
    def sure(self) -> float:
        """Of tempo and first beat together; with a tempo that was said, fewer onsets on the beat will do."""
        return min(self.tempo_sure, self.beat_sure if self.tracked else 2.0 * self.beat_sure)


@dataclass(frozen=True)
class Onsets:
    """What the grid is looked for in: mono at 22.05 kHz, onset strength every 128 samples, the lows' own."""

    mono: NDArray[np.float32]
    strength: Array
    lows: Array
    seconds: float


def listen(audio: Audio) -> Onsets:
    """Onset envelopes of audio [frames, 2] at 48 kHz."""
    import librosa

    mono = np.asarray(soxr.resample(audio.mean(axis=1), MODEL_RATE_HZ, RATE_HZ, "HQ"), np.float32)
    mel = librosa.feature.melspectrogram(y=mono, sr=RATE_HZ, n_fft=1024, hop_length=HOP, n_mels=64, power=1.0)
    level = np.log1p(100.0 * mel)
    rise = np.maximum(0.0, level[:, 2:] - level[:, :-2])
    strength = np.concatenate([[0.0], rise.mean(axis=0), [0.0]])
    lows = np.concatenate([[0.0], rise[:4].mean(axis=0), [0.0]])
    return Onsets(mono, strength / (strength.max() + 1e-9), lows / (lows.max() + 1e-9), len(audio) / MODEL_RATE_HZ)


def tracked_bpm(heard: Onsets) -> float | None:
    """The tracker's tempo, halved or doubled into the usual range; None where it finds no beats."""
    import librosa

    if heard.strength.max() <= 0.0:
        return None
    with np.errstate(all="ignore"):
        tempo, beats = librosa.beat.beat_track(onset_envelope=heard.strength, sr=RATE_HZ, hop_length=HOP, trim=False)
    bpm = float(np.atleast_1d(tempo)[0])
    if len(beats) < 4 or bpm <= 0.0:
        return None
    while bpm > USUAL_BPM[1]:
        bpm /= 2
    while bpm < USUAL_BPM[0]:
        bpm *= 2
    return bpm


def comb(strength: Array, period: float, phases: int = 32) -> tuple[float, float]:
    """(mean strength on the best grid of `period` envelope frames, its phase in frames)."""
    count = max(1, int((len(strength) - 1) // period))
    starts = np.arange(phases) * period / phases
    places = starts[:, None] + np.arange(count) * period
    found = np.interp(places, np.arange(len(strength)), strength).mean(axis=1)
    best = int(found.argmax())
    return float(found[best]), float(starts[best])


def smoothed(strength: Array, frames: int = 5) -> Array:
    kernel = np.hanning(frames + 2)[1:-1]
    return np.asarray(np.convolve(strength, kernel / kernel.sum(), "same"))


def refine(heard: Onsets, bpm: float, spread: float) -> float:
    """The tempo within +-`spread` (relative) whose straight grid meets the strongest onsets."""
    strength, best = smoothed(heard.strength, 9), bpm
    for width, steps in ((spread, 49), (spread / 12, 25), (spread / 72, 25)):
        tried = best * (1.0 + np.linspace(-width, width, steps))
        scores = [comb(strength, ENVELOPE_HZ * 60.0 / float(one))[0] for one in tried]
        best = float(tried[int(np.argmax(scores))])
    return best


def rise_times(heard: Onsets, beats: Array) -> float:
    """Median shift in seconds from `beats` to the steepest rise of loudness near them, at 1 ms."""
    step = RATE_HZ // 1000
    bright = np.diff(heard.mono, prepend=heard.mono[:1])
    power = np.square(bright[: len(bright) // step * step]).reshape(-1, step).mean(axis=1)
    level = np.log10(smoothed(power, 3) + 1e-7)
    rise = np.maximum(0.0, level[4:] - level[:-4])
    reach, at = round(RISE_SEARCH_SECONDS * RATE_HZ / step), np.round(beats * RATE_HZ / step).astype(int)
    rows = [rise[a - reach - 2 : a + reach - 2] for a in at if a > reach + 2 and a + reach < len(rise)]
    if not rows:
        return 0.0
    folded = smoothed(np.mean(rows, axis=0), 3)
    return float((int(folded.argmax()) - reach) * step / RATE_HZ)


def beat_share(heard: Onsets, period: float, phase: float) -> float:
    """How clearly onsets stand on the beats: the folded strength near the beat against chance, 0 to 1."""
    strength = smoothed(heard.strength)
    places = (np.arange(len(strength)) / ENVELOPE_HZ - phase) / period
    distance = np.abs(places - np.round(places)) * period
    near = distance <= NEAR_SECONDS
    expected = near.mean()
    share = strength[near].sum() / (strength.sum() + 1e-9)
    return float(np.clip((share - expected) / (1.0 - expected) * 1.6, 0.0, 1.0))


def find_grid(audio: Audio, hints: Hints, near_bpm: float | None = None) -> Grid:
    """The grid of audio [frames, 2] at 48 kHz, from `hints` where they speak and by listening else.

    near_bpm: felt beats a minute that the tempo must be close to, where the rest of the recording is known.
    """
    heard = listen(audio)
    meter = hints.meter or Meter(4, 4)
    tempo, origin, sure = _tempo(heard, hints, meter, near_bpm)
    tempo, looped = _as_loop(heard.seconds, tempo, meter, origin)
    if looped and origin == "tracked":
        sure = max(sure, 0.85)
    grid = Grid(tempo, meter, 0.0, origin, sure, 1.0, 1.0, looped)
    if hints.first_beat_seconds is not None:
        return replace(grid, first_beat_seconds=hints.first_beat_seconds)
    return _place(heard, grid)


def _tempo(heard: Onsets, hints: Hints, meter: Meter, near_bpm: float | None) -> tuple[Fraction, str, float]:
    """(tempo, who said it, how sure)."""
    if hints.tempo is not None:
        return hints.tempo, hints.origin("tempo"), 1.0
    if hints.beats is not None:
        said = hints.beats * 60 / Fraction(heard.seconds).limit_denominator(10**6)
        if TEMPO_RANGE_BPM[0] <= said <= TEMPO_RANGE_BPM[1]:
            return said.limit_denominator(10**6), hints.origin("beats"), 0.95
    bpm = near_bpm or tracked_bpm(heard)
    if hints.bare_tempo is not None and _agrees(heard, float(hints.bare_tempo), bpm, meter):
        return hints.bare_tempo, hints.origin("bare_tempo"), 0.9
    if bpm is None:
        return Fraction(120), "assumed", 0.0
    felt = Fraction(sum(meter.beats), len(meter.beats))
    best = max(
        (refine(heard, one, 0.04) for one in ([bpm] if near_bpm else _rivals(bpm))),
        key=lambda one: _divides(heard, one, meter),
    )
    period = 60.0 / best
    phase = comb(smoothed(heard.strength), ENVELOPE_HZ * period)[1] / ENVELOPE_HZ
    tempo = Fraction(round_half_up(Fraction(best) * felt * 1000), 1000)
    low, high = (Fraction(edge) for edge in TEMPO_RANGE_BPM)
    return min(high, max(low, tempo)), "tracked", round(beat_share(heard, period, phase), 2)


def _rivals(bpm: float) -> list[float]:
    """The tracked tempo, and those of which it would be the dotted or the triplet pulse."""
    return [one for one in (bpm, 1.5 * bpm, bpm / 1.5) if USUAL_BPM[0] <= one <= USUAL_BPM[1]]


def _divides(heard: Onsets, bpm: float, meter: Meter) -> float:
    """How well onsets fill the grid of a tempo: its beats, and the quarters of them (thirds in x/8 of three).

    A dotted pulse's quarters miss the sixteenths; its thirds would not, which is why they count only where said.
    """
    strength, period = smoothed(heard.strength), ENVELOPE_HZ * 60.0 / bpm
    parts = 3 if meter.beats[0].denominator == 2 else 4
    return comb(strength, period)[0] + comb(strength, period / parts)[0]


def _agrees(heard: Onsets, said: float, tracked: float | None, meter: Meter) -> bool:
    """Is a bare number in the name this sound's tempo? It is if whole bars fill the file, or the tracker thinks so."""
    if _whole_bars(heard.seconds, Fraction(said), meter) is not None:
        return True
    ratios = () if tracked is None else (tracked / said * factor for factor in (0.5, 2 / 3, 1.0, 1.5, 2.0))
    return any(abs(ratio - 1.0) < 0.04 for ratio in ratios)


def _whole_bars(seconds: float, tempo: Fraction, meter: Meter, slack_seconds: float = LOOP_SLACK_SECONDS) -> int | None:
    """How many bars fill the file, if a usual number does: within 0.2 %, or `slack_seconds` where that is more."""
    if seconds > LONGEST_LOOP_SECONDS:
        return None
    bars = seconds / float(meter.bar_quarters * 60 / tempo)
    near = round(bars)
    return (
        near if near in LOOP_BARS and abs(bars / near - 1.0) <= max(LOOP_TOLERANCE, slack_seconds / seconds) else None
    )


def _as_loop(seconds: float, tempo: Fraction, meter: Meter, origin: str) -> tuple[Fraction, bool]:
    """(the tempo, exact where a tracked loop's length gives it; is it a loop)."""
    said = origin not in ("tracked", "assumed")
    bars = _whole_bars(seconds, tempo, meter, 0.0 if said else LOOP_SLACK_SECONDS)
    if bars is None or said:
        return tempo, bars is not None
    exact = bars * meter.bar_quarters * 60 / Fraction(seconds).limit_denominator(10**6)
    return Fraction(round_half_up(exact * 1000), 1000), True


def _place(heard: Onsets, grid: Grid) -> Grid:
    """First downbeat and how sure it is."""
    period = grid.beat_seconds
    phase = comb(smoothed(heard.strength), ENVELOPE_HZ * period, 96)[1] / ENVELOPE_HZ
    beats = np.arange(phase, heard.seconds, period)
    phase += rise_times(heard, beats)
    near_start = abs((phase + period / 2) % period - period / 2)
    if grid.loop and (near_start < 0.08 or beat_share(heard, period, 0.0) > 0.7 * beat_share(heard, period, phase)):
        phase = 0.0
    phase = (phase + RISE_SEARCH_SECONDS) % period - RISE_SEARCH_SECONDS
    beat_sure = beat_share(heard, period, phase)
    if grid.loop and phase == 0.0:
        return replace(grid, beat_sure=max(0.8, round(beat_sure, 2)), downbeat_sure=0.9)
    first, sure = _downbeat(heard, grid, phase)
    return replace(grid, first_beat_seconds=first, beat_sure=round(beat_sure, 2), downbeat_sure=round(sure, 2))


def _downbeat(heard: Onsets, grid: Grid, phase: float) -> tuple[float, float]:
    """(seconds of the first downbeat, how sure): the beat of the bar with the most new lows and new harmony."""
    count = len(grid.meter.beats)
    beats = np.arange(phase, heard.seconds - 0.1, grid.beat_seconds)
    if len(beats) < 2 * count:
        return phase, 0.3
    at = np.clip(np.round(beats * ENVELOPE_HZ).astype(int), 0, len(heard.lows) - 1)
    lows = np.array([heard.lows[max(0, i - 6) : i + 7].max() for i in at])
    score = _standard(lows) + 1.5 * _standard(harmony_change(heard, beats))
    folded = np.array([score[k::count].mean() for k in range(count)])
    folded[0] += 0.15
    order = np.argsort(folded)
    margin = folded[order[-1]] - folded[order[-2]] if count > 1 else 1.0
    return float(phase + order[-1] * grid.beat_seconds), float(np.clip(margin, 0.0, 1.0))


def _standard(values: Array) -> Array:
    return np.asarray((values - values.mean()) / (values.std() + 1e-6))


def harmony_change(heard: Onsets, beats: Array) -> Array:
    """How much the chroma after each beat differs from the one before it, 0 to 1 [n]."""
    import librosa

    chroma = librosa.feature.chroma_stft(y=heard.mono, sr=RATE_HZ, n_fft=4096, hop_length=1024, tuning=0.0, norm=None)
    edges = np.clip(np.round(beats * RATE_HZ / 1024).astype(int), 0, chroma.shape[1])
    spans = [
        chroma[:, a : max(a + 1, b)].sum(axis=1) for a, b in zip(edges, [*edges[1:], chroma.shape[1]], strict=True)
    ]
    unit = np.stack([span / (np.linalg.norm(span) + 1e-9) for span in spans])
    return np.concatenate([[0.0], 1.0 - (unit[1:] * unit[:-1]).sum(axis=1)])
