"""The style tables as data: grooves, basses, harmony, comping, melody, form, sound of each style.

A table is a text file of `tables/`, one line a topic, in this notation:

- Drum line `d1 name X:9...`: one character a step, `.` rest, digit v = MIDI velocity 14 v; `|` next
  bar of the cell. 16 steps a bar unless `[12]`, `[14]`, `[18]`, `[20]`; `6/8` after it names the meter.
  Letters: K kick, S snare, X side stick, C clap, H P O closed, pedal, open hat, R ride, B bell, Y crash,
  T M L toms, Z shaker, N tambourine, W cowbell, U G D congas, A claves, Q E agogo, J brush, F big drum.
- Fill `f1@p X:...` replaces the groove from step p. The kick goes on unless the fill has a K.
- Bass `pos/len/degree/accent` in steps against the chord root (`<` `>` chromatic below or above the
  next root, `~` scale step to it, `x` dead note); `BA lo-hi gate%: b1 ...; b2 ... | second bar`.
- `HA` progressions by `;`, `CO` comping patterns by `;`, `ME` melody cells by `/`: raw strings.
- `FO Name bars dB changes; ...`: `+x -x` part enters or leaves, `=x` only the parts so marked.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

from engine.training.corpus.style import BassNote, BassPattern, Fill, Groove, SectionPlan, Style

STYLE_NAMES = (
    "house", "techno", "drum and bass", "trap", "lo-fi hip hop", "boom bap", "synthwave", "ambient",
    "downtempo", "rock", "indie pop", "funk", "soul", "reggae", "jazz swing", "bossa nova",
    "afrobeat", "orchestral", "folk", "neo-classical piano", "prog rock", "balkan",
)  # fmt: skip

ROLES = ("bass", "comp1", "comp2", "pad", "lead", "counter", "arp")

_METER_OF_STEPS = {16: (4, 4), 14: (7, 8), 18: (9, 8), 20: (5, 4)}


def meter_of(text: str) -> tuple[int, int]:
    """`6/8` -> (6, 8)."""
    top, bottom = text.split("/")
    return int(top), int(bottom)


def steps_per_bar(meter: tuple[int, int]) -> int:
    """Steps of the tables' grid in a bar: sixteenths, but eighths in 12/8."""
    return 12 if meter == (12, 8) else 16 * meter[0] // meter[1]


@lru_cache(maxsize=1)
def load_styles() -> dict[str, Style]:
    """All styles by name, in the order of STYLE_NAMES."""
    folder = resources.files(__package__) / "tables"
    texts = [f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".txt")]
    styles = {s.name: s for s in map(parse_style, texts)}
    return {name: styles[name] for name in STYLE_NAMES}


def parse_style(text: str) -> Style:
    """A table's text -> Style. KeyError, ValueError or AssertionError if it is not well formed."""
    lines: dict[str, str] = {}
    grooves: list[Groove] = []
    fills: list[Fill] = []
    for line in text.strip().splitlines():
        key, _, rest = line.partition(" ")
        if re.fullmatch(r"d\d", key):
            grooves.append(_groove(key, rest))
        elif re.fullmatch(r"f\d@\d+", key):
            fills.append(_fill(key, rest))
        else:
            lines[key] = rest
    number, name = lines["style"].split(" ", 1)
    low, high, typical = map(float, re.findall(r"[\d.]+", lines["bpm"]))
    grid, swing = lines["swing"].split()
    bass_low, bass_high, gate, basses = _basses(lines["BA"])
    melody = _melody(lines["ME"])
    genres, moods, descriptors = (tuple(w.strip() for w in part.split(",")) for part in lines["CA"].split(";"))
    return Style(
        name=name,
        number=int(number),
        kind=lines["kind"],
        bpm=(low, high, typical),
        meters=tuple((meter_of(m.split("=")[0]), float(m.split("=")[1])) for m in lines["meter"].split()),
        swing_grid=int(grid),
        swing=_pair(swing),
        micro_ms={k: float(v) for k, v in re.findall(r"([A-Za-z]+\d?|[A-Z])([+-]\d+)", lines.get("micro", ""))},
        modes=tuple(lines["mode"].split()),
        grooves=tuple(grooves),
        fills=tuple(fills),
        basses=basses,
        bass_range=(bass_low, bass_high),
        bass_gate=gate,
        progressions=_split(lines["HA"], ";"),
        comps=_split(lines["CO"], ";"),
        contour=lines["contour"],
        form=tuple(_section(s) for s in _split(lines["FO"], ";")),
        programs={k: tuple(map(int, v.split(","))) for k, v in (item.split("=") for item in lines["SO"].split())},
        genres=genres,
        moods=moods,
        descriptors=descriptors,
        variations=lines.get("VA", ""),
        **melody,  # type: ignore[arg-type]
        **_mix(lines["MIX"]),  # type: ignore[arg-type]
    )


