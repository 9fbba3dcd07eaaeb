"""What the host makes of a timeline cache: its samples where they are known; fades, fallbacks, counts elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from bridge.timeline.cache import EngineSide, Segment
from engine.timing import Meter, TempoMap
from plugin_host.chain import ChainSpec, Effect
from plugin_host.stream import Stream
from plugin_host.timeline import OwnTimeline, ReadTimeline, open_timeline
from plugin_host.voice import Voice

RATE_HZ = 48_000
FADE, RISE, LOOK = 240, 960, 1200
BEAT = 24_000
SONG = TempoMap.constant(120, Meter(4, 4))
rng = np.random.default_rng(3)


def noise(frames: int) -> Any:
    return rng.uniform(-0.25, 0.25, (frames, 2)).astype(np.float32)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OwnTimeline, EngineSide]]:
    """A host's cache and the engine that fills it: 120 quarters a minute in 4/4 from frame 0 on."""
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    own = OwnTimeline("host", RATE_HZ, SONG, 1.0)
    engine = EngineSide.attach(tmp_path / "attacca-host")
    engine.publish_map([Segment(0, 0.0, 0, 0.0, 120.0, 4, 4)])
    yield own, engine
    engine.close()
    own.close()


def drawn(voice: Voice, frames: int, block: int = 512) -> Any:
    return np.concatenate([voice.read(min(block, frames - at)) for at in range(0, frames, block)])


@pytest.mark.parametrize("block", [64, 512, 1000])
@pytest.mark.parametrize("start", [0, BEAT, 5 * BEAT])
def test_from_a_beat_line_on_it_is_the_cache_bit_by_bit(cache: Any, start: int, block: int) -> None:
    own, engine = cache
    sound = noise(30_000)
    engine.write(start, sound)
    voice = Voice(own)
    voice.locate(start)
    assert np.array_equal(drawn(voice, 24_000, block), sound[:24_000])
    assert (voice.played_frames, voice.missed_frames, voice.misses) == (24_000, 0, 0)


