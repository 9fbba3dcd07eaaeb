"""A plan that is edited: does one bar change and no other, and does the sound follow?

Plans are written from seeds, one bar of each is transposed, and both are rendered from the same seed in two ways:
anew as a whole, and with the edited bar alone made again inside of what was there (fill). Told are

    plan     how many bars other than the edited one differ, in the plan that comes back and in one whose edited bar
             was written anew (the others locked); plans that come back from a MIDI file as they were
    follows  share of 20 Hz frames of the edited bar whose strongest pitch class is of the transposed bar's sounding
             chord or note: before the edit and after it; the untransposed bar against its own plan is the ceiling,
             the share of pitch classes that count is chance. Nearest: plans whose rendered bar, of all twelve
             transpositions, fits the one that was asked for best
    keeps    how far the log mels of the other bars move, in dB, beside what two seeds of one plan differ

    python -m benchmarks.plan [--plans 12] [--planner FILE] [--json-out FILE]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import line
from benchmarks.control.arranging import difference_db
from benchmarks.line import Found, Told
from bridge.files.edits import replaced
from bridge.files.wavefile import AudioFile
from engine.controls.harmony import NO_CHORD, chord_tones
from engine.planning.bars import opened, transposed
from engine.planning.midi import to_midi
from engine.planning.midiread import from_midi
from engine.render.generate import ModelRenderer
from engine.render.load import load_renderer
from engine.render.planned import plan_alone
from engine.training.metrics.control import chroma_at
from engine.types import MODEL_RATE_HZ, Audio, BarAudio, InlineAudio, Plan, PlanBar, PromptPart, Rendered, Request

PROMPTS = (
    ("deep house with a warm bass", "122"), ("soul with an organ and horns", "96"), ("bright synthwave", "110"),
    ("bossa nova with nylon guitar", "130"), ("driving rock band", "140"), ("lo-fi hip hop, soft keys", "84"),
)  # fmt: skip
SHIFTS = (3, -2, 5, 1, -4, 6, 2, -5, 4, -1, -3)
BARS, EDITED, QUARTERS = 4, 2, 4.0
FRAMES_A_SECOND = 20
WAYS = ("anew", "filled")
Array = NDArray[np.float64]


class Take(NamedTuple):
    """audio [frames, 2] of all bars, the first frame of each bar and the last's end, and the plan that was played."""

    audio: Audio
    lines: list[int]
    plan: Plan | None


@dataclass(frozen=True)
class Case:
    """A request, its plan, and the plan with one bar transposed."""

    request: Request
    plan: Plan
    shift: int

    @property
    def edited(self) -> Plan:
        bars = [transposed(bar, self.shift) if k == EDITED else bar for k, bar in enumerate(self.plan.bars)]
        return msgspec.structs.replace(self.plan, bars=tuple(bars))


def cases(renderer: ModelRenderer, count: int) -> Iterator[Case]:
    for number in range(count):
        text, tempo = PROMPTS[number % len(PROMPTS)]
        request = Request(
            id=f"plan-{number}", kind="generate", bars=BARS, tempo=tempo, seed=4_000 + number, measure=False,
            prompts=(PromptPart(text=text),), plan=True,
        )  # fmt: skip
        yield Case(request, plan_alone(renderer, request)[0], SHIFTS[number % len(SHIFTS)])


# ---- the plan ------------------------------------------------------------------------------------


def others_changed(before: Plan, after: Plan) -> int:
    """Bars that differ, the edited one left out."""
    pairs = enumerate(zip(before.bars, after.bars, strict=True))
    return sum(a != b for k, (a, b) in pairs if k != EDITED)


def of_plan(renderer: ModelRenderer, case: Case) -> Found:
    """What an edit, a locked rewriting and a MIDI file do to the plan itself."""
    locked = msgspec.structs.replace(case.request, plan=opened(case.plan, [EDITED]), seed=9_000)
    anew = plan_alone(renderer, locked)[0]
    return {
        "others_changed_by_the_edit": others_changed(case.plan, case.edited),
        "edited_bar_changed": case.plan.bars[EDITED] != case.edited.bars[EDITED],
        "others_changed_by_rewriting": others_changed(case.plan, anew),
        "rewritten_bar_changed": case.plan.bars[EDITED] != anew.bars[EDITED],
        "midi_round_trip": from_midi(to_midi(case.edited)) == case.edited,
    }


# ---- the sound -----------------------------------------------------------------------------------


def rendered(renderer: ModelRenderer, request: Request, inline: Audio | None = None) -> tuple[list[BarAudio], Rendered]:
    bars: list[BarAudio] = []
    return bars, renderer.render(request, inline, bars.append, lambda share: None, lambda: False)


