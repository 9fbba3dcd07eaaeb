"""The planner: its writer is the network, what it writes is legal, what is settled stays; and how it is trained."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from engine import bundle as bundles
from engine.errors import BadBundle
from engine.models import planner as P
from engine.models.planwriter import Weights, Writer
from engine.planning import sampling
from engine.planning import tokens as T
from engine.planning.bars import OPEN, check_plan, has_open, meter_text
from engine.planning.midi import to_midi
from engine.planning.midiread import from_midi
from engine.planning.sampling import Draw, Rules
from engine.timing import Meter
from engine.training import planner as training
from engine.training import planner_measure as measured
from engine.training.corpus.compose import compose
from engine.training.planner_bundle import add_to_bundle
from engine.training.planner_scores import HELD_OUT_SEED, fit_level, level_features, score_of
from engine.types import PART_NAMES, Note, Plan, PlanBar, PlanChord
from tests.plan_values import song
from tests.tiny_bundle import STYLES, TAGS, make_bundle

FOUR = Meter(4, 4)
CONFIG = P.PlannerConfig(STYLES, TAGS, width=32, layers=2, heads=2)
FACTS = P.facts_vector(CONFIG, None, 120.0, FOUR, "minor")


def untrained(seed: int = 0) -> P.Planner:
    """A planner whose every token is likely."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return P.Planner(CONFIG).eval().requires_grad_(False)


MODEL = untrained()
WEIGHTS = Weights(MODEL)


def begin() -> Writer:
    return Writer(WEIGHTS, FACTS, sampling.ROOM)


def written(
    wishes: Sequence[PlanBar],
    meters: Sequence[Meter] | None = None,
    *,
    known: Sequence[PlanBar] = (),
    seed: int = 0,
    rules: Rules | None = None,
    temperature: float = 1.0,
    repeats: dict[int, int] | None = None,
) -> tuple[PlanBar, ...]:
    meters = meters or (FOUR,) * len(wishes)
    told = [(bar, FOUR) for bar in known]
    draw = Draw(temperature, 0.95, seed)
    return sampling.write(
        begin, told, list(zip(wishes, meters, strict=True)), T.Key(9, "minor"), draw, rules or Rules(), repeats
    )


# ---- the network -----------------------------------------------------------------------------


def test_the_writer_is_the_network_event_by_event() -> None:
    events = T.encode(song().bars, (FOUR,) * 4, T.Key(9, "minor"))
    counts = np.cumsum(events[:, 0] == T.BAR) - 1
    batch = torch.from_numpy(events.astype(np.int64))[None], torch.from_numpy(counts)[None]
    states = MODEL.states(*batch, torch.from_numpy(FACTS)[None])[0]
    writer = begin()
    for row, bar, state in zip(events.tolist(), counts.tolist(), states, strict=True):
        np.testing.assert_allclose(writer.state, state, atol=2e-5)
        kind, first = row[0], P.FIRST_SLOT[row[0]]
        np.testing.assert_allclose(writer.logits(0), MODEL.logits(state, 0), atol=2e-5)
        state = MODEL.tell(state, 0, torch.tensor(kind))
        writer.tell(0, kind)
        for place in range(len(T.SLOTS[kind])):
            np.testing.assert_allclose(writer.logits(first + place), MODEL.logits(state, first + place), atol=2e-5)
            state = MODEL.tell(state, first + place, torch.tensor(row[1 + place]))
            writer.tell(first + place, row[1 + place])
        writer.feed([row], [bar])


def test_nothing_is_read_from_the_future() -> None:
    events = torch.from_numpy(T.encode(song().bars, (FOUR,) * 4, T.Key(9, "minor")).astype(np.int64))[None]
    counts, facts = torch.zeros(events.shape[:2], dtype=torch.int64), torch.from_numpy(FACTS)[None]
    whole = MODEL.states(events, counts, facts)
    changed = events.clone()
    changed[:, 10:] = torch.tensor([T.NOTE, 3, 3, 3, -1, -1, -1])
    torch.testing.assert_close(MODEL.states(changed, counts, facts)[:, :11], whole[:, :11])
    assert not torch.allclose(MODEL.states(changed, counts, facts)[:, 11:], whole[:, 11:])


