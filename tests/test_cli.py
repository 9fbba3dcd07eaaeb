"""The command line, as scripts rely on it: exact options, one line of JSON, one sentence for a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.demo_engine import Engine, engine_process

ROOT = Path(__file__).resolve().parent.parent
JSON_FIELDS = {
    "frames",
    "rate",
    "channels",
    "audio_seconds",
    "compute_seconds",
    "real_time_factor",
    "times_real_time",
    "seed",
    "bundle",
    "runtime",
    "threads",
}
GENERATE = ("generate", "--prompt", "house", "--tempo", "120", "--bars", "2")


class Ran:
    """What a command said and how it ended."""

    def __init__(self, *words: str | Path, zmq: str | None = None, **environment: str) -> None:
        extra = {"ATTACCA_ZMQ": zmq} if zmq else {}
        process = subprocess.run(
            [sys.executable, "-m", "bridge.cli", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=100,
            env={**os.environ, **extra, **environment},
        )
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with engine_process("--fake") as engine:
        yield engine


def heavy_modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint('LOADED', *sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(ran.stdout.rpartition("LOADED")[2].split()) & {"torch", "onnxruntime", "pedalboard", "scipy"}


HELP = "import bridge.cli\ntry: bridge.cli.cli.main(['--help'], standalone_mode=True)\nexcept SystemExit: pass"
FAKE = (
    "from bridge import serve\n"
    "with serve.serving(serve.Options(fake=True, zmq='tcp://127.0.0.1:0', osc='127.0.0.1:0')): pass"
)


@pytest.mark.parametrize(
    "statement", [HELP, FAKE, "import bridge.client", "import plugin_host.play"], ids=["help", "fake", "client", "play"]
)
def test_light_commands_load_nothing_heavy(statement: str) -> None:
    assert heavy_modules_after(statement) == set()


def test_the_guard_against_heavy_modules_can_fail() -> None:
    assert heavy_modules_after("import scipy") == {"scipy"}


def test_generate_prints_one_line_of_json(engine: Engine, tmp_path: Path) -> None:
    ran = Ran(*GENERATE, "--seed", "7", "-o", tmp_path / "x.wav", "--json", zmq=engine.zmq)
    assert ran.code == 0, ran.err
    assert ran.out.count("\n") == 1
    facts = json.loads(ran.out)
    assert set(facts) == JSON_FIELDS
    audio, rate = soundfile.read(tmp_path / "x.wav", always_2d=True)
    assert (len(audio), rate, audio.shape[1]) == (facts["frames"], facts["rate"], facts["channels"])
    assert (facts["frames"], facts["rate"]) == (192_000, 48_000)
    assert facts["real_time_factor"] == pytest.approx(facts["compute_seconds"] / facts["audio_seconds"])
    assert facts["times_real_time"] == pytest.approx(1 / facts["real_time_factor"])
    assert facts["bundle"] == "fake"
    assert f"using the running engine at {engine.zmq}" in ran.err


def test_frames_are_exact_at_odd_tempo_meter_and_rate(engine: Engine, tmp_path: Path) -> None:
    words = ("generate", "--prompt", "x", "--bars", "3", "--tempo", "133.7", "--meter", "7/8", "--rate", "44100")
    curve = ("--intensity", "0:-20,4:-12", "--parts", "drums,bass", "--key", "Am", "--chords", "Am F C", "--steps", "1")
    ran = Ran(*words, *curve, "-o", tmp_path / "x.wav", zmq=engine.zmq)
    assert ran.code == 0, ran.err
    exact = Fraction(3 * 7, 2) * 60 / Fraction("133.7") * 44_100
    assert soundfile.info(tmp_path / "x.wav").frames == int(exact + Fraction(1, 2))


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_32"])
def test_joined_keeps_every_value_before_the_seam(engine: Engine, tmp_path: Path, subtype: str) -> None:
    """ALL = IN + NEW; the same values before IN's last 20 ms, which fade out (into the fake's silence), then NEW."""
    source, new, whole = tmp_path / "in.wav", tmp_path / "new.wav", tmp_path / "all.wav"
    sound = np.random.default_rng(3).uniform(-0.5, 0.5, (88_200, 2))
    soundfile.write(source, sound, 44_100, subtype=subtype)
    ran = Ran("continue", source, "--bars", "2", "--tempo", "120", "-o", new, "--joined", whole, zmq=engine.zmq)
    assert ran.code == 0, ran.err
    before, _ = soundfile.read(source, always_2d=True)
    after, _ = soundfile.read(new, always_2d=True)
    joined, rate = soundfile.read(whole, always_2d=True)
    assert rate == 44_100
    assert len(joined) == len(before) + len(after)
    assert np.array_equal(joined[: 88_200 - 882], before[: 88_200 - 882])
    fade_out = np.cos((np.arange(882) + 0.5) / 882 * np.pi / 2)[:, None]
    assert joined[88_200 - 882 : 88_200] == pytest.approx(before[88_200 - 882 :] * fade_out, abs=1e-6)
    assert np.array_equal(joined[88_200:], after)


def test_source_bars_give_the_tempo(engine: Engine, loop_path: Path, tmp_path: Path) -> None:
    words = ("continue", loop_path, "--bars", "1", "--source-bars", "4", "-o", tmp_path / "n.wav", "--json")
    ran = Ran(*words, zmq=engine.zmq)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["frames"] == 88_200


MISTAKES = [
    (("--bars", "0"), "from 1 to 256"),
    (("--bars", "257"), "from 1 to 256"),
    (("--bars", "four"), "from 1 to 256"),
    (("--bars", "9" * 5000), "from 1 to 256"),
    (("--tempo", "nan"), "20 to 400"),
    (("--tempo", "19.99"), "20 to 400"),
    (("--tempo", "401"), "20 to 400"),
    (("--meter", "4/5"), "1, 2, 4, 8, 16, 32"),
    (("--meter", "0/4"), "from 1 to 32"),
    (("--rate", "7999"), "from 8000 to 192000"),
    (("--steps", "9"), "from 1 to 8"),
    (("--guidance", "nan"), "from 1 to 6"),
    (("--seed", "-1"), "from 0 to"),
    (("--intensity", "0:99"), "-60 to 6"),
    (("--intensity", "0:-20,9:-20"), "beats run from 0 to 8"),
    (("--intensity", ""), "-60 to 6"),
    (("--melody", "no-such.mid"), "no-such.mid"),
    (("--key", "H#"), "H#"),
    (("--chords", "Q"), "Q"),
    (("--parts", "kazoo"), "drums, bass"),
    (("--parts", ""), "drums, bass"),
    (("-o", "."), "is a folder"),
    (("-o", "no/such/folder/x.wav"), "is not there"),
    (("-o", "x.mp3"), "WAV"),
    (("--bundle", "no-such-bundle"), "no bundle"),
    (("--bars", "256", "--tempo", "20"), "15 minutes"),
    (("--volume", "11"), "--volume"),
]


@pytest.mark.parametrize(("words", "says"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_sentence_and_code_2(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    """In this process, for speed: the same function that the console command calls."""
    from bridge import cli

    target = tmp_path / "x.wav"
    ran = run_here([*GENERATE, "-o", str(target), "--json", *words], cli.main)
    assert ran[0] == 2
    assert ran[1].count("\n") == 1 and ran[2].count("\n") == 1, "one line each"
    assert says in ran[2] and json.loads(ran[1])["error"]["text"] in ran[2]
    assert "Traceback" not in ran[2]
    assert list(tmp_path.iterdir()) == []


def run_here(words: list[str], main: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, run in this process."""
    import contextlib
    import io

    out, err = io.StringIO(), io.StringIO()
    assert callable(main)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ending:
        main(words)
    return int(ending.value.code or 0), out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--tempo", "120", "--source-bars", "4"), "exactly one"),
        ((), "exactly one"),
        (("--tempo", "120", "-o", "IN"), "overwrite IN"),
        (("--tempo", "120", "--joined", "new.wav", "-o", "new.wav"), "same file"),
        (("--tempo", "120", "--joined", "all.wav", "--rate", "44100"), "keeps IN's rate"),
        (("--tempo", "120", "--at-bar", "70"), "bar 0 to"),
        (("--source-bars", "200"), "20 to 400"),
    ],
)
def test_mistakes_about_what_is_continued(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    from bridge import cli

    source = tmp_path / "in.wav"
    soundfile.write(source, np.full((96_000, 1), 0.1), 48_000)
    placed = [str(tmp_path / w) if w.endswith(".wav") else str(source) if w == "IN" else w for w in words]
    target = [] if "-o" in words else ["-o", str(tmp_path / "new.wav")]
    code, _, err = run_here(["continue", str(source), "--bars", "1", *target, *placed], cli.main)
    assert (code, err.count("\n")) == (2, 1)
    assert says in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


SOUNDS = [
    ("empty", "empty"),
    ("nan", "NaN"),
    ("silent", "silent"),
    ("nine channels", "1 to 8"),
    ("slow", "8000 to 192000"),
    ("fast", "8000 to 192000"),
    ("long", "15 minutes"),
    ("junk", "read"),
    ("no", "not there"),
]
SOUNDS_OF = {
    "empty": (np.zeros((0, 2)), 48_000),
    "nan": (np.full((48_000, 2), np.nan), 48_000),
    "silent": (np.zeros((48_000, 2)), 48_000),
    "nine channels": (np.full((48_000, 9), 0.1), 48_000),
    "slow": (np.full((48_000, 2), 0.1), 7_999),
    "fast": (np.full((48_000, 2), 0.1), 192_001),
    "long": (np.full((8_000 * 901, 1), 0.1), 8_000),
}


@pytest.mark.parametrize(("content", "says"), SOUNDS)
def test_audio_that_cannot_be_continued(engine: Engine, tmp_path: Path, content: str, says: str) -> None:
    source = tmp_path / "in.wav"
    if content == "junk":
        source.write_bytes(b"RIFF no audio" * 50)
    elif content != "no":
        soundfile.write(source, *SOUNDS_OF[content], subtype="FLOAT")
    ran = Ran("continue", source, "--bars", "1", "--tempo", "120", "-o", tmp_path / "new.wav", zmq=engine.zmq)
    assert ran.code == 2 and ran.out == "" and "Traceback" not in ran.err
    assert says in ran.err.splitlines()[-1]
    assert not (tmp_path / "new.wav").exists()


def test_doctor_says_what_to_do_about_each_failure() -> None:
    ran = Ran("doctor", "--json", ATTACCA_BUNDLE="/no/such/bundle")
    assert ran.code == 1
    told = json.loads(ran.out)
    assert told["ok"] is False
    checks = {line["check"]: line for line in told["checks"]}
    assert checks["bundle"]["state"] == "failed" and "no bundle" in checks["bundle"]["text"]
    assert checks["python"]["state"] == "ok"
    assert all(line["way_out"] for line in told["checks"] if line["state"] != "ok")


def test_without_engine_and_bundle_the_way_out_is_told(tmp_path: Path) -> None:
    ran = Ran(*GENERATE, "-o", tmp_path / "x.wav", ATTACCA_BUNDLE="/no/such/bundle")
    assert ran.code == 2
    assert "no engine answers" in ran.err and "ATTACCA_BUNDLE" in ran.err


def test_a_port_in_use_is_one_sentence(engine: Engine) -> None:
    ran = Ran("serve", "--fake", "--zmq", engine.zmq, "--osc", "off")
    assert (ran.code, ran.err.count("\n"), ran.out) == (2, 1, "")
    assert "use" in ran.err


def test_a_closed_pipe_is_no_traceback() -> None:
    code = f"{sys.executable} -m bridge.cli --help | true"
    ran = subprocess.run(["bash", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in ran.stderr
