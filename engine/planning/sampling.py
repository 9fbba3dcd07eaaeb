"""Writing bars: a language model is asked slot by slot, and only for what nobody has settled. Pure but for the model.

What a *wish* (a bar with open fields) says stays as it is and is told to the model; the rest is drawn. Bars before
the first one are told first, as far as they are known. Only what is legal can be drawn: places that rise inside the
bar, the meter's length, parts that are allowed, a melody only where a lead plays. The same seed writes the same bars.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.planning import chords as C
from engine.planning import drums as D
from engine.planning import tokens as T
from engine.planning.bars import lines_of, over
from engine.planning.wishes import repeated
from engine.timing import Meter
from engine.types import PART_NAMES, Note, PlanBar

MOST_EVENTS = 160
REMEMBERED_BARS = 12
ROOM = MOST_EVENTS + 9 * (1 + 2 * T.STEPS)
"""Events that a model must have room for: what is remembered, and two phrases as full as can be."""
LEAD, DRUMS = 1 << PART_NAMES.index("lead"), 1 << PART_NAMES.index("drums")
Logits = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Model(Protocol):
    """One plan's worth of a language model (engine.models.planner.Writer)."""

    def feed(self, rows: Sequence[Sequence[int]], bars: Sequence[int]) -> None: ...

    def logits(self, slot: int) -> Logits: ...

    def tell(self, slot: int, value: int) -> None: ...


@dataclass(frozen=True)
class Draw:
    """How tokens are drawn. temperature 0 takes the likeliest; top_p: the likeliest tokens that make up this share."""

    temperature: float = 1.0
    top_p: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Rules:
    """What holds for all bars. parts: a mask of those that may play, None for all; key_moves: whether it may change."""

    parts: int | None = None
    key_moves: bool = True


def picked(logits: Logits, allowed: Mask | None, how: Draw, rng: np.random.Generator) -> int:
    """One token; of those that are not allowed none."""
    values = logits.astype(np.float64)
    if allowed is not None:
        values = np.where(allowed, values, -np.inf)
    if how.temperature <= 0:
        return int(values.argmax())
    chances = np.exp((values - values.max()) / how.temperature)
    order = np.argsort(-chances, kind="stable")
    shares = np.cumsum(chances[order])
    kept = order[: int(np.searchsorted(shares, how.top_p * shares[-1])) + 1]
    weights = np.cumsum(chances[kept])
    return int(kept[np.searchsorted(weights, rng.random() * weights[-1], side="right").clip(0, len(kept) - 1)])


class _Scribe:
    """The bars of one plan as they are written."""

    def __init__(self, begin: Callable[[], Model], key: T.Key, how: Draw, rules: Rules) -> None:
        self.begin, self.how, self.rules = begin, how, rules
        self.rng = np.random.default_rng(how.seed)
        self.model, self.key, self.bar = begin(), key, 0
        self.history: list[tuple[int, list[list[int]]]] = []
        self.fed = 0

    # ---- telling ---------------------------------------------------------------------------

    def settle(self, rows: list[list[int]]) -> None:
        """Tell the model events that are settled, of the bar that is being written."""
        self.model.feed(rows, [self.bar] * len(rows))
        self.fed += len(rows)
        self.rows += rows

    def start_bar(self) -> None:
        """Begin a bar; where the model's memory is full it starts anew from the last bars (whole phrases)."""
        self.rows: list[list[int]] = []
        if self.fed <= MOST_EVENTS:
            return
        kept = self.history
        for back in range(REMEMBERED_BARS, 0, -4):
            first = max(0, self.bar - back) // 4 * 4
            kept = [(bar, rows) for bar, rows in self.history if bar >= first]
            if sum(len(rows) for _, rows in kept) <= MOST_EVENTS // 2:
                break
        self.model = self.begin()
        rows, bars = [row for _, rows in kept for row in rows], [bar for bar, rows in kept for _ in rows]
        self.model.feed(rows, bars)
        self.fed = len(rows)

    def end_bar(self) -> None:
        self.history.append((self.bar, self.rows))
        self.bar += 1

    # ---- drawing ---------------------------------------------------------------------------

    def draw(self, kind: int, place: int, allowed: Mask | None = None, forced: int | None = None) -> int:
        """A slot of the event that is being made: drawn, or as it must be; the model is told."""
        slot = _slot(kind, place)
        value = picked(self.model.logits(slot), allowed, self.how, self.rng) if forced is None else forced
        self.model.tell(slot, value)
        return value

    def known(self, bar: PlanBar, meter: Meter) -> None:
        """A bar that lies before the first new one."""
        self.start_bar()
        (key,) = T.keys_of([bar], self.key)
        self.settle(T.encode_bar(bar, meter, key, self.key))
        self.key = key
        self.end_bar()

    def write(self, wish: PlanBar, meter: Meter) -> PlanBar:
        """The next bar."""
        self.start_bar()
        head = self._head(wish)
        named = C.key_of(wish.key)
        mode = self.key.mode if named is None else named[1]
        self.key = T.Key((self.key.root + head[2]) % 12, mode)
        rows = T.encode_bar(wish, meter, self.key, self.key)[1:]
        self._chords([row for row in rows if row[0] == T.CHORD], wish.chords is not None, T.steps_of(meter))
        lead = (head[4] - 1) & LEAD
        self._melody([row for row in rows if row[0] == T.NOTE], wish.melody is not None or not lead, T.steps_of(meter))
        made = over(wish, T.decode_bar([head, *self.rows[1:]], self.key))
        self.end_bar()
        return made

    def _head(self, wish: PlanBar) -> list[int]:
        named = C.key_of(wish.key)
        still = 0 if self.bar == 0 or not self.rules.key_moves else None
        move = still if named is None else (named[0] - self.key.root) % 12
        self.model.tell(0, T.BAR)
        told = self.draw(T.BAR, 0, forced=T.CHORDS_TOLD | T.MELODY_TOLD)
        move = self.draw(T.BAR, 1, forced=move)
        section = self.draw(T.BAR, 2, _known(T.SLOTS[0][2]), T.section_token(wish.section) or None)
        parts = self.draw(T.BAR, 3, self._parts(wish), T.parts_token(wish.parts) or None)
        drums = self.draw(T.BAR, 4, _drums(bool((parts - 1) & DRUMS)), T.drums_token(wish) or None)
        level = self.draw(T.BAR, 5, _known(T.SLOTS[0][5]), T.level_token(wish) or None)
        head = T.event(T.BAR, told, move, section, parts, drums, level)
        self.settle([head])
        return head

    def _parts(self, wish: PlanBar) -> Mask:
        """Somebody plays, and nobody who may not; who has notes to play, does."""
        masks = np.arange(-1, 2 ** len(PART_NAMES))
        allowed = masks > 0
        if self.rules.parts is not None:
            allowed &= (masks & ~self.rules.parts) == 0
        if wish.melody and (self.rules.parts is None or self.rules.parts & LEAD):
            allowed &= (masks & LEAD) > 0
        return np.asarray(allowed)

    def _chords(self, rows: list[list[int]], given: bool, steps: int) -> None:
        if given:
            self.settle(rows)
            return
        place = -1
        while place < steps - 1 and (place < 0 or self._more(T.CHORD)):
            place = self._chord(place, steps)

    def _more(self, kind: int) -> bool:
        """Whether another event of this kind follows, rather than what comes after those."""
        allowed = np.array([True, kind == T.CHORD, True])
        return picked(self.model.logits(0), allowed, self.how, self.rng) == kind

    def _chord(self, before: int, steps: int) -> int:
        self.model.tell(0, T.CHORD)
        place = self.draw(T.CHORD, 0, _between(before, steps), 0 if before < 0 else None)
        degree = self.draw(T.CHORD, 1)
        quality = self.draw(T.CHORD, 2, forced=0 if degree == 12 else None)
        bass = self.draw(T.CHORD, 3, forced=0 if degree == 12 else None)
        self.settle([T.event(T.CHORD, place, degree, quality, bass)])
        return place

    def _melody(self, rows: list[list[int]], given: bool, steps: int) -> None:
        if given:
            self.settle(rows)
            return
        place = -1
        while place < steps - 1 and self._more(T.NOTE):
            place = self._note(place, steps)

    def _note(self, before: int, steps: int) -> int:
        self.model.tell(0, T.NOTE)
        place = self.draw(T.NOTE, 0, _between(before, steps))
        pitch = self.draw(T.NOTE, 1)
        length = self.draw(T.NOTE, 2)
        self.settle([T.event(T.NOTE, place, pitch, length)])
        return place


