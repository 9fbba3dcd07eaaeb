"""One budget, all stages: corpus, prompts, codec, vocoder, teacher, distillation, export.

Each stage resumes from what it left in OUT; a stage that has spent its share is skipped. The
shares are those that two CPU cores have shown to need (docs/LOG.md).
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from engine.bundle import Bundle
from engine.errors import BadRequest, Unavailable
from engine.models.codec import Codec
from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.models.listener import Listener
from engine.models.load import Networks
from engine.models.prompt import PromptHead
from engine.models.vocoder import Vocoder
from engine.training import codec, data, distil, listener, prompt, teacher, vocoder
from engine.training.data import Latents

SHARES = {"corpus": 0.26, "codec": 0.13, "vocoder": 0.11, "listener": 0.02, "teacher": 0.34, "student": 0.11}
CORPUS_TIMES_REAL_TIME = 35.0
FEWEST_SONGS = 66
QUICK_CLIPS = 24
QUICK_SECTIONS = ("codec", "beat", "control")


class _EnoughError(Exception):
    """The corpus stage has spent its time."""


@dataclass(frozen=True)
class Plan:
    """What a budget buys. Seconds for each trained stage, hours of corpus."""

    corpus_hours: float
    seconds: dict[str, float]

    @staticmethod
    def of(budget_minutes: float) -> Plan:
        seconds = {name: 60.0 * budget_minutes * share for name, share in SHARES.items()}
        hours = seconds["corpus"] * CORPUS_TIMES_REAL_TIME / 3600.0
        return Plan(max(0.9, hours), seconds)


@dataclass
class Workshop:
    """What every stage needs: where, how long, from which seed, and whom to tell."""

    corpus: Path
    folder: Path
    plan: Plan
    seed: int
    console: Console

    def files(self, split: str = "train") -> list[Path]:
        return data.song_files(self.corpus, split)


def render_corpus(shop: Workshop) -> None:
    """Compose and render until the corpus has its hours or its time is up; what is there is kept."""
    from rich.progress import Progress

    from engine.training.corpus.build import build

    deadline = time.monotonic() + shop.plan.seconds["corpus"]
    with Progress(console=shop.console) as bar:
        task = bar.add_task("corpus")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if time.monotonic() > deadline and done >= FEWEST_SONGS:
                raise _EnoughError

        with contextlib.suppress(_EnoughError):
            workers = max(1, os.cpu_count() or 1)
            build(shop.corpus, shop.plan.corpus_hours, workers, shop.seed, tell)


def train_prompt(shop: Workshop) -> tuple[PromptHead, prompt.Vocabulary]:
    facts = [data.metadata(path) for path in shop.files()]
    return prompt.train(facts, shop.seed, shop.console)


def encode_songs(shop: Workshop, split: str, model: Codec, head: PromptHead, offsets: tuple[int, ...]) -> list[Latents]:
    """All songs of a split as latents, once for each offset of the latent grid."""
    from rich.progress import track

    songs = []
    for path in track(shop.files(split), f"encode {split}", console=shop.console):
        vectors = prompt.song_prompts(head, data.metadata(path)["captions"])
        for offset in offsets:
            song = data.load_song(path, model, offset)
            song.prompts = vectors
            songs.append(song)
    return songs


def prepare(budget_minutes: float, out: Path, device: str, seed: int, console: Console) -> Workshop:
    if not 0.5 <= budget_minutes <= 10_000:
        raise BadRequest(f"a budget of {budget_minutes} minutes is outside 0.5 to 10000")
    if device == "cuda" and not torch.cuda.is_available():
        raise Unavailable("no CUDA device is here; use --device cpu")
    out.mkdir(parents=True, exist_ok=True)
    return Workshop(out / "corpus", out / "stages", Plan.of(budget_minutes), seed, console)


def run(
    budget_minutes: float,
    device: str,
    out: Path,
    start_from: Path | None = None,
    data: Path | None = None,
    resume: bool = True,
    seed: int = 1,
    name: str = "attacca-v0",
    corpus_hours: float | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Train a bundle under a time budget on two cores or more; returns its folder and evaluation.

    corpus_hours: how much music to render or reuse, instead of what the budget's share buys.
    start_from: a bundle whose codec, vocoder, prompt head and student are the starting point.
    Running again with the same OUT goes on where the last run stopped; `resume=False` refuses an
    OUT that already holds stages.
    """
    from engine.training.export import export

    console = console or Console(stderr=True)
    if data is not None:
        raise BadRequest("training on a folder of sounds is not built yet; leave --data out")
    shop = prepare(budget_minutes, out, device, seed, console)
    if corpus_hours is not None:
        shop.plan = replace(shop.plan, corpus_hours=corpus_hours)
    if not resume and shop.folder.exists():
        raise BadRequest(f"{shop.folder} exists; choose another output folder or resume")
    networks, vocabulary, songs = foundation(shop, start_from)
    console.print(f"denoiser: {len(songs)} encoded songs")
    learned = teach(shop, networks, vocabulary, songs, start_from is not None)
    bundle = export(networks, vocabulary, shop, name, learned)
    evaluate(bundle.folder, shop)
    return {"bundle": str(bundle.folder), **learned}


