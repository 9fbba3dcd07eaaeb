"""Networks in the denoiser's place: one interface, equal sizes, and the dual path against a reference by loops."""

from __future__ import annotations

import inspect
import math

import pytest
import torch

from engine.diffusion.guidance import guided_velocity
from engine.models import backbones as B
from engine.models import denoiser as D
from engine.models.codec import LATENTS
from engine.models.denoiser import Conditions, Denoiser, rotary_tables
from engine.models.dual_path import Attention, DualPath, joined, segments_of
from engine.models.dual_path_base import BackboneConfig, Slerp
from tests.denoisers import shaken

PROMPT = 5
BUDGET = 3_000_000


def some_conditions(batch: int, count: int, width: int, seed: int = 0) -> Conditions:
    g = torch.Generator().manual_seed(seed)
    shapes = [(count, LATENTS), (count, 1), (count, LATENTS), (count, 1), (count, 8, D.FRAME_FEATURES), (width,)]
    return Conditions(*(torch.randn(batch, *shape, generator=g) for shape in shapes))


def small(kind: str, **more):
    return B.config_of(kind, PROMPT, 32, **more)


@pytest.mark.parametrize("kind", B.KINDS)
def test_each_kind_has_the_denoiser_s_interface_at_any_length(kind):
    model = shaken(lambda: B.build(small(kind)))
    wanted = list(inspect.signature(Denoiser.forward).parameters)
    assert list(inspect.signature(type(model).forward).parameters)[: len(wanted)] == wanted
    for count in (1, 7, 16, 37):
        given = some_conditions(2, count, model.config.globals_width)
        z = torch.randn(2, count, LATENTS)
        out = model(z, torch.rand(2), torch.ones(2), given)
        assert out.shape == z.shape and bool(torch.isfinite(out).all())


@pytest.mark.parametrize("kind", B.KINDS)
def test_each_kind_hears_every_condition_time_and_guidance(kind):
    model = shaken(lambda: B.build(small(kind)))
    given, z = some_conditions(1, 20, model.config.globals_width), torch.randn(1, 20, LATENTS)
    time, scale = torch.full((1,), 0.4), torch.full((1,), 2.0)
    base = model(z, time, scale, given)
    for name in vars(given):
        moved = Conditions(**{**vars(given), name: getattr(given, name) + 1.0})
        assert (model(z, time, scale, moved) - base).abs().max() > 1e-4, name
    assert (model(z, time + 0.2, scale, given) - base).abs().max() > 1e-4
    assert (model(z, time, scale + 2.0, given) - base).abs().max() > 1e-4
    guided = guided_velocity(model, given, torch.full((1,), 3.0))(z, time)
    assert guided.shape == z.shape


@pytest.mark.parametrize("kind", B.KINDS)
def test_sizes_lie_within_a_twentieth_of_the_budget(kind):
    for slerp in (False, True):
        with torch.device("meta"):
            size = B.parameters(B.build(B.sized(kind, 118, BUDGET, slerp)))
        assert size == pytest.approx(BUDGET, rel=0.05)


@pytest.mark.parametrize("kind", B.KINDS)
def test_a_config_survives_json_and_a_student_starts_as_its_teacher(kind):
    teacher = shaken(lambda: B.build(small(kind)))
    assert B.from_facts(B.as_facts(teacher.config)) == teacher.config
    student = B.student_of(teacher, jumps=True)
    given, z = some_conditions(2, 12, teacher.config.globals_width), torch.randn(2, 12, LATENTS)
    told = z, torch.rand(2), torch.ones(2), given
    with torch.no_grad():
        torch.testing.assert_close(student(*told, torch.full((2,), 0.5)), teacher(*told))
    assert student.config.jumps and not teacher.config.jumps


def test_segments_overlap_by_half_and_join_again_to_what_they_were():
    x = torch.randn(2, 21, 3)
    cut = segments_of(x, 8)
    assert cut.shape == (2, 7, 8, 3)
    for s in range(7):
        for k in range(8):
            at = 4 * s + k - 4
            expected = x[:, at] if 0 <= at < 21 else torch.zeros(2, 3)
            assert torch.equal(cut[:, s, k], expected)
    torch.testing.assert_close(joined(cut, 21), x)


