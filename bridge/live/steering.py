"""What MIDI controls have set, over what the plugin's knobs say: who moved last holds.

*Threading*: the live thread owns it; a look costs nothing while no hand moves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.live.melody import NOTE_ON
from bridge.live.request import Wishes
from bridge.midi.hands import Bindings, Hands
from bridge.midi.mapping import Binding, Target

FIELDS: dict[Target, str] = {
    "intensity": "intensity_db",
    "prompt": "prompt_strength",
    "melody": "melody_strength",
    "guidance": "guidance",
    "blend": "blend",
}
"""Target -> the wish that it sets."""
NEWEST_SHARE = 1 / 3
"""What a note's velocity counts in the mean."""


class Steering:
    """The values that hands have set, by target."""

    def __init__(self, hands: Hands | None, bindings: Bindings | None) -> None:
        self._hands, self._bindings = hands, bindings
        self._serial = 0 if hands is None else hands.serial
        self._bound: tuple[Binding, ...] = ()
        self._velocity: float | None = None
        self.values: dict[Target, float] = {}
        self.at_ns = 0
        """When the newest of them came (time.monotonic_ns)."""

    def look(self) -> None:
        """Take up what has moved, and what is bound otherwise than before."""
        if self._bindings is None or self._hands is None:
            return
        if self._bindings.now is not self._bound:
            self._bound = self._bindings.now
            there = {binding.target for binding in self._bound}
            self.values = {target: value for target, value in self.values.items() if target in there}
        for move in self._hands.since(self._serial):
            self._serial = move.serial
            for binding in self._bound:
                if binding.takes(move.channel, move.number):
                    self._set(binding, move.position, move.at_ns)

    def hear(self, data: bytes, at_ns: int) -> None:
        """A MIDI message that a player sent as a note."""
        if len(data) < 3 or data[0] & 0xF0 != NOTE_ON or not data[2]:
            return
        velocity = data[2] & 0x7F
        before = self._velocity
        self._velocity = velocity if before is None else before + (velocity - before) * NEWEST_SHARE
        for binding in self._bound:
            if binding.source == "velocity":
                self._set(binding, self._velocity, at_ns)

    def give_way(self, before: Wishes, now: Wishes) -> None:
        """What the plugin's own knobs have moved is theirs again."""
        for target, field in FIELDS.items():
            if getattr(before, field) != getattr(now, field):
                self.values.pop(target, None)

    def over(self, wishes: Wishes) -> Wishes:
        """The wishes, steered."""
        steered: dict[str, Any] = {FIELDS[target]: value for target, value in self.values.items()}
        return replace(wishes, **steered) if steered else wishes

    def _set(self, binding: Binding, position: float, at_ns: int) -> None:
        self.values[binding.target] = binding.value(position)
        self.at_ns = at_ns