def evaluate(folder: Path, shop: Workshop) -> None:
    """A short evaluation on the held-out songs, written into the model card (`attacca evaluate` runs the full one)."""
    from engine.training import evaluate as evaluation
    from engine.training.export import describe

    out = shop.folder.parent / "evaluation"
    teacher_file = shop.folder / "teacher.safetensors"
    evaluation.run(folder, out, QUICK_CLIPS, corpus=shop.corpus, teacher=teacher_file, only=QUICK_SECTIONS)
    describe(folder, (out / "results.md").read_text())


def foundation(shop: Workshop, start_from: Path | None) -> tuple[Networks, prompt.Vocabulary, list[Latents]]:
    """Corpus, prompt head, codec and vocoder (trained, or a bundle's), and the encoded songs."""
    render_corpus(shop)
    if start_from is not None:
        networks, vocabulary = from_bundle(start_from)
    else:
        head, vocabulary = train_prompt(shop)
        coder = train_codec(shop)
        voice = train_vocoder(shop, coder)
        student = Denoiser(DenoiserConfig(prompt=vocabulary.width))
        ears = Listener(len(vocabulary.styles), len(vocabulary.tags))
        networks = Networks(coder, voice, student, head, ears)
    songs = encode_songs(shop, "train", networks.codec, networks.prompt, (0, 4))
    if start_from is None:
        networks.listener = train_listener(shop, songs, vocabulary)
    return networks, vocabulary, songs


def train_listener(shop: Workshop, songs: list[Latents], vocabulary: prompt.Vocabulary) -> Listener:
    return listener.train(songs, vocabulary, shop.plan.seconds["listener"], shop.folder, shop.seed, shop.console)


def from_bundle(folder: Path) -> tuple[Networks, prompt.Vocabulary]:
    from engine.bundle import load
    from engine.models.load import load_networks

    bundle: Bundle = load(folder)
    networks = load_networks(bundle)
    networks.student.requires_grad_(True)
    return networks, prompt.Vocabulary(tuple(bundle.config["styles"]), tuple(bundle.config["tags"]))


def train_codec(shop: Workshop) -> Codec:
    model = codec.train(shop.files(), shop.plan.seconds["codec"], shop.folder, shop.seed, shop.console)
    shop.console.print("codec, held out:", codec.measure(model, shop.files("valid")))
    return model


def train_vocoder(shop: Workshop, coder: Codec) -> Vocoder:
    seconds = shop.plan.seconds["vocoder"]
    return vocoder.train(shop.files(), coder, seconds, shop.folder, shop.seed, shop.console)


def teach(
    shop: Workshop,
    networks: Networks,
    vocabulary: prompt.Vocabulary,
    songs: list[Latents],
    warm: bool,
) -> dict[str, Any]:
    """Teacher, then student; the student ends up in `networks`, the teacher beside the stages."""
    config = DenoiserConfig(prompt=vocabulary.width)
    start = networks.student if warm else None
    seconds = shop.plan.seconds
    guide = teacher.train(songs, config, seconds["teacher"], shop.folder, shop.seed, shop.console, start)
    held_out = encode_songs(shop, "valid", networks.codec, networks.prompt, (0,))
    loss = teacher.validation_loss(guide, held_out)
    shop.console.print(f"teacher, held out: {loss:.4f}")
    networks.student = distil.train(guide, songs, seconds["student"], shop.folder, shop.seed, shop.console)
    return {"teacher_validation_loss": loss, "codec": codec.measure(networks.codec, shop.files("valid"))}
