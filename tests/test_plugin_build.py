"""The built plugins: they build, load, pass sound bit by bit, play the cache, and come back with a project."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bridge.timeline.cache import EngineSide, discover
from tests.hosts import clap_host
from tests.hosts.attacca_plugin import build_plugins
from tests.plugin_helpers import ExactMap
from tests.timeline_helpers import PLUGIN, shm_folder

DPF = Path("/usr/share/dpf/distrho")
NAMES = ("Attacca", "AttaccaNotes")


def make(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", "-s", "-j2", "-C", str(PLUGIN), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500)


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of the built bundles, shared by all tests: made where something changed."""
    return build_plugins().folder


@pytest.mark.parametrize("notes", [0, 1])
def test_the_plugins_compile_without_a_warning(built: Path, notes: int) -> None:
    includes = [f"-I{PLUGIN / 'dpf'}", "-isystem", str(DPF), "-isystem", str(DPF / "src")]
    defines = [f"-DATTACCA_NOTES={notes}", "-DATTACCA_EDITOR=0", "-DDISTRHO_PLUGIN_TARGET_LV2", "-DNDEBUG"]
    source = str(PLUGIN / "dpf" / "format.cpp")
    command = ["g++", "-fsyntax-only", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *includes, *defines]
    done = subprocess.run([*command, source], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def binary(built: Path, name: str, kind: str) -> Path:
    if kind == "clap":
        return built / f"{name}.clap"
    return next(path for path in (built / f"{name}.{kind}").rglob("*.so") if not path.stem.endswith("_ui"))


TINY = """
import ctypes, sys
import numpy as np
tiny = np.full(4, 1e-40, np.float32)
print((tiny * np.float32(1) != 0).all())
ctypes.CDLL(sys.argv[1])
print((tiny * np.float32(1) != 0).all())
"""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("kind", "entry"), [("vst3", "GetPluginFactory"), ("clap", "clap_entry"), ("lv2", "lv2_descriptor")]
)
def test_each_format_loads_links_little_and_leaves_arithmetic_alone(
    built: Path, name: str, kind: str, entry: str
) -> None:
    path = binary(built, name, kind)
    assert getattr(ctypes.CDLL(str(path)), entry)
    # In a process of its own: other tests' hosts may have set this thread to flush subnormal numbers to zero.
    told = subprocess.run([sys.executable, "-c", TINY, str(path)], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "True"], "loading it makes the thread flush subnormal numbers to zero"
    needed = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    allowed = ("libc.so", "libm.so", "libstdc++.so", "libgcc_s.so", "libpthread.so", "libdl.so", "ld-linux")
    if kind != "lv2":  # whose window is a file of its own
        allowed += ("libcairo.so", "libX11.so")
    lines = [line for line in needed.splitlines() if "NEEDED" in line]
    assert lines and all(any(one in line for one in allowed) for line in lines), lines


def test_the_effect_has_no_midi_input_and_the_instrument_has(built: Path) -> None:
    texts = {name: (built / f"{name}.lv2" / f"{name}.ttl").read_text() for name in NAMES}
    assert "MidiEvent" not in texts["Attacca"] and "time#Position" in texts["Attacca"]
    assert "MidiEvent" in texts["AttaccaNotes"] and "InstrumentPlugin" in texts["AttaccaNotes"]


def test_install_goes_where_it_is_told_and_replaces(built: Path, tmp_path: Path) -> None:
    where = {name: tmp_path / name for name in ("vst3", "clap", "lv2")}
    arguments = [f"{name.upper()}_DIR={path}" for name, path in where.items()]
    (where["lv2"] / "Attacca.lv2").mkdir(parents=True)
    (where["lv2"] / "Attacca.lv2" / "old").touch()
    for _ in range(2):
        assert make(f"BUILD={built}", *arguments, "install").returncode == 0
    assert sorted(path.name for path in where["clap"].iterdir()) == [f"{name}.clap" for name in NAMES]
    assert (where["lv2"] / "Attacca.lv2" / "manifest.ttl").exists()
    assert not (where["lv2"] / "Attacca.lv2" / "old").exists()
    assert list((where["vst3"] / "Attacca.vst3").rglob("Attacca.so"))


