"""The planner: a small causal LLaMA over bar-level tokens (MeLoDy: a language model plans, diffusion renders).

RMSNorm, rotary positions, SwiGLU, queries and keys normalised (AudioLCM, section 3.2). One position is one *event* of
`engine.planning.tokens`; its slots are read from the position's state one after the other, each told those before it,
so that a bar costs the trunk about four steps. Prompt and global facts are the first position, and added to all others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.errors import BadBundle
from engine.models.attention import attention
from engine.models.denoiser import Norm, rotary_tables, rotate
from engine.planning import chords as C
from engine.planning import tokens as T
from engine.timing import Meter

KINDS = 3
SLOT_SIZES = (KINDS, *(size for sizes in T.SLOTS for size in sizes))
FIRST_SLOT = (1, 1 + len(T.SLOTS[0]), 1 + len(T.SLOTS[0]) + len(T.SLOTS[1]))
"""The slots of all kinds in one row, the kind itself before them."""
OFFSETS = tuple(int(n) for n in np.cumsum([0, *SLOT_SIZES[:-1]]))
VOCABULARY = sum(SLOT_SIZES)
METERS = ("4/4", "3/4", "6/8", "7/8", "5/4", "9/8", "12/8", "2/4", "5/8", "2/2")
TEMPO_BINS, SLOWEST_BPM, BINS_AN_OCTAVE = 28, 30.0, 7
COUNTED_BARS = 16


@dataclass(frozen=True)
class PlannerConfig:
    """Shape of the network. styles and tags: what the entries of its prompt vectors mean.

    modes: how often each mode is each style's, [styles][modes of `C.MODE_NAMES`].
    """

    styles: tuple[str, ...]
    tags: tuple[str, ...]
    modes: tuple[tuple[float, ...], ...] = ()
    width: int = 224
    layers: int = 4
    heads: int = 4

    @property
    def prompt(self) -> int:
        return len(self.styles) + len(self.tags)

    @property
    def facts(self) -> int:
        """Width of `facts_vector`."""
        return 1 + self.prompt + TEMPO_BINS + len(METERS) + 1 + len(C.MODE_NAMES)


def facts_vector(
    config: PlannerConfig, prompt: NDArray[np.float32] | None, tempo: float, meter: Meter, mode: str
) -> NDArray[np.float32]:
    """What is known of a whole plan [config.facts]: prompt (or None) with its flag, tempo, meter, mode as one-hots."""
    out = np.zeros(config.facts, np.float32)
    if prompt is not None:
        out[0], out[1 : 1 + config.prompt] = 1.0, prompt
    at = 1 + config.prompt
    out[at + int(np.clip(math.log2(tempo / SLOWEST_BPM) * BINS_AN_OCTAVE, 0, TEMPO_BINS - 1))] = 1.0
    at += TEMPO_BINS
    out[at + (METERS.index(str(meter)) if str(meter) in METERS else len(METERS))] = 1.0
    out[at + len(METERS) + 1 + C.MODE_NAMES.index(mode)] = 1.0
    return out


def translated(vector: NDArray[np.float32], names: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float32]:
    """A prompt vector whose entries mean `names`, in the order of `wanted`; 0 where there is none of that name."""
    at: Mapping[str, int] = {name: i for i, name in reversed(list(enumerate(names)))}
    return np.array([vector[at[name]] if name in at else 0.0 for name in wanted], np.float32)


class Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = (width * 8 // 3 + 31) // 32 * 32
        self.norm1, self.norm2 = Norm(width), Norm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm, self.k_norm = Norm(width // heads), Norm(width // heads)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor], held: Tensor | None = None, at: int = 0) -> Tensor:
        """x [B, N, width]. held [2, B, heads, room, head width]: keys and values of the `at` positions before x, and
        room for those of x, which are put there.
        """
        parts = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = rotate(self.q_norm(parts[0]), tables), rotate(self.k_norm(parts[1]), tables), parts[2]
        count = x.shape[1]
        if held is not None:
            held[0][:, :, at : at + count], held[1][:, :, at : at + count] = key, value
            key, value = held[0][:, :, : at + count], held[1][:, :, : at + count]
        if at and count > 1:
            mask = torch.ones(count, at + count, dtype=torch.bool).tril(at)
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            mixed = attention(query, key, value, causal=count > 1)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, dim=-1)
        result: Tensor = x + self.down(nn.functional.silu(gate) * up)
        return result


class Planner(nn.Module):
    """Events and facts to the logits of the next event's slots; about 2.7 M parameters."""

    def __init__(self, config: PlannerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.facts = nn.Sequential(nn.Linear(config.facts, width), nn.SiLU(), nn.Linear(width, width))
        self.start = nn.Parameter(torch.zeros(width))
        self.tokens = nn.Embedding(VOCABULARY + 1, width, padding_idx=VOCABULARY)
        self.counted = nn.Embedding(COUNTED_BARS, width)
        self.layers = nn.ModuleList([Layer(width, config.heads) for _ in range(config.layers)])
        self.norm = Norm(width)
        self.slots = nn.Embedding(len(SLOT_SIZES), width)
        self.told = nn.Embedding(VOCABULARY, width)
        self.slot_norm, self.last_norm = Norm(width), Norm(width)
        self.slot_up, self.slot_down = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, VOCABULARY)
        for table in (self.tokens, self.counted, self.slots, self.told):
            nn.init.normal_(table.weight, std=2.0 / math.sqrt(width))
        nn.init.zeros_(self.tokens.weight[VOCABULARY])
        for layer in self.layers:
            assert isinstance(layer, Layer)
            nn.init.normal_(layer.out.weight, std=0.02 / math.sqrt(2 * config.layers))
            nn.init.normal_(layer.down.weight, std=0.02 / math.sqrt(2 * config.layers))

    def embed(self, events: Tensor, counts: Tensor) -> Tensor:
        """Events [B, N, WIDTH] (-1 where there is no slot), bars counted so far [B, N] to [B, N, width]."""
        kind = events[..., :1].clamp_min(0).long()
        slots = torch.tensor(FIRST_SLOT, device=events.device)[kind] + torch.arange(T.WIDTH - 1, device=events.device)
        offsets = torch.tensor(OFFSETS, device=events.device)[slots.clamp_max(len(OFFSETS) - 1)]
        index = torch.cat([events[..., :1], events[..., 1:] + offsets], dim=-1).masked_fill(events < 0, VOCABULARY)
        summed: Tensor = self.tokens(index).sum(-2)
        result: Tensor = summed + self.counted(counts % COUNTED_BARS)
        return result

    def trunk(self, x: Tensor, held: Tensor | None = None, at: int = 0) -> Tensor:
        """Inputs [B, N, width] to states of which the next events are read [B, N, width]."""
        tables = rotary_tables(at + x.shape[1], self.config.width // self.config.heads, x.device)
        tables = (tables[0][at:], tables[1][at:])
        for number, layer in enumerate(self.layers):
            x = layer(x, tables, None if held is None else held[number], at)
        result: Tensor = self.norm(x)
        return result

    def states(self, events: Tensor, counts: Tensor, facts: Tensor) -> Tensor:
        """[B, N, width]: the state from which each of the events [B, N, WIDTH] is to be read; facts [B, facts]."""
        told = self.facts(facts)[:, None]
        first = (self.start + told).expand(-1, 1, -1)
        return self.trunk(torch.cat([first, self.embed(events[:, :-1], counts[:, :-1]) + told], dim=1))

    def logits(self, states: Tensor, slot: int) -> Tensor:
        """Logits [..., size of the slot] from states to which the slots before it have been told."""
        x = self.slot_norm(states + self.slots.weight[slot])
        x = self.last_norm(x + self.slot_down(nn.functional.silu(self.slot_up(x))))
        first, size = OFFSETS[slot], SLOT_SIZES[slot]
        weight, bias = self.output.weight[first : first + size], self.output.bias[first : first + size]
        result: Tensor = nn.functional.linear(x, weight, bias)
        return result

    def tell(self, states: Tensor, slot: int, values: Tensor) -> Tensor:
        """The states told what the slot holds, values [...]."""
        result: Tensor = states + self.told.weight[values + OFFSETS[slot]]
        return result


def slot_losses(model: Planner, events: Tensor, counts: Tensor, facts: Tensor, counted: Tensor) -> list[Tensor]:
    """Negative log likelihoods in nats of each slot of the events [B, N, WIDTH] where `counted` [B, N] is true."""
    states = model.states(events, counts, facts)
    found: list[Tensor] = []
    states, rows = states[counted], events[counted]
    found.append(nn.functional.cross_entropy(model.logits(states, 0).float(), rows[:, 0], reduction="none"))
    for kind, sizes in enumerate(T.SLOTS):
        chosen = rows[:, 0] == kind
        own, values = states[chosen], rows[chosen]
        own = model.tell(own, 0, values[:, 0])
        for place in range(len(sizes)):
            slot = FIRST_SLOT[kind] + place
            told = values[:, 1 + place]
            found.append(nn.functional.cross_entropy(model.logits(own, slot).float(), told, reduction="none"))
            own = model.tell(own, slot, told)
    return found


FILE = "planner.safetensors"


def save_planner(model: Planner, path: Path) -> None:
    """One file of fp16 safetensors that says itself what it is."""
    about = {"config": asdict(model.config), "tokens": T.describe()}
    state = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    save_file(state, str(path), {"planner": json.dumps(about)})


def load_planner(path: Path) -> Planner:
    """The planner of a file; BadBundle where it is none, or one of another vocabulary."""
    try:
        with safe_open(str(path), "pt") as file:
            about = json.loads((file.metadata() or {}).get("planner", "null"))
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if about is None or about["tokens"] != T.describe():
            raise BadBundle(f"{path} is no planner of this version; train one anew")
        model = Planner(config_from(about["config"]))
        model.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as broken:
        raise BadBundle(f"{path} is no planner: {' '.join(str(broken).split())[:200]}") from broken
    return model.eval().requires_grad_(False)


def config_from(fields: Mapping[str, Any]) -> PlannerConfig:
    """A config from what JSON made of its fields."""
    return PlannerConfig(**{name: _tuples(value) for name, value in fields.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
