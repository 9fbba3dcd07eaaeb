"""What a request would ask of the sound before it, worked out before the request comes.

A rehearsed past is found again by every sample of it (engine.render.past), so that a request which brings other
sound pays what it always pays, and no rehearsal changes what is rendered.

*Threading*: the renderer's thread, while no request waits. `check` is called before each answer (some 10 ms of work
each) and may raise; what was worked out until then is kept.
"""

from __future__ import annotations

from engine.render.condition import past_of, place_of
from engine.render.past import Past, Pasts
from engine.render.source import Check
from engine.types import Audio, Request


def rehearse(request: Request, inline: Audio | None, pasts: Pasts, check: Check) -> Past | None:
    """Remember the past of a continuation with all its answers. None where it has none, or it is silent."""
    if request.kind != "continue" or request.under or request.strengths.context == 0:
        return None
    _, sound = past_of(place_of(request, inline, check))
    if sound is None:
        return None
    past = pasts.of(sound)
    past.answer(check)
    return past
