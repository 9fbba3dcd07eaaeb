"""What the control benchmark asks for, and how each clip is scored: tasks with a target, and without it.

Tempi, curves and melodies are written here and stand in no corpus; words are phrasings that no training saw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.control import arranging
from benchmarks.control.melodies import TUNES, Tune
from benchmarks.control.notes import note_f1
from bridge.demo import LOOP
from engine.controls.form import parse_form
from engine.controls.request import on_grid
from engine.training.metrics import ditto, probe, seam
from engine.training.metrics.control import TimedNote, chroma_at, frame_targets, intensity_mse, melody_score
from engine.training.metrics.phrasings import UNSEEN
from engine.types import MODEL_RATE_HZ, Audio, CurvePoint, InlineAudio, Only, PromptPart, Request, Stretch

FIRST_SEED = 70_000
SECONDS = 6.0
CURVES = ("ramp", "swell", "drop", "steps")
FORMS = ("ABA", "AAB", "AB", "ABC")
LOOP_BARS, LOOP_TEMPO = 4, "120"
INTENSITY = "intensity MSE, dB^2"
Array = NDArray[np.float64]
Scores = dict[str, float]


@dataclass(frozen=True)
class Ears:
    """Judges that no optimiser has seen, where there are any: the melody probe, and the style judge as a function
    from sound to log-probabilities of named styles. similarity: cosine of sound and words in the joint space; parts:
    how many play, by the bundle's listener."""

    probe: probe.Probe | None = None
    styles: Callable[[Audio], dict[str, float]] | None = None
    similarity: Callable[[str, Audio], float] | None = None
    parts: arranging.Parts | None = None


@dataclass(frozen=True)
class Heard:
    """A clip [frames, 2] beside the uncontrolled one of the same seed, and one of another seed where there is one."""

    audio: Audio
    free: Audio
    other: Audio | None = None


@dataclass(frozen=True)
class Task:
    """asked: the request with its target; free: the same without; targets: names of those that are optimised.

    trained: whether the target is a condition of the model as well (a form is not).
    """

    kind: str
    name: str
    asked: Request
    free: Request
    targets: tuple[str, ...]
    score: Callable[[Heard, Ears], Scores]
    inline: Audio | None = None
    trained: bool = True


