"""From a request to the targets that its refinement works towards."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.control.optimise import Budget
from engine.control.targets import Intensity, Melody, Structure, Target, Text, form_similarity
from engine.controls import melody_frames
from engine.controls.form import parse_form, parse_refine
from engine.models import features as F
from engine.models.codec import PATCH
from engine.models.joint import Joint
from engine.models.prompt import sentence_encoder
from engine.render.condition import Material, Place, quarters_of
from engine.render.partial import acting
from engine.types import Request

EDGE_FRAMES = 5
"""50 ms: what lies nearer to a note's edge is not judged (DEFINITIONS, Controls)."""


def budget_of(refine: str) -> Budget:
    iterations, seconds = parse_refine(refine)
    return Budget(iterations, seconds)


def wanted(request: Request, place: Place, material: Material, listener: object) -> list[Target]:
    """Targets over the new bars: the request's curve, melody and form, and its prompts' words where the bundle's
    `listener` places sound beside words; each where it acts. A strength of 0 leaves its target out, others weigh it.
    """
    frames = int(place.seconds * F.RATE_HZ / F.HOP)
    strengths, found = request.strengths, list[Target]()
    quarters = quarters_of(place, 0, frames)
    if request.intensity is not None and material.target_db is not None and strengths.intensity != 0:
        level = material.target_db[material.before * PATCH :][:frames]
        acts = torch.from_numpy(acting(request.only, "intensity", quarters))
        found.append(Intensity(torch.from_numpy(level.copy()), acts, weight=_weight(strengths.intensity)))
    if request.melody is not None and strengths.melody != 0:
        pitch = judged_pitch(melody_frames(request.melody, quarters)[0])
        pitch[~acting(request.only, "melody", quarters)] = -1
        found.append(Melody(torch.from_numpy(pitch), weight=_weight(strengths.melody)))
    if request.form is not None:
        letters = list(parse_form(request.form, request.bars))
        found.append(Structure(form_similarity(letters, [line / place.rate for line in place.lines])))
    texts = [part for part in request.prompts if part.audio is None and part.text.strip() and part.weight > 0]
    if texts and isinstance(listener, Joint) and strengths.prompt != 0:
        vector = words(listener, [part.text for part in texts], [part.weight for part in texts])
        found.append(Text(listener, vector, 0, frames, weight=_weight(strengths.prompt)))
    return found


def judged_pitch(pitch: NDArray[np.int8]) -> NDArray[np.int64]:
    """Pitch per feature frame [T] with -1 within 50 ms of every change."""
    wide = np.pad(pitch, EDGE_FRAMES, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(wide, 2 * EDGE_FRAMES + 1)
    steady = (around == pitch[:, None]).all(axis=1)
    return np.where(steady, pitch, -1).astype(np.int64)


@torch.no_grad()
def words(joint: Joint, texts: list[str], weights: list[float]) -> Tensor:
    """The weighted mean of texts in the joint space, of length 1 [SPACE]."""
    placed = joint.text(sentence_encoder().embed(texts))
    return torch.nn.functional.normalize(torch.tensor(weights, dtype=placed.dtype) @ placed, dim=0)


def _weight(strength: float | None) -> float:
    return 1.0 if strength is None else strength