def _split(text: str, mark: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(mark) if part.strip())


def _pair(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    return float(low), float(high or low)


def _header(rest: str) -> tuple[int, tuple[int, int] | None, list[str]]:
    """`[12] 6/8 name K:...` -> steps, meter, the other words."""
    found = re.search(r"\[(\d+)\]", rest)
    steps = int(found.group(1)) if found else 16
    words = [w for w in rest.split() if not w.startswith("[")]
    meters = [w for w in words if re.fullmatch(r"\d+/\d+", w)]
    meter = meter_of(meters[0]) if meters else _METER_OF_STEPS.get(steps)
    return steps, meter, [w for w in words if not re.fullmatch(r"\d+/\d+", w)]


def _drum_lines(words: list[str]) -> dict[str, str]:
    return {w[0]: w[2:] for w in words if re.fullmatch(r"[A-Z]:[.\d|]+", w)}


def _groove(key: str, rest: str) -> Groove:
    steps, meter, words = _header(rest)
    lines = {letter: text.split("|") for letter, text in _drum_lines(words).items()}
    count = max(len(bars) for bars in lines.values())
    for letter, bars in lines.items():
        assert all(len(bar) == steps for bar in bars), f"{key} {letter}: not {steps} steps: {bars}"
    cell = tuple({k: v[i % len(v)] for k, v in lines.items()} for i in range(count))
    label = " ".join(w for w in words if ":" not in w)
    return Groove(f"{key} {label}".strip(), steps, cell, meter)


def _fill(key: str, rest: str) -> Fill:
    steps, _, words = _header(rest)
    lines = _drum_lines(words)
    assert all(len(v) == steps for v in lines.values()), f"{key}: not {steps} steps: {lines}"
    name, at = key.split("@")
    return Fill(name, int(at), steps, lines)


def _basses(text: str) -> tuple[int, int, float, tuple[BassPattern, ...]]:
    head, body = text.split(":", 1)
    span, gate = head.split()
    low, high = map(int, span.split("-"))
    return low, high, float(gate) / 100, tuple(_bass(p) for p in _split(body, ";"))


def _bass(text: str) -> BassPattern:
    name, _, rest = text.partition(" ")
    steps, meter, words = _header(rest)
    bars: list[list[BassNote]] = [[]]
    for word in words:
        if word == "|":
            bars.append([])
        elif word.count("/") >= 2:
            pos, length, degree, *accent = word.split("/")
            note = BassNote(int(pos), int(length), degree, int(accent[0]) if accent else 7)
            assert note.pos < steps, f"{name}: {word} lies outside {steps} steps"
            bars[-1].append(note)
    return BassPattern(name, steps, tuple(map(tuple, bars)), meter)


def _melody(text: str) -> dict[str, object]:
    found = re.fullmatch(r"(\d+)-(\d+) rest ([\d.]+) st (.*?): (.*)", text)
    assert found, f"ME line not understood: {text}"
    low, high, rest, stable, cells = found.groups()
    degrees = tuple((d.split(":")[0], float(d.split(":")[1])) for d in stable.split())
    return {
        "melody_range": (int(low), int(high)),
        "melody_rest": float(rest),
        "stable_degrees": degrees,
        "melody_cells": tuple(c.strip() for c in re.split(r" / ", cells)),
    }


def _section(text: str) -> SectionPlan:
    name, bars, level, *changes = text.split()
    low, high = _pair(bars)
    return SectionPlan(name, (int(low), int(high)), float(level), " ".join(changes))


def _mix(text: str) -> dict[str, object]:
    words = text.split()
    after = {w: words[i + 1] for i, w in enumerate(words[:-1])}
    duck, release = after["duck"].split("/")
    delay = float(after["delay"])
    return {
        "kits": tuple(map(int, after["kit"].split(","))),
        "rt60_s": float(after["rt60"]),
        "reverb": words[words.index("rt60") + 2],
        "duck_db": float(duck),
        "duck_release_ms": float(release),
        "delay_beats": delay or None,
        "loudness_lufs": float(after["lufs"]),
        "lowpass_hz": float(after["lowpass"]) if "lowpass" in after else None,
        "tape": float(after.get("tape", 0)),
        "drive_db": float(after.get("drive", 0)),
        "chorus": float(after.get("chorus", 0)),
        "bus_gain_reduction_db": float(after["gr"]),
    }
