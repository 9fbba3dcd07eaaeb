"""Which knob steers what: controllers and velocity, mapped onto what a live session can be asked for. Pure.

A controller's 0-127 becomes a number between `low` and `high` on a straight line; `low` may lie above `high`.
Velocity is the mean over the last notes, newer ones counting more.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, get_args

import msgspec

from engine.errors import BadRequest
from engine.types import Struct

Source = Literal["cc", "velocity"]
Target = Literal["intensity", "prompt", "melody", "guidance", "blend"]
ANY_CHANNEL = 0


class Span(NamedTuple):
    """What a target takes, the stretch that a knob covers unless told otherwise, and what it is."""

    least: float
    most: float
    low: float
    high: float
    step: float
    unit: str
    doc: str


TARGETS: dict[Target, Span] = {
    "intensity": Span(-60.0, 0.0, -36.0, -8.0, 1.0, " dB", "how loud and dense the next bars are"),
    "prompt": Span(0.0, 4.0, 0.0, 4.0, 0.05, "", "how strongly the prompt acts"),
    "melody": Span(0.0, 4.0, 0.0, 4.0, 0.05, "", "how strictly played notes are followed"),
    "guidance": Span(1.0, 6.0, 1.0, 6.0, 0.05, "", "how strongly all that is asked for acts"),
    "blend": Span(0.0, 1.0, 0.0, 1.0, 0.01, "", "from prompt A (0) to prompt B (1)"),
}


class Knob(NamedTuple):
    """What moves: a controller on a channel (1-16, 0: any), or the velocity of notes."""

    source: Source
    channel: int
    number: int

    def __str__(self) -> str:
        where = "" if self.channel == ANY_CHANNEL else f" on channel {self.channel}"
        return f"CC {self.number}{where}" if self.source == "cc" else f"velocity{where}"


class Binding(Struct, frozen=True):
    """A knob and what it steers. number: of the controller; of velocity it is 0."""

    source: Source
    target: Target
    low: float
    high: float
    channel: Annotated[int, msgspec.Meta(ge=0, le=16)] = ANY_CHANNEL
    number: Annotated[int, msgspec.Meta(ge=0, le=127)] = 0

    @property
    def knob(self) -> Knob:
        return Knob(self.source, self.channel, self.number)

    def takes(self, channel: int, number: int) -> bool:
        """Whether a controller (channel 1-16) is this binding's."""
        return self.source == "cc" and self.number == number and self.channel in (ANY_CHANNEL, channel)

    def value(self, position: float) -> float:
        """What a position of 0-127 asks for, in the target's unit and steps, so that a trembling hand asks once."""
        step = TARGETS[self.target].step
        return round((self.low + (self.high - self.low) * position / 127) / step) * step


def check_binding(binding: Binding) -> None:
    """Raises BadRequest where a stretch is not within the target's, or a velocity is one controller's."""
    if binding.source == "velocity" and (binding.channel, binding.number) != (ANY_CHANNEL, 0):
        raise BadRequest("velocity is that of all notes: it takes neither channel nor number")
    span = TARGETS[binding.target]
    if not all(span.least <= end <= span.most for end in (binding.low, binding.high)):
        raise BadRequest(
            f"{binding.target} lies from {span.least:g} to {span.most:g}; got {binding.low:g} to {binding.high:g}"
        )


def bound(target: str, knob: Knob, low: float | None = None, high: float | None = None) -> Binding:
    """A knob bound to a target, over its usual stretch unless told otherwise. Raises BadRequest."""
    if target not in get_args(Target):
        raise BadRequest(f"a knob can steer {', '.join(get_args(Target))}; got {target!r}")
    name: Target = target  # type: ignore[assignment]
    span = TARGETS[name]
    ends = (span.low if low is None else low, span.high if high is None else high)
    binding = Binding(knob.source, name, *ends, knob.channel, knob.number)
    check_binding(binding)
    return binding
