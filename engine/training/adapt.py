"""Fine-tune a bundle on a user's own sounds in minutes: low-rank adapters on the denoiser, all else as it was.

The student keeps being what it was distilled to be, a model of jumps: at jump 0 it learns the velocity of the user's
latents, and its longer jumps follow from its own moving average (`shortcut.shortcut_loss` without a teacher). Held-out
sounds decide which averages are kept; the untouched bundle takes part, so that adapting cannot make it worse on them.
"""

from __future__ import annotations

import copy
import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from safetensors.torch import save_file
from torch import Tensor

from engine import bundle
from engine.errors import BadRequest
from engine.models import denoiser as D
from engine.models import lora
from engine.models.codec import PATCH
from engine.models.denoiser import Conditions, Denoiser
from engine.models.load import Networks, load_networks
from engine.training import data, devices, prompt, shortcut, teacher, windows
from engine.training.data import Latents, Rng
from engine.training.folder.prepare import prepare
from engine.training.folder.progress import shown
from engine.training.folder.report import Report
from engine.training.loop import Averaged, Stage, run

WINDOW = 128
BATCH = 8
RANK = 12
LEARNING_RATE = 1e-3
AVERAGE_DECAY = 0.98
LISTEN_SHARE = 0.4
ENCODE_SHARE = 0.15
VALIDATION_BATCHES = 4
Example = tuple[Tensor, Tensor, Conditions]

CARD = """# {name}

The bundle `{base}`, adapted to a folder of sounds by low-rank adaptation of its denoiser (rank {rank}, merged).
Codec, vocoder, prompts and listener are those of `{base}`, whose own card follows below.

- Sounds: {files} files, {minutes} minutes, {songs} excerpts to learn from; {held_out}
- Trained for {trained_minutes} minutes ({steps} steps of {batch} windows) on {machine}
- Velocity error on {judged}: {before:.4f} before, {after:.4f} after
- Licence: the base weights keep theirs (below); what of the sounds' own rights holds for weights adapted to them is
  for whoever owns the sounds to say

What was adapted to little music plays little else as well as before: keep the base for other styles.

---
"""


@dataclass
class Material:
    """The user's sounds as latents. held_out is what decides; apart: whether no training song is in it."""

    songs: list[Latents]
    held_out: list[Latents]
    apart: bool


def adapt(
    folder: Path,
    out: Path,
    budget_minutes: float,
    base: Path,
    device: str = "auto",
    seed: int = 1,
    rank: int = RANK,
    name: str | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Adapt the bundle in `base` to the sounds below `folder`, within the budget; the result is OUT/<name>.

    Listening and encoding take part of the budget and are kept in OUT for another run, which goes on where this one
    stopped. Raises BadRequest where there is nothing to train on, BadBundle for a bundle that fails its check.
    """
    console = console or Console(stderr=True)
    started = time.monotonic()
    target = devices.choose(device)
    checked = bundle.load(base)
    networks = load_networks(checked)
    if not networks.student.config.jumps:
        raise BadRequest(f"the bundle {checked.name} cannot be adapted: it was not trained for jumps; use a newer one.")
    seconds = 60.0 * budget_minutes

    def spent(share: float) -> Callable[[], bool]:
        end = started + share * seconds
        return lambda: time.monotonic() > end

    with shown(console) as tell:
        report = prepare(folder, out / "corpus", tell, spent(LISTEN_SHARE))
    report.show(console)
    material = encode(out / "corpus", networks, seed, spent(LISTEN_SHARE + ENCODE_SHARE))
    rest = max(0.25 * seconds, seconds - (time.monotonic() - started) - 10.0)
    marks = f"{sha(base)}{rank}{sorted(one.digest for one in report.used)}"
    stages = out / "stages" / hashlib.sha256(marks.encode()).hexdigest()[:12]
    learned = train(networks, material, rest, stages, seed, rank, target, console)
    made = export(networks, checked, report, material, out / (name or f"{checked.name}-adapted"), learned, target)
    return {"bundle": str(made.folder), "data": report.as_json(), **learned}


def sha(base: Path) -> str:
    return bundle.sha256(base / bundle.MANIFEST)


def encode(corpus: Path, networks: Networks, seed: int, late: Callable[[], bool]) -> Material:
    """Latents of all songs, with augmented variants of those to learn from until it is `late`."""
    rng = np.random.default_rng([seed, 11])
    songs: list[Latents] = []
    held_out: list[Latents] = []
    for path in data.song_files(corpus, "train"):
        found = [data.load_song(path, networks.codec, 0)] if late() else data.load_variants(path, networks.codec, rng)
        songs += prompted(found, path, networks)
    for path in data.song_files(corpus, "valid"):
        held_out += prompted([data.load_song(path, networks.codec, 0)], path, networks)
    if not songs:
        raise BadRequest("none of these sounds can be used; the list above says why.")
    return Material(songs, held_out or songs, bool(held_out))


def prompted(found: list[Latents], path: Path, networks: Networks) -> list[Latents]:
    """Variants of a song with prompt vectors: of what is said of it, and of what the listener hears in it.

    Those too short for a window (speeded up) are dropped.
    """
    features = torch.from_numpy(data.read(path, ("mix",))["mix"][: WINDOW * PATCH].astype(np.float32))
    vectors = networks.listener.hear(found[0].latents["mix"][:WINDOW], features).prompt[None]
    if found[0].facts["described"]:
        said = prompt.song_prompts(networks.prompt, found[0].facts["captions"])
        vectors = np.concatenate([said, vectors]).astype(np.float32)
    for song in found:
        song.prompts = vectors
    return [song for song in found if len(song) >= WINDOW]


def batch(songs: list[Latents], size: int, rng: Rng, device: torch.device | str = "cpu") -> Example:
    """Random windows; songs whose beat is not known are told neither beat nor tempo (one kind a batch)."""
    unsure = [song for song in songs if not song.facts["beat_known"]]
    if rng.random() >= len(unsure) / len(songs):
        sure = [song for song in songs if song.facts["beat_known"]]
        return windows.batch(sure, size, WINDOW, rng, device)
    clean, new, given = windows.batch(unsure, size, WINDOW, rng, device)
    given.frames[..., : D.BEAT_FEATURES] = 0.0
    given.globals[:, -D.TEMPO_FEATURES :] = 0.0
    return clean, new, given


@torch.no_grad()
def validation_loss(model: Denoiser, songs: list[Latents], device: torch.device | str = "cpu", seed: int = 0) -> float:
    """Velocity error at jump 0 without guidance; the same windows, times and noise each time."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    losses = [
        teacher.velocity_loss(model, *batch(songs, BATCH, rng, device), generator) for _ in range(VALIDATION_BATCHES)
    ]
    return float(torch.stack(losses).mean())


