"""A plugin's knobs, words and notes as changes of a session.

*Threading*: the live thread owns it. Knobs that move all the time become at most ten changes a second.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.live.request import differences, wishes_of
from bridge.live.steering import Steering
from bridge.timeline.structs import HeardNote, Knobs, Words
from engine.errors import Refused
from engine.horizon.places import Quantise

if TYPE_CHECKING:
    from bridge.live.session import LiveSession

KNOBS_NS = 100_000_000


class Controls:
    """What the plugin asks for, read once a tick."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._knobs = session.side.knobs()
        self._told = self._wanted = wishes_of(self._knobs, session.side.words())
        self._steering = Steering(session.leads.hands, session.leads.bindings)
        self._hold_asked = 0
        self._due_ns = 0
        self.live = bool(self._knobs.live)
        self.look_ahead_bars: int | None = None

    def begin(self) -> None:
        """Bars can be planned from now on: what the knobs say is in force, and no change."""
        session = self._session
        self._told = wishes_of(self._knobs, session.side.words())
        session.asks.wishes = self._wanted = self._steering.over(self._told)
        self._look_ahead()

    def read(self, now_ns: int) -> None:
        side, session = self._session.side, self._session
        notes = [*side.notes(), *self._keys()]
        self._steering.look()
        if session.horizon is None:
            return
        for note in notes:
            self._note(note)
        knobs = side.knobs()
        self._switch(self._knobs, knobs)
        if now_ns >= self._due_ns and self._ask(knobs, side.words(), now_ns):
            self._due_ns = now_ns + KNOBS_NS
        if knobs.hold != self._hold_asked:
            self._hold(knobs)

    def _ask(self, knobs: Knobs, words: Words, now_ns: int) -> bool:
        """Announce what has changed of prompt, guidance, intensity and seed."""
        session = self._session
        assert session.horizon is not None
        told = wishes_of(knobs, words)
        self._steering.give_way(self._told, told)
        wanted = self._steering.over(told)
        found = differences(self._wanted, wanted)
        arrived_ns = self._steering.at_ns if told == self._told else now_ns
        if knobs.changes != self._knobs.changes:
            arrived_ns = knobs.monotonic_ns
        for kind, patch in found.items():
            session.asks.ask(session.horizon, kind, session.quantise or "bar", arrived_ns, patch)
        self._knobs, self._told, self._wanted = knobs, told, wanted
        self._look_ahead()
        return bool(found)

    def _switch(self, old: Knobs, new: Knobs) -> None:
        """Live on and off, continue, panic: at once."""
        session = self._session
        if new.panics != old.panics:
            session.panic(new.monotonic_ns)
        if new.continues != old.continues:
            session.continue_(new.monotonic_ns)
        if bool(new.live) != self.live:
            self.live = bool(new.live)
            session.panicked = session.panicked and not self.live
        self._knobs = _counted(old, new)

    def _hold(self, knobs: Knobs) -> None:
        """The hold knob; where the bars are not there yet it waits for them."""
        try:
            if knobs.hold:
                self._session.hold(knobs.hold, knobs.monotonic_ns)
            else:
                self._session.release(knobs.monotonic_ns)
        except Refused:
            return
        self._hold_asked = knobs.hold

    def steered(self) -> dict[str, float]:
        """What MIDI controls have set, by target."""
        return {str(target): value for target, value in self._steering.values.items()}

    def set_look_ahead(self, bars: int) -> None:
        """Bars ahead, whatever the knob says."""
        self.look_ahead_bars = bars
        self._look_ahead()

    def _look_ahead(self) -> None:
        horizon = self._session.horizon
        if horizon is not None:
            asked = self.look_ahead_bars or round(self._knobs.look_ahead_bars)
            horizon.look_ahead_bars = min(8, max(1, asked))

    def _keys(self) -> list[HeardNote]:
        """What was played on `--midi-in`, where the play head was then; nothing while live is off."""
        keys, follower = self._session.keys, self._session.follower
        if keys is None:
            return []
        heard = [HeardNote(follower.frame_at(at_ns), at_ns, data) for at_ns, data in keys.messages()]
        return heard if self.live else []

    def _note(self, note: HeardNote) -> None:
        session, song = self._session, self._session.song
        assert session.horizon is not None
        assert song is not None
        self._steering.hear(note.data, note.monotonic_ns)
        if not session.melody.hear(note.data, session.place_at(max(0, note.frame)), song, note.monotonic_ns):
            return
        quantise: Quantise = "bar" if session.melody.policy == "echo" else session.quantise or "beat"
        change = session.asks.ask(session.horizon, "note", quantise, note.monotonic_ns, {})
        session.melody.aim(change.at.bar)


def _counted(old: Knobs, new: Knobs) -> Knobs:
    """The old knobs with the new counters of what was obeyed already."""
    return replace(old, continues=new.continues, panics=new.panics, live=new.live)
