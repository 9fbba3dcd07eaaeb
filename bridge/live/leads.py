"""What leads live sessions beside their plugins, on the engine's side."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.live.sync import PositionOf
from bridge.midi.hands import Bindings, Hands
from bridge.midi.notes import NoteCollector


@dataclass(frozen=True)
class Leads:
    """The same for all sessions of an engine; each may be missing.

    source: where the play head is (called on the live thread), else what each plugin says. notes: what is played on a
    MIDI input becomes melody targets. hands, bindings: its controllers, and what they steer.
    """

    source: PositionOf | None = None
    notes: NoteCollector | None = None
    hands: Hands | None = None
    bindings: Bindings | None = None


NOBODY = Leads()