def curve(kind: str, quarters: float, rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    """(beat, dBFS) points. Nothing falls or rises by more than a 1 s window can show."""
    low, high, at = float(rng.uniform(-34, -26)), float(rng.uniform(-17, -12)), float(rng.uniform(0.4, 0.6)) * quarters
    middle, third = (low + high) / 2, quarters / 3
    points = {
        "ramp": ((0, low), (quarters, high)),
        "swell": ((0, low), (at, high), (quarters, low)),
        "drop": ((0, high), (at - 2, high), (at - 1, low), (at + 1, low), (at + 2, high)),
        "steps": ((third - 1, low), (third, middle), (2 * third, middle), (2 * third + 1, high)),
    }
    return tuple((max(0.0, float(beat)), float(db)) for beat, db in points[kind])


def style_of(index: int) -> tuple[str, str]:
    """(style, words that ask for it): every style in turn, then in other words."""
    names = sorted(UNSEEN)
    style = names[(index * 7) % len(names)]
    return style, UNSEEN[style][(index // len(names)) % len(UNSEEN[style])]


def request(kind: str, index: int, bars: int, tempo: str, meter: str = "4/4", **fields: object) -> Request:
    text = style_of(index)[1]
    made = Request(
        id=f"{kind}-{index}", kind="generate", bars=bars, tempo=tempo, meter=meter, seed=FIRST_SEED + index,
        prompts=(PromptPart(text=text),),
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def bars_of(tempo: str, meter: str) -> tuple[int, float]:
    """(whole bars of about SECONDS, quarters in them)."""
    upper, lower = map(int, meter.split("/"))
    quarters = 4 * upper / lower
    bars = max(1, round(SECONDS * float(tempo) / 60 / quarters))
    return bars, bars * quarters


def points_score(points: Sequence[tuple[float, float]], tempo: str) -> Callable[[Heard, Ears], Scores]:
    at, level = seconds_of(points, tempo)
    return lambda heard, ears: {INTENSITY: intensity_mse(heard.audio, at, level)}


def seconds_of(points: Sequence[tuple[float, float]], tempo: str) -> tuple[Array, Array]:
    """A curve's points as (seconds [n], dBFS [n])."""
    at, level = np.array(points, np.float64).T
    return at * 60 / float(tempo), level


def intensity_task(index: int) -> Task:
    tempo = str(96 + 12 * (index % 4))
    bars, quarters = bars_of(tempo, "4/4")
    kind = CURVES[index % len(CURVES)]
    points = curve(kind, quarters, np.random.default_rng(FIRST_SEED + index))
    asked = request("intensity", index, bars, tempo, intensity=points_of(points))
    free = msgspec.structs.replace(asked, intensity=None)
    at, level = seconds_of(points, tempo)

    def score(heard: Heard, ears: Ears) -> Scores:
        found = {INTENSITY: intensity_mse(heard.audio, at, level)}
        found |= arranging.arranges(heard.audio, lambda seconds: np.interp(seconds, at, level), ears.parts)
        if heard.audio is not heard.free:
            found["share of the change that a gain ride explains"] = arranging.share_of_gain(heard.audio, heard.free)
        return found

    return Task("intensity", kind, asked, free, ("intensity",), score)


def points_of(points: Sequence[tuple[float, float]]) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(beat=beat, db=min(0.0, db)) for beat, db in points)


def melody_task(index: int) -> Task:
    tune = TUNES[index % len(TUNES)]
    turn = index // len(TUNES)
    return tune_task(tune, index, shift=turn * 3 % 7 - 3 if turn else 0)


def tune_task(tune: Tune, index: int, shift: int = 0) -> Task:
    """Follow a tune, `shift` semitones up."""
    bars, quarters = bars_of(tune.tempo, tune.meter)
    notes = tune.notes(quarters, shift)
    asked = request("melody", index, bars, tune.tempo, tune.meter, melody=notes)
    beat = 60 / float(tune.tempo)
    timed = [TimedNote(note.pitch, note.beat * beat, (note.beat + note.length) * beat) for note in notes]
    times, pitch, rest = frame_targets(timed, quarters * beat)

    def score(heard: Heard, ears: Ears) -> Scores:
        found = {"melody accuracy, CQT": melody_score(chroma_at(heard.audio, times), pitch, rest).accuracy}
        if ears.probe is not None:
            judged = pitch >= 0
            found["melody accuracy, probe"] = float(
                (probe.heard(ears.probe, heard.audio, times) == pitch)[judged].mean()
            )
        found["melody notes with octave, pYIN, F1"] = note_f1(heard.audio, timed)
        return found

    free = msgspec.structs.replace(asked, melody=None)
    return Task("melody", tune.name, asked, free, ("melody",), score)


def structure_task(index: int) -> Task:
    return form_task(FORMS[index % len(FORMS)], index)


def form_task(form: str, index: int) -> Task:
    """Follow a form, a letter a bar or, where it has two, a letter every two bars."""
    bars = 2 * len(form) if len(form) == 2 else len(form)
    tempo = str(round(60 * 4 * bars / SECONDS))
    asked = request("structure", index, bars, tempo, form=form, refine="1")
    letters, bar = parse_form(form, bars), 240 / float(tempo)

    def score(heard: Heard, ears: Ears) -> Scores:
        audio = heard.audio
        rows = np.arange(int(2 * len(audio) / MODEL_RATE_HZ))
        names = [letters[min(bars - 1, int((row + 0.5) / 2 / bar))] for row in rows]
        wanted = np.array([[float(a == b) for b in names] for a in names])
        return {
            "structure MSE": ditto.structure_mse(ditto.similarity_of(audio), wanted),
            "structure MSE, librosa's MFCC": ditto.structure_mse(ditto.similarity_by_librosa(audio), wanted),
        }

    free = msgspec.structs.replace(asked, form=None, refine=None)
    return Task("structure", form, asked, free, ("structure",), score, trained=False)


def text_task(index: int) -> Task:
    """Without: no prompt at all."""
    tempo = str(100 + 10 * (index % 4))
    asked = request("text", index, bars_of(tempo, "4/4")[0], tempo)
    style, text = style_of(index)

    def score(heard: Heard, ears: Ears) -> Scores:
        found: Scores = {}
        if ears.similarity is not None:
            found["text similarity, joint space"] = ears.similarity(text, heard.audio)
        if ears.styles is not None:
            chances = ears.styles(heard.audio)
            found["style's log-probability, judge"] = chances.get(style, min(chances.values()))
        return found

    return Task("text", style, asked, msgspec.structs.replace(asked, prompts=()), ("text",), score)


def seam_task(index: int) -> Task:
    """The shipped loop goes on under a curve that begins at its level."""
    loop, rate = soundfile.read(LOOP, dtype="float32", always_2d=True)
    asked = request("seam", index, 3, LOOP_TEMPO)
    level = 10 * np.log10(np.square(loop, dtype=np.float64).mean())
    points = ((0.0, float(level)), (12.0, float(level) - (12 if index % 2 else -6)))
    shape = InlineAudio(rate=int(rate), channels=loop.shape[1], frames=len(loop))
    asked = msgspec.structs.replace(
        asked, kind="continue", inline=shape, rate=MODEL_RATE_HZ, prompts=(),
        intensity=points_of(points),
    )  # fmt: skip
    before = resampled(loop, int(rate))
    mse = points_score(points, LOOP_TEMPO)

    def score(heard: Heard, ears: Ears) -> Scores:
        whole = np.concatenate([before, heard.audio])
        bar = len(before) // LOOP_BARS
        lines = [bar * k for k in range(LOOP_BARS + 1)] + [len(before) + len(heard.audio) * k // 3 for k in (1, 2, 3)]
        found = seam.judge(whole, lines, LOOP_BARS)
        return {
            "continued, intensity MSE, dB^2": mse(heard, ears)[INTENSITY],
            "seam flux, dB": found.flux_db,
        }

    on_grid(asked, len(loop), int(rate))
    free = msgspec.structs.replace(asked, intensity=None)
    return Task("seam", "loop", asked, free, ("intensity",), score, np.asarray(loop, np.float32))


def part_task(index: int) -> Task:
    """Four bars with a target on bars 3 and 4: a curve, or a tune. What bars 1 and 2 are must not depend on it.

    There is no prompt: its words would be searched for in all bars.
    """
    tempo, bars = str(116 + 8 * (index % 3)), 4
    quarters, beat = 4.0 * bars, 60 / float(tempo)
    here = Stretch(begin=quarters / 2, end=quarters)
    free = msgspec.structs.replace(request("part", index, bars, tempo), prompts=())
    if index % 2:
        tune = TUNES[(index // 2) % len(TUNES)]
        notes = [msgspec.structs.replace(one, beat=one.beat + here.begin) for one in tune.notes(quarters / 2)]
        asked = msgspec.structs.replace(free, melody=tuple(notes), only=Only(melody=here))
    else:
        points = curve(CURVES[(index // 2) % len(CURVES)], quarters / 2, np.random.default_rng(FIRST_SEED + index))
        later = points_of([(at + here.begin, db) for at, db in points])
        asked = msgspec.structs.replace(free, intensity=later, only=Only(intensity=here))
    line, end = (round(at * beat * MODEL_RATE_HZ) for at in (here.begin, here.end))

    def score(heard: Heard, ears: Ears) -> Scores:
        if heard.other is None or heard.audio is heard.free:
            return {}
        found = {}
        for name, first, last in (("without a target", 0, line), ("with one", line, end)):
            usual = arranging.difference_db(heard.other, heard.free, first, last)
            moved = arranging.difference_db(heard.audio, heard.free, first, last)
            found[f"bars {name}: change over that of another seed"] = moved / usual
        return found

    return Task("part", "melody" if index % 2 else "intensity", asked, free, (), score)


def resampled(audio: Audio, rate: int) -> Audio:
    import soxr

    return np.asarray(soxr.resample(audio, rate, MODEL_RATE_HZ, "HQ"), np.float32)


KINDS: dict[str, Callable[[int], Task]] = {
    "intensity": intensity_task, "melody": melody_task, "structure": structure_task, "text": text_task,
    "seam": seam_task, "part": part_task,
}  # fmt: skip
