"""Where training runs: on the CPU or on one CUDA device, with the same code.

A stage moves its module once (`module.to(device)`), its batches with `to_device`, computes under
`autocast(device)` and draws noise from `generator(device, seed)`. Nothing here waits for a GPU, but
`Pace`, which keeps the host from running seconds ahead of it.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from rich.console import Console
from torch import Tensor, nn

from engine.errors import Unavailable

Device = torch.device
CPU = torch.device("cpu")
WARM_UP_CALLS = 3
T = TypeVar("T")


def choose(name: str) -> Device:
    """The device called `cpu`, `cuda` or `auto` (a GPU where torch finds one). Raises Unavailable."""
    if name == "cuda" and not torch.cuda.is_available():
        raise Unavailable("no CUDA device is here; use --device cpu")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def device_of(module: nn.Module) -> Device:
    """Where a module's first parameter lies; CPU when it has none."""
    first = next(module.parameters(), None)
    return CPU if first is None else first.device


def describe(device: Device) -> str:
    """The hardware in words, for logs and the model card."""
    cores = f"{os.cpu_count()} cores, {platform.machine()}"
    return f"{torch.cuda.get_device_name(device)}, {cores}" if device.type == "cuda" else f"{cores}, no GPU"


def autocast(device: Device) -> torch.autocast:
    """bf16 for matrix products. Casts are not kept while a graph is being captured."""
    capturing = device.type == "cuda" and torch.cuda.is_current_stream_capturing()
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=not capturing)


def generator(device: Device, seed: int) -> torch.Generator:
    """A generator of its own on `device`."""
    return torch.Generator(device).manual_seed(seed)


def to_device(thing: T, device: Device) -> T:
    """The same with every tensor on `device`: tensors, modules, and tuples, lists, dicts and dataclasses of them.

    Host tensors go to a GPU through pinned memory, without waiting for the copy.
    """
    result: Any = thing
    if isinstance(thing, Tensor):
        pin = device.type == "cuda" and thing.device.type == "cpu" and not thing.is_pinned()
        result = (thing.pin_memory() if pin else thing).to(device, non_blocking=True)
    elif isinstance(thing, nn.Module):
        result = thing.to(device)
    elif is_dataclass(thing) and not isinstance(thing, type):
        values = {field.name: to_device(getattr(thing, field.name), device) for field in fields(thing) if field.init}
        result = replace(thing, **values)
    elif isinstance(thing, dict):
        result = {key: to_device(value, device) for key, value in thing.items()}
    elif isinstance(thing, tuple) and hasattr(thing, "_fields"):
        result = type(thing)(*(to_device(value, device) for value in thing))
    elif isinstance(thing, tuple | list):
        result = type(thing)(to_device(value, device) for value in thing)
    return result  # type: ignore[no-any-return]


def tensors(thing: Any) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists, dicts and dataclasses, in a fixed order."""
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from tensors(value)
    elif isinstance(thing, tuple | list):
        for value in thing:
            yield from tensors(value)
    elif is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            yield from tensors(getattr(thing, field.name))


def adamw(parameters: Iterable[nn.Parameter], lr: float, device: Device) -> torch.optim.AdamW:
    """AdamW, betas (0.9, 0.98), decay 0.01; on a GPU fused, its rate a tensor so that a graph can follow it."""
    if device.type != "cuda":
        return torch.optim.AdamW(parameters, lr, betas=(0.9, 0.98), weight_decay=0.01)
    rate = torch.tensor(lr, device=device)
    return torch.optim.AdamW(parameters, rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True, capturable=True)


def set_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate without waiting for the device."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


class Pace:
    """Lets the host run at most `ahead` steps before the device, so that a time budget means device time."""

    def __init__(self, device: Device, ahead: int = 8) -> None:
        self.device, self.ahead = device, ahead
        self.events: deque[torch.cuda.Event] = deque()

    def step(self) -> None:
        """Call after each step; the device always keeps `ahead` steps of work, so that it never idles."""
        if self.device.type != "cuda":
            return
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self.events.append(event)
        if len(self.events) > self.ahead:
            self.events.popleft().synchronize()


Step = Callable[[Any], dict[str, Tensor]]


class Captured:
    """`step(inputs)` replayed as one CUDA graph: fixed shapes, no host values, all randomness registered.

    The first calls run as they are and warm the allocator up; then one call is captured. Inputs of other
    shapes, and everything after a capture that failed (said once), run as they are.
    """

    def __init__(
        self, step: Step, device: Device, console: Console | None = None, generators: tuple[torch.Generator, ...] = ()
    ) -> None:
        self.step, self.device, self.console, self.generators = step, device, console, generators
        self.calls, self.enabled = 0, device.type == "cuda"
        self.stream = torch.cuda.Stream(device) if self.enabled else None  # type: ignore[no-untyped-call]
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: Any = None
        self.outputs: dict[str, Tensor] = {}

    def __call__(self, inputs: Any) -> dict[str, Tensor]:
        self.calls += 1
        if self.enabled and self.graph is None and self.calls > WARM_UP_CALLS:
            self.capture(inputs)
        if self.graph is None or not self.fits(inputs):
            return self.as_it_is(inputs)
        for held, fresh in zip(tensors(self.inputs), tensors(inputs), strict=True):
            held.copy_(fresh.pin_memory() if fresh.device.type == "cpu" else fresh, non_blocking=True)
        self.graph.replay()
        return self.outputs

    def as_it_is(self, inputs: Any) -> dict[str, Tensor]:
        """The step without a graph, on the stream that captures, so that autograd's nodes belong to it."""
        if self.stream is None:
            return self.step(inputs)
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            outputs = self.step(to_device(inputs, self.device))
        torch.cuda.current_stream(self.device).wait_stream(self.stream)
        return outputs

    def fits(self, inputs: Any) -> bool:
        return [t.shape for t in tensors(inputs)] == [t.shape for t in tensors(self.inputs)]

    def capture(self, inputs: Any) -> None:
        """Record the step on `inputs`; does not run it."""
        held = to_device(inputs, self.device)
        graph = torch.cuda.CUDAGraph()
        try:
            for source in self.generators:
                graph.register_generator_state(source)
            torch.cuda.synchronize(self.device)
            with torch.cuda.graph(graph, stream=self.stream):
                outputs = self.step(held)
        except RuntimeError as refused:
            self.enabled = False
            if self.console is not None:
                first = str(refused).splitlines()[0]
                self.console.print(f"no CUDA graph for this stage, it runs step by step: {first}")
            return
        self.graph, self.inputs, self.outputs = graph, held, outputs


def captured(
    step: Step, device: Device, console: Console | None = None, generators: tuple[torch.Generator, ...] = ()
) -> Step:
    """`step` itself on the CPU; on a GPU replayed as a CUDA graph where that works (`Captured`)."""
    return Captured(step, device, console, generators) if device.type == "cuda" else step