def test_off_the_line_it_fades_in_over_five_milliseconds(cache: Any) -> None:
    own, engine = cache
    sound = noise(30_000)
    engine.write(0, sound)
    voice = Voice(own)
    voice.locate(1_000)
    out = drawn(voice, 4_096)
    assert np.array_equal(out[FADE:], sound[1_000 + FADE : 5_096])
    assert np.abs(out[: FADE // 8]).max() < 0.07


@pytest.mark.parametrize("block", [512, 333])
def test_a_gap_is_faded_counted_and_ended_on_a_beat(cache: Any, block: int) -> None:
    """Oracle: known to 30 000 and from 40 000 on, so it comes back over 20 ms up to the beat at 48 000."""
    own, engine = cache
    sound = noise(80_000)
    engine.write(0, sound[:30_000])
    engine.write(40_000, sound[40_000:])
    voice = Voice(own, "silence")
    out = drawn(voice, 60_000, block)
    back = 2 * BEAT - RISE
    assert np.array_equal(out[: 30_000 - FADE], sound[: 30_000 - FADE])
    assert not out[30_000:back].any()
    assert np.array_equal(out[2 * BEAT :], sound[2 * BEAT : 60_000])
    assert np.abs(out[29_990:30_000]).max() < 0.03 and np.abs(out[back : back + 20]).max() < 0.02
    assert (voice.missed_frames, voice.misses) == (back - 30_000, 1)
    counters = own._side.counters()
    assert (counters.missed_frames, counters.misses, counters.last_miss_frame) == (back - 30_000, 1, 30_000)
    assert counters.played_frames == 60_000 - (back - 30_000)


def test_missing_bars_are_covered_by_the_last_one_quieter(cache: Any) -> None:
    own, engine = cache
    sound = noise(4 * BEAT + 12_000)
    engine.write(0, sound)
    voice = Voice(own)
    out = drawn(voice, 9 * BEAT)
    end, bar = len(sound), 4 * BEAT
    begin = end - FADE  # from here on the repetition is heard beside what fades out
    assert np.array_equal(out[end : end + bar - 2 * FADE], 0.5 * sound[end - bar : end - 2 * FADE])
    again = begin + bar
    assert np.array_equal(out[again:], 0.5 * sound[begin - bar : begin - bar + len(out) - again])
    mixed = 0.5 * np.abs(np.diff(sound[:, 0])).max() * 1.5
    assert np.abs(np.diff(out[again - 2 * FADE : again + 2, 0])).max() < mixed
    assert voice.missed_frames == 9 * BEAT - end


def test_sound_that_vanishes_under_the_head_fades_from_the_reserve(cache: Any) -> None:
    own, engine = cache
    seconds = np.arange(60_000)[:, None] / RATE_HZ
    tone = np.repeat(0.5 * np.sin(2 * np.pi * 100 * seconds), 2, axis=1).astype(np.float32)
    engine.write(0, tone)
    voice = Voice(own, "silence")
    first = drawn(voice, 5_120)
    engine.publish_map([Segment(0, 0.0, 0, 0.0, 120.0, 4, 4)])
    rest = drawn(voice, 2_048)
    line = np.concatenate([first, rest])[:, 0]
    assert np.abs(np.diff(line)).max() < 0.012, "no step is steeper than the tone's and the fade's"
    assert not rest[FADE:].any()
    assert voice.misses == 1


def test_a_map_that_is_not_ours_is_not_played(cache: Any) -> None:
    own, engine = cache
    engine.publish_map([Segment(0, 0.0, 0, 0.0, 121.0, 4, 4)])
    engine.write(0, noise(60_000))
    voice = Voice(own, "silence")
    voice.locate(BEAT)
    assert not drawn(voice, 4_096).any()
    assert voice.off_grid_blocks == 8


def test_a_plugins_cache_is_read_beside_it(cache: Any, tmp_path: Path) -> None:
    engine = cache[1]
    sound = noise(30_000)
    engine.write(0, sound)
    for timeline in (open_timeline("host"), ReadTimeline(tmp_path / "attacca-host")):
        assert np.array_equal(drawn(Voice(timeline), 24_064), sound[:24_064])


LOOK_AHEAD = Effect("BrickwallLimiter", {"lookahead_ms": 20.0, "ceiling_db": 0.0})


@pytest.mark.parametrize("frames", [64, 480, 512, 1024])
@pytest.mark.parametrize("effects", [(), (LOOK_AHEAD,)])
def test_the_stream_is_sample_exact_through_an_empty_chain_and_a_late_one(
    cache: Any, effects: Any, frames: int
) -> None:
    """Oracle: the cache itself; a limiter that looks 20 ms ahead and has nothing to do only delays."""
    own, engine = cache
    sound = noise(60_000)
    engine.write(0, sound)
    stream = Stream(own, ChainSpec(effects), 2)
    assert stream.pipeline.latency_frames == 300 + 960 * len(effects)
    for start in (0, BEAT, 0):
        stream.locate(start)
        out = np.concatenate([stream.block(frames) for _ in range(20_000 // frames)])
        assert np.array_equal(out, sound[start : start + len(out)])


def test_a_stretch_is_made_as_soon_as_it_is_rendered(cache: Any) -> None:
    own, engine = cache
    sound = noise(60_000)
    engine.write(0, sound)
    stream = Stream(own, ChainSpec((LOOK_AHEAD,)), 2)
    out = np.concatenate(list(stream.blocks(0, 50_001, 0)))
    assert np.array_equal(out, sound[:50_001])
    assert stream.voice.missed_frames == 0


def changes(count: int) -> Iterator[ChainSpec]:
    """Chains that differ in length, order, latency and parameters; each leaves a tone at its level within 0.1 dB."""
    kinds = [
        (),
        (LOOK_AHEAD,),
        (Effect("Gain", {"gain_db": 0.05}),),
        (Effect("HighpassFilter", {"cutoff_frequency_hz": 10.0}), LOOK_AHEAD),
        (Effect("Invert"), Effect("Invert")),
        (LOOK_AHEAD, Effect("LowpassFilter", {"cutoff_frequency_hz": 20_000.0})),
    ]
    for n in range(count):
        yield ChainSpec(kinds[n * 5 % len(kinds)])


def test_a_chain_edited_during_play_never_clicks_and_shifts_nothing(cache: Any) -> None:
    """Oracle: a 250 Hz tone has second differences of at most 0.3 * (2 pi 250 / 48000)^2; a click has far more."""
    own, engine = cache
    seconds = np.arange(26 * RATE_HZ)[:, None] / RATE_HZ
    tone = np.repeat(0.3 * np.sin(2 * np.pi * 250 * seconds), 2, axis=1).astype(np.float32)
    engine.write(0, tone)
    stream = Stream(own, ChainSpec(), 2)
    stream.locate(0)
    parts, edits = [], changes(100)
    for n in range(100):
        stream.edit(next(edits))
        parts += [stream.block(512) for _ in range(17 + n % 5)]
    out = np.concatenate(parts)
    curved = np.abs(np.diff(out[:, 0].astype(np.float64), n=2)).max()
    assert curved < 1.2 * 0.3 * (2 * np.pi * 250 / RATE_HZ) ** 2
    assert np.abs(out - tone[: len(out)]).max() < 0.02
    stream.edit(ChainSpec())
    for _ in range(20):
        stream.block(512)
    at = len(out) + 20 * 512
    assert np.array_equal(stream.block(512), tone[at : at + 512])


def test_an_edit_leaves_the_effects_around_it_alone(cache: Any) -> None:
    own, engine = cache
    engine.write(0, noise(60_000))
    reverb, gain = Effect("Reverb"), Effect("Gain", {"gain_db": -1.0})
    stream = Stream(own, ChainSpec((gain, reverb)), 2)
    stream.locate(0)
    stream.block(2048)
    kept = stream.pipeline.stages[1]
    stream.edit(ChainSpec((Effect("Gain", {"gain_db": -2.0}), LOOK_AHEAD, reverb)))
    stream.block(20_480)
    assert stream.pipeline.stages[2] is kept
    assert [stage.effect.label for stage in stream.pipeline.stages] == ["Gain", "BrickwallLimiter", "Reverb"]
    assert stream.pipeline.rack.settled


def test_edits_while_nothing_plays_are_done_at_once(cache: Any) -> None:
    """The player thread reports while it stands; nobody hears a fade then, and the next edit need not wait for one."""
    stream = Stream(cache[0], ChainSpec(), 2)
    for spec in (ChainSpec((LOOK_AHEAD,)), ChainSpec((Effect("Gain"),)), ChainSpec()):
        stream.edit(spec)
        assert not stream.pipeline.rack.settled
        stream.report(0, False, 0)
        assert stream.pipeline.rack.settled
        assert [stage.effect for stage in stream.pipeline.stages] == list(spec.effects)
    stream.locate(0)
    stream.block(512)
    stream.edit(ChainSpec((LOOK_AHEAD,)))
    stream.report(0, False, 0)
    assert not stream.pipeline.rack.settled, "what was just prepared is about to be heard: the fade is needed"
