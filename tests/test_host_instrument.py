"""A plan's notes on the user's own VST3 instrument, and a VST3 effect with its state: real plugins, built here."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from bridge.commands.host import plan_events
from bridge.timeline.cache import EngineSide, Segment
from engine.errors import BadRequest
from engine.planning.files import write_plan
from engine.timing import Meter, TempoMap
from engine.types import Note, Plan, PlanBar
from plugin_host import stage
from plugin_host.chain import ChainSpec, Effect, Instrument, load_chain
from plugin_host.instrument import Band, PlanEvent
from plugin_host.pipeline import Pipeline
from plugin_host.stage import BLOCK_FRAMES, resets_on_any_thread
from plugin_host.stream import Stream
from plugin_host.timeline import OwnTimeline
from tests.host_helpers import built, need_compiler, shared_synth

RATE_HZ = 48_000
SONG = TempoMap.constant(120, Meter(4, 4))
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_synth(tmp_path_factory)


@pytest.fixture(scope="module")
def late_gain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_compiler()
    return built("late_gain", tmp_path_factory.mktemp("late"))


def note(track: str, quarter: Any, length: Any, key: int) -> list[PlanEvent]:
    begin, end = Fraction(quarter), Fraction(quarter) + Fraction(length)
    return [PlanEvent(begin, track, bytes((0x90, key, 100))), PlanEvent(end, track, bytes((0x80, key, 0)))]


EVENTS = [*note("melody", "1/3", "1/2", 60), *note("chords", 0, 2, 100), *note("melody", 3, 1, 72)]


def read(band: Band, frames: int) -> Any:
    return np.concatenate([band.read() for _ in range(-(-frames // BLOCK_FRAMES))])[:frames]


def expected(frames: int, *notes: tuple[int, int, int]) -> Any:
    """Keys by frames: (first, end, key)."""
    line = np.zeros(frames, np.float32)
    for first, end, key in notes:
        line[max(0, first) : max(0, end)] += key / 1000
    return np.stack([line, line], axis=1)


def test_each_note_begins_and_ends_on_its_frame(synth: Path) -> None:
    """Oracle: quarters of 24 000 frames; 1/3 quarter is frame 8000."""
    band = Band(EVENTS, SONG, RATE_HZ)
    band.edit((Instrument("PlainSynth", vst3=synth),))
    band.locate(0)
    notes = ((0, 48_000, 100), (8_000, 20_000, 60), (72_000, 96_000, 72))
    assert np.allclose(read(band, 100_000), expected(100_000, *notes), atol=1e-6)
    band.locate(10_000)
    assert not read(band, 10_000).any(), "notes that began before are not taken up, none hangs"
    band.locate(70_000)
    assert np.allclose(read(band, 20_000), expected(20_000, (2_000, 26_000, 72)), atol=1e-6)
    assert (band.seats[0].resets, band.seats[0].scrubbed_samples) == (0, 0)


def test_a_locate_on_the_players_thread_leaves_no_key_down(synth: Path) -> None:
    """This synth sounds through pedalboard's reset, which would load it anew: not to be had on that thread."""
    band = Band(EVENTS, SONG, RATE_HZ)
    band.edit((Instrument("PlainSynth", vst3=synth),))
    heard: list[Any] = []

    def play() -> None:
        for first in (0, 10_000, 60_000):
            band.locate(first)
            heard.append(read(band, 20_000))

    player = threading.Thread(target=play)
    player.start()
    player.join(60)
    assert not resets_on_any_thread(band.seats[0].plugin)
    wanted = (((0, 48_000, 100), (8_000, 20_000, 60)), (), ((12_000, 36_000, 72),))
    for sound, notes in zip(heard, wanted, strict=True):
        assert np.allclose(sound, expected(20_000, *notes), atol=1e-6)


def test_an_effect_that_cannot_be_reset_is_drained_and_shifts_nothing(
    late_gain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "resets_on_any_thread", lambda plugin: False)
    pipeline = Pipeline(ChainSpec((Effect("LateGain", vst3=late_gain),)), RATE_HZ, 2)
    sound = np.random.default_rng(1).uniform(-0.2, 0.2, (20_000, 2)).astype(np.float32)
    for part in (sound, sound[5_000:], sound[7:]):
        out = pipeline.process(part)
        assert len(out) > len(part) - 4_000
        assert np.array_equal(out, part[: len(out)])
        pipeline.reset()
    assert not pipeline.stages[0].bypassed


def test_a_spare_that_is_used_up_is_made_again(late_gain: Path) -> None:
    effect = stage.Stage(Effect("LateGain", vst3=late_gain), RATE_HZ, 2)
    for n in range(1, 4):
        effect._spare = None if n == 2 else effect._spare
        effect.restock()
        effect.process(np.full((2, BLOCK_FRAMES), 100.0, np.float32))
        for _ in range(4):
            effect.process(np.full((2, BLOCK_FRAMES), 0.1, np.float32))
    assert effect.rebuilds >= 3 and not effect.bypassed
    assert np.allclose(effect.process(np.full((2, BLOCK_FRAMES), 0.1, np.float32)), 0.1)