def _slot(kind: int, place: int) -> int:
    return 1 + sum(len(sizes) for sizes in T.SLOTS[:kind]) + place


def _known(size: int) -> Mask:
    return np.arange(size) > 0


def _between(before: int, steps: int) -> Mask:
    places = np.arange(T.STEPS)
    return np.asarray((places > before) & (places < steps))


def _drums(play: bool) -> Mask:
    """Drum tokens: some pattern where drums play, none (of density 0) where they don't."""
    silent = 1 + 4 * D.KINDS.index("none")
    tokens = np.arange(T.SLOTS[0][4])
    return np.asarray((tokens > 0) & ((tokens < silent) | (tokens > silent + 3)) if play else tokens == silent)


def write(
    begin: Callable[[], Model],
    known: Sequence[tuple[PlanBar, Meter]],
    wishes: Sequence[tuple[PlanBar, Meter]],
    key: T.Key,
    how: Draw,
    rules: Rules,
    repeats: Mapping[int, int] | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[PlanBar, ...]:
    """Bars for the wishes, which follow the known ones; key: before the first of them. begin: a fresh model.

    repeats: bars that bring back what an earlier one of them has (`wishes.repeats`). `check` is called before each bar
    and may raise.
    """
    scribe = _Scribe(begin, key, how, rules)
    for bar, meter in known:
        scribe.known(bar, meter)
    written: list[PlanBar] = []
    for number, (wish, meter) in enumerate(wishes):
        check()
        if repeats and number in repeats:
            wish = repeated(wish, written[repeats[number]])
        written.append(scribe.write(wish, meter))
    return one_voice(written, wishes)


def one_voice(bars: Sequence[PlanBar], wishes: Sequence[tuple[PlanBar, Meter]]) -> tuple[PlanBar, ...]:
    """The bars with each written note ended where the next one begins, or the last bar ends. Wished notes stay."""
    lines = [float(line) for line in lines_of([meter for _, meter in wishes])]
    onsets = sorted(line + note.beat for line, bar in zip(lines, bars, strict=False) for note in bar.melody or ())
    found = []
    for bar, (wish, _), line in zip(bars, wishes, lines, strict=False):
        if wish.melody is None and bar.melody:
            notes = (_ended(note, line, onsets, lines[-1]) for note in bar.melody)
            bar = msgspec.structs.replace(bar, melody=tuple(notes))
        found.append(bar)
    return tuple(found)


def _ended(note: Note, line: float, onsets: list[float], end: float) -> Note:
    later = bisect_right(onsets, line + note.beat)
    until = onsets[later] if later < len(onsets) else end
    return msgspec.structs.replace(note, length=min(note.length, until - line - note.beat))
