"""Compose a song: draw tempo, meter, key and form, ask every part for its notes, play and mix them.

A song is a pure function of (seed, style, version of the composer). What a version gives is kept for good, because
latents were made from it: version 1 is steady to the end; version 2 lets some songs end in a ritard (`tempomap`), turns
chords in rock and folk and frees the time of jazz (`variation`). The order of work: form -> chords -> drums -> bass (locks
with the kick) -> lead -> counter -> comping, pads -> silences and ending -> humanising -> mixer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from engine.training.corpus import captions, ending, keyplan, kit, tempomap, transitions, variation
from engine.training.corpus.bass import compose_bass
from engine.training.corpus.basspattern import choose_patterns
from engine.training.corpus.comp import compose_comp
from engine.training.corpus.counter import compose_counter
from engine.training.corpus.drums import DrumTrack, compose_drums
from engine.training.corpus.form import PlannedSection, plan_form
from engine.training.corpus.harmony import harmonise
from engine.training.corpus.humanise import Feel, bass_after_kick, humanise, monophonic
from engine.training.corpus.melody import compose_melody
from engine.training.corpus.meters import bar_beats_of, beats_in_steps, draw_meter, fitting_grooves
from engine.training.corpus.mixing import GROUPS, Desk, draw_mix
from engine.training.corpus.progressions import SCALES
from engine.training.corpus.song import ChordSpan, NoteEvent, Part, Section, Song
from engine.training.corpus.style import Style
from engine.training.corpus.styletable import STYLE_NAMES, load_styles, steps_per_bar

VERSIONS = (1, 2)
COMPOSER = 1
"""The version that writes unless another is asked for."""
SECONDS = (66.0, 112.0)
TEMPO_RANGE = (50.0, 190.0)
_LEVEL_SHARE = {"bass": 0.3, "lead": 0.25, "counter": 0.25, "comp1": 0.2, "comp2": 0.2, "arp": 0.25, "pad": 0.3}
_LATE = ("comp2", "arp", "pad", "counter")  # may enter inside a section


def style_names() -> tuple[str, ...]:
    """All styles, in the order of the tables."""
    return STYLE_NAMES


@dataclass(slots=True)
class Sketch:
    """A song without notes yet. Chance is split by purpose, so that parts do not disturb each other."""

    style: Style
    seed: int
    tempo: Fraction
    meter: tuple[int, int]
    grouping: str
    beat_groups: tuple[Fraction, ...]
    key_root: int
    plan: list[PlannedSection]
    swing: float
    chords: list[ChordSpan]
    mode: str
    keys: list[tuple[int, str]]  # root and mode of each section
    version: int = 1

    def rng(self, purpose: int) -> np.random.Generator:
        """The generator of one purpose: its own stream for every song and style."""
        return np.random.default_rng([self.seed, self.style.number, 101 + purpose])

    @property
    def bar_beats(self) -> Fraction:
        """Length of a bar in quarters."""
        return bar_beats_of(self.meter)

    @property
    def steps(self) -> int:
        """Grid steps in a bar."""
        return steps_per_bar(self.meter)

    @property
    def sections(self) -> list[Section]:
        """The form without who plays."""
        return [p.section for p in self.plan]

    @property
    def intensity(self) -> list[int]:
        """Intensity 1-5 of every bar."""
        return [i for p in self.plan for i in p.intensity]

    @property
    def beats(self) -> list[int]:
        """Steps of the bar where felt beats start."""
        return beats_in_steps(self.beat_groups, self.bar_beats, self.steps)


def compose(seed: int, style: str | None = None, version: int = COMPOSER) -> Song:
    """The song of a seed; style None draws one. KeyError for an unknown style."""
    assert version in VERSIONS, version
    rng = np.random.default_rng([seed, 0])
    name = STYLE_NAMES[int(rng.integers(len(STYLE_NAMES)))] if style is None else style
    sketch = sketch_song(seed, load_styles()[name], version)
    programs = _programs(sketch.style, sketch.rng(1))
    lines, drums = _write(sketch)
    parts, melody = _play(sketch, lines, drums, programs)
    tags = captions.make_tags(sketch.style, float(sketch.tempo), sketch.meter, sketch.mode, parts, sketch.rng(9))
    keys, bars = keyplan.changes(sketch.sections, sketch.keys), sketch.plan[-1].end_bar
    root, mode = keyplan.main_key(keys, bars)
    end = bars * sketch.bar_beats
    slower = tempomap.draw(name, sketch.tempo, end, sketch.bar_beats, sketch.rng(12)) if version >= 2 else ()
    return Song(
        seed=seed, style=name, tempo=sketch.tempo, meter=sketch.meter, key_root=root,
        mode=mode, bars=bars, sections=sketch.sections, chords=sketch.chords,
        parts=parts, melody=melody, beat_groups=sketch.beat_groups, swing=sketch.swing,
        mix=draw_mix(sketch.style, sketch.rng(10)), tags=tags, keys=keys, slower=slower,
        composer=version,
    )  # fmt: skip


def sketch_song(seed: int, style: Style, version: int = COMPOSER) -> Sketch:
    """Tempo, meter, key, form, swing, chords of the song of a seed: everything but its notes."""
    rng = np.random.default_rng([seed, style.number])
    meter, grouping, groups = draw_meter(style, rng)
    tempo = _tempo(style, meter, rng)
    key_root = int(rng.integers(12))
    seconds = float(rng.uniform(*SECONDS))
    plan = plan_form(style, tempo, bar_beats_of(meter), seconds, rng)
    hint = str(rng.choice(list(style.modes)))
    harmony = harmonise(style, key_root, hint, [p.section for p in plan], bar_beats_of(meter), rng)
    swing = _swing(style, float(tempo), rng)
    chords = harmony.chords
    if version >= 2 and style.number in variation.TURNING:
        own = np.random.default_rng([seed, style.number, 101 + 13])
        chords = variation.turned(chords, [p.section for p in plan], float(bar_beats_of(meter)), own)
    return Sketch(
        style, seed, tempo, meter, grouping, groups, key_root, plan, swing, chords, harmony.mode, harmony.keys, version
    )


def _tempo(style: Style, meter: tuple[int, int], rng: np.random.Generator) -> Fraction:
    """Quarters per minute, whole or half. In 12/8 the style counts dotted quarters."""
    low, high, typical = style.bpm
    drawn = float(rng.uniform(low, high) if rng.random() < 0.75 else rng.triangular(low, typical, high))
    drawn *= 1.5 if meter == (12, 8) else 1.0
    halves = round(2 * min(max(drawn, TEMPO_RANGE[0]), TEMPO_RANGE[1]))
    return Fraction(halves if rng.random() < 0.15 else 2 * (halves // 2), 2)


def _swing(style: Style, tempo: float, rng: np.random.Generator) -> float:
    """Percent of the pair; jazz straightens as it gets faster."""
    if style.kind == "jazz":
        return round(float(np.interp(tempo, [120, 160, 220], [67, 62, 57]) + rng.uniform(-1.5, 1)), 2)
    return round(float(rng.uniform(*style.swing)), 2)


def _programs(style: Style, rng: np.random.Generator) -> dict[str, int]:
    """An instrument for every role; the first named is the likeliest, companions differ."""
    chosen: dict[str, int] = {}
    for role, choices in style.programs.items():
        rivals = {"comp2": {"comp1"}, "counter": {"lead"}, "lead": {"comp1"}}.get(role, set())
        taken = {chosen[r] for r in rivals if r in chosen}
        free = [p for p in choices if p not in taken] or list(choices)
        weights = 1.0 / np.arange(1, len(free) + 1) ** 0.4
        chosen[role] = int(rng.choice(free, p=weights / weights.sum()))
    return chosen


def _write(sketch: Sketch) -> tuple[dict[str, list[NoteEvent]], DrumTrack]:
    """All pitched lines on the straight grid, and the drums."""
    style, beats = sketch.style, sketch.beats
    grooves = fitting_grooves(style, sketch.meter, sketch.steps, sketch.grouping)
    drums = compose_drums(style, grooves, sketch.plan, beats, sketch.steps, sketch.rng(2))
    patterns = choose_patterns(style, sketch.steps, sketch.meter, sketch.grouping, drums, sketch.rng(3))
    scales = [frozenset((root + p) % 12 for p in SCALES[mode]) for root, mode in sketch.keys]
    chords, sections, intensity = sketch.chords, sketch.sections, sketch.intensity
    widths = [b - a for a, b in zip(beats, [*beats[1:], sketch.steps], strict=True)]
    lines: dict[str, list[NoteEvent]] = {}
    lines["bass"] = compose_bass(
        style, sketch.chords, sketch.plan, patterns, drums, scales, sketch.bar_beats, sketch.steps, beats, sketch.rng(3)
    )
    lead = compose_melody(
        style, chords, sections, sketch.key_root, sketch.mode, sketch.bar_beats, sketch.steps, intensity, sketch.rng(4),
        groups=widths, keys=sketch.keys,
    )  # fmt: skip
    lines["lead"] = lead
    wanted = {part for p in sketch.plan for part in p.parts}
    if "counter" in wanted:
        lines["counter"] = compose_counter(
            style, chords, sections, sketch.key_root, sketch.mode, sketch.bar_beats, sketch.steps, intensity,
            sketch.rng(5), lead, groups=widths, keys=sketch.keys,
        )  # fmt: skip
    for index, role in enumerate(("comp1", "comp2", "pad", "arp")):
        if role in wanted:
            rng = sketch.rng(20 + index)
            lines[role] = compose_comp(
                style, role, chords, sections, sketch.bar_beats, sketch.steps, intensity, rng, groups=widths
            )
    entries = _entries(sketch, sketch.rng(6))
    lines = {role: _only(notes, entries[role], sketch) for role, notes in lines.items() if role in entries}
    if style.number in transitions.RISING_STYLES and "arp" in style.programs:
        rising = transitions.risers(sketch.plan, chords, float(sketch.bar_beats), sketch.steps, sketch.rng(11))
        lines["arp"] = sorted([*lines.get("arp", []), *rising], key=lambda n: (n.beat, n.pitch))
    if sketch.version >= 2 and style.number == variation.JAZZ:
        _freed(sketch, lines, drums, sketch.rng(14))
    lines = ending.finish(lines, drums, sketch.plan, chords, style.kind, sketch.bar_beats, sketch.steps, sketch.rng(7))
    return lines, drums


def _freed(sketch: Sketch, lines: dict[str, list[NoteEvent]], drums: DrumTrack, rng: np.random.Generator) -> None:
    """Jazz that repeats less: ride, bass, lead and chords, in place."""
    drums.hits[:] = variation.broken_time(drums.hits, sketch.plan[-1].end_bar, sketch.steps, rng)
    lines["bass"] = variation.freer_bass(lines["bass"], float(sketch.bar_beats), rng)
    lines["lead"] = variation.freer_lead(lines["lead"], sketch.sections, float(sketch.bar_beats), rng)
    for role in ("comp1", "comp2"):
        if role in lines:
            lines[role] = variation.freer_comp(lines[role], sketch.chords, rng)


def _entries(sketch: Sketch, rng: np.random.Generator) -> dict[str, list[tuple[int, int]]]:
    """The bars (first, end) where each role plays; some enter four or eight bars into a section."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for index, planned in enumerate(sketch.plan):
        first, bars = planned.section.first_bar, planned.section.bars
        before = sketch.plan[index - 1].parts if index else frozenset()
        for role in sorted(planned.parts):
            enters = index > 0 and role not in before
            late = role in _LATE and enters and bars >= 8 and rng.random() < 0.4
            start = first + (4 if bars < 16 or rng.random() < 0.5 else 8) * late
            spans.setdefault(role, []).append((start, first + bars))
    return spans


