"""Music as a prompt, and continuation, through the semantic language model (MeLoDy).

    player = Player.of(bench, seed=1)                         after `--recipe dual-path-language`
    heard = latents_of(bench.material.codec, audio)[None]     some 4 s of 48 kHz stereo
    new = player.prompted(heard, given, generator)            other music in its manner
    whole = player.continued(heard, given, generator)         it, and what comes after it

A prompt's tokens stand before those that are drawn; of a prompt the dual path sees these alone. In a continuation the
latents that were heard are its context as well. Clips are latents [B, N, 64] of 85 ms, N even: a token is two of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from engine.diffusion.paths import PATHS, Path
from engine.diffusion.solvers import SCHEDULES, angle_times
from engine.models.analysis import analyse
from engine.models.codec import PATCH, Codec
from engine.models.denoiser import Conditions, Denoiser
from engine.models.masked import MelFeatures
from engine.models.semantic import Semantic
from engine.training import devices
from engine.training.data import encode_features
from engine.training.experiments.speak import Spoken, tokens_with
from engine.training.experiments.teach import Bench, opened, voice_of
from engine.training.recipes import named
from engine.types import Audio

LISTENS = "dual-path-language"


def latents_of(codec: Codec, audio: Audio) -> Tensor:
    """Latents [N, 64] of audio [frames, 2] at 48 kHz, an even number; a rest of up to 171 ms at the end is left out."""
    found = encode_features(codec, analyse(audio).numpy(), 0)
    return found[: len(found) - len(found) % 2]


@dataclass(frozen=True)
class Player:
    """A dual path that listens to tokens, who speaks them, and how it is sampled."""

    model: Denoiser
    path: Path
    language: Semantic
    features: MelFeatures
    steps: int = 10
    schedule: str = "melody"
    temperature: float = 1.0

    @staticmethod
    def of(bench: Bench, seed: int = 1) -> Player:
        """The trained ones of a grid. Raises BadRequest where they have not run."""
        recipe = named(LISTENS)
        return Player(opened(bench, recipe, seed), PATHS[recipe.path], *voice_of(bench, seed))

    def latents_a_token(self) -> int:
        return self.features.masked.config.frames // PATCH

    def tokens_after(self, heard: Tensor, told: Tensor, latents: int, generator: torch.Generator) -> Tensor:
        """Tokens [B, T] of what was heard [B, M, 64] and of `latents` more, drawn; told: the globals [B, told]."""
        each = self.latents_a_token()
        assert heard.shape[1] % each == latents % each == 0, (heard.shape, latents)
        prefix = tokens_with(self.language, self.features)(heard)
        return self.language.continued(told, prefix, latents // each, generator, self.temperature)

    def prompted(self, heard: Tensor, given: Conditions, generator: torch.Generator) -> Tensor:
        """Music [B, N, 64] in the manner of what was heard [B, M, 64], under the conditions of N latents."""
        tokens = self.tokens_after(heard, given.globals, given.frames.shape[1], generator)
        return self.played(tokens[:, heard.shape[1] // self.latents_a_token() :], given, generator)

    def continued(self, heard: Tensor, given: Conditions, generator: torch.Generator) -> Tensor:
        """What was heard [B, M, 64], to the bit, and what comes after it: [B, N, 64], conditions being of all N."""
        count, more = heard.shape[1], given.frames.shape[1] - heard.shape[1]
        tokens = self.tokens_after(heard, given.globals, more, generator)
        context, mask = torch.zeros_like(given.context), torch.zeros_like(given.context_mask)
        context[:, :count], mask[:, :count] = heard, 1.0
        return self.played(tokens, replace(given, context=context, context_mask=mask), generator)

    @torch.no_grad()
    def played(self, tokens: Tensor, given: Conditions, generator: torch.Generator) -> Tensor:
        """The dual path by DDIM steps under tokens [B, T]; what `given` holds lies on its line to the noise at each."""
        says = cast(Callable[..., Tensor], Spoken(self.model, tokens))
        noise = torch.randn(given.context.shape, generator=generator)
        z, ones = noise, torch.ones(len(noise))
        for now, after in itertools.pairwise(angle_times(self.path, SCHEDULES[self.schedule](self.steps))):
            time, to = now.expand(len(z)), after.expand(len(z))
            with devices.autocast(z.device):
                said = says(z, time, ones, given).float()
            z = self.path.step(z, said, time, to)
            z = torch.where(given.context_mask > 0, self.path.diffuse(given.context, noise, to), z)
        return torch.where(given.context_mask > 0, given.context, z)
