"""Train a codec's network for the lows (`engine.models.codec.Lows`): basses that play one note, not two by halves.

Encoder, decoder and the latents' scale stay as they are, and so does everything that was learnt on latents. Latents
of a tuning other than A4 = 440 Hz are made by moving the lows of features by some cents: a corpus has few of them.
"""

from __future__ import annotations

import math
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from engine.errors import BadRequest
from engine.models import codec as C
from engine.models import features as F
from engine.models import lows as L
from engine.models.codec import Codec, Lows
from engine.training import data, devices
from engine.training import texture as X
from engine.training.codec import POSTERIOR_STD, WINDOW
from engine.training.data import FeatureWindows, Rng
from engine.training.loop import Stage, run

BATCH = 32
PATCHES = 32
BANK_SHARE = 0.2
"""Of the time, for encoding songs."""
FEWEST_SONGS, MOST_SONGS = 4, 400
DETUNE_CENTS = 50.0
BASS_BANDS = int(np.searchsorted(F.low_centres_hz(), F.LOW_FIRST_HZ * 2.0 ** (C.PITCHES * C.PITCH_STEP_CENTS / 1200.0)))
HEARD_DB = -50.0
NOT_SILENT_DB = -60.0
BLUR_STEPS = 0.6
HELD_FRAMES = 8
"""A bass whose pitch moves by less than a step over so many frames is held."""
ALL_DB, BASS_DB = 4.0, 1.5
"""How far below the loudest a band still counts in `law_error`: of all lows, and of basses."""
WEIGHTS = {"l1": 1.0, "lows": 2.0, "basses": 2.0, "pitch": 0.05, "told": 1.0}


@lru_cache(maxsize=256)
def _moves(steps: int) -> Tensor:
    """[LOW_BANDS, LOW_BANDS]: low_db @ it moves lows up by `steps` hundredths of a band; cubic, the ends held."""
    at = np.arange(F.LOW_BANDS) - steps / 100.0
    base = np.floor(at)
    share = at - base
    weights = (
        -share * (share - 1) * (share - 2) / 6, (share + 1) * (share - 1) * (share - 2) / 2,
        -(share + 1) * share * (share - 2) / 2, (share + 1) * share * (share - 1) / 6,
    )  # fmt: skip
    found = np.zeros((F.LOW_BANDS, F.LOW_BANDS))
    for offset, weight in zip(range(-1, 3), weights, strict=True):
        np.add.at(found, (np.clip(base + offset, 0, F.LOW_BANDS - 1).astype(int), np.arange(F.LOW_BANDS)), weight)
    return torch.from_numpy(found).float()


def detuned(features: Tensor, cents: float) -> Tensor:
    """Features [..., CHANNELS] dB with their lows moved up by `cents`, at most 50 up or down."""
    moved = features[..., 2 * F.MELS :] @ _moves(round(cents * F.LOW_BANDS_PER_OCTAVE / 12.0)).to(features.device)
    return torch.cat([features[..., : 2 * F.MELS], moved.clamp_min(F.FLOOR_DB)], dim=-1)


