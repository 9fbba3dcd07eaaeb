"""How good a planner is: nats a token beside what counting tokens and pairs of them gives, and the music it writes
beside composed songs that nobody trained on.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from engine.controls.harmony import MODES, chord_tones
from engine.models import planner as P
from engine.models.planwriter import Weights, Writer
from engine.planning import chords as C
from engine.planning import sampling
from engine.planning import tokens as T
from engine.planning.bars import OPEN
from engine.training.planner import Batch, Piece, measured_windows
from engine.types import PlanBar

BARS = 16
BACK_OFF = 5.0
Token = tuple[int, int]
"""(slot, value): slots are numbered over all kinds, 0 is the kind."""


def tokens_of(events: T.Events) -> Iterator[Token]:
    """The events' tokens in the order in which they are written."""
    for row in events.tolist():
        kind = row[0]
        yield 0, kind
        for place in range(len(T.SLOTS[kind])):
            yield P.FIRST_SLOT[kind] + place, row[1 + place]


class Counted:
    """Unigrams and bigrams of training songs: P(value) and P(value | token before), each within its slot."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.single: Counter[Token] = Counter()
        self.pairs: Counter[tuple[Token, Token]] = Counter()
        for piece in pieces:
            row = list(tokens_of(piece.events))
            self.single.update(row)
            self.pairs.update(itertools.pairwise(row))
        self.of_slot: Counter[int] = Counter()
        for (slot, _), count in self.single.items():
            self.of_slot[slot] += count
        self.after: Counter[tuple[Token, int]] = Counter()
        for (before, (slot, _)), count in self.pairs.items():
            self.after[before, slot] += count

    def unigram(self, token: Token) -> float:
        slot, _ = token
        return (self.single[token] + 0.5) / (self.of_slot[slot] + 0.5 * P.SLOT_SIZES[slot])

    def bigram(self, before: Token, token: Token) -> float:
        """Backed off to the unigram."""
        return (self.pairs[before, token] + BACK_OFF * self.unigram(token)) / (self.after[before, token[0]] + BACK_OFF)


def nats(counted: Counted, given: Batch) -> tuple[float, float, int]:
    """(nats a token of unigrams, of bigrams, tokens) over the counted events of windows."""
    single, pair, total = 0.0, 0.0, 0
    for events, own in zip(given.events.numpy(), given.counted.numpy(), strict=True):
        before: Token = (0, T.BAR)
        for row, counts in zip(events, own, strict=True):
            for token in tokens_of(row[None]) if row[0] >= 0 else ():
                if counts:
                    single -= float(np.log(counted.unigram(token)))
                    pair -= float(np.log(counted.bigram(before, token)))
                    total += 1
                before = token
    return single / total, pair / total, total


@torch.inference_mode()
def perplexities(model: P.Planner, train: Sequence[Piece], held_out: Sequence[Piece]) -> dict[str, float]:
    """Perplexity a token on windows of held-out songs: the model's, and of counts on the training songs."""
    given = measured_windows(held_out, model.config)
    found = P.slot_losses(model, given.events, given.counts, given.facts, given.counted)
    tokens = sum(map(len, found))
    own = float(torch.stack([part.sum() for part in found]).sum()) / tokens
    single, pair, total = nats(Counted(train), given)
    assert total == tokens, (total, tokens)
    values = {"planner": own, "bigram": pair, "unigram": single}
    return {name: round(float(np.exp(value)), 3) for name, value in values.items()}


# ---- the music ---------------------------------------------------------------------------------


