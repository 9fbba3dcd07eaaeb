"""What a corpus holds, without ears: statistics as JSON and a contact sheet of spectrograms."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from engine.errors import Unavailable
from engine.models.features import HOP, MELS, RATE_HZ
from engine.training.corpus.build import SPLITS
from engine.types import PART_NAMES

KEY_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SHEET_SECONDS = 16.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored song: where it is and its metadata record."""

    path: Path
    split: str
    about: dict[str, Any]


def entries(corpus: Path) -> list[Entry]:
    """All songs of a corpus folder, by index. Raises Unavailable when there are none."""
    found = []
    for split in SPLITS:
        for path in sorted((corpus / split).glob("*.safetensors")):
            with safe_open(path, "numpy") as stored:
                found.append(Entry(path, split, json.loads(stored.metadata()["song"])))
    if not found:
        raise Unavailable(f"{corpus} holds no songs. Build some: python -m engine.training.corpus.build {corpus}")
    return sorted(found, key=lambda entry: entry.path.name)


def tensor(path: Path, name: str) -> NDArray[Any]:
    """One stored tensor of a song."""
    with safe_open(path, "numpy") as stored:
        return np.asarray(stored.get_tensor(name))


def spread(values: list[float]) -> dict[str, float]:
    """Mean, standard deviation and the 5th, 50th and 95th percentile, rounded."""
    low, middle, high = np.percentile(values, (5, 50, 95))
    figures = {"mean": np.mean(values), "sd": np.std(values), "p5": low, "p50": middle, "p95": high}
    return {name: round(float(value), 3) for name, value in figures.items()}


def song_levels(path: Path) -> dict[str, Any]:
    """Peak and silence of a song's audio, its dynamics and which groups sound how long."""
    audio = tensor(path, "audio").astype(np.float32) / 32767.0
    level = tensor(path, "intensity").astype(np.float32)
    return {
        "peak": float(np.abs(audio).max()),
        "clipped": float((np.abs(audio) > 0.8995).mean()),
        "silent": float((level < -50.0).mean()),
        "level_db": float(10.0 * np.log10((audio**2).mean() + 1e-12)),
        "dynamics_db": float(np.percentile(level, 95) - np.percentile(level, 10)),
        "side_db": float(
            10 * np.log10(((audio[:, 0] - audio[:, 1]) ** 2).mean() / ((audio.sum(1)) ** 2).mean() + 1e-12)
        ),
        "presence": tensor(path, "presence").mean(axis=0),
        "melody": float((tensor(path, "melody") >= 0).mean()),
    }


def statistics(found: list[Entry]) -> dict[str, Any]:
    """The figures of a corpus: hours, splits, styles, tempo, keys, levels, group presence."""
    measured = [song_levels(entry.path) for entry in found]
    seconds = [entry.about["frames"] / RATE_HZ for entry in found]
    by_style: dict[str, list[int]] = {}
    for index, entry in enumerate(found):
        by_style.setdefault(entry.about["style"], []).append(index)
    return {
        "songs": len(found),
        "hours": round(sum(seconds) / 3600.0, 3),
        "splits": dict(Counter(entry.split for entry in found)),
        "meters": dict(Counter("{}/{}".format(*entry.about["meter"]) for entry in found)),
        "keys": dict(Counter(KEY_NAMES[entry.about["key_root"] % 12] for entry in found)),
        "modes": dict(Counter(entry.about["mode"] for entry in found)),
        "soundfonts": dict(Counter(entry.about["soundfont"] for entry in found)),
        "synths": dict(Counter(_kind(name) for entry in found for name in _synths(entry).values())),
        "songs_with_synths": sum(bool(_synths(entry)) for entry in found),
        "held_out_songs": sum(bool(entry.about.get("held_out")) for entry in found),
        "excerpt_seconds": spread(seconds),
        "silent_songs": [f.path.name for f, m in zip(found, measured, strict=True) if m["silent"] > 0.2],
        "clipped_songs": [f.path.name for f, m in zip(found, measured, strict=True) if m["clipped"] > 1e-3],
        "styles": {name: _style_figures(found, measured, rows) for name, rows in sorted(by_style.items())},
    }


