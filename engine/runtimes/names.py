"""The runtimes that can be asked for. Loads without torch, for the command line."""

from __future__ import annotations

import os

from engine.errors import BadRequest

VARIABLE = "ATTACCA_RUNTIME"
NAMES = ("auto", "torch", "onnx", "onnx-int8")


def named(runtime: str | None) -> str:
    """The runtime asked for, else that of ATTACCA_RUNTIME, else auto. BadRequest where there is none of this name."""
    name = runtime or os.environ.get(VARIABLE) or "auto"
    if name not in NAMES:
        raise BadRequest(f"there is no runtime {name!r}; choose one of {', '.join(NAMES)}")
    return name
