"""Drums against the groove they were asked for: how near, on which downbeat, with how much swing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.models import features as F
from engine.training.metrics import barlines, groove, listening, twins
from engine.training.metrics.beat import beat_times
from engine.training.metrics.bench import FIRST_SEED, Bench, Song
from engine.training.metrics.onsets import BANDS, Band, Times, event_offsets, onsets_ms, pooled
from engine.training.metrics.prompts import WITHOUT_DRUMS
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.training.metrics.twins import Excerpt
from engine.types import Audio

TARGET_P50_MS, TARGET_P95_MS, TARGET_MEDIAN_MS = 5.0, 15.0, 2.0
FEWEST_EVENTS = 12
SWUNG, STRAIGHT = 54.0, 51.0
ROWS = {
    "model": "model",
    "held-out": "held-out clips",
    "held-out coded": "held-out clips through codec and vocoder",
    "chance": "model against the groove at random phases (chance)",
}
RELATIVE = "another song of the style and meter"
Features = dict[str, Tensor]


def quarter_ms(excerpt: Excerpt) -> float:
    return float(60_000 / excerpt.song.tempo)


def drummed(found: list[Excerpt]) -> list[Excerpt]:
    """Excerpts in which enough drums are written."""
    return [e for e in found if e.song.facts["style"] not in WITHOUT_DRUMS and len(e.events()) >= FEWEST_EVENTS]


def written(excerpt: Excerpt, band: Band) -> Times:
    """All of the song's drum times in ms (its groove), that a band is meant for."""
    events = excerpt.song.array("onsets_ms").astype(np.float64)
    return np.unique(events[np.isin(events[:, 1], band.keys), 0])


def analysed(audio: Audio) -> Tensor:
    """Features [T, CHANNELS] dB."""
    return F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio)))


def profile(features: Tensor, excerpt: Excerpt) -> groove.BarProfile:
    """Rises in the lows, the middle and the highs, and change of harmony, by place in the bar of features."""
    mel = features[:, : 2 * F.MELS].reshape(len(features), 2, F.MELS).mean(1)
    rise = mel.diff(dim=0, prepend=mel[:1]).clamp_min(0.0)
    bands = [rise[:, a:b].mean(1) for a, b in ((0, 8), (8, 60), (60, F.MELS))]
    lows = features[:, 2 * F.MELS :]
    bands.append((lows.roll(-12, 0) - lows.roll(12, 0)).abs().mean(1))
    beats = beat_times(excerpt.song.tempo_map, excerpt.bars, excerpt.first_bar)
    return groove.bar_profile(
        torch.stack(bands, 1).double().numpy(), F.FRAME_RATE_HZ, beats, len(beats) // excerpt.bars
    )


def elsewhere(excerpt: Excerpt) -> Excerpt:
    """As many bars of the same song from its other half."""
    room = excerpt.song.bars - excerpt.bars
    other = room if excerpt.first_bar * 2 <= room else 0
    return Excerpt(excerpt.index, excerpt.song, other, excerpt.bars, excerpt.shift)