def _synths(entry: Entry) -> dict[str, str]:
    """Patches by part; songs of older corpora name none."""
    return dict(entry.about.get("synths", {}))


def _kind(patch: str) -> str:
    """`own/saw-pad-3` -> `own/saw-pad`."""
    return patch.rpartition("-")[0]


def _style_figures(found: list[Entry], measured: list[dict[str, Any]], rows: list[int]) -> dict[str, Any]:
    presence = np.mean([measured[row]["presence"] for row in rows], axis=0)
    tempi = [_number(found[row].about["tempo"]) for row in rows]
    figures: dict[str, Any] = {"songs": len(rows), "tempo": spread(tempi)}
    figures["loudness_lufs"] = spread([found[row].about["loudness_lufs"] for row in rows])
    for name in ("level_db", "dynamics_db", "side_db", "melody"):
        figures[name] = spread([measured[row][name] for row in rows])
    figures["presence"] = {g: round(float(v), 3) for g, v in zip(PART_NAMES, presence, strict=True)}
    return figures


def _number(fraction: str) -> float:
    top, _, below = fraction.partition("/")
    return float(top) / float(below or 1)


def contact_sheet(found: list[Entry], picture: Path) -> None:
    """PNG with one mel spectrogram of the mix per style (left channel, bar lines, lead drawn in)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first: dict[str, Entry] = {}
    for entry in found:
        first.setdefault(entry.about["style"], entry)
    columns = 2
    rows = -(-len(first) // columns)
    figure = Figure(figsize=(20, 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes[len(first) :]:
        axis.axis("off")
    for axis, (style, entry) in zip(axes, sorted(first.items()), strict=False):
        _draw(axis, style, entry)
    figure.savefig(picture, dpi=70)


def _draw(axis: Any, style: str, entry: Entry) -> None:
    """One style's picture: from the middle of the excerpt, so that most parts play."""
    mel = tensor(entry.path, "mix")[:, :MELS].astype(np.float32)
    shown = min(len(mel), round(SHEET_SECONDS * RATE_HZ / HOP))
    start = (len(mel) - shown) // 2
    axis.imshow(mel[start : start + shown].T, origin="lower", aspect="auto", vmin=-80, vmax=-10, cmap="magma")
    bars = tensor(entry.path, "bar_index")[start : start + shown]
    for line in np.flatnonzero(np.diff(bars)) + 1:
        axis.axvline(line, color="cyan", linewidth=0.7)
    about = entry.about
    meter = "{}/{}".format(*about["meter"])
    title = f"{style} {_number(about['tempo']):.1f} bpm {meter} {KEY_NAMES[about['key_root'] % 12]} {about['mode']}"
    axis.set_title(f"{title} {about['loudness_lufs']:.1f} LUFS {_players(entry)}", fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def _players(entry: Entry) -> str:
    """The SoundFont and the synths of a song, for its title."""
    held_out = " HELD OUT" if entry.about.get("held_out") else ""
    return " ".join([entry.about["soundfont"], *_synths(entry).values()]) + held_out


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(corpus: Path) -> None:
    """Write statistics.json and contact_sheet.png of a CORPUS into its folder."""
    try:
        found = entries(corpus)
    except Unavailable as empty:
        raise click.ClickException(str(empty)) from None
    figures = statistics(found)
    (corpus / "statistics.json").write_text(json.dumps(figures, indent=1) + "\n")
    contact_sheet(found, corpus / "contact_sheet.png")
    click.echo(json.dumps({name: figures[name] for name in ("songs", "hours", "splits")}))


if __name__ == "__main__":
    main()
