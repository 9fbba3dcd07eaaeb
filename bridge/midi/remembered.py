"""The input that a user chose, remembered: `last` is the one before, waited for where it is not plugged in yet."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import msgspec

from bridge.midi.inputs import MidiInput, NoteCollector, open_input
from bridge.midi.settings import load, save
from engine.errors import AttaccaError, BadRequest

LAST = "last"
PASSING = ("socket:", "file:")
"""Inputs that are no port of the machine are not remembered."""


def open_chosen(name: str, collector: NoteCollector | None = None, path: Path | None = None) -> MidiInput:
    """As `open_input`; `last` opens what was chosen last, and what opens is remembered. path: of the settings.

    Raises BadRequest (nothing chosen yet, settings that cannot be read) and what `open_input` raises.
    """
    if name == LAST:
        chosen = load(path).input
        if not chosen:
            raise BadRequest("no MIDI input was chosen yet: list them with attacca midi, then give one by name")
        return open_input(chosen, collector, wait=True)
    opened = open_input(name, collector)
    if not name.startswith(PASSING):
        remember(name, path)
    return opened


def remember(name: str, path: Path | None = None) -> None:
    """Keeps the choice. A folder that cannot be written, or settings that cannot be read, are told and left alone."""
    try:
        settings = load(path)
        if settings.input != name:
            save(msgspec.structs.replace(settings, input=name), path)
    except AttaccaError as error:
        with contextlib.suppress(OSError):
            print(f"attacca: the MIDI input is not remembered: {error}", file=sys.stderr, flush=True)