def _only(notes: list[NoteEvent], spans: list[tuple[int, int]], sketch: Sketch) -> list[NoteEvent]:
    """What sounds of the notes in the spans; a long note that an entry finds sounding starts there."""
    bar = float(sketch.bar_beats)
    out: list[NoteEvent] = []
    for first, end in _merged(spans):
        starts, ends = first * bar, end * bar
        for note in notes:
            if note.beat < starts - 1e-6 and note.beat + note.length > starts + bar - 1e-6:
                note = replace(note, beat=starts, length=note.beat + note.length - starts)
            if starts - 1e-6 <= note.beat < ends - 1e-6:
                out.append(replace(note, length=min(note.length, ends - note.beat)))
    return sorted(out, key=lambda n: (n.beat, n.pitch))


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that touch become one."""
    out: list[tuple[int, int]] = []
    for first, end in spans:
        if out and out[-1][1] == first:
            out[-1] = (out[-1][0], end)
        else:
            out.append((first, end))
    return out


def _play(
    sketch: Sketch, lines: dict[str, list[NoteEvent]], drums: DrumTrack, programs: dict[str, int]
) -> tuple[list[Part], list[NoteEvent]]:
    """Humanise every line and set up its part; the lead comes back as it sounds."""
    style, rng = sketch.style, sketch.rng(8)
    bar = float(sketch.bar_beats)
    feel = Feel(
        style, sketch.swing, float(sketch.tempo), 4 * bar,
        tuple(s.first_bar * bar for s in sketch.sections), tuple(s.level_db for s in sketch.sections),
    )  # fmt: skip
    desk = Desk.draw(style, rng)
    brushes = 40 in style.kits and any(h.letter == "J" for h in drums.hits)
    drum_kit = 40 if brushes else int(rng.choice(list(style.kits)))
    step_beats = bar / sketch.steps
    played = {
        "drums": kit.play(drums.hits, drum_kit, False, step_beats, feel, rng),
        "percussion": kit.play(drums.hits, drum_kit, True, step_beats, feel, rng),
    }
    kicks = [n for n in played["drums"] if n.pitch in (35, 36)]
    for role, notes in lines.items():
        share = 0.6 if style.number in (18, 20) else _LEVEL_SHARE[role]
        mean = style.micro_ms.get(role, 0.0)
        played[role] = humanise(notes, role, feel, rng, mean_ms=mean, program=programs[role], level_share=share)
        if role == "bass":
            played[role] = bass_after_kick(played[role], kicks)
        if role in ("bass", "lead", "counter"):
            played[role] = monophonic(played[role], float(sketch.tempo))
    parts = [
        desk.set_up(Part(role, GROUPS[role], programs.get(role, drum_kit), notes), rng)
        for role, notes in played.items()
        if notes
    ]
    return parts, played.get("lead", [])
