"""Write a trained set of networks as a bundle, with its model card."""

from __future__ import annotations

import os
import platform
import shutil
from typing import TYPE_CHECKING, Any

from engine import bundle
from engine.models.load import Networks, config_of, save_networks

if TYPE_CHECKING:
    from engine.training.pipeline import Workshop
    from engine.training.prompt import Vocabulary

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
        "config": config_of(networks, vocabulary.styles, vocabulary.tags),
        "training": {"minutes": minutes, **learned},
    }
    return bundle.seal(folder, manifest)
