"""From a bundle's folder to a renderer that the resident engine can hold."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from engine import bundle
from engine.errors import Unavailable
from engine.models.load import load_networks
from engine.models.packed import pack
from engine.render.generate import ModelRenderer
from engine.runtimes.open import open_runtime
from engine.runtimes.pools import keep_to_one_thread
from engine.runtimes.probe import Say
from engine.types import Renderer


def bundle_folder(folder: Path | None) -> Path:
    """The folder asked for, else ATTACCA_BUNDLE, else the shipped one."""
    if folder is not None:
        return folder
    named = os.environ.get("ATTACCA_BUNDLE")
    return Path(named) if named else bundle.DEFAULT


def load_renderer(
    folder: Path | None, device: str = "auto", runtime: str | None = "torch", say: Say = lambda _: None
) -> Renderer:
    """Check and load a bundle; `BadBundle` or `Unavailable` say what is wrong.

    runtime: one of `engine.runtimes.choose.NAMES`; None is ATTACCA_RUNTIME, else auto. say: told what was picked and
    why, and about the ONNX files that the first start writes.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise Unavailable("no CUDA device is here; use --device cpu")
    checked = bundle.load(bundle_folder(folder))
    networks = load_networks(checked)
    for network in (networks.prompt, networks.listener):
        pack(network)
    made_by = open_runtime(checked, networks, runtime, say, device)
    if made_by.name.startswith("onnx"):
        keep_to_one_thread()
    return ModelRenderer(checked, networks, made_by)
