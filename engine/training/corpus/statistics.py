"""A table of what composed songs measure, style by style, against what the style asks for.

`python -m engine.training.corpus.statistics [--songs N] [--seed S] [--style NAME] [--json]` composes N songs of every
style (no sound is rendered) and marks each figure that lies outside its range with `*`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from engine.training.corpus import measures as m
from engine.training.corpus import targets as aim
from engine.training.corpus.compose import COMPOSER, VERSIONS, compose, style_names
from engine.training.corpus.song import Song
from engine.training.corpus.style import Style
from engine.training.corpus.styletable import load_styles

_LAGS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value (NaN: nothing to measure) and the range it should lie in (None: only told)."""

    name: str
    value: float
    wanted: aim.Range | None = None

    @property
    def outside(self) -> bool:
        """Whether the value misses its range."""
        if self.wanted is None or np.isnan(self.value):
            return False
        return not self.wanted[0] - 1e-9 <= round(self.value, 3) <= self.wanted[1] + 1e-9


def measure_style(songs: list[Song], style: Style) -> list[Figure]:
    """All figures of some songs of one style."""
    target = aim.targets()[style.name]
    return [
        *_tempo(songs, style), *_rhythm(songs, style, target), *_repetition(songs, style, target),
        *_pitch(songs, target), *_playing(songs, style), *_form(songs, style),
    ]  # fmt: skip


def _mean(values: Iterable[float]) -> float:
    kept = [v for v in values if not np.isnan(v)]
    return float(np.mean(kept)) if kept else float("nan")


def _tempo(songs: list[Song], style: Style) -> list[Figure]:
    low, high, _ = style.bpm
    tempi = [float(s.tempo) / (1.5 if s.meter == (12, 8) else 1.0) for s in songs]
    enough = (0.15 * (high - low), high - low) if len(songs) >= 8 else None
    return [
        Figure("bpm_low", min(tempi), (low - 1, high + 1)),
        Figure("bpm_high", max(tempi), (low - 1, high + 1)),
        Figure("bpm_sd", float(np.std(tempi)), enough),
    ]


def _rhythm(songs: list[Song], style: Style, target: aim.Target) -> list[Figure]:
    figures = [Figure("SYN", _mean(map(m.syncopation, songs)), target.syncopation)]
    places = np.mean([m.positions(s) for s in songs], axis=0)
    for name, value, wanted in zip(("on_beat", "on_8th", "on_16th"), places, target.positions, strict=True):
        around = (wanted - aim.POSITION_SLACK, wanted + aim.POSITION_SLACK)
        figures.append(Figure(name, float(value), around))
    low, high = style.swing if style.kind != "jazz" else (55.0, 68.0)
    figures.append(Figure("swing", _mean(m.swing_heard(s, style.swing_grid) for s in songs), (low - 2, high + 2)))
    kick_bass = [m.kick_bass(s) for s in songs]
    met, off = _mean(a for a, _ in kick_bass), _mean(b for _, b in kick_bass)
    figures.append(Figure("kick_met", met, (0.55, 1.0) if style.name in aim.LIVE_BASS else None))
    figures.append(Figure("bass_off", off, (0.6, 1.0) if style.name in ("house", "techno") else None))
    for name, roles in (
        ("drums", ("drums", "percussion")),
        ("bass", ("bass",)),
        ("comp", ("comp1", "comp2")),
        ("lead", ("lead",)),
    ):
        figures.append(Figure(f"notes_{name}", _mean(m.notes_a_bar(s, roles) for s in songs)))
    return figures


def _repetition(songs: list[Song], style: Style, target: aim.Target) -> list[Figure]:
    wanted: dict[int, aim.Range | None] = {4: target.s4, 8: target.s8}
    vectors = [m.bar_vectors(s) for s in songs]
    figures = [
        Figure(
            f"S{lag}",
            _mean(m.likeness(v, s.sections, lag) for v, s in zip(vectors, songs, strict=True)),
            wanted.get(lag),
        )
        for lag in _LAGS
    ]
    parts = (("drums", ("drums",)), ("bass", ("bass",)), ("comp", ("comp1", "comp2")))
    for (name, roles), around in zip(parts, aim.literal_ranges(style.kind), strict=True):
        figures.append(Figure(f"same_{name}", _mean(m.literal(s, roles) for s in songs), around))
    return figures


def _pitch(songs: list[Song], target: aim.Target) -> list[Figure]:
    figures = [
        Figure("PCE", _mean(map(m.pitch_entropy, songs)), target.entropy),
        Figure("CT", _mean(map(m.chord_tones, songs)), target.chord_tones),
        Figure("chords_a_bar", _mean(map(m.chord_rate, songs))),
    ]
    sizes = np.array([size for s in songs for size in m.intervals(s)])
    shares = {"unison": sizes == 0, "step": (sizes == 1) | (sizes == 2), "leap": sizes > 7}
    figures += [
        Figure(name, float(hits.mean()) if len(sizes) >= 200 else float("nan"), aim.INTERVALS[name])
        for name, hits in shares.items()
    ]
    return figures