def take(renderer: ModelRenderer, request: Request) -> Take:
    bars, told = rendered(renderer, request)
    audio = np.concatenate([bar.audio for bar in bars if bar.first_frame >= 0])
    return Take(audio, [0, *accumulate(told.bar_frames)], told.plan)


def filled(renderer: ModelRenderer, case: Case, before: Take) -> Take:
    """The edited bar alone made again, by its own bar of the edited plan, in what was there."""
    shape = InlineAudio(rate=MODEL_RATE_HZ, channels=before.audio.shape[1], frames=len(before.audio))
    one = msgspec.structs.replace(case.edited, bars=case.edited.bars[EDITED : EDITED + 1])
    request = msgspec.structs.replace(
        case.request, kind="continue", edit="fill", at_bar=EDITED, bars=1, plan=one, inline=shape
    )
    bars, _ = rendered(renderer, request, before.audio)
    nothing = np.zeros((0, before.audio.shape[1]), np.float32)
    new, lead_in = (
        np.concatenate([nothing, *(bar.audio for bar in bars if (bar.first_frame >= 0) == here)])
        for here in (True, False)
    )
    whole = AudioFile(before.audio.astype(np.float64), MODEL_RATE_HZ, "FLOAT")
    audio = replaced(whole, request, _Made(new, lead_in)).astype(np.float32)
    return Take(audio, before.lines, case.edited)


@dataclass(frozen=True)
class _Made:
    audio: Audio
    lead_in: Audio | None


def wanted(bar: PlanBar, beats: Array) -> NDArray[np.bool_]:
    """Which pitch classes a bar's plan has sounding at `beats` [n] from its line: [12, n]."""
    found = np.zeros((12, len(beats)), bool)
    chords = sorted(bar.chords or (), key=lambda chord: chord.beat)
    ends = [*(chord.beat for chord in chords[1:]), np.inf]
    for chord, end in zip(chords, ends, strict=True):
        if chord.name not in NO_CHORD:
            during = (beats >= chord.beat) & (beats < end)
            for tone in chord_tones(chord.name)[1]:
                found[tone, during] = True
    for note in bar.melody or ():
        found[note.pitch % 12, (beats >= note.beat) & (beats < note.beat + note.length)] = True
    return found


def chroma(one: Take, bar: int) -> tuple[Array, Array]:
    """(chroma [12, n] of a bar at 20 Hz, in the middle of each frame; the frames' beats from its line)."""
    seconds = (one.lines[bar + 1] - one.lines[bar]) / MODEL_RATE_HZ
    inside = (np.arange(int(seconds * FRAMES_A_SECOND)) + 0.5) / FRAMES_A_SECOND
    return chroma_at(one.audio, one.lines[bar] / MODEL_RATE_HZ + inside), inside / seconds * QUARTERS


def accuracy(heard: Array, target: NDArray[np.bool_]) -> float:
    """Share of frames with a target whose strongest pitch class is one of it."""
    told = target.any(axis=0)
    hits = target[heard.argmax(axis=0), np.arange(heard.shape[1])]
    return float(hits[told].mean()) if told.any() else float("nan")


def of_sound(renderer: ModelRenderer, case: Case) -> Found:
    """How the edited bar follows and the others keep, in both ways."""
    before = take(renderer, msgspec.structs.replace(case.request, plan=case.plan))
    again = take(renderer, msgspec.structs.replace(case.request, plan=case.plan, seed=8_000))
    after = {
        "anew": take(renderer, msgspec.structs.replace(case.request, plan=case.edited)),
        "filled": filled(renderer, case, before),
    }
    heard, beats = chroma(before, EDITED)
    own, target = wanted(case.plan.bars[EDITED], beats), wanted(case.edited.bars[EDITED], beats)
    row: Found = {
        "shift": case.shift,
        "before": accuracy(heard, target),
        "ceiling": accuracy(heard, own),
        "chance": float(target.any(axis=0) @ target.mean(axis=0) / max(1, target.any(axis=0).sum())),
        "two_seeds_db": elsewhere_db(before, again),
        "played_as_edited": after["anew"].plan == case.edited,
    }
    for name in WAYS:
        sound, _ = chroma(after[name], EDITED)
        fits = [accuracy(sound, np.roll(own, turn, axis=0)) for turn in range(12)]
        nearest = int(np.nanargmax(fits)) if np.isfinite(fits).any() else -1
        row[name] = {
            "after": accuracy(sound, target), "nearest": nearest == case.shift % 12,
            "elsewhere_db": elsewhere_db(before, after[name]),
        }  # fmt: skip
    return row


