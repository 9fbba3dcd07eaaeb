"""The keys of `--midi-in` for a live session: what the collector heard, in order, as MIDI messages.

*Threading*: the live thread owns it. A look costs nothing while no key moved; else the collector's lock is held for
the time of a walk through its notes (4096 at most).
"""

from __future__ import annotations

from bridge.midi.notes import NoteCollector, TimedNote

OVERLAP_NS = 1_000_000_000
NOTE_ON, NOTE_OFF = 0x90, 0x80
Key = tuple[int, int]


class Keys:
    """Hands out each note's begin and end once; notes from before `begin_ns` are nobody's here."""

    def __init__(self, collector: NoteCollector, begin_ns: int) -> None:
        """begin_ns: time.monotonic_ns() from which on keys count."""
        self._collector, self._begin_ns, self._newest_ns = collector, begin_ns, begin_ns
        self._changes: int | None = None
        self._ended: dict[Key, bool] = {}

    def has_news(self) -> bool:
        """Whether a key moved since the last call of `messages`."""
        return self._collector.changes != self._changes

    def messages(self) -> list[tuple[int, bytes]]:
        """(time.monotonic_ns(), note-on or note-off) of what came since the last call, in order."""
        changes = self._collector.changes
        if changes == self._changes:
            return []
        self._changes = changes
        found = self._collector.since(self._newest_ns - OVERLAP_NS)
        notes = {(note.begin_ns, note.pitch): note for note in found if note.begin_ns >= self._begin_ns}
        told = [message for key, note in notes.items() for message in self._news(key, note)]
        told += [(self._newest_ns, False, pitch, 0) for pitch in self._forgotten(notes)]
        self._ended = {key: note.end_ns is not None for key, note in notes.items()}
        self._newest_ns = max([self._newest_ns, *(note.begin_ns for note in notes.values())])
        return [(at_ns, bytes((NOTE_ON if on else NOTE_OFF, pitch, value))) for at_ns, on, pitch, value in sorted(told)]

    def release(self) -> None:
        """All keys are up: the host stopped or sought, panic."""
        self._collector.release()

    def _news(self, key: Key, note: TimedNote) -> list[tuple[int, bool, int, int]]:
        """Begin and end, where they were not told yet. At one time, an end sorts before a begin."""
        found = []
        if key not in self._ended:
            found.append((note.begin_ns, True, note.pitch, note.velocity))
        if note.end_ns is not None and not self._ended.get(key, False):
            found.append((max(note.end_ns, note.begin_ns + 1), False, note.pitch, 0))
        return found

    def _forgotten(self, notes: dict[Key, TimedNote]) -> list[int]:
        """Pitches of keys that are down and that the collector keeps no more."""
        return [key[1] for key, ended in self._ended.items() if not ended and key not in notes]
