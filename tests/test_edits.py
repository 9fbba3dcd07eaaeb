"""Edits by the real renderer over untrained networks: what stays stays to the bit, seams, grids, loops, refusals."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.control.refine import Refiner
from engine.controls import check
from engine.diffusion import restart
from engine.errors import BadRequest
from engine.models.load import load_networks
from engine.render.edits import WINDOW, pieces, window_around
from engine.render.generate import ModelRenderer
from engine.render.line import Line, holes_of
from engine.render.mend import Mend
from engine.types import Audio, BarAudio, CurvePoint, Request
from tests.rendering import RATE, described, follow, power_db, sound
from tests.tiny_bundle import Take, ask, make_bundle, play

BAR = 2 * RATE
SEAM = RATE // 50


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> ModelRenderer:
    bundle = make_bundle(tmp_path_factory.mktemp("edits") / "tiny")
    return ModelRenderer(bundle, load_networks(bundle))


@pytest.fixture(scope="module")
def source() -> Audio:
    """Six bars at 120."""
    return sound(6 * BAR)


def put_in(source: Audio, take: Take, start: int) -> Audio:
    """The source with the new bars in their place, as a client puts them there."""
    whole = source.copy()
    whole[start : start + len(take.audio)] = take.audio
    return whole


def test_a_fill_makes_its_bars_and_ends_in_what_comes_after(renderer: ModelRenderer, source: Audio) -> None:
    take = follow(renderer, source, edit="fill", at_bar=2, bars=2)
    assert len(take.audio) == 2 * BAR and len(take.lead_in) == SEAM
    held = source[2 * BAR : 4 * BAR]
    assert float(np.abs(take.audio - held).mean()) > 0.01
    last = np.abs(take.audio[-1] - held[-1]).max()
    assert last < 0.002, last
    assert np.abs(np.diff(put_in(source, take, 2 * BAR), axis=0)[4 * BAR - 40 : 4 * BAR + 40]).max() < 0.05


def test_what_lies_between_two_holes_keeps_its_very_samples(renderer: ModelRenderer, source: Audio) -> None:
    take = follow(renderer, source, edit="fill", at_bar=1, bars=4, keep=(1, 2))
    held = source[BAR : 5 * BAR]
    assert np.array_equal(take.audio[BAR : 3 * BAR - SEAM], held[BAR : 3 * BAR - SEAM])
    assert not np.array_equal(take.audio[3 * BAR - SEAM : 3 * BAR], held[3 * BAR - SEAM : 3 * BAR])
    for hole in (slice(0, BAR - SEAM), slice(3 * BAR, 4 * BAR - SEAM)):
        assert float(np.abs(take.audio[hole] - held[hole]).mean()) > 0.005


def test_a_fill_is_refined_where_it_is_new_and_nowhere_else(
    renderer: ModelRenderer, source: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Refiner.of
    monkeypatch.setattr(Refiner, "of", lambda *told: replace(usual(*told), rate=0.3, hold=0.0))
    curve = (CurvePoint(beat=0.0, db=-40.0), CurvePoint(beat=12.0, db=-40.0))
    asked = {"edit": "fill", "at_bar": 1, "bars": 3, "keep": (1,), "intensity": curve}
    plain, refined = (follow(renderer, source, **asked, **more) for more in ({}, {"refine": "3"}))
    assert any("Refined in 6 iterations" in line for line in refined.rendered.remarks), "three in each of two holes"
    held = slice(BAR, 2 * BAR - SEAM)
    assert np.array_equal(refined.audio[held], source[2 * BAR : 3 * BAR - SEAM])
    assert not np.array_equal(refined.audio, plain.audio)


def test_bars_at_the_front_are_refined(renderer: ModelRenderer, source: Audio) -> None:
    curve = (CurvePoint(beat=0.0, db=-40.0), CurvePoint(beat=4.0, db=-40.0))
    took = follow(renderer, source, edit="front", bars=1, intensity=curve, refine="1")
    assert len(took.audio) == BAR and any("Refined in" in line for line in took.rendered.remarks)
    nothing = follow(renderer, source, edit="front", bars=1, refine="1")
    assert any("nothing to refine towards" in line for line in nothing.rendered.remarks)


@pytest.mark.parametrize("edit", ["vary", "loop"])
def test_what_does_not_begin_from_noise_is_not_refined(edit: str) -> None:
    place = {"kind": "continue", "source": "a.wav", "at_bar": 0} if edit == "vary" else {"kind": "generate"}
    with pytest.raises(BadRequest, match="searches the noise that bars begin from"):
        check(Request(id="e", bars=1, tempo="120", edit=edit, refine="4", **place))  # type: ignore[arg-type]


def test_what_comes_after_shapes_a_fill(renderer: ModelRenderer, source: Audio) -> None:
    other = source.copy()
    other[4 * BAR :] = sound(2 * BAR, level=0.02)[:, ::-1]
    one, two = (follow(renderer, audio, edit="fill", at_bar=3, bars=1).audio for audio in (source, other))
    assert float(np.abs(one - two)[: BAR - SEAM].max()) > 1e-4
    plain = [follow(renderer, audio[: 3 * BAR], bars=1).audio for audio in (source, other)]
    assert np.array_equal(*plain)


@pytest.mark.parametrize("fields", [{"edit": "fill", "at_bar": 2}, {"edit": "vary", "at_bar": 2, "strength": 0.5}])
def test_edits_repeat_and_seeds_differ(renderer: ModelRenderer, source: Audio, fields: dict[str, object]) -> None:
    one, same, other = (follow(renderer, source[: 4 * BAR], seed=seed, **fields).audio for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_piecewise_fill_is_the_whole_one(renderer: ModelRenderer, source: Audio) -> None:
    whole = follow(renderer, source, edit="fill", at_bar=1, bars=3, keep=(1,)).audio
    heard: list[BarAudio] = []
    asked = ask(3, edit="fill", at_bar=1, keep=(1,), piece_ms=70, inline=described(source, RATE))
    renderer.render(asked, source, heard.append, lambda _: None, lambda: False)
    assert np.array_equal(np.concatenate([bar.audio for bar in heard if bar.first_frame >= 0]), whole)


def test_new_bars_at_the_front_end_on_the_first_frame(renderer: ModelRenderer, source: Audio) -> None:
    take = follow(renderer, source, edit="front", bars=2, tempo="121")
    assert len(take.audio) == round(2 * 4 * 60 / 121 * RATE)
    assert power_db(take.audio) > -50
    assert np.abs(take.audio[-1]).max() < 0.005, "it fades out before a source that begins at once"
    assert len(take.lead_in) == 0


def test_front_takes_its_tempo_from_the_source_alone(renderer: ModelRenderer, source: Audio) -> None:
    take = follow(renderer, source, edit="front", bars=1, source_bars=6)
    assert len(take.audio) == BAR


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_other_rates_keep_their_samples(renderer: ModelRenderer, rate: int) -> None:
    audio = sound(8 * rate, channels=1, rate=rate)
    take = follow(renderer, audio, rate, edit="fill", at_bar=1, bars=3, keep=(1,))
    held = audio[2 * rate : 8 * rate]
    seam = round(0.02 * rate)
    assert np.array_equal(take.audio[2 * rate : 4 * rate - seam], held[2 * rate : 4 * rate - seam])


def test_a_slight_variation_stays_nearer_than_a_new_take(renderer: ModelRenderer, source: Audio) -> None:
    held = source[2 * BAR : 4 * BAR]

    def distance(**fields: object) -> float:
        audio = follow(renderer, source, at_bar=2, bars=2, steps=4, **fields).audio
        made, was = (np.abs(np.fft.rfft(x[: BAR + BAR // 2].reshape(-1, 960, 2), axis=1)) for x in (audio, held))
        return float(np.abs(made - was).mean())

    assert distance(edit="vary", strength=0.125) < distance(edit="fill")


def test_a_curve_reaches_a_fill(renderer: ModelRenderer, source: Audio) -> None:
    loud, quiet = (
        follow(renderer, source, edit="fill", at_bar=2, bars=2, intensity=(CurvePoint(beat=0.0, db=db),)).audio
        for db in (-15.0, -35.0)
    )
    assert power_db(loud[:BAR]) > power_db(quiet[:BAR]) + 6


@pytest.mark.parametrize("bars", [1, 2, 4])
def test_a_loop_ends_where_it_begins(renderer: ModelRenderer, bars: int) -> None:
    plain = play(renderer, ask(bars, tempo="122"))
    take = play(renderer, ask(bars, tempo="122", edit="loop"))
    assert len(take.audio) == len(plain.audio) and len(take.lead_in) == 0
    steps = np.abs(np.diff(np.concatenate([take.audio, take.audio[:1]]), axis=0)).max(axis=1)
    assert steps[-1] <= np.quantile(steps, 0.999), "the step over the loop point is as any other"
    half = len(plain.audio) // 4
    assert np.array_equal(take.audio[:half], plain.audio[:half]), "its beginning is as it was"
    assert not np.array_equal(take.audio[-half // 2 :], plain.audio[-half // 2 :])


def test_a_loop_may_follow_a_source(renderer: ModelRenderer, source: Audio) -> None:
    take = follow(renderer, source, bars=2, edit="loop")
    assert len(take.audio) == 2 * BAR and len(take.lead_in) == SEAM


def test_edits_are_cancelled(renderer: ModelRenderer, source: Audio) -> None:
    from engine.errors import Cancelled

    for fields in ({"edit": "fill", "at_bar": 2}, {"edit": "loop"}, {"edit": "front"}):
        calls = iter(range(10_000))
        asked = ask(2, inline=described(source, RATE), **fields)
        with pytest.raises(Cancelled):
            renderer.render(asked, source, lambda _: None, lambda _: None, lambda calls=calls: next(calls) > 4)


REFUSED = (
    ({"edit": "fill"}, "needs at_bar"),
    ({"edit": "fill", "at_bar": 5, "bars": 2}, "not all in the input, which has 6 whole bars"),
    ({"edit": "vary", "at_bar": 9}, "not all in the input"),
    ({"edit": "front", "at_bar": 1}, "leave at_bar"),
    ({"edit": "fill", "at_bar": 0, "bars": 3, "keep": (0,)}, "between the first and the last"),
    ({"edit": "loop", "keep": (1,), "bars": 3}, "not with 'loop'"),
    ({"edit": "fill", "at_bar": 1, "under": True}, "ask for one of them"),
    ({"edit": "fill", "at_bar": 1, "strength": 0.5}, "vary alone"),
    ({"strength": 0.5}, "vary alone"),
    ({"keep": (1,), "bars": 3}, "give edit fill or vary"),
    ({"edit": "fill", "at_bar": 1, "rate": 44_100}, "leave rate and channels"),
    ({"edit": "fill", "at_bar": 1, "at_beat": 1.0}, "whole bars"),
)


@pytest.mark.parametrize(("fields", "sentence"), REFUSED, ids=[text for _, text in REFUSED])
def test_what_makes_no_sense_is_refused_in_one_sentence(
    renderer: ModelRenderer, source: Audio, fields: dict[str, object], sentence: str
) -> None:
    heard: list[BarAudio] = []
    asked = ask(inline=described(source, RATE), **fields)  # type: ignore[arg-type]

    def submitted() -> None:
        check(asked)
        renderer.render(asked, source, heard.append, lambda _: None, lambda: False)

    with pytest.raises(BadRequest, match=sentence) as error:
        submitted()
    assert heard == [] and "\n" not in str(error.value)


def test_an_edit_of_nothing_is_refused() -> None:
    with pytest.raises(BadRequest, match="needs a source"):
        check(Request(id="t", kind="generate", bars=2, tempo="120", edit="fill"))


def test_runs_of_bars_become_holes() -> None:
    lines = [0, 10, 21, 31, 42, 52]
    assert holes_of(lines, ()) == [(0, 52)]
    assert holes_of(lines, (2,)) == [(0, 21), (31, 52)]
    assert holes_of(lines, (1, 3)) == [(0, 10), (21, 31), (42, 52)]


@pytest.mark.parametrize("size", [1, 30, 104, 105, 200, 1000])
def test_holes_are_cut_into_windows(size: int) -> None:
    spans = pieces((-2, size - 2))
    assert spans[0][0] == -2 and spans[-1][1] == size - 2
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    known = torch.ones(48 + size + 60, dtype=torch.bool)
    known[46 : 46 + size] = False
    line = Line(48, torch.zeros(len(known), 64), known, torch.zeros(0, 1))
    for first, last in spans:
        low, high = window_around(line, (first, last))
        assert low <= first and last <= high and high - low <= WINDOW
        assert low < first, "something known lies before"
        line.known[first + 48 : last + 48] = True
    assert high > last, "the last one sees what comes after"


def test_gains_of_a_seam_have_equal_power_and_end_exactly() -> None:
    mend = Mend([(0, 100), (300, 500)], np.zeros((500, 1), np.float32), 20, 20)
    made, kept = mend.weights(0, 500)
    assert np.allclose(made**2 + kept**2, 1, atol=1e-6)
    assert made[0] == made[79] == 1 and made[280] < 0.1 and kept[100] == kept[279] == 1 and made[300] == made[479] == 1


def test_jumps_from_each_place_fall_on_the_grid() -> None:
    for place in range(1, 9):
        for steps in range(1, 9):
            lengths = restart.lengths_from(place, steps)
            assert sum(lengths) == place / 8
            at = place / 8
            for length in lengths:
                assert (at / length) % 1 == 0, (place, steps, lengths)
                at -= length
            assert len(lengths) >= min(steps, place)
    from engine.diffusion.jumps import jump_lengths

    for steps in range(1, 9):
        assert restart.lengths_from(8, steps) == jump_lengths(steps)
    assert [restart.nearest_place(s) for s in (0.01, 0.3, 0.5, 1.0)] == [1, 2, 4, 8]
