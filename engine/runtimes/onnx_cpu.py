"""ONNX Runtime on the processor: the graphs of a bundle, in float32 or with int8 weights.

*Threading*: used by the renderer's thread alone; only while it is made do OPENERS threads open its sessions. Each
session has its own pool of `threads` (the caller's included), which sleeps when it has nothing to do: a pool that spins
takes a core from the DAW. One call of a session is one step of the denoiser or one window of the codec: some 10 ms of
work, after which the sampler looks at `check`.
What a window's steps share is computed once and bound once; latents go to and fro between two buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.diffusion import consistency, jumps, restart
from engine.diffusion.flow import diffuse
from engine.models import features as F
from engine.models.codec import LATENTS, PATCH
from engine.models.denoiser import Conditions, Denoiser, jump_features, sinusoid
from engine.models.vocoder import SPREADS
from engine.runtimes.base import Check, Draw
from engine.runtimes.ort import onnxruntime

GRAPHS = ("step", "encode", "prepare", "decode", "vocoder")
"""Those that take longest to open come first."""
OPENERS = 2
"""Threads that open sessions when a runtime is made: weights are laid out for this processor, for some 0.1 s in all."""
PROVIDER = "CPUExecutionProvider"


def open_session(path: Path, threads: int) -> Any:
    """A session on the processor that sleeps when idle."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=[PROVIDER])


Opener = Callable[[Path, int], Any]
"""opener(file, threads) -> session."""