@pytest.mark.parametrize(("change", "says"), [("DPF_PATH=/nowhere", "dpf-source"), ("CXX=no-such-g++", "g++")])
def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path, change: str, says: str) -> None:
    done = make(f"BUILD={tmp_path}", change, "all")
    assert done.returncode != 0 and done.stderr.startswith("make plugin needs") and says in done.stderr


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with shm_folder() as path:
        monkeypatch.setenv("ATTACCA_CACHE_DIR", str(path))
        yield path


def test_vst3_passes_sound_and_keeps_its_state(built: Path, folder: Path) -> None:
    pedalboard = pytest.importorskip("pedalboard")
    bundle = str(built / "Attacca.vst3")
    plugin = pedalboard.load_plugin(bundle)
    assert plugin.is_effect
    sound = np.random.default_rng(0).standard_normal((2, 20_000)).astype(np.float32)
    out = plugin(sound, 48_000, buffer_size=333, reset=False)
    assert np.array_equal(out, sound)
    plugin.dry = 0.0
    assert not plugin(sound, 48_000, reset=False)[:, 5_000:].any()
    plugin.intensity_db, plugin.look_ahead_bars = -18.0, 4
    plugin(sound, 48_000, reset=False)
    first = discover(folder)[0]
    engine = EngineSide.attach(first.path)
    assert engine.knobs().intensity_db == -18.0 and engine.knobs().look_ahead_bars == 4
    assert not engine.transport().playing  # type: ignore[union-attr]
    engine.close()
    state = plugin.raw_state
    other = pedalboard.load_plugin(bundle)
    other.raw_state = state
    other(sound, 48_000, reset=False)
    assert other.intensity_db == pytest.approx(-18.0) and other.dry == pytest.approx(0.0)
    found = {info.instance for info in discover(folder)}
    assert first.instance in found and len(found) == 2, "a second plugin with the same id has another"
    del plugin
    gc.collect()
    third = pedalboard.load_plugin(bundle)
    third.raw_state = state
    third(sound, 48_000, reset=False)
    third(sound, 48_000, reset=False)
    assert first.instance in {info.instance for info in discover(folder)}, "the project's id is taken up again"


def test_another_rate_is_another_cache(built: Path, folder: Path) -> None:
    pedalboard = pytest.importorskip("pedalboard")
    plugin = pedalboard.load_plugin(str(built / "Attacca.vst3"))
    sound = np.zeros((2, 1_000), np.float32)
    rates = []
    for rate in (44_100, 96_000, 48_000):
        plugin(sound, rate, reset=False)
        rates.append([info.rate for info in discover(folder)])
    assert rates == [[44_100], [96_000], [48_000]]
    del plugin
    gc.collect()
    assert discover(folder) == []


SONG = ExactMap.of(48_000, (2, 120, 4, 4), (2, 132, 7, 8), (20, 100, 4, 4))


@pytest.mark.parametrize("seconds", [True, False])
def test_clap_plays_the_cache_at_the_song_position(built: Path, folder: Path, seconds: bool) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (500_000, 2)).astype(np.float32)
    flags = clap_host.KNOWN | clap_host.PLAYING
    with clap_host.ClapHost(built / "Attacca.clap", "attacca.attacca") as host:
        host.block(_moment(0, clap_host.KNOWN), 512)
        engine = EngineSide.attach(discover(folder)[0].path)
        engine.publish_map(SONG.segments())
        engine.write(0, sound)
        for start in (0, 150_000, 96_000):
            told = flags if seconds else flags & ~clap_host.SECONDS
            heard = [host.block(_moment(at, told), 512) for at in range(start, start + 300 * 512, 512)]
            off = 0 if start == 0 else 240
            out = np.concatenate(heard)
            assert np.array_equal(out[off:], sound[start + off : start + len(out)]), start
        assert engine.counters().off_grid_blocks == 0 and engine.counters().misses == 0
        engine.close()


def _moment(frame: int, flags: int) -> clap_host.Moment:
    bar, quarter = SONG.place(frame)
    part = SONG.part(frame)
    before = sum(
        (min(bar, end) - one.bar) * Fraction(4 * one.numerator, one.denominator)
        for one, end in zip(SONG.parts, [*(one.bar for one in SONG.parts[1:]), 10**6], strict=True)
        if one.bar < bar
    )
    return clap_host.Moment(
        frame / 48_000, float(before + quarter), float(part.tempo), int(bar), float(before), part.numerator,
        part.denominator, flags,
    )  # fmt: skip
