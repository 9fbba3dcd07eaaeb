"""What a finished stage leaves: `<stage>.done`, a safetensors file with its module's whole state and its facts.

A checkpoint can go on; a finished stage need not. `.done` holds parameters and buffers as they came out
(averaged, latents scaled), so that nothing of the stage has to be repeated to use it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from engine.whole import whole


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.done"


def keep(folder: Path, name: str, module: nn.Module, **facts: Any) -> Path:
    """Write the module's state and the facts (JSON), whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    target = path_of(folder, name)
    state = {key: value.detach().cpu().contiguous().clone() for key, value in module.state_dict().items()}
    with whole(target) as part:
        save_file(state, str(part), {"facts": json.dumps(facts)})
    return target


def facts(folder: Path, name: str) -> dict[str, Any] | None:
    """The facts of a finished stage, None where it has not finished."""
    path = path_of(folder, name)
    if not path.is_file():
        return None
    with safe_open(str(path), "pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()["facts"])
    return found


def fill(folder: Path, name: str, module: nn.Module) -> None:
    """Give `module` the state that stage `name` left, and make it evaluate."""
    module.load_state_dict(load_file(str(path_of(folder, name))))
    module.eval()
