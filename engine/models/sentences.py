"""Sentence embeddings from a table, for machines that the sentence encoder's 83 MB do not travel to.

    ATTACCA_PROMPT_TABLE=FILE    `engine.models.prompt.sentence_encoder()` reads this table instead

A text that the table has gets its own embedding (fp16). Any other text gets that of the table's text which
shares the most words with it, rare words counting more (inverse document frequency): good for captions of the
same grammar, no substitute for the encoder where anybody types.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.errors import Unavailable
from engine.whole import whole

VARIABLE = "ATTACCA_PROMPT_TABLE"
_WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """Its words, lower case, each once."""
    return list(dict.fromkeys(_WORD.findall(text.lower())))


def write_table(path: Path, texts: list[str], embeddings: Tensor) -> None:
    """Store unit vectors [len(texts), 384] as fp16 beside their texts."""
    assert len(texts) == len(embeddings), "one embedding a text"
    with whole(path) as part:
        save_file({"embeddings": embeddings.half().contiguous()}, str(part), {"texts": json.dumps(texts)})


class SentenceTable:
    """Stands in for `SentenceEncoder`: the same `embed`. missed: how many texts were not in the table."""

    def __init__(self, path: Path) -> None:
        try:
            with safe_open(str(path), "pt") as file:
                self.texts: list[str] = json.loads(file.metadata()["texts"])
                self.vectors = nn.functional.normalize(file.get_tensor("embeddings").float(), dim=-1)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as broken:
            raise Unavailable(
                f"{VARIABLE} names {path}, which is no table of sentences; make one with"
                " 'python -m engine.training.captions_table FILE'"
            ) from broken
        self.rows = {text: row for row, text in enumerate(self.texts)}
        self.missed = 0
        places: dict[str, list[int]] = defaultdict(list)
        for row, text in enumerate(self.texts):
            for word in words(text):
                places[word].append(row)
        self.places = {word: np.array(rows) for word, rows in places.items()}
        self.weight = {word: math.log(1.0 + len(self.texts) / len(rows)) for word, rows in places.items()}
        sizes = [sum(self.weight[word] for word in words(text)) for text in self.texts]
        self.sizes: NDArray[np.float64] = np.sqrt(np.maximum(1e-9, np.array(sizes)))

    def nearest(self, text: str) -> int:
        """The row that shares the most; the first one for a text that shares no word with any."""
        score = np.zeros(len(self.texts))
        for word in words(text):
            if word in self.places:
                score[self.places[word]] += self.weight[word]
        return int((score / self.sizes).argmax())

    def embed(self, texts: list[str]) -> Tensor:
        """Unit vectors [len(texts), 384]."""
        rows = []
        for text in texts:
            row = self.rows.get(text)
            if row is None:
                self.missed += 1
                row = self.rows[text] = self.nearest(text)
            rows.append(row)
        return self.vectors[torch.tensor(rows, dtype=torch.long)]
