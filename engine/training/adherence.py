"""How far is a clip from what was asked for? Differentiable answers on decoded features, for distillation.

What DITTO-2 optimises for each clip when it is asked to, the student is taught once: a jump that lands on a clip
is scored by its level against the intensity curve, and by the styles and the key that the joint network hears. In
evaluation level is measured on audio, and style and key by judges that no training has seen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.models import conditions as K
from engine.models import denoiser as D
from engine.models import tonality
from engine.models.codec import Codec
from engine.models.denoiser import Conditions
from engine.models.joint import Joint, view_of
from engine.render.level import REACH_FRAMES, frame_power

WEIGHTS = {"level": 0.5, "style": 0.06, "key": 0.015}
MOST_DB = 9.0


def levels_db(features: Tensor) -> Tensor:
    """Level in dBFS under a 1 s Hann window at each frame [B, T] of features [B, T, CHANNELS]."""
    power = frame_power(features.flatten(0, 1)).reshape(features.shape[:2])
    window = torch.hann_window(2 * REACH_FRAMES + 3, periodic=False, device=power.device)[1:-1][None, None]
    smooth = nn.functional.conv1d(power[:, None], window, padding=REACH_FRAMES)
    weight = nn.functional.conv1d(torch.ones_like(power[:1, None]), window, padding=REACH_FRAMES)
    return 10.0 * torch.log10(smooth[:, 0] / weight[:, 0] + 1e-9)


class Judges:
    """Frozen networks that score latents. makeup_db: what decoding to sound gives on top of the features' level."""

    def __init__(self, codec: Codec, joint: Joint, prompt_width: int, makeup_db: float = 0.0) -> None:
        self.codec, self.joint = codec.eval().requires_grad_(False), joint.eval().requires_grad_(False)
        self.prompt_width, self.makeup_db = prompt_width, makeup_db

    def to(self, device: torch.device | str) -> None:
        self.codec.to(device)
        self.joint.to(device)

    def errors(self, latents: Tensor, new: Tensor, given: Conditions, counts: Tensor) -> dict[str, Tensor]:
        """Errors [B] of clips [B, N, 64], 0 where `counts` [B] is.

        "level": in units of the condition, squared, over the new frames that were told; "style" and "key": cross
        entropies, 0 where prompt or key were not told.
        """
        features = self.codec.decode(latents.float())
        found = self.joint.listen_view(view_of(features), tonality.pitch_levels(features))
        errors = {
            "level": self.level_error(features, new, given),
            "style": self.style_error(found.styles, given),
            "key": self.key_error(found.keys, given),
        }
        return {name: error * counts for name, error in errors.items()}

    def level_error(self, features: Tensor, new: Tensor, given: Conditions) -> Tensor:
        told = given.frames.flatten(1, 2)[..., -D.INTENSITY_FEATURES :]
        mask = told[..., 0] * new.repeat_interleave(D.SUB_FRAMES, dim=1)[..., 0]
        wanted_db = told[..., 1] * K.INTENSITY_SPAN_DB + K.INTENSITY_CENTRE_DB
        off = (levels_db(features) + self.makeup_db - wanted_db).clamp(-MOST_DB, MOST_DB) / K.INTENSITY_SPAN_DB
        return (off.square() * mask).sum(1) / mask.sum(1).clamp_min(1.0)

    def style_error(self, styles: Tensor, given: Conditions) -> Tensor:
        """Only where the whole mix is asked for: a part alone need not sound like its style."""
        told = given.globals[:, 0] * (1.0 - given.under_mask.amax((1, 2)))
        wanted = given.globals[:, 1 : 1 + styles.shape[1]]
        return -(wanted * styles.log_softmax(-1)).sum(-1) * told

    def key_error(self, keys: Tensor, given: Conditions) -> Tensor:
        at = self.prompt_width + 1 + D.PART_FEATURES
        told, root = given.globals[:, at], given.globals[:, at + 1 : at + 13]
        chances = keys.flatten(1).log_softmax(-1).reshape(keys.shape).logsumexp(-1)
        return -(root * chances).sum(-1) * told

    def weighted(self, errors: dict[str, Tensor]) -> Tensor:
        """What the errors [B] add to a loss."""
        return torch.stack([WEIGHTS[name] * error for name, error in errors.items()]).sum(0)