def test_instruments_share_the_tracks_and_change_without_being_loaded_again(synth: Path) -> None:
    band = Band(EVENTS, SONG, RATE_HZ, bar=1)
    melody = Instrument("PlainSynth", vst3=synth, plays=("melody",))
    band.edit((melody,))
    band.locate(96_000)
    assert np.allclose(read(band, 30_000), expected(30_000, (8_000, 20_000, 60)), atol=1e-6)
    seat = band.seats[0]
    band.edit((Instrument("PlainSynth", vst3=synth, plays=("chords",), gain_db=-20.0),))
    band.locate(96_000)
    assert np.allclose(read(band, 30_000), 0.1 * expected(30_000, (0, 48_000, 100)), atol=1e-6)
    assert band.seats == [seat]
    band.edit(())
    last = band.read()[:, 0]
    assert np.abs(np.diff(last)).max() < 0.001 and abs(last[-1]) < 1e-6, "it leaves in a fade"
    assert band.seats == [] and not band.read().any()


def test_a_chain_file_names_instruments_and_a_plan_file_their_notes(synth: Path, tmp_path: Path) -> None:
    (tmp_path / "chain.toml").write_text(
        f"rendered = false\n[[instrument]]\nvst3 = '{synth}'\nplays = ['melody']\nparameters = {{ level = 2.0 }}\n"
    )
    spec = load_chain(tmp_path / "chain.toml", build=False)
    assert not spec.rendered and spec.instruments[0].plays == ("melody",)
    plan = Plan((PlanBar(melody=(Note(60, 1.0, 1.0),)), PlanBar(melody=(Note(64, 0.0, 2.0),))))
    write_plan(tmp_path / "plan.mid", plan)
    for name in ("plan.mid", "plan.json"):
        band = Band(plan_events(tmp_path / name), SONG, RATE_HZ)
        band.edit(spec.instruments)
        band.locate(0)
        heard = read(band, 150_000)
        assert np.allclose(heard, 2 * expected(150_000, (24_000, 48_000, 60), (96_000, 144_000, 64)), atol=1e-6)


@pytest.mark.parametrize("rendered", [True, False])
def test_instruments_play_beside_the_rendered_audio_or_instead(
    synth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rendered: bool
) -> None:
    """Through a late effect, too: notes and audio stay on their frames."""
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    own = OwnTimeline("band", RATE_HZ, SONG, 1.0)
    engine = EngineSide.attach(tmp_path / "attacca-band")
    engine.publish_map([Segment(0, 0.0, 0, 0.0, 120.0, 4, 4)])
    sound = np.random.default_rng(2).uniform(-0.1, 0.1, (60_000, 2)).astype(np.float32)
    engine.write(0, sound)
    late = Effect("BrickwallLimiter", {"lookahead_ms": 20.0, "ceiling_db": 0.0})
    soft = Instrument("PlainSynth", vst3=synth, plays=("melody",), gain_db=-20.0)  # louder it would be DC, and blocked
    chain = ChainSpec((late,), 0.0, (soft,), rendered)
    stream = Stream(own, chain, 2, Band(EVENTS, SONG, RATE_HZ))
    stream.locate(0)
    heard = np.concatenate([stream.block(480) for _ in range(60)])
    wanted = 0.1 * expected(len(heard), (8_000, 20_000, 60)) + (sound[: len(heard)] if rendered else 0.0)
    engine.close()
    own.close()
    assert np.allclose(heard, wanted, atol=1e-6)


def test_what_is_no_instrument_and_what_has_no_plan_is_refused(synth: Path, late_gain: Path) -> None:
    band = Band(EVENTS, SONG, RATE_HZ)
    with pytest.raises(BadRequest, match=r"instrument 1: LateGain.vst3 is an effect; write it as \[\[effect\]\]"):
        band.edit((Instrument("LateGain", vst3=late_gain),))
    with pytest.raises(BadRequest, match="there is no plan: give one with --plan"):
        Band((), SONG, RATE_HZ).edit((Instrument("PlainSynth", vst3=synth),))
    with pytest.raises(BadRequest, match=r"is an instrument; write it as \[\[instrument\]\]"):
        Effect("PlainSynth", vst3=synth).build()


def test_a_vst3s_state_is_kept_in_its_file_and_carried_through_an_edit(late_gain: Path, tmp_path: Path) -> None:
    """The user turned a knob in the plugin itself: no entry of the chain file says so."""
    state = tmp_path / "gain.state"
    effect = Effect("LateGain", vst3=late_gain, state=state)
    first = Pipeline(ChainSpec((effect,)), RATE_HZ, 2)
    assert first.latency_frames == 300 + 777
    first.stages[0]._plugin.gain = 0.25
    first.process(np.zeros((1024, 2), np.float32))  # a VST3 is told of parameters with its next block
    kept = first.stages[0].state
    assert kept is not None
    state.write_bytes(kept)
    again = Pipeline(ChainSpec((effect,)), RATE_HZ, 2)
    assert again.stages[0]._plugin.gain == pytest.approx(0.25)
    again.edit((Effect("Gain", {"gain_db": 0.0}), Effect("LateGain", {}, late_gain, None, tmp_path / "another.state")))
    sound = np.random.default_rng(1).uniform(-0.2, 0.2, (20_000, 2)).astype(np.float32)
    out = np.concatenate([again.process(sound), again.finish()])
    assert [stage.effect.label for stage in again.stages] == ["Gain", "LateGain.vst3"]
    assert np.allclose(out, 0.25 * sound, atol=1e-6), "neither shifted nor faded: both are late by 777"