def elsewhere_db(one: Take, other: Take) -> float:
    """Mean absolute difference of log mels over all bars but the edited one."""
    parts = [(one.lines[0], one.lines[EDITED]), (one.lines[EDITED + 1], one.lines[-1])]
    sizes = [end - first for first, end in parts]
    found = [difference_db(one.audio, other.audio, first, end) for first, end in parts]
    return float(np.average(found, weights=sizes))


# ---- the run -------------------------------------------------------------------------------------


def body(found: Found, said: Told, plans: int, planner: Path | None) -> None:
    renderer = load_renderer(said.folder, "cpu", "torch")
    assert isinstance(renderer, ModelRenderer)
    if planner is not None:
        renderer.planning.file = planner
    found |= {"planner": renderer.planning.file.name, "bars": BARS, "edited_bar": EDITED + 1, "plans": 0, "rows": []}
    for case in cases(renderer, plans):
        found["rows"].append({**of_plan(renderer, case), **of_sound(renderer, case)})
        found["plans"] = len(found["rows"])
        found["means"] = means(found["rows"])


def means(rows: list[Found]) -> Found:
    """Over plans; counts are summed."""

    def mean(values: list[Any]) -> float:
        return line.tidy(float(np.nanmean([float(value) for value in values])))

    counts = ("others_changed_by_the_edit", "others_changed_by_rewriting")
    whole = ("edited_bar_changed", "rewritten_bar_changed", "midi_round_trip", "played_as_edited")
    result: Found = {name: sum(row[name] for row in rows) for name in (*counts, *whole)}
    result |= {name: mean([row[name] for row in rows]) for name in ("before", "ceiling", "chance", "two_seeds_db")}
    for way in WAYS:
        ways = [row[way] for row in rows]
        result[way] = {name: mean([one[name] for one in ways]) for name in ("after", "elsewhere_db")}
        result[way]["nearest"] = sum(one["nearest"] for one in ways)
    return result


def show(found: Found) -> None:
    if "means" not in found:
        return
    m, n = found["means"], found["plans"]
    exact = (
        ("other bars changed by transposing one", f"{m['others_changed_by_the_edit']} of {n * (BARS - 1)}"),
        ("locked bars changed by writing one anew", f"{m['others_changed_by_rewriting']} of {n * (BARS - 1)}"),
        ("edited bars that changed, rewritten bars that changed",
         f"{m['edited_bar_changed']} of {n}, {m['rewritten_bar_changed']} of {n}"),
        ("edited plans that came back as played", f"{m['played_as_edited']} of {n}"),
        ("edited plans the same after a MIDI file", f"{m['midi_round_trip']} of {n}"),
    )  # fmt: skip
    line.table(f"Plans: bar {found['edited_bar']} of {BARS}", ("", "found"), exact)
    titles = {"anew": "all bars rendered anew", "filled": "the edited bar filled in"}
    rows = [
        (titles[way], f"{m['before']:.2f}", f"{m[way]['after']:.2f}", f"{m['ceiling']:.2f}", f"{m['chance']:.2f}",
         f"{m[way]['nearest']} of {n}", f"{m[way]['elsewhere_db']:.2f}", f"{m['two_seeds_db']:.2f}")
        for way in WAYS
    ]  # fmt: skip
    headings = (
        "sound",
        "fits the edit: before",
        "after",
        "ceiling",
        "chance",
        "nearest",
        "other bars, dB",
        "two seeds",
    )
    line.table("The edited bar follows, the others keep", headings, rows)


@click.command(help=line.help_text(__doc__))
@click.option("--plans", default=12, show_default=True, type=click.IntRange(1, 200))
@click.option("--bundle", type=click.Path(path_type=Path), help="Else ATTACCA_BUNDLE, else the shipped one.")
@click.option("--planner", type=click.Path(path_type=Path, exists=True), help="Else the bundle's.")
@click.option("--json-out", type=click.Path(path_type=Path), help="Where the line is appended.")
@click.option("--json", "as_json", is_flag=True, help="Print the line and no table.")
def main(plans: int, bundle: Path | None, planner: Path | None, json_out: Path | None, as_json: bool) -> None:
    said = Told(json_out, as_json, bundle, False)

    def told(found: Found) -> None:
        show(found)
        click.echo(msgspec.json.encode(found).decode())

    line.run("plan", said, lambda found: body(found, said, plans, planner), told)


if __name__ == "__main__":
    main()