class Bound:
    """A session with its inputs and outputs bound to arrays of ours: no copy either way."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.binding = session.io_binding()
        self._held: dict[str, NDArray[np.float32]] = {}

    def give(self, **arrays: NDArray[np.float32]) -> None:
        """Bind inputs. Their memory is held until others take their place."""
        for name, value in arrays.items():
            found = np.ascontiguousarray(value, np.float32)
            self._held[name] = found
            self.binding.bind_input(name, "cpu", 0, np.float32, found.shape, found.ctypes.data)

    def take(self, **arrays: NDArray[np.float32]) -> None:
        """Bind outputs to arrays that are written in place."""
        for name, value in arrays.items():
            assert value.flags.c_contiguous, name
            self._held[name] = value
            self.binding.bind_output(name, "cpu", 0, np.float32, value.shape, value.ctypes.data)

    def run(self) -> None:
        self.session.run_with_iobinding(self.binding)


class OnnxRuntime:
    """`engine.runtimes.base.Runtime` over five graphs. `student` tells how to feed it; its weights are not used."""

    def __init__(
        self, name: str, files: Mapping[str, Path], student: Denoiser, threads: int, opener: Opener = open_session
    ) -> None:
        self.name, self.threads, self.student = name, threads, student
        beside = {"vocoder": max(1, threads - 1)}  # while it works, a piece is spoken on another core
        with ThreadPoolExecutor(OPENERS, "onnx") as openers:
            opened = [openers.submit(opener, files[graph], beside.get(graph, threads)) for graph in GRAPHS]
            self.bound = {graph: Bound(one.result()) for graph, one in zip(GRAPHS, opened, strict=True)}

    def sample(self, given: Conditions, draw: Draw, steps: int, guidance: Tensor, check: Check) -> Tensor:
        """See `engine.runtimes.base.Runtime`; one session call a step."""
        window = Window(self, given, guidance)
        if self.student.config.jumps:
            return window.jump(draw(), jumps.jump_lengths(steps), check)
        return window.denoise(draw, consistency.sampling_times(steps), check)

    def resample(
        self, given: Conditions, held: Tensor, draw: Draw, place: int, steps: int, guidance: Tensor, check: Check
    ) -> Tensor:
        """See `engine.runtimes.base.Runtime`. Students without jumps do it in torch."""
        if not self.student.config.jumps:
            return restart.sample(self.student, given, held, draw, place, steps, guidance, check)
        noise, start = draw(), place / restart.PLACES
        time = torch.full((1,), start)
        begun = jumps.pinned(diffuse(held, noise, time), noise, time, given)
        return Window(self, given, guidance).jump(noise, restart.lengths_from(place, steps), check, begun, start)

    @torch.no_grad()
    def encode(self, features: Tensor) -> Tensor:
        count = features.shape[1] // PATCH
        return self.call("encode", {"features": features}, latents=(1, count, LATENTS))[0]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        shape = (1, PATCH * latents.shape[1], F.CHANNELS)
        return self.call("decode", {"latents": latents}, features=shape)[0]

    @torch.no_grad()
    def levels(self, mel: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        batch, count, _ = mel.shape
        shapes = {"level": (batch, count, 2, F.BINS), "spread": (batch, count, 2, SPREADS)}
        level, spread = self.call("vocoder", {"mel": mel, "low": low}, **shapes)
        return level.flatten(1, 2), spread.flatten(1, 2)

    def call(self, graph: str, inputs: dict[str, Tensor], **shapes: tuple[int, ...]) -> list[Tensor]:
        """Run a graph once, into new arrays."""
        bound = self.bound[graph]
        made = {name: np.empty(shape, np.float32) for name, shape in shapes.items()}
        bound.give(**{name: value.numpy() for name, value in inputs.items()})
        bound.take(**made)
        bound.run()
        return [torch.from_numpy(value) for value in made.values()]


class Window:
    """One window's conditions and guidance, ready for any number of steps."""

    def __init__(self, runtime: OnnxRuntime, given: Conditions, guidance: Tensor) -> None:
        assert len(given.context) == 1, "one clip at a time"
        self.runtime, self.given = runtime, given
        self.guidance = runtime.student.guidance_features(guidance)
        self.step = runtime.bound["step"]

    @torch.no_grad()
    def prepare(self, times: Tensor, lengths: Tensor) -> NDArray[np.float32]:
        """Bind what all steps share; returns each step's modulation [S, 6 x width]."""
        given, config = self.given, self.runtime.student.config
        around = torch.cat([given.context, given.context_mask, given.under, given.under_mask], dim=-1)[0]
        inputs = {"times": sinusoid(times), "guidance": self.guidance, "globals": given.globals}
        inputs |= {"frames": given.frames[0].flatten(1), "given": around}
        if config.jumps:
            inputs["jumps"] = jump_features(lengths)
        shapes = {"shared": (len(times), 6 * config.width), "base": (len(around), config.width)}
        shared, base = self.runtime.call("prepare", inputs, **shapes)
        self.step.give(base=base.numpy(), context=given.context[0].numpy(), mask=given.context_mask[0].numpy())
        return shared.numpy()

    @torch.no_grad()
    def jump(
        self, noise: Tensor, lengths: list[float], check: Check, begun: Tensor | None = None, start: float = 1.0
    ) -> Tensor:
        """`engine.diffusion.jumps.sample`, the jumps and what is known in the graph; from `begun` at time `start`."""
        ends = start - torch.tensor(lengths).cumsum(0)
        shared = self.prepare(ends + torch.tensor(lengths), torch.tensor(lengths))
        z = (noise if begun is None else begun)[0].numpy().copy()
        spare = np.empty_like(z)
        self.step.give(noise=noise[0].numpy())
        for index, length in enumerate(lengths):
            check()
            self.step.give(z=z, shared=shared[index : index + 1], length=one(length), after=one(float(ends[index])))
            self.step.take(next=spare)
            self.step.run()
            z, spare = spare, z
        check()
        return torch.from_numpy(z)[None]

    @torch.no_grad()
    def denoise(self, draw: Draw, times: Tensor, check: Check) -> Tensor:
        """`engine.diffusion.consistency.sample`, the network in the graph."""
        shared = self.prepare(times, torch.zeros_like(times))
        self.step.give(noise=self.given.context[0].numpy(), length=one(0.0), after=one(0.0))
        index = 0

        def clean(z: Tensor, time: Tensor) -> Tensor:
            nonlocal index
            velocity = np.empty(z.shape[1:], np.float32)
            self.step.give(z=z[0].numpy(), shared=shared[index : index + 1])
            self.step.take(velocity=velocity)
            self.step.run()
            index += 1
            return consistency.estimated(z, time, torch.from_numpy(velocity)[None])

        return consistency.sample(clean, draw, times, check)


def one(value: float) -> NDArray[np.float32]:
    return np.array([value], np.float32)
