"""The seeds' recipes beside ours: the same framework, the same size, the same decoder, in one run. Speed alone.

    python -m benchmarks.peers [--quick] [--repeats 5] [--bundle DIR]

Each makes 12.3 s of stereo at 48 kHz (144 latents). All networks but ours have random weights, which changes no speed
and makes noise; all have as many parameters as our denoiser, to a tenth, and packed weights. What a peer makes is
pooled into latents of ours and decoded by our codec and vocoder, so that the sampler alone differs.

    ours               transformer over 1-D latents, 1, 2 and 4 jumps; guidance is an input
    MusicLDM's         50 DDIM steps of a 2-D U-Net with guidance, which doubles the batch
    MusicCM's          the 2-D U-Net at 1, 2 and 4 steps, guidance distilled
    MeLoDy's           a dual-path denoiser at 4, 10 and 20 steps
    a language model's autoregressive decoder, four tokens at 50 Hz, with a KV cache
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks import floor, line, peer_models
from benchmarks.line import Found, Told
from engine import bundle
from engine.models.codec import LATENT_HOP, LATENTS
from engine.models.load import Networks, load_networks
from engine.models.packed import pack
from engine.render.decode import Decoder
from engine.types import MODEL_RATE_HZ, Audio

WINDOW = 144
AUDIO_S = WINDOW * LATENT_HOP / MODEL_RATE_HZ
DDIM_STEPS, GUIDANCE = 50, 2.0
PIECE_FRAMES = 96
Sample = Callable[[torch.Generator], Tensor]
QUICK = ("ours, 4 steps", "MusicLDM's, 50 steps, guided", "MusicCM's, 4 steps", "MeLoDy's, 10 steps", "tokens at 50 Hz")


def ours(networks: Networks, steps: int) -> Sample:
    """Latents [1, 144, 64] of our student, all conditions set."""
    from benchmarks.gpu import conditions, jump

    given = conditions("controlled", networks.student.config.globals_width, torch.Generator().manual_seed(1))
    return lambda rng: jump(networks.student, given, torch.randn(1, WINDOW, LATENTS, generator=rng), steps)


def image(rng: torch.Generator) -> Tensor:
    return torch.randn(1, peer_models.IMAGE_CHANNELS, WINDOW, peer_models.IMAGE_BANDS, generator=rng)


def pooled(z: Tensor) -> Tensor:
    """An image [1, 16, 144, 16] as latents [1, 144, 64]: a stand-in, so that there is something to decode."""
    return z.permute(0, 2, 1, 3).reshape(1, WINDOW, LATENTS, -1).mean(-1)


def alphas(steps: int) -> Tensor:
    """Cumulative alphas [steps + 1] of the linear schedule, from noise to sound."""
    whole = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
    return torch.cat([whole[torch.linspace(999, 0, steps).long()], torch.ones(1)])


def ddim(unet: peer_models.UNet2d, steps: int, guided: bool) -> Sample:
    """DDIM with noise prediction (MusicCM, Eq. 1): e = (1 + w) e(c) - w e(empty) in one batch of two where guided."""
    prompt = torch.rand(1, peer_models.PROMPT)
    both = torch.cat([prompt, torch.zeros_like(prompt)]) if guided else prompt

    def sample(rng: torch.Generator) -> Tensor:
        z, alpha = image(rng), alphas(steps)
        for index in range(steps):
            now, after = alpha[index], alpha[index + 1]
            at = torch.full((len(both),), 1.0 - index / steps)
            noise = unet(z.expand(len(both), -1, -1, -1), at, both)
            if guided:
                noise = (1 + GUIDANCE) * noise[:1] - GUIDANCE * noise[1:]
            clean = (z - (1 - now).sqrt() * noise) / now.sqrt()
            z = after.sqrt() * clean.clamp(-4, 4) + (1 - after).sqrt() * noise
        return pooled(z)

    return sample


def angular(net: peer_models.DualPath, steps: int) -> Sample:
    """Angular diffusion (MeLoDy): z' = cos(w) z - sin(w) v, with the paper's schedule of angles."""
    prompt, count = torch.rand(1, peer_models.PROMPT), torch.arange(1, steps + 1)
    angles = torch.pi / (6 * steps) + 2 * torch.pi * count / (3 * steps * (steps + 1))

    def sample(rng: torch.Generator) -> Tensor:
        z, at = torch.randn(1, WINDOW, LATENTS, generator=rng), torch.full((1,), torch.pi / 2)
        for width in angles:
            z = width.cos() * z - width.sin() * net(z, at, prompt)
            at = at - width
        return z

    return sample


def spoken(decoder: peer_models.Decoder) -> Sample:
    """Tokens for the window, turned into latents by a table; a stand-in again."""
    frames = round(AUDIO_S * peer_models.TOKEN_RATE_HZ)
    prompt, codes = torch.rand(1, peer_models.PROMPT), torch.randn(peer_models.CODES, LATENTS)

    def sample(rng: torch.Generator) -> Tensor:
        tokens = decoder.generate(prompt, frames, rng)
        rows = codes[tokens].mean(1).T[None]
        return torch.nn.functional.interpolate(rows, WINDOW).transpose(1, 2)

    return sample


def recipes(networks: Networks) -> tuple[dict[str, Sample], dict[str, torch.nn.Module]]:
    """(samplers by name, networks by name), their weights packed."""
    count = peer_models.parameters(networks.student)
    unet = peer_models.sized(peer_models.UNet2d, count)
    dual = peer_models.sized(peer_models.DualPath, count)
    words = peer_models.sized(peer_models.Decoder, count)
    nets: dict[str, torch.nn.Module] = {
        "ours": networks.student, "2-D U-Net": unet, "dual path": dual, "token decoder": words
    }  # fmt: skip
    for network in (networks.codec, networks.vocoder, *nets.values()):
        pack(network)
    made: dict[str, Sample] = {f"ours, {n} step{'s' * (n > 1)}": ours(networks, n) for n in (1, 2, 4)}
    made["MusicLDM's, 50 steps, guided"] = ddim(unet, DDIM_STEPS, True)
    made |= {f"MusicCM's, {n} step{'s' * (n > 1)}": ddim(unet, n, False) for n in (1, 2, 4)}
    made |= {f"MeLoDy's, {n} steps": angular(dual, n) for n in (4, 10, 20)}
    made["tokens at 50 Hz"] = spoken(words)
    return made, nets


def decode(networks: Networks, latents: Tensor) -> Audio:
    """Latents [1, 144, 64] to sound [frames, 2], in pieces as in a render."""
    decoder: Any = Decoder(networks.codec, networks.vocoder, latents.new_zeros(0, LATENTS), 1)
    try:
        decoder.push(latents[0].clamp(-4, 4), True)
        pieces = []
        while (ready := decoder.ready(True)) > 0:
            pieces.append(decoder.speak(min(PIECE_FRAMES, ready)))
    finally:
        getattr(decoder, "close", lambda: None)()
    return np.concatenate(pieces)


@torch.no_grad()
def once(networks: Networks, sample: Sample, seed: int) -> tuple[float, float]:
    """Seconds of sampling, and of sampling and decoding."""
    rng, begin = torch.Generator().manual_seed(seed), time.perf_counter()
    latents = sample(rng)
    sampled = time.perf_counter()
    audio = decode(networks, latents)
    assert audio.shape == (WINDOW * LATENT_HOP, 2)
    return sampled - begin, time.perf_counter() - begin


@torch.no_grad()
def operations(nets: Iterable[torch.nn.Module], sample: Sample) -> float:
    """1e9 operations of the linear layers and convolutions of all `nets` in one sampling."""
    whole = torch.nn.ModuleList(nets)
    return line.tidy(floor.work_of(whole, lambda: sample(torch.Generator().manual_seed(0))).operations / 1e9)


def row(name: str, times: list[tuple[float, float]], gflop: float) -> Found:
    total = line.figures([whole for _, whole in times])
    return {
        "recipe": name,
        "seconds": total,
        "sampling_s": line.figures([sampling for sampling, _ in times]),
        "rtf": {q: line.tidy(total[q] / AUDIO_S) for q in line.QUANTILES},
        "times_real_time": {q: line.tidy(AUDIO_S / total[q]) for q in line.QUANTILES},
        "sampling_gflop": gflop,
        "random_weights": not name.startswith("ours"),
    }


def measured(folder: Path, repeats: int, names: tuple[str, ...]) -> Callable[[Found], None]:
    """The body of a run: the recipes in turn."""

    def body(found: Found) -> None:
        networks = load_networks(bundle.load(folder))
        made, nets = recipes(networks)
        found["parameters"] = {name: peer_models.parameters(net) for name, net in nets.items()}
        chosen = {name: sample for name, sample in made.items() if not names or name in names}
        found |= {"audio_s": line.tidy(AUDIO_S), "threads": torch.get_num_threads()}
        counted = {name: operations(nets.values(), sample) for name, sample in chosen.items()}
        times: dict[str, list[tuple[float, float]]] = defaultdict(list)
        try:
            for turn in range(repeats):
                for name, sample in chosen.items():
                    times[name].append(once(networks, sample, turn))
        finally:
            found["recipes"] = [row(name, taken, counted[name]) for name, taken in times.items()]

    return body


HEADINGS = ("recipe", "min ms", "p50", "p95", "p99", "of it sampling", "x real time p50", "sampling GFLOP")


def cells(one: Found) -> list[str]:
    sampling = f"{1000 * one['sampling_s']['p50']:.0f}"
    times, gflop = f"{one['times_real_time']['p50']:.1f}", f"{one['sampling_gflop']:.0f}"
    return [one["recipe"], *line.ms(one["seconds"], 0), sampling, times, gflop]


def show(found: Found) -> None:
    line.table("12.3 s by recipe; all but ours have random weights", HEADINGS, map(cells, found.get("recipes", ())))
    sizes = ", ".join(f"{name} {count / 1e6:.1f} M" for name, count in found.get("parameters", {}).items())
    click.echo(f"parameters: {sizes}")


@click.command(help=line.help_text(__doc__))
@click.option("--quick", is_flag=True, help="One row of each recipe.")
@click.option("--repeats", type=click.IntRange(1, 1000), default=5, show_default=True)
@line.options()
def main(quick: bool, repeats: int, **shared: Any) -> None:
    told: Told = line.told(**shared)
    line.run("peers", told, measured(told.folder, repeats, QUICK if quick else ()), show)


if __name__ == "__main__":
    main()
