"""What the sockets share: the resident, the live state for later requests, and who watches.

Live state is what `bridge.osc.setting` sets (prompt, style, curve, melody, key, chords, parts), and the notes that a
MIDI port has heard since the last request.

*Threading*: `submit` is called by the threads of all sockets; the live state is set and used by
OSC's alone, under its lock. Listeners and watchers are called from the resident's threads as well;
they only hand the event to the loop. The MIDI source locks itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from bridge.protocol import VERSION, Info
from engine.controls.melody import RANGE
from engine.errors import BadRequest, Refused
from engine.events import Event, Listener, Metrics
from engine.resident import Resident
from engine.timing import Meter, TempoMap, parse_meters
from engine.types import Audio, CurvePoint, Note, Part, PromptPart, Request

if TYPE_CHECKING:
    from bridge.live.sessions import Live

Watcher = Callable[[object, Event], None]


class NoteSource(Protocol):
    """Live notes, taken once (bridge.midi.inputs)."""

    def take(self, tempo_map: TempoMap) -> tuple[Note, ...]: ...


class Session:
    """Fills requests from the live state and submits them."""

    def __init__(self, resident: Resident, notes: NoteSource | None = None) -> None:
        self.resident = resident
        self.prompts: tuple[PromptPart, ...] = ()
        self.styles: tuple[PromptPart, ...] = ()
        self.intensity: tuple[CurvePoint, ...] | None = None
        self.melody: tuple[Note, ...] | None = None
        self.key: str | None = None
        self.chords: str | None = None
        self.parts: tuple[Part, ...] | None = None
        self.live: Live | None = None
        self._notes = notes
        self._watchers: list[Watcher] = []
        self._counters: list[Callable[[], dict[str, int]]] = []

    def watch(self, watcher: Watcher) -> None:
        """`watcher` hears every event of every request, with the client that owns it."""
        self._watchers.append(watcher)

    def count(self, counter: Callable[[], dict[str, int]]) -> None:
        """`counter` tells what a socket has dropped, by reason; `metrics` shows it."""
        self._counters.append(counter)

    def metrics(self) -> Metrics:
        dropped = {reason: n for counter in self._counters for reason, n in counter().items()}
        return msgspec.structs.replace(self.resident.metrics(), dropped=dropped)

    def info(self) -> Info:
        """What serves here."""
        renderer = self.resident.renderer
        return Info(
            protocol=VERSION,
            bundle=renderer.bundle,
            runtime=renderer.runtime,
            threads=renderer.threads,
            detail=renderer.info(),
        )

    def submit(
        self, request: Request, inline: Audio | None, owner: object, listener: Listener, live: bool = False
    ) -> bool:
        """Submit; `live` fills from the live state what the request leaves open.

        Live MIDI notes go to the next request without a melody, whichever socket it came by; where
        its tempo follows from source_bars, they are taken at 120.
        """
        request = self._with_notes(request)
        if live:
            request = self.filled(request)

        def everyone(event: Event) -> None:
            listener(event)
            for watcher in self._watchers:
                watcher(owner, event)

        return self.resident.submit(request, inline, everyone)

    def filled(self, request: Request) -> Request:
        """The request with the live state where it says nothing itself; live styles mix with its own prompt, too."""
        return msgspec.structs.replace(
            request,
            prompts=(request.prompts or self.prompts) + self.styles,
            intensity=self.intensity if request.intensity is None else request.intensity,
            melody=self.melody if request.melody is None else request.melody,
            key=self.key if request.key is None else request.key,
            chords=self.chords if request.chords is None else request.chords,
            parts=self.parts if request.parts is None else request.parts,
        )

    def _with_notes(self, request: Request) -> Request:
        if self._notes is None or request.melody is not None:
            return request
        tempo_map, first_bar = tempo_map_of(request), request.at_bar or 0
        begin, end = (tempo_map.bar_start_quarters(first_bar + k) for k in (0, request.bars))
        sung = range(RANGE[0], RANGE[1] + 1)
        heard = self._notes.take(tempo_map)
        notes = tuple(note for note in heard if note.beat < end - begin and note.pitch in sung)
        return msgspec.structs.replace(request, melody=notes) if notes else request


def tempo_map_of(request: Request) -> TempoMap:
    """The request's tempo map; 120 where it has none or none that can be read."""
    try:
        return TempoMap.parse(request.tempo or "120", parse_meters(request.meter))
    except BadRequest:
        return TempoMap.constant(120, Meter(4, 4))


def live_of(session: Session) -> Live:
    """The live sessions of an engine; Refused where it was started without."""
    if session.live is None:
        raise Refused("this engine serves no live sessions: start it without --no-live")
    return session.live