def _playing(songs: list[Song], style: Style) -> list[Figure]:
    figures = []
    for role, (low, high) in aim.REGISTERS.items():
        pitches = np.array([n.pitch for s in songs for n in m.named(s, role)])
        share = float(((pitches < low) | (pitches > high)).mean()) if len(pitches) else float("nan")
        figures.append(Figure(f"off_{role}", share, (0.0, 0.03)))
    limit = 0.15 if style.number in (18, 20) else 0.05
    figures.append(Figure("OVL", _mean(map(m.covered, songs)), (0.0, limit)))
    return figures


def _form(songs: list[Song], style: Style) -> list[Figure]:
    ends, inside = zip(*(m.fills(s) for s in songs), strict=True)
    found = [m.drops(s) for s in songs]
    flat = [drop for one in found for drop in one]
    dropping = style.name in aim.DROPPING
    return [
        Figure("fill_end", _mean(ends), (0.4, 1.0) if style.kind == "song" else None),
        Figure("fill_inside", _mean(inside), (0.0, 0.25) if style.kind in ("song", "loop") else None),
        Figure("drops", float(np.mean([bool(one) for one in found])), (0.5, 1.0) if dropping else None),
        Figure("silence", _mean(float(d.gap_beats >= 0.9) for d in flat), (0.5, 1.0) if dropping else None),
        Figure(
            "builds",
            _mean(float(d.builds) for d in flat),
            (0.3, 1.0) if style.name in ("house", "drum and bass") else None,
        ),
        Figure("sections", float(np.mean([len(s.sections) for s in songs]))),
        Figure("bars", float(np.mean([s.bars for s in songs]))),
        Figure("modulates", float(np.mean([len({k[1:] for k in s.keys}) > 1 for s in songs]))),
    ]


def measure(
    songs: int, seed: int, styles: Iterable[str], told: Callable[[str], None], composer: int = COMPOSER
) -> dict[str, list[Figure]]:
    """Compose `songs` songs of each style and measure them; `told` hears each style's name."""
    tables = load_styles()
    found = {}
    for name in styles:
        told(name)
        number = tables[name].number
        written = [compose(seed + 1000 * number + i, name, composer) for i in range(songs)]
        found[name] = measure_style(written, tables[name])
    return found


def table(found: dict[str, list[Figure]]) -> str:
    """Rows of figures, columns of styles in blocks of eight; `*` marks what is outside, `-` what is not there."""
    names, blocks = list(found), []
    for first in range(0, len(names), 8):
        part = names[first : first + 8]
        rows = [" " * 13 + "".join(f"{name[:11]:>12}" for name in part)]
        for index, figure in enumerate(found[part[0]]):
            rows.append(f"{figure.name:<13}" + "".join(_cell(found[name][index]) for name in part))
        blocks.append("\n".join(rows))
    figures = [f for fs in found.values() for f in fs if f.wanted is not None and not np.isnan(f.value)]
    missed = sum(f.outside for f in figures)
    return "\n\n".join(blocks) + f"\n\n{missed} of {len(figures)} figures are outside their range (*)."


def _cell(figure: Figure) -> str:
    if np.isnan(figure.value):
        return f"{'-':>11} "
    return f"{figure.value:>11.2f}" + ("*" if figure.outside else " ")


def as_record(found: dict[str, list[Figure]]) -> dict[str, Any]:
    """The same for JSON: style -> figure -> value, range, whether it is outside."""
    return {
        name: {
            f.name: {
                "value": None if np.isnan(f.value) else round(f.value, 4),
                "range": list(f.wanted) if f.wanted else None,
                "outside": f.outside,
            }
            for f in figures
        }
        for name, figures in found.items()
    }


@click.command()
@click.option("--songs", default=12, show_default=True, type=click.IntRange(1, 1000), help="Songs of each style.")
@click.option("--seed", default=500_000, show_default=True, help="First seed.")
@click.option(
    "--style", "chosen", multiple=True, type=click.Choice(style_names()), help="Only this style; may be repeated."
)
@click.option("--composer", default=str(COMPOSER), show_default=True, type=click.Choice([str(v) for v in VERSIONS]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(songs: int, seed: int, chosen: tuple[str, ...], composer: str, as_json: bool) -> None:
    """Compose songs and measure them against their styles' figures; nothing is rendered."""
    styles = chosen or style_names()
    found = measure(songs, seed, styles, lambda name: click.echo(f"{name} ...", err=True), int(composer))
    click.echo(json.dumps(as_record(found), indent=1) if as_json else table(found))


if __name__ == "__main__":
    main()
