"""Write a trained set of networks as a bundle, with its model card."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine import bundle
from engine.models import features as F
from engine.models.codec import LATENT_HOP, LATENTS, PATCH
from engine.models.load import Networks, config_of, save_networks
from engine.render.decode import Decoder
from engine.training import data

if TYPE_CHECKING:
    from engine.training.pipeline import Workshop
    from engine.training.prompt import Vocabulary

RESULTS = "<!-- evaluation -->"
CARD = """# {name}

A few-step music model for exact bars, trained from nothing on music composed and rendered by
Attacca's own corpus builder (`engine/training/corpus`). No recording was used.

- Data: {songs} excerpts, {hours:.1f} h, {styles} styles, rendered with MIT-licensed General MIDI SoundFonts
- Hardware: {machine}
- Minutes a stage: {minutes}
- Held-out velocity error of the teacher: {teacher_validation_loss:.4f}
- Codec, held out, dB: {codec}
- Licence: Apache-2.0 (weights and audio made with them)

Styles: {style_names}.
"""


def style_levels(files: list[Path], styles: tuple[str, ...]) -> list[float]:
    """The median intensity in dBFS of each style's songs, quiet passages left out."""
    found: dict[str, list[float]] = {style: [] for style in styles}
    for path in files:
        level = data.read(path, ("intensity",))["intensity"].astype(np.float32)
        found[data.metadata(path)["style"]].append(float(np.median(level[level > level.max() - 20.0])))
    return [round(float(np.median(values)), 1) for values in found.values()]


def makeup_db(networks: Networks, files: list[Path], seconds: int = 6) -> float:
    """What codec and vocoder lose in level on held-out songs: the median over `files`, in dB."""
    losses = []
    for path in files:
        samples = seconds * F.RATE_HZ // LATENT_HOP * LATENT_HOP
        song = data.read(path, ("audio",))["audio"]
        first = max(0, (len(song) - samples) // 2)
        wave = song[first : first + samples].astype(np.float32) / 32768.0
        features = F.analyse_tensor(torch.from_numpy(wave))[: len(wave) // LATENT_HOP * PATCH]
        with torch.no_grad():
            latents = networks.codec.encode(features[None])[0]
        decoder = Decoder(networks.codec, networks.vocoder, torch.zeros(0, LATENTS), seed=0)
        decoder.push(latents, last=True)
        made = decoder.speak(decoder.ready(last=True))
        losses.append(10.0 * np.log10((np.square(wave).mean() + 1e-9) / (np.square(made).mean() + 1e-9)))
    return round(float(np.median(losses)), 2) if losses else 0.0


def describe(folder: Path, results: str) -> bundle.Bundle:
    """Put evaluation tables (Markdown) at the end of a bundle's model card, in place of older ones, and seal it."""
    card = (folder / bundle.CARD).read_text().partition(RESULTS)[0].rstrip()
    (folder / bundle.CARD).write_text(f"{card}\n\n{RESULTS}\n#{results}")
    manifest = bundle.read_manifest(folder)
    return bundle.seal(folder, {k: v for k, v in manifest.items() if k != "files"})


def export(
    networks: Networks, vocabulary: Vocabulary, shop: Workshop, name: str, learned: dict[str, Any]
) -> bundle.Bundle:
    """Save, describe and seal the bundle in OUT/<name>."""
    folder = shop.folder.parent / name
    shutil.rmtree(folder, ignore_errors=True)
    save_networks(networks, folder)
    minutes = {stage: round(seconds / 60, 1) for stage, seconds in shop.plan.seconds.items()}
    card = CARD.format(
        name=name,
        songs=len(shop.files()),
        hours=sum(data.metadata(path)["frames"] for path in shop.files()) / F.RATE_HZ / 3600.0,
        styles=len(vocabulary.styles),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, no GPU",
        minutes=", ".join(f"{stage} {spent}" for stage, spent in minutes.items()),
        style_names=", ".join(vocabulary.styles),
        **learned,
    )
    (folder / bundle.CARD).write_text(card)
    manifest = {
        "name": name,
        "config": config_of(
            networks,
            vocabulary.styles,
            vocabulary.tags,
            style_levels(shop.files(), vocabulary.styles),
            makeup_db(networks, shop.files("valid")),
        ),
        "training": {"minutes": minutes, **learned},
    }
    return bundle.seal(folder, manifest)
