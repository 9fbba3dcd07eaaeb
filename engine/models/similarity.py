"""How well does sound fit words? Our own joint space, or LAION-CLAP where its owner points to its weights.

`ATTACCA_CLAP` names a folder with a LAION-CLAP model as the package `transformers` keeps one (config.json,
model.safetensors, its tokenizer's and its processor's files). It is read from there and nowhere else: nothing is
fetched, nothing unpickled. `transformers` is no dependency of ours and is imported only then.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import Unavailable
from engine.models import features as F
from engine.models.joint import Joint, pieces
from engine.models.load import Networks
from engine.models.prompt import sentence_encoder
from engine.types import MODEL_RATE_HZ, Audio

CLAP_VARIABLE = "ATTACCA_CLAP"
CLAP_FRAMES = 480_000
CLAP_ADVICE = f"run: pip install 'attacca-engine[clap]', or unset {CLAP_VARIABLE}"
CLAP_FILES = (
    "it takes a folder as of laion/clap-htsat-unfused, with model.safetensors and its tokenizer; "
    f"or unset {CLAP_VARIABLE}"
)
Vectors = NDArray[np.float32]


class Similarity(Protocol):
    """Unit vectors of texts [n, d] and of clips [n, d]; a clip is float32 [frames, 2] at 48 kHz, 0.1 s or more."""

    name: str

    def texts(self, texts: Sequence[str]) -> Vectors: ...

    def clips(self, clips: Sequence[Audio]) -> Vectors: ...


def cosines(similarity: Similarity, texts: Sequence[str], clips: Sequence[Audio]) -> Vectors:
    """Similarity [texts, clips] from -1 to 1."""
    return np.asarray(similarity.texts(texts) @ similarity.clips(clips).T, np.float32)


def chosen(networks: Networks) -> Similarity:
    """CLAP where ATTACCA_CLAP is set, else the bundle's own. Raises Unavailable where there is neither."""
    if path := os.environ.get(CLAP_VARIABLE):
        return Clap(Path(path))
    if not isinstance(networks.listener, Joint):
        raise Unavailable("this bundle places no sound beside words; use a newer bundle, or set ATTACCA_CLAP")
    return Own(networks.listener)


class Own:
    """The bundle's joint space."""

    name = "joint"

    def __init__(self, joint: Joint) -> None:
        self.joint = joint

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Vectors:
        return np.asarray(self.joint.text(sentence_encoder().embed(list(texts))).numpy(), np.float32)

    @torch.no_grad()
    def clips(self, clips: Sequence[Audio]) -> Vectors:
        rows = [self._clip(clip) for clip in clips]
        return np.asarray(torch.stack(rows).numpy(), np.float32)

    def _clip(self, clip: Audio) -> torch.Tensor:
        heard = self.joint.listen(pieces(F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(clip)))))
        return torch.nn.functional.normalize(heard.embedding.mean(0), dim=0)


class Clap:
    """LAION-CLAP (Wu et al., 2023, arXiv 2211.06687) with weights that the user has, by the package `transformers`.

    Of clips over 10 s it would hear a random stretch, so that these are cut into pieces and averaged.
    """

    name = "laion-clap"

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise Unavailable(f"{CLAP_VARIABLE} names {folder}, which is no folder with a config.json; {CLAP_FILES}")
        try:
            package: Any = import_module("transformers")
        except ImportError as missing:
            raise Unavailable(f"{CLAP_VARIABLE} is set, but transformers is not installed; {CLAP_ADVICE}") from missing
        try:
            self.model = package.ClapModel.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
            self.processor = package.ClapProcessor.from_pretrained(str(folder), local_files_only=True)
        except Exception as broken:  # a foreign package: whatever it meets, its user must hear of it
            said = " ".join(str(broken).split())[:160]
            raise Unavailable(
                f"LAION-CLAP cannot be loaded from {folder} ({type(broken).__name__}: {said}); {CLAP_FILES}"
            ) from broken
        self.model.eval()

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Vectors:
        given = self.processor(text=list(texts), padding=True, truncation=True, return_tensors="pt")
        return _unit(self.model.get_text_features(**given).pooler_output.numpy())

    def clips(self, clips: Sequence[Audio]) -> Vectors:
        return _unit(np.stack([self._clip(clip) for clip in clips]))

    @torch.no_grad()
    def _clip(self, clip: Audio) -> NDArray[Any]:
        mono = np.ascontiguousarray(clip.mean(1), np.float32)
        parts = np.array_split(mono, max(1, -(-len(mono) // CLAP_FRAMES)))
        given = self.processor(audio=parts, sampling_rate=MODEL_RATE_HZ, return_tensors="pt")
        return np.asarray(_unit(self.model.get_audio_features(**given).pooler_output.numpy()).mean(0))


def _unit(rows: NDArray[Any]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9), np.float32)
