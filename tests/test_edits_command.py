"""fill, vary, accompany, loop and extend as a user runs them: files, samples that stay, takes, sentences."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from bridge.cli import cli
from bridge.client import connect
from bridge.demo_engine import Engine, engine_process
from bridge.files import edits
from bridge.files.wavefile import AudioFile, read_exact
from engine.errors import AttaccaError, BadRequest
from engine.types import Request
from tests.rendering import sound
from tests.tiny_bundle import make_bundle

LOOP = Path(__file__).resolve().parent.parent / "bridge" / "samples" / "loop_mika.flac"
LINE = 44_100 * 2
SEAM = 882
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    bundle = make_bundle(tmp_path_factory.mktemp("bundle") / "tiny").folder
    with engine_process("--bundle", str(bundle), "--runtime", "torch") as engine:
        yield engine


def loops() -> list[Path]:
    """The shipped recorded loop, and those in ATTACCA_LOOPS: 4 bars of 4/4 at 120 bpm, 44.1 kHz."""
    folder = os.environ.get("ATTACCA_LOOPS")
    return [LOOP, *(sorted(Path(folder).glob("loop_*.flac")) if folder else [])]


@pytest.fixture
def run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command, rendered in one step by a running engine."""
    monkeypatch.setenv("ATTACCA_ZMQ", engine.zmq)

    def ran(*words: object) -> Result:
        return CliRunner().invoke(cli, [*map(str, words), "--steps", "1"], standalone_mode=False)

    return ran


def refused(result: Result, sentence: str) -> None:
    assert isinstance(result.exception, AttaccaError), result
    assert sentence in str(result.exception)


@pytest.mark.parametrize("loop", loops(), ids=lambda path: path.name)
def test_a_recorded_loop_keeps_all_but_what_is_filled(run: Run, tmp_path: Path, loop: Path) -> None:
    out, new = tmp_path / "out.wav", tmp_path / "new.wav"
    result = run("fill", loop, "--bars", "3-4", "--source-bars", 4, "--seed", 1, "-o", out, "--new", new)
    assert result.exception is None, result.exception
    was, now = read_exact(loop).samples, read_exact(out).samples
    assert now.shape == was.shape
    assert np.array_equal(now[: 2 * LINE - SEAM], was[: 2 * LINE - SEAM])
    assert not np.array_equal(now[2 * LINE :], was[2 * LINE :])
    made = soundfile.read(new)[0]
    assert len(made) == 2 * LINE and np.array_equal(now[2 * LINE :], made), "the fill lies on the grid"


