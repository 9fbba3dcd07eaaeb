"""Denoiser examples: what is asked for, what is known around it, which conditions are withheld.

An example is a window of one song's latents. Either the full mix is the target, or one sub-mix is,
with its complement sounding under it. A span of the window is new; what lies before, and sometimes
after it, may be given as context. Each condition is withheld on its own with its own probability;
in some examples all are but words, tempo and beat, as when a producer types a prompt and nothing else:
drops that are independent leave these alone in one of some 400.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.models import conditions as K
from engine.models.codec import LATENTS, PATCH
from engine.models.denoiser import Conditions
from engine.training.data import Latents, Rng
from engine.types import PART_NAMES

DROP = {"beat": 0.06, "melody": 0.45, "chords": 0.45, "intensity": 0.3}
DROP_GLOBAL = {"prompt": 0.15, "parts": 0.35, "key": 0.4, "tempo": 0.1}
WORDS_ALONE_SHARE = 0.2
UNSAID = dict.fromkeys(("melody", "chords", "intensity", "parts", "key"), 1.0)
SUBMIX_SHARE = 0.3
PRESENT_SHARE = 0.25


@dataclass
class Example:
    """One window: clean [N, 64], new [N, 1] (1 where it is to be made), conditions without batch."""

    clean: Tensor
    new: Tensor
    conditions: Conditions


def choose_span(count: int, rng: Rng) -> tuple[int, int, bool, bool]:
    """(first, last, context before, context after) of the new span in a window of `count` latents."""
    kind = rng.random()
    if kind < 0.3:
        return 0, count, False, False
    if kind < 0.82:
        return int(rng.integers(count // 8, 3 * count // 4)), count, True, False
    first = int(rng.integers(count // 8, count // 2))
    last = int(rng.integers(first + count // 6, count))
    return first, last, True, bool(last < count - 2)


def frame_targets(song: Latents, name: str, span: slice, drops: Mapping[str, float], rng: Rng) -> K.FrameTargets:
    """The song's annotations over feature frames `span`, each withheld with its own probability."""
    given = {key: rng.random() >= drops[key] for key in DROP}
    targets = K.FrameTargets()
    if given["beat"] and song.facts.get("beat_known", True):
        targets = replace(targets, beat_phase=song.beat_phase[span], bar_phase=song.bar_phase[span])
    if given["melody"] and song.melody is not None and song.melody_onset is not None and leads(song, name, span):
        targets = replace(targets, melody=song.melody[span], melody_onset=song.melody_onset[span])
    if given["chords"] and song.chroma is not None:
        targets = replace(targets, chroma=song.chroma[span])
    if given["intensity"] or song.drawn:
        targets = replace(targets, intensity_db=song.intensity[name][span])
    return targets


def leads(song: Latents, name: str, span: slice) -> bool:
    """Whether the lead plays in this signal and span."""
    return "lead" in song.groups[name] and song.melody is not None and bool((song.melody[span] >= 0).any())


def present_parts(song: Latents, name: str, span: slice) -> tuple[str, ...] | None:
    if song.presence is None:
        return None
    share = song.presence[span].mean(axis=0)
    return tuple(
        part for part, on in zip(PART_NAMES, share, strict=True)
        if on > PRESENT_SHARE and part in song.groups[name]
    )  # fmt: skip


def global_vector(song: Latents, name: str, span: slice, drops: Mapping[str, float], rng: Rng) -> np.ndarray:
    given = {key: rng.random() >= drops[key] for key in DROP_GLOBAL}
    facts = song.facts
    numerator, _, denominator = facts["tempo"].partition("/")
    tempo = float(numerator) / float(denominator or 1)
    prompt = song.prompts[int(rng.integers(len(song.prompts)))]
    key = (facts["key_root"], facts["mode"]) if facts.get("key_root") is not None else None
    return K.global_features(
        song.prompts.shape[1],
        prompt if given["prompt"] else None,
        present_parts(song, name, span) if given["parts"] else None,
        key if given["key"] else None,
        tempo if given["tempo"] and facts.get("beat_known", True) else None,
    )


def example(song: Latents, count: int, rng: Rng) -> Example:
    """A random example of `count` latents from `song`."""
    start = int(rng.integers(len(song) - count + 1))
    words_alone = rng.random() < WORDS_ALONE_SHARE
    drops = DROP | DROP_GLOBAL | (UNSAID if words_alone else {})
    whole = words_alone or rng.random() >= SUBMIX_SHARE or "a" not in song.latents
    name = "mix" if whole else str(rng.choice(["a", "b"]))
    clean = song.latents[name][start : start + count]
    first, last, before, after = (0, count, False, False) if words_alone else choose_span(count, rng)
    known = torch.zeros(count, 1)
    known[:first] = float(before)
    known[last:] = float(after)
    new = torch.zeros(count, 1)
    new[first:last] = 1.0
    under, under_mask = torch.zeros(count, LATENTS), torch.zeros(count, 1)
    if name != "mix" and rng.random() < 0.85:
        other = song.latents["b" if name == "a" else "a"][start : start + count]
        under, under_mask = other, torch.ones(count, 1)
    span = slice(start * PATCH, (start + count) * PATCH)
    features = K.frame_features(frame_targets(song, name, span, drops, rng), count * PATCH)
    if rng.random() < 0.6:
        K.withhold_notes(features, first * PATCH, last * PATCH)
    if rng.random() < 0.25 and not song.drawn:
        K.withhold_level(features, first * PATCH, last * PATCH)
    new_span = slice((start + first) * PATCH, (start + last) * PATCH)
    overall = torch.from_numpy(global_vector(song, name, new_span, drops, rng))
    given = Conditions(clean * known, known, under, under_mask, K.pack_frames(features), overall)
    return Example(clean, new, given)


def batch(
    songs: list[Latents], size: int, count: int, rng: Rng, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor, Conditions]:
    """(clean [B, N, 64], new [B, N, 1], conditions) of `size` random examples, on `device`."""
    usable = [song for song in songs if len(song) >= count]
    picks = [example(usable[int(rng.integers(len(usable)))], count, rng) for _ in range(size)]

    def stack(parts: list[Tensor]) -> Tensor:
        return torch.stack(parts).to(device, non_blocking=True)

    stacked = {name: stack([getattr(pick.conditions, name) for pick in picks]) for name in vars(picks[0].conditions)}
    return stack([pick.clean for pick in picks]), stack([pick.new for pick in picks]), Conditions(**stacked)