def test_a_planner_of_the_full_size_fits_its_file(tmp_path: Path) -> None:
    names = tuple(f"tag {k}" for k in range(118))
    model = P.Planner(P.PlannerConfig(names[:22], names[22:]))
    assert 2e6 < sum(parameter.numel() for parameter in model.parameters()) < 3e6
    P.save_planner(model, tmp_path / P.FILE)
    assert (tmp_path / P.FILE).stat().st_size < 6_000_000


def test_a_planner_comes_back_from_its_file_and_strangers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / P.FILE
    P.save_planner(MODEL, path)
    back = P.load_planner(path)
    assert back.config == CONFIG
    for name, value in MODEL.state_dict().items():
        assert torch.equal(back.state_dict()[name], value.half().float())
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(BadBundle, match="is no planner"):
        P.load_planner(path)
    bundle = make_bundle(tmp_path / "b")
    with pytest.raises(BadBundle, match="is no planner"):
        P.load_planner(bundle.weights("codec"))


def test_prompts_are_told_by_name() -> None:
    vector = np.array([0.7, 0.3, 0.1], np.float32)
    assert P.translated(vector, ["jazz", "house", "fast"], ["house", "polka", "jazz"]).tolist() == [
        pytest.approx(0.3), 0.0, pytest.approx(0.7)
    ]  # fmt: skip


# ---- writing ---------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 999), st.lists(st.sampled_from(["4/4", "3/4", "7/8", "12/8", "1/4", "8/4"]), min_size=1, max_size=4)
)
def test_whatever_is_written_is_a_whole_plan_on_the_grid(seed: int, names: list[str]) -> None:
    meters = tuple(map(Meter.parse, names))
    bars = written((OPEN,) * len(meters), meters, seed=seed)
    plan = Plan(bars=bars, meter=meter_text(meters))
    assert check_plan(plan) == meters
    assert not has_open(bars)
    for bar, meter in zip(bars, meters, strict=True):
        assert bar.parts
        assert bar.chords is not None and bar.chords[0].beat == 0
        assert ("drums" in bar.parts) == (bar.drums != "none")
        assert "lead" in bar.parts or bar.melody == ()
        for things in (bar.chords, bar.melody or ()):
            places = [thing.beat for thing in things]
            assert all(a < b for a, b in pairwise(places)) and all(p * 4 == int(p * 4) for p in places)
            assert all(p < meter.bar_quarters for p in places)


