"""Requests from plain Python values."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.errors import BadRequest
from engine.types import PromptPart, Request

Prompt = str | Mapping[str, float] | Sequence[PromptPart] | None
_WEIGHTED = re.compile(r"(?s)(.+):(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})\s*")
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


def weighted(text: str) -> tuple[str, float]:
    """A voice and its weight in a mix: "lo-fi:0.7" is ("lo-fi", 0.7); without a number at its end it weighs 1."""
    match = _WEIGHTED.fullmatch(text)
    return (match[1].strip(), float(match[2])) if match else (text, 1.0)


def mixed(prompts: Sequence[str], styles: Sequence[str]) -> tuple[PromptPart, ...]:
    """The prompts "TEXT:WEIGHT" and audio references "FILE:WEIGHT" of a command line as one mix.

    A file whose very name ends in a colon and a number is taken whole.
    """
    texts = [PromptPart(text=text, weight=weight) for text, weight in map(weighted, prompts) if text.strip()]
    files = [(style, 1.0) if Path(style).is_file() else weighted(style) for style in styles]
    return (*texts, *(PromptPart(audio=str(Path(name).resolve()), weight=weight) for name, weight in files))


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
