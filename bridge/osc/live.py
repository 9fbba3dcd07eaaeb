"""The OSC addresses of live sessions as commands. They go to all sessions of the engine.

*Threading*: on the loop's thread; what a session refuses is told on the live thread, and handed on by `fail`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from bridge import protocol
from bridge.live.messages import LiveCommand
from bridge.session import Session, live_of
from engine.errors import AttaccaError, BadRequest

Values = tuple[Any, ...]


def command_of(address: str, values: Values) -> LiveCommand:
    """The command that a checked message asks for. Raises BadRequest."""
    fields: dict[str, Any] = {"action": address.rpartition("/")[2]}
    match fields["action"]:
        case "hold" if values[0] == 0:
            fields["action"] = "release"
        case "hold":
            fields["bars"] = values[0]
        case "recall":
            fields |= {"bar": values[0], "take": values[1]}
        case "policy" | "quantise":
            fields[fields["action"]] = values[0]
    try:
        return msgspec.convert(fields, LiveCommand)
    except msgspec.ValidationError as error:
        raise BadRequest(protocol.explain(error, LiveCommand)) from error


def send(session: Session, address: str, values: Values, fail: Callable[[AttaccaError], None]) -> None:
    """Hand a message to the live sessions. Raises BadRequest and Refused; `fail` hears what a session refuses."""

    def answer(error: AttaccaError | None) -> None:
        if error is not None:
            fail(error)

    live_of(session).command(command_of(address, values), answer)
