"""The text-audio network as the adversary's features, for the ablation: what evaluation uses must then be another."""

from __future__ import annotations

from torch import Tensor, nn

from engine.models.codec import Codec
from engine.models.joint import Joint


class ListenerFeatures(nn.Module):
    """The layers [B, P, width] of the network that listens, over what the codec makes of latents [B, N, 64]."""

    def __init__(self, codec: Codec, listener: Joint) -> None:
        super().__init__()
        self.codec, self.listener = codec.eval().requires_grad_(False), listener.eval().requires_grad_(False)
        self.widths = (listener.input.out_features,) * len(list(listener.blocks))

    def forward(self, latents: Tensor) -> list[Tensor]:
        found: list[Tensor] = []

        def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            found.append(output)

        handles = [block.register_forward_hook(keep) for block in self.listener.blocks]
        try:
            self.listener.listen(self.codec.decode(latents.float()))
        finally:
            for handle in handles:
                handle.remove()
        return found
