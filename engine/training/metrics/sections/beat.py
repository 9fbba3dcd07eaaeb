"""Do the drums sit on the grid? Ceiling: held-out clips. Floor: the beat condition withheld."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from engine.timing import Meter, TempoMap
from engine.training.metrics.beat import LEVELS, Array, Score, beat_times, score, track
from engine.training.metrics.bench import FIRST_SEED, Bench, Song
from engine.training.metrics.prompts import WITHOUT_DRUMS, spread
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.types import Audio, PromptPart, Request, Strengths

CLIPS = 40
SECONDS = 16.0
DRUMS_SHARE = 0.8


def whole_bars(tempo_map: TempoMap, seconds: float) -> int:
    """How many bars come nearest to `seconds`, at least one."""
    return max(1, round(seconds / float(tempo_map.seconds_at(tempo_map.bar_start_quarters(1)))))


def requests(count: int) -> list[Request]:
    """Generations of about 16 s from prompts with drums."""
    found = []
    for index, (text, tempo, meter) in enumerate(spread(count)):
        bars = whole_bars(TempoMap.parse(tempo, Meter.parse(meter)), SECONDS)
        prompts, seed = (PromptPart(text=text),), FIRST_SEED + index
        found.append(
            Request(
                id=f"beat-{index}", kind="generate", bars=bars, tempo=tempo, meter=meter, seed=seed, prompts=prompts
            )
        )
    return found


def grid(request: Request) -> Array:
    assert request.tempo is not None
    return beat_times(TempoMap.parse(request.tempo, Meter.parse(request.meter)), request.bars)


def held_out(songs: list[Song], count: int) -> list[tuple[Audio, Array]]:
    """Up to `count` clips of about 16 s with drums, two a song, and their beats."""
    found: list[tuple[Audio, Array]] = []
    for share in (0, 1):
        for song in songs:
            bars = min(song.bars, whole_bars(song.tempo_map, SECONDS))
            first_bar = share * (song.bars - bars)
            first, last = song.line(first_bar), song.line(first_bar + bars)
            heard = song.array("presence")[first // 512 : last // 512, 0].mean()
            usable = song.facts["style"] not in WITHOUT_DRUMS and heard > DRUMS_SHARE and (not share or first_bar)
            if usable and len(found) < count:
                found.append((song.audio(first, last), beat_times(song.tempo_map, bars, first_bar)))
    return found


def row(scores: list[Score]) -> dict[str, Any]:
    """A table row: F, F at the best metrical level, and the share of clips with the right tempo by level."""
    tempo = {name: round(float(np.mean([s.tempo_right(level) for s in scores])), 3) for name, level in LEVELS.items()}
    any_level = np.mean([any(s.tempo_right(level) for level in LEVELS.values()) for s in scores])
    return {
        "f": summary([s.f for s in scores]),
        "level_f": summary([s.level_f for s in scores]),
        "tempo": {**tempo, "any": round(float(any_level), 3)},
        "clips": [round(s.f, 4) for s in scores],
    }


def halfway(rows: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """(model - floor) / (ceiling - floor) of mean F, with a bootstrap interval (model and floor paired)."""
    model, floor, ceiling = (np.array(rows[name]["clips"]) for name in ("model", "floor", "held-out"))
    rng = np.random.default_rng(seed)
    pairs = rng.integers(len(model), size=(2000, len(model)))
    others = rng.integers(len(ceiling), size=(2000, len(ceiling)))
    base = floor[pairs].mean(1)
    draws = (model[pairs].mean(1) - base) / np.maximum(ceiling[others].mean(1) - base, 1e-6)
    share = (model.mean() - floor.mean()) / max(float(ceiling.mean() - floor.mean()), 1e-6)
    low, high = np.quantile(draws, (0.025, 0.975))
    return {"share": round(float(share), 3), "interval": [round(float(low), 3), round(float(high), 3)]}


def share_of(found: list[float], ceiling: list[float]) -> dict[str, Any]:
    """Mean F over the ceiling's mean F, with a bootstrap interval (clips of both drawn apart)."""
    rng = np.random.default_rng(0)
    a, b = np.array(found), np.array(ceiling)
    draws = a[rng.integers(len(a), size=(2000, len(a)))].mean(1)
    base = b[rng.integers(len(b), size=(2000, len(b)))].mean(1)
    low, high = np.quantile(draws / np.maximum(base, 1e-6), (0.025, 0.975))
    share = float(a.mean() / max(b.mean(), 1e-6))
    return {"mean": round(share, 3), "interval": [round(float(low), 3), round(float(high), 3)], "n": len(a)}


def measure(bench: Bench) -> dict[str, Any]:
    """Render, track and compare; rows model, floor, chance, held-out, held-out coded."""
    asked = requests(bench.scaled(CLIPS))
    grids = [grid(request) for request in asked]
    found: dict[str, list[Array]] = {"model": [], "floor": []}
    for request in bench.track(asked, "beat: model and floor"):
        withheld = msgspec.structs.replace(request, strengths=Strengths(beat=0.0))
        found["model"].append(track(bench.render(request)))
        found["floor"].append(track(bench.render(withheld)))
    rows = {name: row([score(f, g) for f, g in zip(times, grids, strict=True)]) for name, times in found.items()}
    shifted = grids[len(grids) // 2 :] + grids[: len(grids) // 2]
    rows["chance"] = row([score(f, g) for f, g in zip(found["model"], shifted, strict=True)])
    clips = held_out(bench.songs, len(asked))
    if clips:
        rows["held-out"] = row([score(track(audio), beats) for audio, beats in bench.track(clips, "beat: held-out")])
        coded = bench.track(clips, "beat: held-out, coded")
        rows["held-out coded"] = row([score(track(bench.reconstructed(audio)), beats) for audio, beats in coded])
    results: dict[str, Any] = {"rows": rows, "tolerance_seconds": 0.07, "seconds_a_clip": SECONDS}
    if clips:
        results["halfway"] = halfway(rows)
        results["reached"] = results["halfway"]["share"] >= 0.5
        results["of_held_out"] = share_of(rows["model"]["clips"], rows["held-out"]["clips"])
    return results


def table(results: dict[str, Any]) -> Table:
    names = {
        "held-out": "held-out clips (ceiling)",
        "held-out coded": "held-out clips through codec and vocoder",
        "model": "model",
        "floor": "model, beat condition withheld (floor)",
        "chance": "model against another clip's grid (chance)",
    }
    rows = []
    for key, name in names.items():
        if key in results["rows"]:
            r = results["rows"][key]
            tempo = " / ".join(f"{r['tempo'][level]:.2f}" for level in ("none", "half", "double", "any"))
            rows.append([name, shown(r["f"]), shown(r["level_f"]), tempo, str(r["f"]["n"])])
    remarks = [
        "librosa's beat tracker with its defaults and no tempo, 70 ms, no shift; the tempo stays in the floor's"
        " global condition.",
        "The second column takes the best of the grid, every second beat of it, and the grid with middles.",
    ]
    if "halfway" in results:
        half = results["halfway"]
        low, high = half["interval"]
        remarks.insert(0, f"From floor to ceiling: {half['share']:.2f} [{low:.2f}, {high:.2f}]; target 0.50.")
    if "of_held_out" in results:
        remarks.insert(0, f"Share of held-out clips' own Beat-F: {shown(results['of_held_out'], 2)}; target 0.85.")
    header = ["", "Beat-F", "Beat-F, half or double allowed", "tempo within 2 %: as is / half / double / any", "n"]
    return Table("Beats on the grid", header, rows, remarks)
