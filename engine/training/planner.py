"""Train the planner: scores by the thousand, composed without a sound, as windows of bars under a time budget.

A window begins at any bar of a song. In a third of them the first bars are told as a source's bars would be (level and
key, perhaps parts), so that the planner learns to go on from what can be heard. What is not told is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from engine import bundle as bundles
from engine.models import planner as P
from engine.models.prompt import PromptHead
from engine.planning import chords as C
from engine.planning import tokens as T
from engine.training import devices, loop
from engine.training.data import Rng
from engine.training.planner_scores import HELD_OUT_SEED, TRAIN_SEED, Score, score_of

LR, DECAY = 1.5e-3, 0.998
BATCH = 12
MOST_BARS, MOST_EVENTS = 24, 128
ALIGNED = 0.75
UNPROMPTED = 0.15
OVERHEARD = 0.35
MOST_OVERHEARD_BARS = 8
MEASURED_WINDOWS = 64
COMPOSING_SHARE = 0.5


@dataclass(frozen=True)
class Piece:
    """A score ready for training. events [n, WIDTH]; starts [bars + 1]: the first event of each bar; prompts [k, P]."""

    score: Score
    events: T.Events
    starts: NDArray[np.int64]
    prompts: NDArray[np.float32]

    @staticmethod
    def of(score: Score, prompts: NDArray[np.float32]) -> Piece:
        events = score.events()
        starts = np.append(np.flatnonzero(events[:, 0] == T.BAR), len(events))
        return Piece(score, events, starts, prompts)

    @property
    def bars(self) -> int:
        return len(self.starts) - 1


@dataclass
class Batch:
    """B windows of up to N events. counted: events that are learnt (not padding, nor overheard bars)."""

    events: Tensor
    counts: Tensor
    facts: Tensor
    counted: Tensor


# ---- material --------------------------------------------------------------------------------


def compose_scores(first_seed: int, count: int, seconds: float = float("inf")) -> Iterator[Score]:
    """Scores of consecutive seeds until there are `count` or the time is up; one at least."""
    from engine.training.corpus.compose import compose

    deadline = time.monotonic() + seconds
    for seed in range(first_seed, first_seed + count):
        yield score_of(compose(seed))
        if time.monotonic() > deadline:
            return


def prompted(scores: Sequence[Score], head: PromptHead, styles: Sequence[str]) -> list[Piece]:
    """Pieces with what the prompt head makes of their captions, and of nothing but their style's name."""
    from engine.training.prompt import embed_all

    said = (text for score in scores for text in (*score.captions, score.style))
    texts = list(dict.fromkeys([*said, *styles]))
    with torch.no_grad():
        rows = dict(zip(texts, head(embed_all(texts)).numpy().astype(np.float32), strict=True))
    return [Piece.of(score, np.stack([rows[t] for t in (*score.captions, score.style)])) for score in scores]