def by_loops_attention(attention, queries, memory):
    """Attention of one sequence, query by query and head by head."""
    width = queries.shape[1] // attention.heads
    tables = rotary_tables(max(len(queries), len(memory)), width, queries.device)

    def turned(vector, at):
        cos, sin = (table[at] for table in tables)
        first, second = vector[: width // 2], vector[width // 2 :]
        return torch.cat([first * cos - second * sin, first * sin + second * cos])

    key_value = attention.key_value.weight
    rows = []
    parts = [slice(h * width, (h + 1) * width) for h in range(attention.heads)]
    told = []
    for part in parts:
        keys = [turned(attention.k_norm(key_value[: len(queries[0])][part] @ m), j) for j, m in enumerate(memory)]
        told.append((keys, [key_value[len(queries[0]) :][part] @ m for m in memory]))
    for i, x in enumerate(queries):
        heads = []
        for part, (keys, values) in zip(parts, told, strict=True):
            query = turned(attention.q_norm(attention.query.weight[part] @ x), i)
            scores = torch.stack([query @ key for key in keys]) / math.sqrt(width)
            heads.append(sum(w * v for w, v in zip(scores.softmax(0), values, strict=True)))
        rows.append(attention.out.weight @ torch.cat(heads))
    return torch.stack(rows)


def by_loops(model: DualPath, each, overall, frames, semantic):
    """The body of a dual path for one clip, segment by segment and place by place."""
    size, count = model.shape.segment, len(each)
    half = size // 2
    starts = range(-half, count, half)
    memory = [overall, *(frames[at : at + half].sum(0) / half for at in range(0, count, half))]
    memory += [model.semantic_input.weight[token] for token in semantic]
    memory = torch.stack(memory)
    nothing = torch.zeros(model.config.width)
    cut = [[each[s + k] if 0 <= s + k < count else nothing for k in range(size)] for s in starts]
    for coarse, fine in zip(model.coarse, model.fine, strict=True):
        for k in range(size):
            x = torch.stack([segment[k] for segment in cut])
            normed = coarse.norms[0](x)
            x = x + by_loops_attention(coarse.itself, normed, normed)
            x = x + by_loops_attention(coarse.across, coarse.norms[1](x), memory)
            x = x + coarse.mix(coarse.norms[2](x))
            for s in range(len(cut)):
                cut[s][k] = x[s]
        scale, shift = fine.film(overall).chunk(2)
        for s, segment in enumerate(cut):
            x = torch.stack(segment)
            normed = fine.norms[0](x) * (1 + scale) + shift
            x = x + by_loops_attention(fine.itself, normed, normed)
            cut[s] = list(x + fine.mix(fine.norms[1](x)))
    rows = []
    for at in range(count):
        places = [segment[at - s] for s, segment in zip(starts, cut, strict=True) if 0 <= at - s < size]
        assert len(places) == 2
        rows.append(sum(places) / 2)
    return torch.stack(rows)


def test_the_dual_path_equals_a_reference_by_loops():
    config = BackboneConfig(prompt=PROMPT, width=16, layers=2, heads=2, slerp=True, segment=4, tokens=6)
    model = shaken(lambda: B.build(config), 3).double()
    given = some_conditions(2, 9, config.globals_width).map(lambda x: x.double())
    z, time = torch.randn(2, 9, LATENTS).double(), torch.tensor([0.3, 0.8]).double()
    semantic = torch.tensor([[1, 5, 0], [2, 2, 4]])
    told = z, time, torch.ones(2).double(), given
    model.slerp.forward = lambda t, f=model.slerp.forward: f(t).double()
    model.guidance_features = lambda g, f=model.guidance_features: f(g).double()
    with torch.no_grad():
        found = model(*told, semantic=semantic)
        each, overall, frames = model.told(*told, None)
        rows = [by_loops(model, each[i], overall[i], frames[i], semantic[i]) for i in range(2)]
        expected = model.output(model.norm(torch.stack(rows)))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        assert (model(*told) - found).abs().max() > 1e-3


def test_sequences_that_share_a_memory_ask_it_as_if_each_had_its_own():
    torch.manual_seed(0)
    attention, x, memory = Attention(24, 2), torch.randn(6, 5, 24), torch.randn(2, 7, 24)
    here, there = (rotary_tables(n, 12, x.device) for n in (5, 7))
    shared, own = (attention(x, m, here, there) for m in (memory, memory.repeat_interleave(3, 0)))
    torch.testing.assert_close(shared, own)


def test_slerp_walks_the_arc_between_two_learnt_vectors_at_an_even_pace():
    torch.manual_seed(0)
    code = Slerp(16)
    points = code(torch.linspace(0, 1, 11)) / 4.0
    torch.testing.assert_close(points.norm(dim=1), torch.ones(11))
    torch.testing.assert_close(points[0], torch.nn.functional.normalize(code.start, dim=0))
    torch.testing.assert_close(points[-1], torch.nn.functional.normalize(code.end, dim=0))
    between = (points[1:] * points[:-1]).sum(1)
    torch.testing.assert_close(between, between[:1].expand(10), rtol=0, atol=1e-5)
    points[5].sum().backward()
    assert code.start.grad is not None and bool(code.start.grad.abs().sum() > 0)
