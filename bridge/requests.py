"""Requests from plain Python values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from engine.errors import BadRequest
from engine.types import PromptPart, Request

Prompt = str | Mapping[str, float] | Sequence[PromptPart] | None
Tempo = int | float | str | Fraction


def generate_request(prompt: Prompt = "", bars: int = 4, tempo: Tempo = 120, **fields: Any) -> Request:
    """A request of kind "generate"; fields as in `engine.types.Request`."""
    return new_request("generate", prompt, bars, tempo, **fields)


def new_request(kind: str, prompt: Prompt, bars: int, tempo: Tempo | None, **fields: Any) -> Request:
    """A request with an id of its own, from Python values. Raises BadRequest for unknown fields.

    prompt: a text, {text: weight}, PromptParts or None; tempo: a number, a Fraction (kept exactly) or text.
    """
    fields.setdefault("id", uuid.uuid4().hex)
    fields["prompts"] = fields.get("prompts") or _prompts(prompt)
    given = {name: value for name, value in fields.items() if value is not None}
    text = None if tempo is None else str(tempo)
    try:
        return Request(kind=kind, bars=bars, tempo=text, **given)  # type: ignore[arg-type]
    except TypeError as error:
        raise BadRequest(f"{error} (fields: {', '.join(Request.__struct_fields__)})") from error


def _prompts(prompt: Any) -> tuple[PromptPart, ...]:
    if not prompt:
        return ()
    if isinstance(prompt, str):
        return (PromptPart(text=prompt),)
    if isinstance(prompt, Mapping):
        return tuple(PromptPart(text=text, weight=weight) for text, weight in prompt.items())
    if isinstance(prompt, Sequence) and all(isinstance(part, PromptPart) for part in prompt):
        return tuple(prompt)
    raise BadRequest(f"a prompt is a text, {{text: weight}} or PromptParts; got {type(prompt).__name__}")
