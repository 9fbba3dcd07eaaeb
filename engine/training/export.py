"""Write a trained set of networks as a bundle, with its model card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from engine import bundle
from engine.models.load import Networks, config_of, save_networks
from engine.training import card, data, levelling
from engine.training.levelling import Decoding
from engine.training.prompt import Vocabulary
from engine.training.workshop import Workshop

RESULTS = "<!-- evaluation -->"
MEASURING_SECONDS = (1.0, 20.0)


def style_levels(files: list[Path], styles: tuple[str, ...]) -> list[float]:
    """The median intensity in dBFS of each style's songs, quiet passages left out; of all where a style has none."""
    found: dict[str, list[float]] = {style: [] for style in styles}
    every: list[float] = []
    for path in files:
        level = data.read(path, ("intensity",))["intensity"].astype(np.float32)
        every.append(float(np.median(level[level > level.max() - 20.0])))
        found.setdefault(data.metadata(path)["style"], []).append(every[-1])
    return [round(float(np.median(found[style] or every)), 1) for style in styles]


def describe(folder: Path, results: str, left_out: list[str] | None = None) -> bundle.Bundle:
    """Put weaknesses and evaluation tables (Markdown) at the end of a card, in place of older ones, and seal it.

    left_out: sections of the short evaluation that the budget had no time for. Weaknesses come from what the
    manifest's training record says; a record without legs has none to tell.
    """
    text = (folder / bundle.CARD).read_text().partition(RESULTS)[0].rstrip()
    manifest = bundle.read_manifest(folder)
    lines, training = [text, "", RESULTS], manifest.get("training", {})
    if "legs" in training and "decoding" in training:
        weak = card.weaknesses(training["legs"], training, Decoding(**training["decoding"]), bool(results))
        lines += ["## Known weaknesses", "", *(f"- {line}" for line in weak), ""]
    if results:
        lines.append(f"#{results.rstrip()}")
    if left_out:
        lines += ["", f"Not evaluated within the budget: {', '.join(left_out)}."]
    (folder / bundle.CARD).write_text("\n".join(lines) + "\n")
    return bundle.seal(folder, {k: v for k, v in manifest.items() if k != "files"})


def rounded(value: Any) -> Any:
    """Numbers to four digits, for a manifest that people read."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def export(
    networks: Networks,
    vocabulary: Vocabulary,
    shop: Workshop,
    name: str,
    learned: dict[str, Any],
    start: Path | None = None,
    seconds: float = 20.0,
) -> bundle.Bundle:
    """Save, measure, describe and seal the bundle in OUT/<name>; the folder appears whole or not at all.

    start: the bundle that the run started from; its legs are told too. seconds: for measuring what decoding
    loses, 1 to 20.
    """
    folder, part = shop.out / name, shop.out / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    save_networks(networks, part)
    least, most = MEASURING_SECONDS
    decoding = levelling.measure(networks, shop.held_out(), min(most, max(least, 0.5 * seconds)))
    legs = card.legs_of(shop, None if start is None else bundle.read_manifest(start))
    levels = style_levels(shop.files(), vocabulary.styles)
    config = config_of(networks, vocabulary.styles, vocabulary.tags, levels, decoding.makeup_db)
    training = {"minutes": card.minutes_of(legs), "legs": legs, "decoding": vars(decoding), **learned}
    (part / bundle.CARD).write_text(card.write(name, shop, vocabulary.styles, legs, learned, decoding))
    manifest = {
        "name": name,
        "config": {**config, "lag_samples": decoding.lag_samples, "noise_width": decoding.noise_width},
        "training": rounded(training),
    }
    bundle.seal(part, manifest)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return bundle.load(folder)
