"""One render as its stages hand it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from engine.errors import Cancelled
from engine.render.condition import Material, Place
from engine.types import Request


@dataclass(frozen=True)
class Job:
    """What the latents of a request are drawn from, and who is told. Samplers and searches take it as one.

    guidance [1] or [1, GROUPS]: the strengths of the conditions (`engine.render.strengths`). cancelled: asked before
    each pass of a network. progress: told the share of the work that is done, 0..1.
    """

    request: Request
    place: Place
    material: Material
    guidance: Tensor
    seed: int
    cancelled: Callable[[], bool]
    progress: Callable[[float], None]

    @property
    def steps(self) -> int:
        return self.request.steps

    @property
    def new(self) -> int:
        """The latent at which the new ones end, counted from time zero."""
        return self.place.latents

    def check(self) -> None:
        """Raises Cancelled."""
        if self.cancelled():
            raise Cancelled("cancelled while it rendered")


def rising(progress: Callable[[float], None]) -> Callable[[float], None]:
    """`progress` that never falls: what is searched counts before what is out."""
    most = 0.0

    def told(share: float) -> None:
        nonlocal most
        most = max(most, share)
        progress(most)

    return told