class Bank:
    """Songs as the codec has them: of each patch the latents, the lows decoded from them, the true lows (float16).

    Mixes are held as they are and detuned, sub-mixes detuned alone. It takes songs until `seconds` are over.
    """

    def __init__(self, files: list[Path], codec: Codec, seconds: float, rng: Rng, device: torch.device) -> None:
        self.rng, self.device = rng, device
        self.songs: list[tuple[Tensor, Tensor, Tensor]] = []
        deadline = time.monotonic() + seconds
        for index, at in enumerate(rng.permutation(len(files))[:MOST_SONGS]):
            if index >= FEWEST_SONGS and time.monotonic() > deadline:
                break
            arrays = data.read(files[at], data.held(files[at], ("mix", "a")))
            for features in arrays.values():
                self._take(codec, features, float(rng.uniform(-DETUNE_CENTS, DETUNE_CENTS)))
            self._take(codec, arrays["mix"], 0.0)
        if not self.songs:
            raise BadRequest(f"no song is as long as {PATCHES} patches of {C.PATCH} frames; give longer ones")

    @torch.no_grad()
    def _take(self, codec: Codec, features: NDArray[Any], cents: float) -> None:
        count = len(features) // C.PATCH
        if count <= PATCHES:
            return
        whole = torch.from_numpy(features[: count * C.PATCH].astype(np.float32)).to(self.device)
        patches = C.patchify(detuned(whole, cents)[None])
        raw = codec.encode_raw(patches)
        parts = (raw, codec.plain_raw(raw)[..., 2 * C.MEL_WIDTH :], patches[..., 2 * C.MEL_WIDTH :])
        self.songs.append((parts[0][0].half(), parts[1][0].half(), parts[2][0].half()))

    def batch(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Latents before their final scaling [B, PATCHES, 64], lows decoded and true [B, PATCHES, LOW_WIDTH] dB."""
        picked = [self.songs[i] for i in self.rng.integers(len(self.songs), size=count)]
        starts = [int(self.rng.integers(len(song[0]) - PATCHES + 1)) for song in picked]
        spans = [[part[at : at + PATCHES] for part in song] for song, at in zip(picked, starts, strict=True)]
        raw, plain, true = (torch.stack(parts).float() for parts in zip(*spans, strict=True))
        return raw, plain, true


@lru_cache(maxsize=4)
def _fit(device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`lows.peak_fit` and the bands' centres in Hz."""
    arrays = (*L.peak_fit(), F.low_centres_hz().astype(np.float32))
    offset, weights, reach, centres = (torch.from_numpy(array).to(device) for array in arrays)
    return offset, weights, reach, centres


def bass_steps(low: Tensor) -> Tensor:
    """Where the strongest peak among basses lies, in steps of pitch above LOW_FIRST_HZ [...]; -1 without one.

    low [..., LOW_BANDS] dB.
    """
    offset, weights, reach, centres = _fit(str(low.device))
    inner = low[..., 1:BASS_BANDS]
    peak = (inner >= low[..., : BASS_BANDS - 1]) & (inner > low[..., 2 : BASS_BANDS + 1]) & (inner > HEARD_DB)
    level, band = torch.where(peak, inner, F.FLOOR_DB - 1.0).max(dim=-1)
    off = torch.maximum(torch.minimum(low @ weights + offset, reach), -reach)
    hertz = centres[band + 1] + off.gather(-1, band[..., None] + 1)[..., 0]
    steps = (hertz / F.LOW_FIRST_HZ).log2() * (1200.0 / C.PITCH_STEP_CENTS)
    return torch.where((level > HEARD_DB) & (steps >= 0) & (steps <= C.PITCHES - 1), steps, -1.0)


def told_error(logits: Tensor, steps: Tensor) -> Tensor:
    """Cross entropy of logits [..., PITCHES] with the true pitches [...] in steps, a little blurred; -1: left out."""
    off = torch.arange(C.PITCHES, device=steps.device) - steps[..., None]
    wanted = torch.exp(-0.5 * (off / BLUR_STEPS).square())
    error = -(wanted * logits.log_softmax(-1)).sum(-1) / wanted.sum(-1).clamp_min(1e-6)
    heard = (steps >= 0).float()
    return (error * heard).sum() / heard.sum().clamp_min(1.0)


def law_error(found: Tensor, true: Tensor, fall_db: float) -> Tensor:
    """Divergence of two spectra [..., bands] dB taken as laws of where the sound is, silence left out.

    A mean absolute error is least for the median of what may be, which has no peak at any of it; this for the mean
    of the laws, which has a peak at each. fall_db: a band so far below another counts an e-th of it.
    """
    a, b = ((levels / fall_db).log_softmax(-1) for levels in (found, true))
    heard = (true.amax(-1) > NOT_SILENT_DB).float()
    return ((b.exp() * (b - a)).sum(-1) * heard).mean()


def losses(model: Lows, raw: Tensor, plain: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Of latents [B, N, 64], and of the lows [B, N, LOW_WIDTH] dB decoded without `model` and the true ones."""
    more, logits = model.told(raw)
    rows = (*raw.shape[:-1], len(C.LOW_AT), F.LOW_BANDS)
    found, true = (plain + more).float().reshape(rows), true.reshape(rows)
    parts = {
        "l1": (found - true).abs().mean(),
        "lows": law_error(found, true, ALL_DB),
        "basses": law_error(found[..., :BASS_BANDS], true[..., :BASS_BANDS], BASS_DB),
        "pitch": X.peak_error(found, true),
        "told": told_error(logits, bass_steps(true)),
    }
    return {"loss": torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum(), **parts}


def train(
    files: list[Path],
    codec: Codec,
    seconds: float,
    folder: Path,
    seed: int,
    console: Console,
    *,
    device: torch.device = devices.CPU,
    batch: int = BATCH,
    width: int = 256,
) -> Codec:
    """Give `codec` a network for its lows, trained for `seconds` in all on `device` (a stopped run goes on).

    What the codec was stays as it is: latents and mels are those of before.
    """
    started = time.monotonic()
    codec.lows = None
    codec.to(device).requires_grad_(False)
    bank = Bank(files, codec, BANK_SHARE * seconds, np.random.default_rng(seed + 7), device)
    torch.manual_seed(seed + 7)
    codec.lows = Lows(width).to(device)
    generator = devices.generator(device, seed + 7)
    left = max(0.0, seconds - (time.monotonic() - started))
    stage = Stage("lows", codec.lows, left, folder, lr=2e-3, decay=0.998)

    def one(_: float) -> dict[str, Tensor]:
        assert codec.lows is not None
        raw, plain, true = bank.batch(batch)
        noise = torch.randn(raw.shape, generator=generator, device=device)
        with devices.autocast(device):
            return losses(codec.lows, raw + POSTERIOR_STD * noise, plain, true)

    run(stage, console, one, every=50)
    return codec.eval()


@torch.no_grad()
def measure(model: Codec, files: list[Path], seed: int = 0) -> dict[str, float]:
    """Held out: error of the lows in dB, and of held basses the shares whose strongest peak is within 20, 50 cents."""
    windows = FeatureWindows(files, WINDOW, ("mix",))
    true = windows.batch(64, np.random.default_rng(seed))
    found = model.decode(model.encode(true))
    a, b = (bass_steps(features[..., 2 * F.MELS :]) for features in (true, found))
    around = torch.stack([a[:, :-HELD_FRAMES], a[:, HELD_FRAMES // 2 : -HELD_FRAMES // 2], a[:, HELD_FRAMES:]])
    held = (around.amin(0) >= 0) & (around.amax(0) - around.amin(0) < 1.0)
    a, b = (steps[:, HELD_FRAMES // 2 : -HELD_FRAMES // 2][held] for steps in (a, b))
    cents = torch.where(b >= 0, (a - b).abs() * C.PITCH_STEP_CENTS, math.inf)
    shares = {f"bass_within_{most}": float((cents <= most).float().mean()) if len(cents) else 0.0 for most in (20, 50)}
    return {"low_l1_db": float((found - true)[..., 2 * F.MELS :].abs().mean()), **shares}


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Default: the shipped.")
@click.option("--corpus", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--minutes", type=click.FloatRange(0.05), default=8.0, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
def main(bundle: Path | None, corpus: Path, out: Path, minutes: float, seed: int) -> None:
    """The stage alone, for a bundle: OUT/codec.safetensors takes the place of its own."""
    from safetensors.torch import save_file

    from engine import bundle as bundles
    from engine.models.load import load_networks

    model = load_networks(bundles.load(bundle or bundles.DEFAULT)).codec
    held, console = data.song_files(corpus, "valid"), Console(stderr=True)
    before = measure(model, held)
    train(data.song_files(corpus, "train"), model, 60.0 * minutes, out / "stages", seed, console)
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(state, str(out / "codec.safetensors"))
    console.print({"before": before, "after": measure(model, held)})


if __name__ == "__main__":
    main()
