"""Intensity and melody on held-out targets, against the same request without the control and the same seed."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from engine.controls import intensity_envelope
from engine.timing import Meter, TempoMap
from engine.training.metrics import listening, probe, targets
from engine.training.metrics.bench import FIRST_SEED, Bench
from engine.training.metrics.control import Array, chroma_at, frame_targets, intensity_mse, melody_score
from engine.training.metrics.prompts import spread
from engine.training.metrics.sections.beat import whole_bars
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.types import MODEL_RATE_HZ, Audio, PromptPart, Request

CLIPS = 40
SECONDS = 8.0
Curve = tuple[Array, Array]


def curve_requests(bench: Bench, count: int) -> list[tuple[str, Request, Curve]]:
    """(kind, request, curve in seconds); envelopes come from held-out clips, prompts are ours."""
    rng = np.random.default_rng(FIRST_SEED)
    found = []
    for index, (text, tempo, meter) in enumerate(spread(count)):
        tempo_map = TempoMap.parse(tempo, Meter.parse(meter))
        bars, kind = whole_bars(tempo_map, SECONDS), targets.KINDS[index % len(targets.KINDS)]
        seconds = float(tempo_map.seconds_at(tempo_map.bar_start_quarters(bars)))
        if kind == "envelope":
            song = bench.songs[index % len(bench.songs)]
            at, level = targets.envelope(song, 0, min(song.bars, whole_bars(song.tempo_map, seconds)))
            inside = at <= seconds - 0.01
            at, level = at[inside], level[inside]
        else:
            at, level = targets.curve(kind, seconds, rng)
        request = Request(
            id=f"level-{index}", kind="generate", bars=bars, tempo=tempo, meter=meter, seed=FIRST_SEED + index,
            prompts=(PromptPart(text=text),), intensity=targets.points(at, level, float(tempo)),
        )  # fmt: skip
        found.append((kind, request, (at, level)))
    return found


def offset(audio: Audio, wanted: Curve) -> float:
    """Mean of found minus wanted level in dB."""
    at, found = intensity_envelope(audio, MODEL_RATE_HZ)
    return float((found - np.interp(at, *wanted)).mean())


def level_of_real(bench: Bench, count: int) -> dict[str, list[float]]:
    """Held-out clips against their own envelopes as points, as they are and through codec and vocoder."""
    scores: dict[str, list[float]] = {"held-out": [], "held-out coded": []}
    for song in bench.track([bench.songs[i % len(bench.songs)] for i in range(count)], "control: real levels"):
        bars = min(song.bars, whole_bars(song.tempo_map, SECONDS))
        wanted = targets.envelope(song, 0, bars)
        audio = song.audio(0, song.line(bars))
        scores["held-out"].append(intensity_mse(audio, *wanted))
        scores["held-out coded"].append(intensity_mse(bench.reconstructed(audio), *wanted))
    return scores


def measure_intensity(bench: Bench) -> dict[str, Any]:
    asked = curve_requests(bench, bench.scaled(CLIPS))
    mse: dict[str, list[float]] = {"model": [], "with gain ride": [], "uncontrolled": [], "chance": []}
    offsets, examples = [], []
    for index, (kind, request, wanted) in enumerate(bench.track(asked, "control: intensity")):
        bench.renderer.ride = True
        mse["with gain ride"].append(intensity_mse(bench.render(request), *wanted))
        bench.renderer.ride = False
        audio = bench.render(request)
        free = bench.render(msgspec.structs.replace(request, intensity=None))
        mse["model"].append(intensity_mse(audio, *wanted))
        mse["uncontrolled"].append(intensity_mse(free, *wanted))
        mse["chance"].append(intensity_mse(audio, *asked[(index + len(asked) // 2) % len(asked)][2]))
        offsets.append(offset(audio, wanted))
        if index < 6:
            at, found = intensity_envelope(audio, MODEL_RATE_HZ)
            curve = np.interp(at, *wanted)
            examples.append({"kind": kind, "wanted": _thin(curve), "found": _thin(found)})
    mse |= level_of_real(bench, min(len(bench.songs), bench.scaled(CLIPS)))
    kinds = [kind for kind, _, _ in asked]
    by_kind = {k: summary([v for v, name in zip(mse["model"], kinds, strict=True) if name == k]) for k in set(kinds)}
    return {
        "mse_db2": {name: summary(values, 3) for name, values in mse.items()},
        "model_by_kind": {kind: by_kind[kind] for kind in targets.KINDS if kind in by_kind},
        "model_offset_db": summary(offsets, 3),
        "examples": examples,
    }


def _thin(curve: Array) -> list[float]:
    """Every tenth of a second, for the plot."""
    return [round(float(value), 2) for value in curve[::10]]


def melody_requests(bench: Bench, count: int) -> list[tuple[targets.Lead, Request]]:
    """Leads of held-out songs; the prompt, and for every second one the chords, come from another song."""
    each = -(-count // max(1, len(bench.songs))) + 1
    per_song = [targets.leads(song, SECONDS, each) for song in bench.songs]
    ordered = [found[turn] for turn in range(each) for found in per_song if turn < len(found)][:count]
    asked = []
    for index, lead in enumerate(ordered):
        others = [s for s in bench.songs if s.facts["style"] != lead.song.facts["style"]] or bench.songs
        other = others[(index * 7 + 3) % len(others)]
        chords = targets.chords_of(other, 0, min(other.bars, lead.bars)) if index % 2 else ""
        request = Request(
            id=f"melody-{index}", kind="generate", bars=lead.bars, tempo=lead.song.facts["tempo"],
            meter=lead.song.meter, seed=FIRST_SEED + index, prompts=(PromptPart(text=other.facts["captions"][0]),),
            melody=lead.melody(), chords=chords or None,
        )  # fmt: skip
        asked.append((lead, request))
    return asked


def measure_melody(bench: Bench) -> dict[str, Any]:
    asked = melody_requests(bench, bench.scaled(CLIPS))
    frames = [frame_targets(lead.notes, lead.seconds) for lead, _ in asked]
    accuracy: dict[str, list[float]] = {"model": [], "uncontrolled": [], "chance": [], "held-out": []}
    false: dict[str, list[float]] = {"model": [], "uncontrolled": [], "held-out": []}
    learnt = listening.melody_probe(bench)
    probed: dict[str, list[float]] = {name: [] for name in (*accuracy, "held-out coded")}
    for index, (lead, request) in enumerate(bench.track(asked, "control: melody")):
        song = lead.song
        clips = {
            "model": bench.render(request),
            "uncontrolled": bench.render(msgspec.structs.replace(request, melody=None)),
            "held-out": song.audio(song.line(lead.first_bar), song.line(lead.first_bar + lead.bars)),
        }
        times, pitch, rest = frames[index]
        for name, audio in clips.items():
            chroma = chroma_at(audio, times)
            found = melody_score(chroma, pitch, rest)
            accuracy[name].append(found.accuracy)
            classes = probe.heard(learnt.probe, audio, times)
            probed[name].append(learnt.accuracy(song, classes, pitch))
            false[name].append(found.false_in_rests)
            if name == "model":
                other = np.resize(frames[(index + 1) % len(frames)][1], pitch.shape)
                accuracy["chance"].append(melody_score(chroma, other, rest).accuracy)
                probed["chance"].append(learnt.accuracy(song, classes, other))
            if name == "held-out":
                coded = probe.heard(learnt.probe, bench.reconstructed(audio), times)
                probed["held-out coded"].append(learnt.accuracy(song, coded, pitch))
    given = [request.chords is not None for _, request in asked]
    split = {
        "with another song's chords": [a for a, on in zip(accuracy["model"], given, strict=True) if on],
        "without chords": [a for a, on in zip(accuracy["model"], given, strict=True) if not on],
    }
    return {
        "accuracy": {name: summary(values) for name, values in accuracy.items()},
        "false_in_rests": {name: summary(values) for name, values in false.items()},
        "probe": {name: summary(values) for name, values in probed.items()},
        "probe_trained_on": learnt.trained_on,
        "model_split": {name: summary(values) for name, values in split.items()},
    }


def measure(bench: Bench) -> dict[str, Any]:
    return {"intensity": measure_intensity(bench), "melody": measure_melody(bench)}


def table(results: dict[str, Any]) -> Table:
    level, tune = results["intensity"], results["melody"]
    rows = []
    for name in ("model", "with gain ride", "uncontrolled", "chance", "held-out", "held-out coded"):
        cells = [level["mse_db2"].get(name), tune["accuracy"].get(name), tune["probe"].get(name)]
        cells.append(tune["false_in_rests"].get(name))
        rows.append([name, *(shown(cell) if cell else "-" for cell in cells)])
    kinds = ", ".join(f"{kind} {entry['mean']:.2f}" for kind, entry in level["model_by_kind"].items())
    parts = ", ".join(f"{name} {shown(entry)}" for name, entry in tune["model_split"].items())
    remarks = [
        f"Intensity by kind of curve, dB^2: {kinds}.",
        f"Mean offset {shown(level['model_offset_db'], 2)} dB, not removed.",
        f"Melody: {parts}. Prompts come from songs of another style than the lead.",
        "Model: the trained condition alone, before the gain ride that a user gets on top of it.",
        f"The probe: a small network trained on {tune['probe_trained_on']}; held-out clips are its ceiling.",
        "False notes: share of rest frames whose strongest pitch class stands out more than in the median note frame.",
        "Chance: the same renders against another target. Uncontrolled: same seed, that control left out.",
    ]
    header = ["", "intensity MSE, dB^2", "melody accuracy by chroma", "by the probe", "false notes in rests"]
    return Table("Controls", header, rows, remarks)
