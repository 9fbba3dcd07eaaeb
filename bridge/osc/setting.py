"""The OSC addresses that set something for later requests; without arguments each clears what it set.

*Threading*: called by the socket's thread under the server's lock; nothing waits.
"""

from __future__ import annotations

from typing import Any

from bridge.session import Session
from engine import controls
from engine.controls.harmony import check_chords, parse_key
from engine.timing import Meter
from engine.types import CurvePoint, Note, PromptPart

Values = tuple[Any, ...]


def put(session: Session, address: str, values: Values) -> None:
    """Obey a checked message. Raises BadRequest for text that says nothing."""
    SETTERS[address](session, values)


def _prompt(session: Session, values: Values) -> None:
    session.prompts = tuple(PromptPart(text=text, weight=weight) for text, weight in _groups(values, 2))


def _style(session: Session, values: Values) -> None:
    session.styles = tuple(PromptPart(audio=path, weight=weight) for path, weight in _groups(values, 2))


def _intensity(session: Session, values: Values) -> None:
    points = tuple(CurvePoint(beat=beat, db=level) for beat, level in _groups(values, 2))
    session.intensity = points or None


def _melody(session: Session, values: Values) -> None:
    notes = tuple(
        Note(pitch=pitch, beat=beat, length=length, velocity=round(velocity))
        for pitch, beat, length, velocity in _groups(values, 4)
    )
    session.melody = notes or None


def _key(session: Session, values: Values) -> None:
    for text in values:
        parse_key(text)
    session.key = values[0] if values else None


def _chords(session: Session, values: Values) -> None:
    for text in values:
        check_chords(text, [Meter(4, 4)])
    session.chords = values[0] if values else None


def _parts(session: Session, values: Values) -> None:
    session.parts = controls.parse_parts(",".join(values)) if values else None


def _groups(values: Values, size: int) -> list[Values]:
    return [values[at : at + size] for at in range(0, len(values), size)]


SETTERS = {
    f"/attacca/{setter.__name__[1:]}": setter
    for setter in (_prompt, _style, _intensity, _melody, _key, _chords, _parts)
}
