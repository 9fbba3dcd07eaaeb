"""Networks from a bundle, and back into one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.overrides import TorchFunctionMode

from engine.bundle import Bundle
from engine.errors import BadBundle
from engine.models.codec import Codec
from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.models.joint import Joint
from engine.models.listener import Listener
from engine.models.prompt import PromptHead
from engine.models.vocoder import Vocoder


@dataclass
class Networks:
    """The five networks of a bundle, in fp32, evaluating. The first bundles listen to latents (`Listener`), later
    ones to features (`Joint`), which place sound and text in one space as well.
    """

    codec: Codec
    vocoder: Vocoder
    student: Denoiser
    prompt: PromptHead
    listener: Listener | Joint


def config_of(
    networks: Networks,
    styles: tuple[str, ...],
    tags: tuple[str, ...],
    levels_db: list[float],
    makeup_db: float = 0.0,
) -> dict[str, Any]:
    """The manifest's config entry that `load_networks` rebuilds the networks from.

    levels_db: each style's usual intensity in dBFS, for requests that name none. makeup_db: the
    level that codec and vocoder lose.
    """
    return {
        "denoiser": asdict(networks.student.config),
        "styles": list(styles),
        "levels_db": levels_db,
        "makeup_db": makeup_db,
        "tags": list(tags),
        "listens_to": "features" if isinstance(networks.listener, Joint) else "latents",
    }


def save_networks(networks: Networks, folder: Path) -> None:
    """Write each network as fp16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in vars(networks).items():
        state = {k: v.half().contiguous() for k, v in module.state_dict().items()}
        save_file(state, str(folder / f"{name}.safetensors"))


class _Undrawn(TorchFunctionMode):
    """Leaves new parameters as they lie in memory: they are filled right after, and to draw 30 million takes longer."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keeps torch to the calling thread: to copy some hundred small arrays, a second one waits more than it works."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fill(module: nn.Module, path: Path) -> None:
    """Every parameter and kept buffer from a file, or BadBundle; float16 becomes float32 as it is copied."""
    try:
        module.load_state_dict(load_file(str(path)))
    except (RuntimeError, SafetensorError) as mismatch:
        what = " ".join(str(mismatch).split())[:200]
        raise BadBundle(f"{path} does not fit its manifest: {what}") from mismatch
    module.eval().requires_grad_(False)


def load_networks(bundle: Bundle) -> Networks:
    """Build and fill the networks of a checked bundle."""
    config = bundle.config
    try:
        with torch.device("cpu"), _Undrawn():
            denoiser = Denoiser(DenoiserConfig(**config["denoiser"]))
            head = PromptHead(len(config["styles"]), len(config["tags"]))
            ears = Joint if config.get("listens_to", "latents") == "features" else Listener
            listener = ears(len(config["styles"]), len(config["tags"]))
            networks = Networks(Codec(), Vocoder(), denoiser, head, listener)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, RuntimeError) as broken:
        raise BadBundle(f"bundle {bundle.folder}: its config lacks {broken} or has a wrong value") from broken
    with _one_thread():
        for name, module in vars(networks).items():
            _fill(module, bundle.weights(name))
    return networks