def test_several_ranges_are_filled_at_once(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    result = run("fill", LOOP, "--bars", "1,4", "--tempo", 120, "-o", out)
    assert result.exception is None, result.exception
    was, now = read_exact(LOOP).samples, read_exact(out).samples
    assert np.array_equal(now[LINE : 3 * LINE - SEAM], was[LINE : 3 * LINE - SEAM])
    for bar in (0, 3):
        assert not np.array_equal(now[bar * LINE : (bar + 1) * LINE], was[bar * LINE : (bar + 1) * LINE])


def test_takes_differ_and_are_told_in_one_line(run: Run, tmp_path: Path) -> None:
    words = ("vary", LOOP, "--bars", "2", "--strength", 0.3, "--tempo", 120, "-o", tmp_path / "v.wav")
    result = run(*words, "--takes", 3, "--seed", 7, "--json")
    assert result.exception is None, result.exception
    told = json.loads(result.stdout.splitlines()[-1])["takes"]
    assert [take["seed"] for take in told] == [7, 8, 9]
    files = [Path(take["file"]) for take in told]
    assert files == [tmp_path / f"v-{k}.wav" for k in (1, 2, 3)]
    assert len({file.read_bytes() for file in files}) == 3


def test_a_part_comes_alone_and_mixed(run: Run, tmp_path: Path) -> None:
    part, mixed = tmp_path / "part.wav", tmp_path / "mixed.wav"
    result = run("accompany", LOOP, "--parts", "bass", "--source-bars", 4, "-o", part, "--mixed", mixed)
    assert result.exception is None, result.exception
    was, alone, both = (read_exact(path).samples for path in (LOOP, part, mixed))
    assert len(alone) == len(was) and np.allclose(both, was + alone, atol=1e-6)


def test_a_loop_needs_no_source(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "loop.wav"
    result = run("loop", "--bars", 1, "--tempo", 120, "--prompt", "house", "-o", out)
    assert result.exception is None, result.exception
    assert soundfile.info(out).frames == 96_000
    result = run("loop", LOOP, "--bars", 1, "--source-bars", 4, "-o", out)
    assert result.exception is None and soundfile.info(out).frames == LINE


@pytest.mark.parametrize(("side", "at"), [("--front", 1), ("--back", 0)])
def test_more_bars_leave_the_old_ones_alone(run: Run, tmp_path: Path, side: str, at: int) -> None:
    out = tmp_path / "out.wav"
    result = run("extend", LOOP, side, 1, "--source-bars", 4, "-o", out)
    assert result.exception is None, result.exception
    was, now = read_exact(LOOP).samples, read_exact(out).samples
    assert len(now) == 5 * LINE
    kept = now[at * LINE : at * LINE + 4 * LINE - SEAM]
    assert np.array_equal(kept, was[: 4 * LINE - SEAM])


REFUSED = (
    (("fill", "--bars", "4-3"), "counted from 1"),
    (("fill", "--bars", "0"), "counted from 1"),
    (("fill", "--bars", "3,3"), "rising order"),
    (("fill", "--bars", "4-5"), "which has 4 whole bars"),
    (("vary", "--strength", "0"), "change nothing"),
    (("accompany", "--bars", "1,3"), "one range"),
    (("extend",), "exactly one of --front"),
    (("fill", "--bars", "3", "--chords", "Am H"), "not known"),
    (("fill", "--bars", "3", "--intensity", "0:-20,5:-20"), "past the end"),
    (("vary", "--bars", "3", "--refine", "5"), "begins from what its bars hold"),
)


@pytest.mark.parametrize(("words", "sentence"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_mistakes_are_told_before_anything_is_rendered(
    run: Run, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    out = tmp_path / "out.wav"
    refused(run(words[0], LOOP, *words[1:], "--source-bars", 4, "-o", out), sentence)
    assert not out.exists()


def test_in_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in-1.wav"
    soundfile.write(source, sound(4 * 48_000), 48_000)
    words = ("fill", source, "--bars", "1", "--source-bars", 2)
    refused(run(*words, "-o", source), "overwrite IN")
    refused(run(*words, "-o", tmp_path / "in.wav", "--takes", 2), "overwrite IN")
    refused(run(*words, "-o", tmp_path / "a.wav", "--new", tmp_path / "a.wav"), "same file")


def test_bars_as_a_daw_counts_them() -> None:
    assert edits.parse_bars("3-4") == (2, 2, ())
    assert edits.parse_bars(" 3 - 4 , 7") == (2, 5, (2, 3))
    for text in ("", "a", "1-", "2,1", "1-300", "1,,2", "-1"):
        with pytest.raises(BadRequest):
            edits.parse_bars(text)


def test_whole_bars_of_a_file_that_is_a_little_short() -> None:
    request = Request(id="t", kind="continue", bars=1, tempo="120", source="x")
    assert edits.whole_bars(request, 4 * 96_000 - 100, 48_000) == 4
    assert edits.whole_bars(request, 4 * 96_000 - 10_000, 48_000) == 3
    with pytest.raises(BadRequest, match="no whole bar"):
        edits.whole_bars(request, 48_000, 48_000)


def test_values_finer_than_float32_stay_where_nothing_changed() -> None:
    class Made:
        audio = np.zeros((96_000, 1), np.float32)
        lead_in = None

    fine = np.random.default_rng(0).normal(0, 0.1, (3 * 96_000, 1))
    request = Request(id="t", kind="continue", bars=1, tempo="120", source="x", at_bar=1, edit="fill")
    whole = edits.replaced(AudioFile(fine, 48_000, "DOUBLE"), request, Made())
    assert np.array_equal(whole[: 96_000 - 960], fine[: 96_000 - 960])
    assert np.array_equal(whole[2 * 96_000 :], fine[2 * 96_000 :]) and not whole[96_000 : 2 * 96_000].any()


def test_scripts_edit_arrays_and_files(engine: Engine) -> None:
    audio = sound(4 * 96_000)
    with connect(engine.zmq) as running:
        for edited in (
            edits.fill(running, (audio, 48_000), "2,4", tempo=120, steps=1, seed=1),
            edits.vary(running, (audio, 48_000), "2,4", tempo=120, steps=1, seed=1, strength=0.25),
        ):
            assert edited.audio.shape == audio.shape and len(edited.take.audio) == 3 * 96_000
            assert np.array_equal(edited.audio[2 * 96_000 : 3 * 96_000 - 960], audio[2 * 96_000 : 3 * 96_000 - 960])
            assert not np.array_equal(edited.audio[96_000 : 2 * 96_000], audio[96_000 : 2 * 96_000])
        part = edits.accompany(running, LOOP, source_bars=4, steps=1, parts=("bass",))
        assert np.allclose(part.audio, read_exact(LOOP).samples + part.take.audio, atol=1e-6)
        longer = edits.extend_front(running, LOOP, 1, source_bars=4, steps=1)
        assert np.array_equal(longer.audio[LINE:], read_exact(LOOP).samples)


def test_a_curve_is_judged_in_the_reply(run: Run, tmp_path: Path) -> None:
    words = ("fill", LOOP, "--bars", "3", "--source-bars", 4, "--seed", 1, "-o", tmp_path / "out.wav", "--json")
    told = json.loads(run(*words, "--intensity", "0:-30,4:-20").stdout.splitlines()[-1])
    assert 0 <= told["adherence"]["intensity_error_db"] < 40 and set(told["adherence"]) == {"intensity_error_db"}
    assert "adherence" not in json.loads(run(*words).stdout.splitlines()[-1])