def train(
    networks: Networks,
    material: Material,
    seconds: float,
    folder: Path,
    seed: int,
    rank: int,
    device: torch.device,
    console: Console,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Train adapters for `seconds` and merge the best into `networks.student`; before, after and how long."""
    student = networks.student.to(device)
    reference = copy.deepcopy(student)
    start = torch.Generator().manual_seed(seed + 7)
    adapters = lora.inject(student, rank, start)
    followed = lora.inject(reference, rank, start)
    followed.load_state_dict(adapters.state_dict())
    stage = Stage("adapt", adapters, seconds, folder, lr=LEARNING_RATE, decay=AVERAGE_DECAY, clock=clock)
    followed.load_state_dict(adapters.state_dict())
    follower = Averaged(followed, shortcut.REFERENCE_DECAY)
    rng = np.random.default_rng([seed, 13, stage.steps])
    generator = torch.Generator().manual_seed(seed + stage.steps)

    def score(_: object = None) -> float:
        return validation_loss(student, material.held_out, device)

    def one(_: float) -> dict[str, Tensor]:
        follower.update(adapters, 10**6)
        follower.copy_to(followed)
        example = batch(material.songs, BATCH, rng, device)
        return shortcut.shortcut_loss(student, reference, example, generator)

    before = stage.best[0] if stage.steps and stage.best else score()
    if stage.best is None:
        stage.best = before, {name: value.clone() for name, value in stage.average.values.items()}
    run(stage, console, one, every=20, validate=score)
    after = score()
    lora.merge(student)
    networks.student = student.cpu().eval()
    return {
        "before": round(before, 5), "after": round(after, 5), "steps": stage.steps, "rank": rank,
        "trained_minutes": round(stage.spent / 60.0, 2), "held_out_apart": material.apart,
    }  # fmt: skip


def export(
    networks: Networks,
    base: bundle.Bundle,
    report: Report,
    material: Material,
    folder: Path,
    learned: dict[str, Any],
    device: torch.device,
) -> bundle.Bundle:
    """The base's files with the adapted student (fp16) and a card of its own, sealed in `folder`."""
    if folder.resolve() == base.folder.resolve():
        raise BadRequest(f"{folder} is the bundle that is adapted; choose another --out.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in base.manifest["files"]:
        shutil.copyfile(base.folder / file, folder / file)
    state = {k: v.half().contiguous() for k, v in networks.student.state_dict().items()}
    save_file(state, str(folder / "student.safetensors"))
    facts = {
        "base": base.name, "base_manifest_sha256": sha(base.folder), "files": len(report.used),
        "minutes": round(report.minutes, 1), "left_out": len(report.left_out), **learned,
    }  # fmt: skip
    (folder / bundle.CARD).write_text(card(base, folder.name, material, facts, device))
    kept = {key: value for key, value in base.manifest.items() if key not in ("files", "format", "name")}
    return bundle.seal(folder, {"name": folder.name, **kept, "adapted": facts})


def card(base: bundle.Bundle, name: str, material: Material, facts: dict[str, Any], device: torch.device) -> str:
    """The model card: what was adapted to what, for how long, with which effect; then the base's own."""
    held_out = f"{len(material.held_out)} excerpts held out" if material.apart else "nothing could be held out"
    text = CARD.format(
        name=name,
        songs=len(data_songs(material)),
        held_out=held_out,
        judged="held-out excerpts" if material.apart else "the excerpts themselves",
        batch=BATCH,
        machine=devices.describe(device),
        **facts,
    )
    return text + (base.folder / bundle.CARD).read_text()


def data_songs(material: Material) -> set[tuple[str, float]]:
    """The excerpts to learn from, variants counted once."""
    return {(song.facts["file"], song.facts["first_seconds"]) for song in material.songs}
