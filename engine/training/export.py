"""Write a trained set of networks as a bundle, with its model card."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import bundle
from engine.models.load import Networks, config_of, save_networks
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
        hours=shop.plan.corpus_hours,
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
            networks, vocabulary.styles, vocabulary.tags, style_levels(shop.files(), vocabulary.styles)
        ),
        "training": {"minutes": minutes, **learned},
    }
    return bundle.seal(folder, manifest)
