"""How well does sound fit words? Our own joint space, or LAION-CLAP where its owner points to its weights.

`ATTACCA_CLAP` names a LAION-CLAP checkpoint. Its package, `laion_clap`, is no dependency of ours and is
imported only then; it reads its checkpoint in its own way and fetches its text encoder (roberta-base) at first use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
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
from engine.types import Audio

CLAP_VARIABLE = "ATTACCA_CLAP"
CLAP_FRAMES = 480_000
CLAP_ADVICE = "run: pip install --no-deps laion-clap, and the same for what it then misses (it asks for numpy below 2)"
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
    """LAION-CLAP (Wu et al., 2023, arXiv 2211.06687) with weights that the user has: `laion_clap` 1.1 as published.

    It unpickles the checkpoint: use only files you trust. Of clips over 10 s it would hear a random stretch,
    so that these are cut into pieces and averaged; what it prints goes to stderr.
    """

    name = "laion-clap"

    def __init__(self, checkpoint: Path) -> None:
        if not checkpoint.is_file():
            raise Unavailable(f"{CLAP_VARIABLE} names {checkpoint}, which is no file; unset it to use the bundle's own")
        with redirect_stdout(sys.stderr):
            try:
                package: Any = import_module("laion_clap")
            except ImportError as missing:
                raise Unavailable(
                    f"{CLAP_VARIABLE} is set, but {missing.name or 'laion_clap'} is not installed; "
                    f"{CLAP_ADVICE}, or unset it"
                ) from missing
            try:
                self.module = package.CLAP_Module(enable_fusion=False)
                self.module.load_ckpt(str(checkpoint), verbose=False)
            except Exception as broken:  # a foreign package: whatever it meets, its user must hear of it
                said = " ".join(str(broken).split())[:160]
                raise Unavailable(
                    f"LAION-CLAP cannot be loaded from {checkpoint} ({type(broken).__name__}: {said}); "
                    f"it takes a checkpoint without fusion, e.g. 630k-audioset-best.pt; or unset {CLAP_VARIABLE}"
                ) from broken

    def texts(self, texts: Sequence[str]) -> Vectors:
        padded = [*texts, ""]  # its tokenizer drops the batch dimension of a single text
        return _unit(self.module.get_text_embedding(padded)[: len(texts)])

    def clips(self, clips: Sequence[Audio]) -> Vectors:
        return _unit(np.stack([self._clip(clip) for clip in clips]))

    def _clip(self, clip: Audio) -> NDArray[Any]:
        mono = np.ascontiguousarray(clip.mean(1), np.float32)
        parts = np.array_split(mono, max(1, -(-len(mono) // CLAP_FRAMES)))
        rows = [self.module.get_audio_embedding_from_data(x=part[None], use_tensor=False) for part in parts]
        return np.asarray(_unit(np.concatenate(rows)).mean(0))


def _unit(rows: NDArray[Any]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9), np.float32)
