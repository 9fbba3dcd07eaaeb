"""Polish the codec's decoder and the vocoder together: the losses hear the wave that the two make.

The encoder, the latents' scale and so everything that was learnt on latents stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from engine.models import features as F
from engine.models import vocoder as V
from engine.models.codec import Codec
from engine.models.vocoder import Vocoder
from engine.training import devices, speaking
from engine.training import texture as X
from engine.training.adversary import Adversary
from engine.training.discriminators import Critics
from engine.training.loop import Stage, run
from engine.training.temper import temper
from engine.training.vocoder import FRAMES, MARGIN, AudioWindows

BATCH = 4
TRUE_SHARE = 0.25
LATENT_NOISE = 0.03
TEMPERED_CLIPS = 48
DETUNE_CENTS = 60.0
WEIGHTS = {
    "texture": 1.0, "mels": 0.5, "energy": 0.25, "attacks": 0.4, "pitch": 0.02, "direct": 0.1, "adversary": 0.2,
}  # fmt: skip


class Sounder(nn.Module):
    """Codec and vocoder as one module; what shapes the latents is frozen."""

    def __init__(self, codec: Codec, vocoder: Vocoder) -> None:
        super().__init__()
        self.codec, self.vocoder = codec.requires_grad_(True), vocoder.requires_grad_(True)
        for frozen in (codec.down, codec.encoder):
            frozen.requires_grad_(False)


@dataclass
class Clips:
    """wave [B, 2, samples] where the synthesis is whole, features [B, T, CHANNELS] dB, level [B, 2, 2 T, BINS] dB."""

    wave: Tensor
    features: Tensor
    level: Tensor


@torch.no_grad()
def clips(audio: Tensor) -> Clips:
    """What the windows [B, samples, 2] of `AudioWindows` should come out as."""
    wave = audio.transpose(1, 2).contiguous()
    level = 20.0 * F.stft(wave, V.HOP).abs().clamp_min(1e-5).log10()
    first = MARGIN * F.HOP - F.WINDOW // 2
    return Clips(
        wave[..., first + speaking.EDGE : first + 2 * FRAMES * V.HOP],
        F.analyse_tensor(audio)[:, MARGIN : MARGIN + FRAMES],
        level[:, :, 2 * MARGIN : 2 * (MARGIN + FRAMES)],
    )


class Polish:
    """Losses of one batch after another; owns the noise and the random streams."""

    def __init__(
        self, model: Sounder, windows: AudioWindows, seed: int, batch: int, adversary: Adversary | None = None
    ) -> None:
        self.model, self.windows, self.batch, self.adversary = model, windows, batch, adversary
        self.device = devices.device_of(model)
        self.rng = np.random.default_rng(seed + 5)
        self.generator = devices.generator(self.device, seed + 5)
        self.hiss = speaking.Hiss(seed + 5, self.device)

    def latents(self, features: Tensor) -> Tensor:
        """Latents of features, half of the clips disturbed a little, as a denoiser's are."""
        with torch.no_grad():
            clean = self.model.codec.encode(features).float()
        draw = torch.rand(len(clean), 1, 1, generator=self.generator, device=self.device)
        noise = torch.randn(clean.shape, generator=self.generator, device=self.device)
        return clean + (2.0 * draw - 1.0).clamp_min(0.0) * LATENT_NOISE * noise

    def feed(self) -> tuple[Clips, Tensor]:
        """A batch, and which of its clips the vocoder hears uncoded [B, 1, 1]."""
        audio = torch.from_numpy(self.windows.batch(self.batch, self.rng, DETUNE_CENTS))
        plain = torch.from_numpy(self.rng.random(self.batch) < TRUE_SHARE)[:, None, None]
        return clips(devices.to_device(audio, self.device)), devices.to_device(plain, self.device)

    def step(self, _: float) -> dict[str, Tensor]:
        """Losses of one batch; `loss` is to be minimised."""
        true, plain = self.feed()
        with devices.autocast(self.device):
            decoded = self.model.codec.decode(self.latents(true.features)).float()
        heard = torch.where(plain, true.features, decoded)
        level, spread = speaking.levels(self.model.vocoder, heard)
        share = speaking.shares(level, spread)
        phases = speaking.drafted(level, heard[..., 2 * F.MELS :])
        waves = [speaking.spoken(level, share, phases, self.hiss.draw(level)) for _ in range(2)]
        weight = 0.3 + ((true.level + 90.0) / 60.0).clamp(0.0, 1.5)
        losses = {
            "texture": X.texture_score(waves[0], waves[1], true.wave),
            "mels": X.mels_error(decoded, true.features),
            "energy": X.energy_error(decoded, true.features),
            "attacks": X.attack_error(decoded, true.features),
            "pitch": X.pitch_error(decoded, true.features),
            "direct": ((level - true.level).abs() * weight).mean(),
        }
        if self.adversary is not None:
            losses |= self.adversary.against(waves[0].flatten(0, 1), true.wave.flatten(0, 1))
        total = torch.stack([WEIGHTS[name] * value for name, value in losses.items() if name in WEIGHTS]).sum()
        return {"loss": total, **losses, "share": share.mean()}


def train(
    files: list[Path],
    codec: Codec,
    vocoder: Vocoder,
    seconds: float,
    folder: Path,
    seed: int,
    console: Console,
    *,
    device: torch.device = devices.CPU,
    batch: int = BATCH,
    lr: float = 4e-4,
    adversarial: bool | None = None,
) -> tuple[Codec, Vocoder]:
    """Polish for `seconds` in all on `device` (a stopped run goes on); returns the averaged models, changed in place.

    Latents stay what they were. adversarial: critics of the wave as well; by default only on a GPU, where they
    get steps enough to be worth it.
    """
    model = Sounder(codec, vocoder).to(device)
    windows = AudioWindows(files, np.random.default_rng(seed + 4))
    adversarial = device.type == "cuda" if adversarial is None else adversarial
    adversary = Adversary(Critics().to(device), seconds, folder) if adversarial else None
    beside = () if adversary is None else (adversary.stage,)
    stage = Stage("polish", model, seconds, folder, lr=lr, decay=0.998, beside=beside)
    task = Polish(model, windows, seed, batch, adversary)
    run(stage, console, task.step, every=25)
    settle(task, seed)
    return codec.eval(), vocoder.eval()


def settle(task: Polish, seed: int) -> None:
    """Set the amount of hiss by clips that are the same for the same seed."""
    audio = torch.from_numpy(task.windows.batch(TEMPERED_CLIPS, np.random.default_rng(seed + 6)))
    true = clips(devices.to_device(audio, task.device))
    hiss = speaking.Hiss(seed + 6, task.device)
    temper(task.model.codec, task.model.vocoder, true.features, true.wave, hiss)
