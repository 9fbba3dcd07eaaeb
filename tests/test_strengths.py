"""How a request's guidance and strengths reach the denoiser."""

from __future__ import annotations

import msgspec
import pytest

from engine.models.denoiser import GROUPS, DenoiserConfig
from engine.render.strengths import strengths_of
from engine.types import Request, Strengths

KNOWS = DenoiserConfig(prompt=5, jumps=True, strengths=True)
PLAIN = Request(id="s", kind="generate", bars=2, tempo="120")


def told(request: Request, config: DenoiserConfig = KNOWS, continuing: bool = False) -> dict[str, float]:
    vector, _ = strengths_of(request, config, continuing)
    assert vector.shape == (1, len(GROUPS))
    return dict(zip(GROUPS, vector[0].tolist(), strict=True))


def test_the_groups_are_the_fields_of_a_requests_strengths():
    assert Strengths.__struct_fields__ == GROUPS


def test_overall_guidance_moves_what_is_usually_guided():
    found = told(msgspec.structs.replace(PLAIN, guidance=2.5))
    assert found == {"prompt": 2.5, "melody": 2.5, "intensity": 1, "context": 2.5, "chords": 2.5, "beat": 1}
    assert told(PLAIN)["context"] == 1.5
    assert told(PLAIN, continuing=True)["context"] == 2.0


@pytest.mark.parametrize("name", GROUPS)
def test_a_strength_stands_above_the_overall_guidance(name):
    asked = msgspec.structs.replace(PLAIN, guidance=2.0, strengths=Strengths(**{name: 3.5}))
    assert told(asked)[name] == 3.5
    others = {group: value for group, value in told(asked).items() if group != name}
    without = told(msgspec.structs.replace(PLAIN, guidance=2.0))
    assert others == {group: without[group] for group in others}


def test_a_bundle_has_a_scale_of_its_own_for_what_follows_nothing():
    config = DenoiserConfig(prompt=5, jumps=True, strengths=True, guidance=2.5)
    assert told(PLAIN, config)["prompt"] == 2.5 and told(PLAIN, config)["beat"] == 1
    assert told(PLAIN, config, continuing=True)["prompt"] == 2.0
    assert told(msgspec.structs.replace(PLAIN, guidance=1.0), config)["prompt"] == 1.0


def test_what_a_bundle_cannot_follow_is_said():
    asked = msgspec.structs.replace(PLAIN, guidance=5.0, strengths=Strengths(melody=0.5, beat=0.0))
    _, remarks = strengths_of(asked, KNOWS, False)
    assert remarks == ["Guidance acts up to 3 with this bundle; 5 counts as that."]
    _, remarks = strengths_of(asked, DenoiserConfig(prompt=5, jumps=True), False)
    assert len(remarks) == 2 and "Strengths act as 0" in remarks[1]
    off = msgspec.structs.replace(PLAIN, strengths=Strengths(melody=0.0))
    assert told(off)["melody"] == 1.5, "withheld before it gets here"
    assert strengths_of(off, DenoiserConfig(prompt=5), False)[1] == []