def relative(excerpt: Excerpt, known: list[Song]) -> Excerpt | None:
    """As many bars of another song of the same style and meter."""
    facts = excerpt.song.facts
    for song in known:
        same = all(song.facts[name] == facts[name] for name in ("style", "meter", "beat_groups"))
        if same and song.path != excerpt.song.path and song.bars > excerpt.bars:
            return Excerpt(excerpt.index, song, (song.bars - excerpt.bars) // 2, excerpt.bars, 0)
    return None


def likeness(excerpt: Excerpt, sounds: Features, other: Excerpt | None) -> dict[str, float]:
    """1 where the bar's profile lies on the song's own elsewhere, else 0; NaN for bars of one beat.

    other: of another song, for what "relative" is.
    """
    wanted = profile(analysed(elsewhere(excerpt).audio()), excerpt)
    if wanted.beats < 2:
        return dict.fromkeys([*sounds, RELATIVE, "chance"], float("nan"))
    found = {name: profile(features, excerpt) for name, features in sounds.items()}
    if other is not None:
        found[RELATIVE] = profile(analysed(other.audio()), other)
    right = {name: float(groove.best_turn(one, wanted) == 0) for name, one in found.items()}
    return {RELATIVE: float("nan"), **right, "chance": 1.0 / wanted.beats}


def downbeats(excerpt: Excerpt, sounds: Features, ear: barlines.Ear) -> dict[str, float]:
    """1 where the ear hears the bars begin where they were asked for, else 0; NaN for bars of one beat."""
    bars = barlines.Bars.of(excerpt.frames("beat_phase"), excerpt.frames("bar_phase"))
    if not 2 <= bars.beats <= barlines.MOST_BEATS:
        return dict.fromkeys([*sounds, "chance"], float("nan"))
    right = {name: float(ear.turn(features, bars) == 0) for name, features in sounds.items()}
    return {**right, "chance": 1.0 / bars.beats}


def swings(excerpt: Excerpt, heard: dict[str, Times]) -> dict[str, float] | None:
    """Swing in percent: as written down, and as heard in each sound; None where the song's drums show none."""
    swing = float(excerpt.song.facts["swing"])
    events = excerpt.song.array("onsets_ms")[:, 0].astype(np.float64)
    pair = groove.swing_pair_ms(events, quarter_ms(excerpt), swing)
    if not np.isfinite(pair) or excerpt.song.facts["meter"][1] != 4:
        return None
    found = {name: groove.swing_percent(times, pair) for name, times in heard.items()}
    return {"wanted": swing, "written": groove.swing_percent(events, pair), **found}


def measure_offsets(asked: list[Excerpt], heard: dict[str, dict[str, list[Times]]]) -> dict[str, Any]:
    """By band: distances of all onsets from the groove's places, pooled, and the detector's own at written events."""
    rng = np.random.default_rng(FIRST_SEED)
    bands: dict[str, Any] = {}
    for band in BANDS:
        parts: dict[str, list[Times]] = {name: [] for name in ROWS}
        exact, reach = [], []
        for index, excerpt in enumerate(asked):
            period, places = quarter_ms(excerpt), groove.positions_ms(written(excerpt, band), quarter_ms(excerpt))
            if len(places) == 0:
                continue
            for name, found in heard[band.name].items():
                parts[name].append(groove.distances_ms(found[index], places, period))
            moved = heard[band.name]["model"][index] + rng.uniform(0.0, period)
            parts["chance"].append(groove.distances_ms(moved, places, period))
            exact.append(
                event_offsets(
                    excerpt.audio(), excerpt.events().astype(np.float32), band, heard[band.name]["held-out"][index]
                )
            )
            reach.append(groove.chance_reach(places, period))
        bands[band.name] = {
            "rows": {name: pooled(values, rng) for name, values in parts.items()},
            "held-out at its own events": pooled(exact, rng),
            "reach": round(float(np.mean(reach)), 3) if reach else None,
        }
    return bands


def measure_swing(pairs: list[dict[str, float]]) -> dict[str, Any]:
    """Mean absolute difference from the song's swing, in points; of swung and of straight songs the mean swing."""
    names = ("written", "held-out", "held-out coded", "model")
    wanted = np.array([pair["wanted"] for pair in pairs])
    rows = {name: np.array([pair[name] for pair in pairs]) for name in names}
    others = rows["model"][np.r_[len(pairs) // 2 : len(pairs), 0 : len(pairs) // 2]] if pairs else np.zeros(0)
    return {
        "off": {name: summary(np.abs(found - wanted), 2) for name, found in {**rows, "chance": others}.items()},
        "swung": {name: summary(found[wanted >= SWUNG], 2) for name, found in {"wanted": wanted, **rows}.items()},
        "straight": {name: summary(found[wanted <= STRAIGHT], 2) for name, found in {"wanted": wanted, **rows}.items()},
    }


def measure(bench: Bench) -> dict[str, Any]:
    asked = drummed(twins.of(bench))
    heard: dict[str, dict[str, list[Times]]] = {band.name: {} for band in BANDS}
    right: dict[str, list[float]] = {name: [] for name in ROWS}
    alike: dict[str, list[float]] = {name: [] for name in (*ROWS, RELATIVE)}
    known = listening.teachers(bench)[0]
    ear, lessons = listening.bar_ear(bench)
    pairs = []
    for excerpt in bench.track(asked, "timing"):
        sounds = {
            "model": twins.twin(bench, excerpt),
            "held-out": excerpt.audio(),
            "held-out coded": twins.coded(bench, excerpt),
        }
        for band in BANDS:
            for name, audio in sounds.items():
                heard[band.name].setdefault(name, []).append(onsets_ms(audio, band))
        features = {name: analysed(audio) for name, audio in sounds.items()}
        if excerpt.song.path.name not in lessons:
            for name, value in downbeats(excerpt, features, ear).items():
                right[name].append(value)
        for name, value in likeness(excerpt, features, relative(excerpt, known)).items():
            alike[name].append(value)
        clicks = {name: times[-1] for name, times in heard[BANDS[1].name].items()}
        if (pair := swings(excerpt, clicks)) is not None:
            pairs.append(pair)
    return {
        "bands": measure_offsets(asked, heard),
        "downbeats": {name: summary(values, 3) for name, values in right.items()},
        "likeness": {name: summary(values, 3) for name, values in alike.items()},
        "swing": measure_swing(pairs),
        "clips": len(asked),
    }


def table(results: dict[str, Any]) -> Table:
    swing, rows = results["swing"], []
    for band, entry in results["bands"].items():
        for name, title in ROWS.items():
            rows.append([f"{title}: {band}", *_offsets(entry["rows"][name])])
        rows.append(
            [f"held-out clips at their own written events: {band}", *_offsets(entry["held-out at its own events"])]
        )
    right, alike = (
        ", ".join(f"{name} {shown(entry, 2)}" for name, entry in results[key].items())
        for key in ("downbeats", "likeness")
    )
    off = ", ".join(f"{name} {shown(entry, 2)}" for name, entry in swing["off"].items())
    kinds = [
        f"{kind} songs: " + ", ".join(f"{name} {shown(entry, 1)}" for name, entry in swing[kind].items())
        for kind in ("swung", "straight")
    ]
    remarks = [
        f"Targets: p50 {TARGET_P50_MS:g} ms, p95 {TARGET_P95_MS:g} ms, median within {TARGET_MEDIAN_MS:g} ms."
        " The groove: where the same song's written drums gather within a quarter; onsets"
        f" farther than {groove.REACH_MS:g} ms from every place count as astray.",
        f"Downbeats right (share of {results['clips']} clips in which an ear that was trained here on real clips of"
        f" training songs hears the bars begin where they were asked for): {right}.",
        "The same groove (share of clips whose bars' profile lies best on the song's own elsewhere, unturned; a clip"
        f" with other drums need not): {alike}.",
        f"Swing, mean difference from the song's, percent of the pair: {off} (chance: another song's).",
        *(f"Swing of {kind}." for kind in kinds),
    ]
    header = ["", "p50 ms", "p95 ms", "median ms", "astray", "onsets"]
    return Table("Timing", header, rows, remarks)


def _offsets(row: dict[str, Any]) -> list[str]:
    if row["p50_ms"] is None:
        return ["-", "-", "-", "-", str(row["lines"])]
    low, high = row["median_interval_ms"]
    astray = 1.0 - row["heard"] / max(1, row["lines"])
    median = f"{row['median_ms']:+.2f} [{low:+.2f}, {high:+.2f}]"
    return [f"{row['p50_ms']:.2f}", f"{row['p95_ms']:.2f}", median, f"{astray:.2f}", str(row["lines"])]
