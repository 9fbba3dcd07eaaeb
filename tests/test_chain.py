"""Chains: what may be written down, and that they neither shift nor depend on block sizes."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pedalboard = pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from engine.errors import BadRequest  # noqa: E402
from plugin_host.chain import WHOLE_FILES_ONLY, ChainSpec, Effect, known_effects, legal_parameters, load_chain  # noqa: E402
from plugin_host.pipeline import Pipeline  # noqa: E402

LATE_GAIN = Path(__file__).parent / "plugins" / "late_gain"


def noise(frames: int, channels: int, peak: float = 0.2) -> Any:
    return np.random.default_rng(frames).uniform(-peak, peak, (frames, channels)).astype(np.float32)


def run(audio: Any, block: int, rate_hz: int = 48_000, chain: ChainSpec = ChainSpec()) -> tuple[Any, Pipeline]:  # noqa: B008
    pipeline = Pipeline(chain, rate_hz, audio.shape[1])
    parts = [pipeline.process(audio[at : at + block]) for at in range(0, len(audio), block)]
    return np.concatenate([*parts, pipeline.finish()]), pipeline


@pytest.mark.parametrize("rate_hz", [8000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("block", [1, 63, 64, 65, 8193])
@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_an_empty_chain_nulls_against_its_input(rate_hz: int, block: int, channels: int) -> None:
    audio = noise(20_000 if block > 1000 else 1300, channels)
    out, pipeline = run(audio, block, rate_hz)
    assert np.array_equal(out, audio)
    assert pipeline.latency_frames >= rate_hz // 200


@pytest.mark.parametrize("frames", [1, 2, 299, 300, 511, 512, 513])
def test_sounds_shorter_than_the_latency_come_out_whole(frames: int) -> None:
    audio = noise(frames, 2)
    out, _ = run(audio, 8193)
    assert np.array_equal(out, audio)


LATENT = ChainSpec((Effect("Resample", {"target_sample_rate": 30_000.0}), Effect("BrickwallLimiter"), Effect("Reverb")))


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 5999), max_size=12))
def test_every_division_into_blocks_gives_the_same_samples(cuts: list[int]) -> None:
    audio = noise(6000, 2)
    whole, _ = run(audio, len(audio), chain=LATENT)
    pipeline = Pipeline(LATENT, 48_000, 2)
    edges = [0, *sorted(cuts), len(audio)]
    parts = [pipeline.process(audio[a:b]) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate([*parts, pipeline.finish()]), whole)


@pytest.mark.parametrize("name", sorted(known_effects().keys() - {"Convolution"}))
def test_every_built_in_sounds_block_by_block_as_in_one_piece(name: str) -> None:
    audio = noise(24_000, 2)
    stage_rate = 48_000
    out, _ = run(audio, 1000, stage_rate, ChainSpec((Effect(name),)))
    whole = getattr(pedalboard, name)()(audio.T.copy(), stage_rate).T
    limited, _ = run(np.ascontiguousarray(whole), 1000, stage_rate)
    assert out.shape == audio.shape
    np.testing.assert_allclose(out[:20_000], limited[:20_000], atol=2e-6)


@pytest.mark.parametrize("name", sorted(WHOLE_FILES_ONLY))
def test_what_is_refused_still_cannot_be_played_block_by_block(name: str) -> None:
    plugin = getattr(pedalboard, name)()
    audio = noise(120_000 // 512 * 512, 2)
    parts = [plugin.process(audio[at : at + 512].T.copy(), 48_000, reset=False) for at in range(0, len(audio), 512)]
    out = np.concatenate(parts, axis=1)
    assert np.abs(out).max() < 0.01
    with pytest.raises(BadRequest, match=f"{name} works on whole files alone"):
        Effect(name).build()


def test_the_delay_of_an_effect_is_compensated_to_the_sample() -> None:
    audio = np.zeros((9000, 2), np.float32)
    audio[[0, 4000, 8999]] = 0.5
    chain = ChainSpec((Effect("BrickwallLimiter", {"lookahead_ms": 20.0}), Effect("BrickwallLimiter")))
    out, pipeline = run(audio, 64, chain=chain)
    assert pipeline.latency_frames == 960 + 240 + 300
    assert np.array_equal(out, audio)


def test_a_tail_rings_on_and_is_not_there_unasked() -> None:
    audio = np.zeros((4000, 2), np.float32)
    audio[3000] = 0.5
    pipeline = Pipeline(ChainSpec((Effect("Delay", {"delay_seconds": 0.05, "mix": 0.5}),)), 48_000, 2)
    out = np.concatenate([pipeline.process(audio), pipeline.finish(tail_frames=3000)])
    assert len(out) == 7000
    assert np.flatnonzero(out[:, 0]).tolist() == [3000, 5400]


def write(folder: Path, text: str) -> Path:
    path = folder / "chain.toml"
    path.write_text(text)
    return path


def test_a_good_chain_keeps_order_and_parameters(tmp_path: Path) -> None:
    spec = load_chain(
        write(
            tmp_path,
            """
            tail_seconds = 1.5
            [[effect]]
            name = "LadderFilter"
            parameters = { mode = "HPF24", cutoff_hz = 90 }
            [[effect]]
            name = "BrickwallLimiter"
            parameters = { true_peak = true }
            [[effect]]
            name = "Invert"
            """,
        )
    )
    assert [effect.label for effect in spec.effects] == ["LadderFilter", "BrickwallLimiter", "Invert"]
    assert spec.tail_seconds == 1.5
    ladder = spec.effects[0].build()
    assert (ladder.mode.name, ladder.cutoff_hz) == ("HPF24", 90)
    assert spec.effects[1].build().true_peak is True


BAD = {
    "[[effect]]\nname = 'Fuzz'": r"effect 1: unknown effect 'Fuzz'; known are Bitcrush, .*Reverb",
    "[[effect]]\nname = 'Gain'\n[[effect]]\nname = 'Reverb'\nparameters = { size = 1 }": (
        r"effect 2: Reverb has no parameter 'size'; it has room_size, damping, wet_level"
    ),
    "[[effect]]\nname = 'Invert'\nparameters = { a = 1 }": "it has none at all",
    "[[effect]]\nname = 'Gain'\nparameters = { gain_db = nan }": "gain_db must be a finite number",
    "[[effect]]\nname = 'Gain'\nparameters = { gain_db = 'loud' }": "gain_db is a number, not 'loud'",
    "[[effect]]\nname = 'Gain'\nparameters = { gain_db = true }": "gain_db is a number, not True",
    "[[effect]]\nname = 'Gain'\nparameters = 3": "parameters is a table",
    "[[effect]]\nname = 'BrickwallLimiter'\nparameters = { true_peak = 1 }": "true_peak is true or false",
    "[[effect]]\nname = 'BrickwallLimiter'\nparameters = { release_ms = -1 }": "release_ms must be > 0",
    "[[effect]]\nname = 'LadderFilter'\nparameters = { mode = 'LP' }": "mode is one of LPF12, HPF12",
    "[[effect]]\nname = 'Reverb'\nparameters = { room_size = 7 }": "Reverb does not accept",
    "[[effect]]\nname = 'Convolution'\nparameters = { impulse_response_filename = 'x.wav' }": "there is no file",
    "[[effect]]\nname = 'Convolution'": "Convolution does not accept",
    "[[effect]]\nname = 'Chain'": "unknown effect 'Chain'",
    "[[effect]]\nname = 'VST3Plugin'": "unknown effect",
    "[[effect]]\nname = ''": "name is a text",
    "[[effect]]\nname = 'Gain'\nvst3 = 'x'": "exactly one of them",
    "[[effect]]": "exactly one of them",
    "[[effect]]\nname = 'Gain'\nplugin = 'x'": "plugin goes with vst3 alone",
    "[[effect]]\nname = 'Gain'\ngain_db = 3": "no entry 'gain_db'; it has name, parameters, plugin, state, vst3",
    "[[effect]]\nvst3 = 'nowhere.vst3'": "there is no VST3 at .*nowhere.vst3",
    "[[effect]]\nvst3 = 'chain.toml'": "cannot be loaded as a VST3",
    "[[effects]]\nname = 'Gain'": "a chain file has no entry 'effects'",
    "effect = 3": r"written as \[\[effect\]\]",
    "[[effect]]\nname = 'Gain'\nstate = 'x'": "state goes with vst3 alone",
    "[[instrument]]\nplugin = 'x'": "instrument 1: an instrument has a file",
    "[[instrument]]\nvst3 = 'x'\nplays = ['bass']": "plays is a list of melody, chords, drums, not",
    "[[instrument]]\nvst3 = 'x'\ngain_db = 20": "gain_db is a number from -60 to 12, not 20",
    "rendered = 1": "rendered is true or false, not 1",
    "tail_seconds = -1": "tail_seconds is a number from 0 to 60",
    "tail_seconds = inf": "tail_seconds is a number",
    "[[effect]": "is not valid TOML",
    "[[effect]]\nname = 'Gain'\n" * 65: "at most 64 effects, not 65",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_chain_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest, match=BAD[text]) as caught:
        load_chain(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_chain_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="there is no chain file"):
        load_chain(tmp_path / "none.toml")
    with pytest.raises(BadRequest, match="cannot be read"):
        load_chain(tmp_path)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadRequest, match="cannot be read"):
        load_chain(tmp_path / "b.toml")


def test_parameters_as_pedalboard_states_them_are_those_its_objects_have() -> None:
    for name in known_effects():
        if name != "Convolution":
            plugin = known_effects()[name]()
            for parameter in legal_parameters(name):
                assert hasattr(plugin, parameter), (name, parameter)


@pytest.fixture(scope="module")
def late_gain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VST3 with 777 frames of latency, built from tests/plugins/late_gain."""
    if not Path("/usr/share/dpf/Makefile.plugins.mk").exists() or not shutil.which("g++") or not shutil.which("make"):
        pytest.skip("building a VST3 needs: apt-get install dpf-source g++ make")
    folder = tmp_path_factory.mktemp("vst3")
    source = folder / "late_gain"
    shutil.copytree(LATE_GAIN, source)
    places = [f"DPF_BUILD_DIR={folder}/build", f"DPF_TARGET_DIR={folder}/bin"]
    subprocess.run(["make", "-C", str(source), *places], check=True, capture_output=True, timeout=100)
    return folder / "bin" / "LateGain.vst3"