def statistics(bars: Sequence[PlanBar]) -> dict[str, float]:
    """Figures of a stretch of whole bars in known keys."""
    names = [[chord.name for chord in bar.chords or ()] for bar in bars]
    line = [name for bar in names for name in bar]
    notes = [(note, bar) for bar in bars for note in bar.melody or ()]
    rhythms = [tuple((n.beat, n.length) for n in bar.melody or ()) for bar in bars]
    tunes = [tuple((n.pitch, n.beat) for n in bar.melody or ()) for bar in bars]
    sung = [k for k, tune in enumerate(tunes) if tune]
    level = np.array([bar.intensity_db or 0.0 for bar in bars])
    pairs = list(itertools.pairwise(bars))
    return {
        "chord changes a bar": sum(a != b for a, b in itertools.pairwise(line)) / len(bars),
        "different chords": float(len(set(line))),
        "chords as four bars before": _share([names[k] == names[k - 4] for k in range(4, len(bars))]),
        "bars with melody": len(sung) / len(bars),
        "notes a bar with melody": len(notes) / max(1, len(sung)),
        "melody in scale": _share([_in_scale(note.pitch, bar) for note, bar in notes]),
        "melody on chord tones": _share([_on_chord(note, bar) for note, bar in notes]),
        "steps up to a whole tone": _share(
            [abs(a.pitch - b.pitch) <= 2 for (a, _), (b, _) in itertools.pairwise(notes)]
        ),
        "rhythm of an earlier bar": _share([rhythms[k] in rhythms[:k] for k in sung[1:]]),
        "tune of an earlier bar": _share([tunes[k] in tunes[:k] for k in sung[1:]]),
        "drums as in the bar before": _share([a.drums == b.drums for a, b in pairs]),
        "sections change": _share([a.section != b.section for a, b in pairs]),
        "parts that play": float(np.mean([len(bar.parts or ()) for bar in bars])),
        "level moves, dB a bar": float(np.abs(np.diff(level)).mean()) if len(bars) > 1 else 0.0,
    }


def _share(found: Sequence[bool]) -> float:
    return float(np.mean(found)) if found else float("nan")


def _in_scale(pitch: int, bar: PlanBar) -> bool:
    key = C.key_of(bar.key)
    assert key is not None
    return (pitch - key[0]) % 12 in MODES[key[1]]


def _on_chord(note: Any, bar: PlanBar) -> bool:
    sounding = [chord.name for chord in bar.chords or () if chord.beat <= note.beat]
    return bool(sounding) and not C.is_none(sounding[-1]) and note.pitch % 12 in chord_tones(sounding[-1])[1]


def written(weights: Weights, piece: Piece, bars: int, how: sampling.Draw) -> tuple[PlanBar, ...]:
    """Bars for a song's caption, tempo, meter and key."""
    score = piece.score
    facts = P.facts_vector(weights.config, piece.prompts[0], score.tempo, score.meter, score.key.mode)
    begin = partial(Writer, weights, facts, sampling.ROOM)
    return sampling.write(begin, (), [(OPEN, score.meter)] * bars, score.key, how, sampling.Rules())


def compared(model: P.Planner, pieces: Sequence[Piece], how: sampling.Draw) -> dict[str, dict[str, float]]:
    """Means over songs of `statistics`: of BARS composed bars from a phrase's start on, and of bars it writes."""
    rng, seconds = np.random.default_rng(0), list[float]()
    weights = Weights(model)
    rows: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    for number, piece in enumerate(piece for piece in pieces if piece.bars >= BARS):
        first = int(rng.integers(piece.bars - BARS + 1)) // 4 * 4
        rows[0].append(statistics(piece.score.bars[first : first + BARS]))
        began = time.perf_counter()
        made = written(weights, piece, BARS, sampling.Draw(how.temperature, how.top_p, number))
        seconds.append(time.perf_counter() - began)
        rows[1].append(statistics(made))
    table = {}
    for name in rows[0][0]:
        composed, planned = (float(np.nanmean([row[name] for row in side])) for side in rows)
        table[name] = {"composed": round(composed, 3), "planned": round(planned, 3)}
    table["seconds for 16 bars, p50"] = {"planned": round(float(np.median(seconds)), 4)}
    return table


def measure(
    model: P.Planner, train: Sequence[Piece], held_out: Sequence[Piece], how: sampling.Draw | None = None
) -> dict[str, Any]:
    """All of it."""
    how = how or sampling.Draw(0.9, 0.95)
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "perplexity a token, held out": perplexities(model, train, held_out),
        "songs": {"training": len(train), "held out": len(held_out)},
        "drawn with": {"temperature": how.temperature, "top_p": how.top_p},
        "music": compared(model, held_out, how),
    }
