"""Used by the tests of the runtimes: tiny bundles whose student jumps, and a cache of their own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from engine import bundle
from engine.bundle import Bundle
from engine.models.denoiser import Denoiser
from engine.models.load import Networks, config_of, load_networks, save_networks
from engine.render.generate import ModelRenderer
from engine.runtimes.open import open_runtime
from tests.tiny_bundle import STYLES, TAGS, make_bundle, untrained


def jumping(strengths: bool) -> Networks:
    """Untrained networks whose student takes the length of its jump, and as asked a strength for each group."""
    networks = untrained()
    config = dataclasses.replace(networks.student.config, jumps=True, strengths=strengths)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        student = Denoiser(config)
        for layer in (student.output, student.modulation, student.guidance_input, student.jump_input):
            torch.nn.init.normal_(layer.weight, std=0.1)
    networks.student = student.eval().requires_grad_(False)
    return networks


def sealed(folder: Path, kind: str) -> Bundle:
    """A tiny bundle with a student of this kind: consistency, jumps or strengths."""
    if kind == "consistency":
        return make_bundle(folder)
    networks = jumping(kind == "strengths")
    save_networks(networks, folder)
    (folder / bundle.CARD).write_text("Untrained: for tests.\n")
    return bundle.seal(folder, {"name": kind, "config": config_of(networks, STYLES, TAGS, [-12.0, -18.0])})


def opened(source: Bundle, name: str) -> tuple[ModelRenderer, list[str]]:
    """A renderer of a bundle in a runtime, and what was said meanwhile."""
    said: list[str] = []
    networks = load_networks(source)
    return ModelRenderer(source, networks, open_runtime(source, networks, name, said.append)), said