def test_a_vst3_of_the_users_own(late_gain: Path) -> None:
    spec = load_chain(write(late_gain.parent, '[[effect]]\nvst3 = "LateGain.vst3"\nparameters = { gain = 0.5 }'))
    audio = noise(5000, 2)
    out, pipeline = run(audio, 333, chain=spec)
    assert pipeline.latency_frames == 300 + 777
    assert np.array_equal(out, audio * np.float32(0.5))
    bad = {
        "parameters = { nope = 1 }": "LateGain.vst3 has no parameter 'nope'; it has .*gain",
        "parameters = { gain = 3 }": "gain is a number from 0 to 2, not 3",
        "parameters = { gain = 'a' }": "gain is a number from 0 to 2, not 'a'",
        "plugin = 'Other'": "holds no plugin 'Other'; it holds LateGain",
    }
    for line, sentence in bad.items():
        with pytest.raises(BadRequest, match=sentence):
            load_chain(write(late_gain.parent, f'[[effect]]\nvst3 = "LateGain.vst3"\n{line}'))
    with pytest.raises(BadRequest, match="cannot work with 1 channels"):
        Pipeline(spec, 48_000, 1)


def test_a_poisoned_vst3_is_replaced_and_nothing_shifts(late_gain: Path) -> None:
    chain = ChainSpec((Effect("LateGain", vst3=late_gain),))
    audio = noise(20_000, 2)
    audio[8000] = 60.0
    out, pipeline = run(audio, 1000, chain=chain)
    assert np.isfinite(out).all()
    assert 1 <= pipeline.stages[0].rebuilds <= 3
    assert not pipeline.stages[0].bypassed
    assert np.array_equal(out[:7000], audio[:7000])
    assert np.array_equal(out[9500:], audio[9500:])