def test_a_seed_writes_the_same_bars_and_another_one_others() -> None:
    first, again, other = (written((OPEN,) * 4, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert written((OPEN,) * 4, seed=1, temperature=0.0) == written((OPEN,) * 4, seed=2, temperature=0.0)


def test_what_is_settled_stays_to_the_last_digit() -> None:
    odd = PlanBar(
        melody=(Note(pitch=71, beat=1 / 3, length=0.7, velocity=33),), chords=(PlanChord(beat=0.0, name="C6/9/E"),),
        intensity_db=-17.3, section="drop 2",
    )  # fmt: skip
    bars = written((OPEN, song().bars[1], odd, OPEN))
    assert bars[1] == song().bars[1]
    assert (bars[2].melody, bars[2].chords, bars[2].intensity_db, bars[2].section) == (
        odd.melody, odd.chords, -17.3, "drop 2"
    )  # fmt: skip
    assert not has_open(bars)


def test_settled_bars_change_what_follows_and_nothing_before() -> None:
    free = written((OPEN,) * 6, seed=3)
    tied = written((OPEN, OPEN, song().bars[0], OPEN, OPEN, OPEN), seed=3)
    assert tied[:2] == free[:2]
    assert tied[3:] != free[3:]


def test_bars_so_far_change_what_is_written() -> None:
    quiet, loud = ([PlanBar(intensity_db=db)] * 4 for db in (-40.0, -6.0))
    assert written((OPEN,) * 2, known=quiet, seed=1) != written((OPEN,) * 2, known=loud, seed=1)


@pytest.mark.parametrize("parts", [("bass",), ("drums", "chords"), ("chords", "lead")])
def test_only_the_allowed_parts_play(parts: tuple[str, ...]) -> None:
    rules = Rules(sum(1 << PART_NAMES.index(part) for part in parts))  # type: ignore[arg-type]
    for bar in written((OPEN,) * 8, rules=rules):
        assert set(bar.parts or ()) <= set(parts)
        assert "drums" in parts or bar.drums == "none"
        assert "lead" in parts or bar.melody == ()


def test_a_key_that_is_asked_for_holds() -> None:
    assert {bar.key for bar in written((OPEN,) * 12, rules=Rules(None, False))} == {"A minor"}
    moved = written((OPEN, PlanBar(key="C minor"), OPEN), rules=Rules(None, False))
    assert [bar.key for bar in moved] == ["A minor", "C minor", "C minor"]


def test_a_form_brings_its_letters_back() -> None:
    bars = written((PlanBar(section="A"), PlanBar(section="B"), PlanBar(section="A")), repeats={2: 0})
    assert (bars[2].chords, bars[2].melody, bars[2].drums) == (bars[0].chords, bars[0].melody, bars[0].drums)
    assert [bar.section for bar in bars] == ["A", "B", "A"]


def test_what_is_written_is_one_voice_and_comes_back_from_midi() -> None:
    sung = PlanBar(melody=(Note(pitch=60, beat=0.0, length=9.0), Note(pitch=64, beat=1.0, length=1.0)))
    for seed in range(6):
        bars = written((OPEN, OPEN, OPEN), seed=seed)
        lines = (0.0, 4.0, 8.0)
        notes = [(line + n.beat, n.length) for line, bar in zip(lines, bars, strict=True) for n in bar.melody or ()]
        later = [(12.0, 0.0), *reversed(notes)]
        assert all(beat + length <= end for (beat, length), (end, _) in zip(reversed(notes), later, strict=False))
        plan = Plan(bars=bars)
        assert from_midi(to_midi(plan)) == plan
    assert written((sung, OPEN))[0].melody == sung.melody


def test_long_plans_forget_what_is_far_and_stay_within_their_room() -> None:
    made: list[Writer] = []

    def counted() -> Writer:
        made.append(begin())
        return made[-1]

    full = PlanBar(
        chords=tuple(PlanChord(beat=k / 4, name="Am") for k in range(32)),
        melody=tuple(Note(pitch=69, beat=k / 4, length=0.25) for k in range(32)),
    )
    wishes = [(full, Meter(8, 4)) for _ in range(12)]
    bars = sampling.write(counted, (), wishes, T.Key(9, "minor"), Draw(), Rules())
    assert len(bars) == 12 and len(made) > 1
    assert max(writer.count for writer in made) <= sampling.ROOM


def test_writing_stops_between_bars_when_it_is_cancelled() -> None:
    asked = iter([None, None, KeyError])

    def check() -> None:
        if (error := next(asked)) is not None:
            raise error

    with pytest.raises(KeyError):
        sampling.write(begin, (), [(OPEN, FOUR)] * 4, T.Key(0, "major"), Draw(), Rules(), check=check)


def test_only_the_likeliest_tokens_are_drawn() -> None:
    logits, rng = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32)), np.random.default_rng(0)
    drawn = [sampling.picked(logits, None, Draw(1.0, 0.75), rng) for _ in range(2000)]
    assert set(drawn) == {0, 1}
    assert np.mean(drawn) == pytest.approx(0.375, abs=0.05)
    barred = np.array([False, True, True, True])
    assert {sampling.picked(logits, barred, Draw(0.0), rng)} == {1}


# ---- scores and training ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def pieces() -> list[training.Piece]:
    styles = np.eye(len(STYLES) + len(TAGS), dtype=np.float32)
    scores = [score_of(compose(HELD_OUT_SEED + 5000 + k, style)) for k, style in enumerate(("rock", "funk", "balkan"))]
    return [training.Piece.of(score, styles[:1]) for score in scores]


