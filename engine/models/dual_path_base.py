"""What every network in the denoiser's place shares: its inputs, its conditions, and the learnable Slerp of time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engine.models.denoiser import Conditions, Denoiser, DenoiserConfig, jump_features, sinusoid

TIME_FEATURES = 128


@dataclass(frozen=True)
class BackboneConfig(DenoiserConfig):
    """kind: as in `engine.models.backbones`. slerp: time is encoded by `Slerp` and not by sines.

    segment: frames of a dual path's segment, which overlap by half; tokens: size of a vocabulary of semantic tokens
    that a dual path listens to, 0 for none.
    """

    kind: str = "dual_path"
    slerp: bool = False
    segment: int = 16
    tokens: int = 0


class Slerp(nn.Module):
    """A learnable encoding of the angle d = pi t / 2: on the arc between two learnt vectors (MeLoDy; Shoemake 1985).

    (sin((1 - t) o) u + sin(t o) w) / sin o, o the angle between u and w, both of length sqrt(width).
    """

    def __init__(self, width: int = TIME_FEATURES) -> None:
        super().__init__()
        self.start, self.end = nn.Parameter(torch.randn(width)), nn.Parameter(torch.randn(width))

    def forward(self, time: Tensor) -> Tensor:
        """Times [B] in 0..1 to [B, width]."""
        u, w = (nn.functional.normalize(end.float(), dim=0) for end in (self.start, self.end))
        angle = torch.acos((u @ w).clamp(-0.999, 0.999))
        t = time.float()[:, None]
        along = (torch.sin((1 - t) * angle) * u + torch.sin(t * angle) * w) / torch.sin(angle)
        result: Tensor = along * len(u) ** 0.5
        return result


class Backbone(Denoiser):
    """The inputs and conditions of `Denoiser`, for a body of another kind; `told` gives what the body starts from."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(replace(config, layers=0))
        self.config = config
        del self.modulation
        if isinstance(config, BackboneConfig) and config.slerp:
            self.slerp = Slerp()

    @property
    def shape(self) -> BackboneConfig:
        assert isinstance(self.config, BackboneConfig)
        return self.config

    def told(
        self, z: Tensor, time: Tensor, guidance: Tensor, given: Conditions, jump: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What is known of each frame [B, N, width], of the whole [B, width]; the frames' conditions [B, N, width]."""
        tokens = [z, given.context, given.context_mask, given.under, given.under_mask]
        frames = self.frame_input(given.frames.flatten(2))
        features = self.slerp(time) if self.shape.slerp else sinusoid(time, TIME_FEATURES)
        overall = self.time_input(features) + self.global_input(given.globals)
        overall = overall + self.guidance_input(self.guidance_features(guidance))
        if jump is not None and self.config.jumps:
            overall = overall + self.jump_input(jump_features(jump))
        return self.input(torch.cat(tokens, dim=-1)) + frames, nn.functional.silu(overall), frames
