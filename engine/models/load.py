"""Networks from a bundle, and back into one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from engine.bundle import Bundle
from engine.errors import BadBundle
from engine.models.codec import Codec
from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.models.prompt import PromptHead
from engine.models.vocoder import Vocoder


@dataclass
class Networks:
    """The four networks of a bundle, in fp32, evaluating."""

    codec: Codec
    vocoder: Vocoder
    student: Denoiser
    prompt: PromptHead


def config_of(networks: Networks, styles: tuple[str, ...], tags: tuple[str, ...]) -> dict[str, Any]:
    """The manifest's config entry that `load_networks` rebuilds the networks from."""
    return {"denoiser": asdict(networks.student.config), "styles": list(styles), "tags": list(tags)}


def save_networks(networks: Networks, folder: Path) -> None:
    """Write each network as fp16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in vars(networks).items():
        state = {k: v.half().contiguous() for k, v in module.state_dict().items()}
        save_file(state, str(folder / f"{name}.safetensors"))


def _fill(module: nn.Module, path: Path) -> None:
    state = {k: v.float() for k, v in load_file(str(path)).items()}
    try:
        module.load_state_dict(state)
    except RuntimeError as mismatch:
        raise BadBundle(f"{path} does not fit its manifest: {str(mismatch)[:200]}") from mismatch
    module.eval().requires_grad_(False)


def load_networks(bundle: Bundle) -> Networks:
    """Build and fill the networks of a checked bundle."""
    config = bundle.config
    try:
        denoiser = DenoiserConfig(**config["denoiser"])
        head = PromptHead(len(config["styles"]), len(config["tags"]))
    except (KeyError, TypeError) as broken:
        raise BadBundle(f"bundle {bundle.folder}: its config lacks {broken}") from broken
    with torch.device("cpu"):
        networks = Networks(Codec(), Vocoder(), Denoiser(denoiser), head)
    for name, module in vars(networks).items():
        _fill(module, bundle.weights(name))
    return networks