def test_a_composed_song_is_a_plan(pieces: list[training.Piece]) -> None:
    whole = compose(HELD_OUT_SEED + 5000, "rock")
    score = pieces[0].score
    plan = Plan(bars=score.bars, meter=str(score.meter))
    check_plan(plan)
    assert len(score.bars) == whole.bars and not has_open(score.bars)
    notes = [(k * float(whole.bar_beats) + n.beat, n.pitch) for k, b in enumerate(score.bars) for n in b.melody or ()]
    assert notes == [(round(4 * n.beat) / 4, n.pitch) for n in sorted(whole.melody, key=lambda n: n.beat)]
    chords = [(k * float(whole.bar_beats) + c.beat) for k, b in enumerate(score.bars) for c in b.chords or ()]
    assert {span.beat for span in whole.chords} <= set(chords)
    assert T.decode(score.events(), score.key)[0].chords == score.bars[0].chords


def test_levels_are_fitted() -> None:
    whole = compose(HELD_OUT_SEED + 5000, "rock")
    wanted = level_features(whole) @ np.array([-20.0, 0.5, 0.0, 2.0])
    found, error = fit_level([(whole, list(wanted))])
    assert error < 1e-6
    np.testing.assert_allclose(level_features(whole) @ found, wanted, atol=1e-6)


def test_windows_count_what_is_told_alone(pieces: list[training.Piece]) -> None:
    given = training.batch(pieces, CONFIG, 64, np.random.default_rng(0), training.weights_of(pieces))
    assert given.events.shape[1] <= training.MOST_EVENTS
    heads = given.events[..., 0] == T.BAR
    overheard = heads & (given.events[..., 1] == 0)
    assert overheard.any() and not (overheard & given.counted).any()
    assert not (given.counted & (given.events[..., 0] < 0)).any()
    assert (given.events[:, 0, 2] == 0).all()


def test_the_stage_learns_and_is_measured(
    pieces: list[training.Piece], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "BATCH", 4)
    monkeypatch.setattr(training, "MEASURED_WINDOWS", 8)
    ticks = itertools.count()  # each step a second, however busy the machine is
    clock = partial(next, ticks)
    model = training.train(pieces, pieces[:1], CONFIG, 25.0, tmp_path, 1, Console(quiet=True), clock=clock)
    facts = measured.measure(model, pieces, pieces[:2])
    found = facts["perplexity a token, held out"]
    start = measured.perplexities(untrained(), pieces, pieces[:2])["planner"]
    assert found["planner"] < 0.8 * start
    assert found["bigram"] < found["unigram"]
    assert facts["music"]["melody in scale"]["composed"] > 0.8
    json.dumps(facts)


def test_a_bundle_takes_a_planner_up(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    P.save_planner(MODEL, tmp_path / "p.safetensors")
    sealed = add_to_bundle(bundle.folder, tmp_path / "p.safetensors")
    assert P.FILE in sealed.manifest["files"] and sealed.name == bundle.name
    (bundle.folder / P.FILE).write_bytes(b"other")
    with pytest.raises(BadBundle, match="damaged"):
        bundles.load(bundle.folder)


def test_facts_place_what_they_are_told() -> None:
    vectors = [
        P.facts_vector(CONFIG, None, tempo, meter, mode)
        for tempo, meter, mode in ((60.0, FOUR, "minor"), (180.0, FOUR, "minor"), (60.0, Meter(7, 16), "major"))
    ]
    assert all(vector.sum() == 3 for vector in vectors)
    assert len({vector.tobytes() for vector in vectors}) == 3
    prompt = np.full(CONFIG.prompt, 0.5, np.float32)
    assert (
        P.facts_vector(CONFIG, prompt, 60.0, FOUR, "minor")[: 1 + CONFIG.prompt].tolist()
        == [1.0] + [0.5] * CONFIG.prompt
    )