def mode_table(scores: Sequence[Score], styles: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """How often each mode is each style's [styles][modes], one of each added."""
    table = np.full((len(styles), len(C.MODE_NAMES)), 0.1)
    for score in scores:
        if score.style in styles:
            table[styles.index(score.style), C.MODE_NAMES.index(score.key.mode)] += 1
    rows = table / table.sum(1, keepdims=True)
    return tuple(tuple(round(float(x), 4) for x in row) for row in rows)


# ---- windows ---------------------------------------------------------------------------------


def window(piece: Piece, config: P.PlannerConfig, rng: Rng) -> tuple[T.Events, NDArray[np.int64], NDArray[Any], int]:
    """(events, the bar of each from 0, facts, how many of the first events are not counted)."""
    start = int(rng.integers(max(1, piece.bars - 3)))
    if rng.random() < ALIGNED:
        start -= start % 4
    end = min(piece.bars, start + MOST_BARS)
    while piece.starts[end] - piece.starts[start] > MOST_EVENTS and end > start + 1:
        end -= 1
    events = piece.events[piece.starts[start] : piece.starts[end]].copy()
    events[0, 2] = 0  # the key of the first bar is where the window starts from
    overheard = 0
    if rng.random() < OVERHEARD and end - start > 2:
        bars = int(rng.integers(1, min(MOST_OVERHEARD_BARS, end - start - 1) + 1))
        events, overheard = overhear(events, bars, rng)
    score = piece.score
    prompt = None if rng.random() < UNPROMPTED else piece.prompts[int(rng.integers(len(piece.prompts)))]
    facts = P.facts_vector(config, prompt, score.tempo, score.meter, score.key.mode)
    counts = np.cumsum(events[:, 0] == T.BAR) - 1
    return events, counts, facts, overheard


def overhear(events: T.Events, bars: int, rng: Rng) -> tuple[T.Events, int]:
    """Tell of the first bars only what an ear can: level and key, and sometimes parts."""
    places = np.cumsum(events[:, 0] == T.BAR) - 1
    head = events[(places < bars) & (events[:, 0] == T.BAR)].copy()
    head[:, 1] = 0
    head[:, 3] = 0
    head[:, 5] = 0
    if rng.random() < 0.3:
        head[:, 4] = 0
    return np.concatenate([head, events[places >= bars]]), len(head)


def batch(pieces: Sequence[Piece], config: P.PlannerConfig, count: int, rng: Rng, weights: NDArray[Any]) -> Batch:
    """Windows of random songs, long songs more often."""
    rows = [window(pieces[i], config, rng) for i in rng.choice(len(pieces), count, p=weights)]
    most = max(len(events) for events, *_ in rows)
    events = np.full((count, most, T.WIDTH), -1, np.int64)
    counts, counted = np.zeros((count, most), np.int64), np.zeros((count, most), bool)
    for i, (found, places, _, skipped) in enumerate(rows):
        events[i, : len(found)], counts[i, : len(found)] = found, places
        counted[i, skipped : len(found)] = True
    facts = np.stack([row[2] for row in rows])
    return Batch(*(torch.from_numpy(a) for a in (events, counts, facts, counted)))


def weights_of(pieces: Sequence[Piece]) -> NDArray[np.float64]:
    sizes = np.array([piece.bars for piece in pieces], np.float64)
    shares: NDArray[np.float64] = sizes / sizes.sum()
    return shares


def loss(model: P.Planner, given: Batch) -> dict[str, Tensor]:
    """Nats an event, and a token (slot)."""
    device = devices.device_of(model)
    with torch.autocast(device.type, torch.bfloat16):
        found = P.slot_losses(model, given.events, given.counts, given.facts, given.counted)
    total = torch.stack([part.sum() for part in found]).sum()
    return {"loss": total / len(found[0]), "nats_a_token": total / sum(map(len, found))}


# ---- the stage -------------------------------------------------------------------------------


def train(
    pieces: Sequence[Piece], held_out: Sequence[Piece], config: P.PlannerConfig, seconds: float, folder: Path,
    seed: int, console: Console, *, clock: Callable[[], float] = time.monotonic,
) -> P.Planner:  # fmt: skip
    """A planner trained for `seconds`, the best of its averages on held-out songs."""
    torch.manual_seed(seed)
    model, rng = P.Planner(config), np.random.default_rng(seed)
    stage = loop.Stage("planner", model, seconds, folder, LR, DECAY, clock=clock)
    weights = weights_of(pieces)
    fixed = measured_windows(held_out, config)

    def validate(candidate: nn.Module) -> float:
        assert isinstance(candidate, P.Planner)
        return float(loss(candidate, fixed)["loss"])

    loop.run(stage, console, lambda _: loss(model, batch(pieces, config, BATCH, rng, weights)), 100, validate=validate)
    return model.eval()


def measured_windows(pieces: Sequence[Piece], config: P.PlannerConfig) -> Batch:
    """The same windows of held-out songs each time."""
    return batch(pieces, config, MEASURED_WINDOWS, np.random.default_rng(0), weights_of(pieces))


def planner(
    seconds: float, folder: Path, head: PromptHead, styles: Sequence[str], tags: Sequence[str], seed: int,
    console: Console, *, most: int = 6000, held: int = 60, spent: float = 0.0, **shape: int,
) -> tuple[P.Planner, list[Piece], list[Piece]]:  # fmt: skip
    """The whole of it within `seconds`: compose for half of the time, then train. Also both sets of pieces.

    spent: seconds that an earlier run has trained for (its checkpoint is in `folder`). shape: of `PlannerConfig`.
    """
    began = time.monotonic()
    scores = list(compose_scores(TRAIN_SEED + 2**20 * seed, most, COMPOSING_SHARE * seconds))
    others = list(compose_scores(HELD_OUT_SEED, held, 0.05 * seconds))
    console.print(f"planner: {len(scores)} songs composed, {len(others)} held out")
    config = P.PlannerConfig(tuple(styles), tuple(tags), mode_table(scores, styles), **shape)
    pieces, held_out = prompted(scores, head, styles), prompted(others, head, styles)
    left = spent + max(0.0, seconds - (time.monotonic() - began))
    return train(pieces, held_out, config, left, folder, seed, console), pieces, held_out


@click.command()
@click.option("--minutes", type=click.FloatRange(0.05, 600.0), help="Train for so long, composing included.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where planner.safetensors goes.")
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="Add this one, trained before.")
@click.option("--bundle", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Whose prompts to read.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, 1000))
@click.option("--add", is_flag=True, help="Put the planner into the bundle.")
def main(
    minutes: float | None, out: Path | None, weights: Path | None, bundle: Path | None, seed: int, add: bool
) -> None:
    """Train a planner for a bundle's prompts and write OUT/planner.safetensors; or add one that is there."""
    from engine.training.planner_bundle import add_to_bundle, known_facts, write

    source = bundles.load(bundle or bundles.DEFAULT)
    if weights is None:
        if minutes is None or out is None:
            raise click.UsageError("give --minutes and --out to train one, or --weights FILE with --add")
        weights = write(source, 60.0 * minutes, out, seed, Console(stderr=True))
    if add:
        add_to_bundle(source.folder, weights, known_facts(weights))
    click.echo(weights)


if __name__ == "__main__":
    main()
