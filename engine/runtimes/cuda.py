"""Runtimes on an NVIDIA GPU: torch with CUDA graphs, and ONNX Runtime's CUDA provider in float16.

Nothing here is used on trust. A session counts only where its own `get_providers()` holds CUDA (the package lists
CUDA whether it loads or not), and each runtime answers the probe before it renders.

*Threading*: used by the renderer's thread alone. A graph is captured for each size of window and number of steps, at
most KEPT of them; replaying one is a single launch. `check` is called before and after it: it takes a few milliseconds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import Unavailable
from engine.models.denoiser import Conditions, Denoiser, usual_strengths
from engine.models.load import Networks
from engine.render.sample import few_step
from engine.runtimes.base import Check, Draw
from engine.runtimes.eager import TorchRuntime
from engine.runtimes.ort import onnxruntime

PROVIDER = "CUDAExecutionProvider"
KEPT = 8
WARM_RUNS = 3


def open_session(path: Path, threads: int) -> Any:
    """A session on the GPU. Unavailable where ONNX Runtime fell back to the processor."""
    missing = Unavailable("ONNX Runtime's CUDA provider does not load here: install onnxruntime-gpu and its libraries")
    if PROVIDER not in onnxruntime.get_available_providers():
        raise missing
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=[PROVIDER, "CPUExecutionProvider"])
    if session.get_providers()[0] != PROVIDER:
        raise missing
    return session


class Captured:
    """A function of tensors as one CUDA graph. Inputs are copied into its own; the output is copied out."""

    def __init__(self, function: Callable[..., Tensor], inputs: list[Tensor]) -> None:
        self.inputs = [value.clone() for value in inputs]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_RUNS):
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = function(*self.inputs)

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        for own, value in zip(self.inputs, inputs, strict=True):
            own.copy_(value, non_blocking=True)
        self.graph.replay()
        return self.output.clone()


class TorchCuda(TorchRuntime):
    """Copies of the networks on the GPU, the denoiser in float16 by autocast; `resample` alone is the processor's."""

    name = "torch-cuda"
    device = "cuda"

    def __init__(self, networks: Networks) -> None:
        super().__init__(networks)
        self.codec = copy.deepcopy(networks.codec).cuda()
        self.vocoder = copy.deepcopy(networks.vocoder).cuda()
        self.student: Denoiser = copy.deepcopy(networks.student).cuda()
        self.captured: dict[tuple[object, ...], Captured] = {}

    @torch.no_grad()
    def sample(self, given: Conditions, draw: Draw, steps: int, guidance: Tensor, check: Check) -> Tensor:
        check()
        count = 1 if self.student.config.jumps else steps
        noises = torch.stack([draw() for _ in range(count)])
        if self.student.config.strengths and guidance.dim() == 1:
            guidance = usual_strengths(guidance)
        inputs = [value.cuda(non_blocking=True) for value in (noises, guidance, *vars(given).values())]

        def run(noises: Tensor, guidance: Tensor, *conditions: Tensor) -> Tensor:
            order = iter(noises)
            with torch.autocast("cuda", torch.float16, cache_enabled=False):
                told = Conditions(*conditions)
                return few_step(self.student, told, lambda: next(order), steps, guidance).float()

        key = (steps, *(tuple(value.shape) for value in inputs))
        if key not in self.captured:
            if len(self.captured) >= KEPT:
                self.captured.pop(next(iter(self.captured)))
            self.captured[key] = Captured(run, inputs)
        made = self.captured[key](inputs).cpu()
        check()
        return made
