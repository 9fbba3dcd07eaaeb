"""How the command line explains itself: what is listed, what a help page says, what a mistake is told."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bridge.cli import MENU, cli, main
from bridge.commands.common import from_os_error, no_empty_folder
from bridge.commands.listen import announce

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 80


def run_here(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, run in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ending:
        main(words)
    return int(ending.value.code or 0), out.getvalue(), err.getvalue()


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Each command and what stands under it, by the words that call it."""
    for name, entry in cli.entries.items():
        command = entry.load()
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())


COMMANDS = [pytest.param(name, command, id=name) for name, command in all_commands()]


def test_alone_it_lists_every_command_in_the_order_of_the_menu() -> None:
    code, out, err = run_here()
    assert (code, err) == (0, "")
    assert out == run_here("--help")[1]
    listed = [line.split()[0] for line in out.splitlines() if re.match(r"  [a-z]+ {2,}[A-Z]", line)]
    assert listed == [entry.name for entries in MENU.values() for entry in entries]
    assert max(map(len, out.splitlines())) <= COLUMNS
    assert all(entry.does in out for entries in MENU.values() for entry in entries), "nothing is cut short"


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_a_help_page_says_what_it_does_and_what_each_option_is(name: str, command: click.Command) -> None:
    code, out, err = run_here(*name.split(), "--help")
    assert (code, err) == (0, "")
    assert command.name == name.split()[-1] and command.help
    unsaid = [p.opts for p in command.params if isinstance(p, click.Option) and not p.hidden and not p.help]
    assert unsaid == []
    assert "..." not in "".join(line for line in out.splitlines() if re.match(r"  (forget|learn|map|clean)", line))


def examples_of(command: click.Command) -> list[str]:
    return re.findall(r"^  (attacca .*)$", command.epilog or "", re.MULTILINE)


@pytest.mark.parametrize(("name", "command"), [one for one in COMMANDS if " " not in str(one.id)])
def test_examples_parse_as_they_stand(name: str, command: click.Command) -> None:
    lines = examples_of(command)
    assert lines or name in ("demo", "info", "evaluate", "bench")
    for line in lines:
        words = shlex.split(line)[1:]
        asked: click.Command | None = cli
        while isinstance(asked, click.Group) and words and not words[0].startswith("-"):
            asked = asked.get_command(click.Context(cli), words.pop(0))
        assert asked is not None
        asked.make_context("attacca", words).close()


MISTAKES = [
    (("gen",), ("no command 'gen'", "did you mean generate?", "attacca --help")),
    (("sing",), ("no command 'sing'", "attacca --help")),
    (("live", "wash"), ("no command 'wash'", "attacca live --help")),
    (("midi", "lern"), ("did you mean learn?", "attacca midi --help")),
    (("generate",), ("--tempo (quarters per minute", "attacca generate --help")),
    (("generate", "--tempo", "120", "--bars", "1"), ("-o (where what is new goes)",)),
    (("continue", "--bars", "1"), ("Give IN", "attacca continue --help")),
    (("generate", "--promt", "x"), ("did you mean --prompt?", "attacca generate --help")),
    (("generate", "--bars", "0"), ("--bars: '0' is not a whole number from 1 to 256",)),
    (("info", "mine", "extra"), ("extra", "attacca info --help")),
    (("midi", "map"), ("Give velocity|CC[:CHANNEL]; see attacca midi map --help",)),
    (("midi", "forget", "x"), ("TARGET", "'intensity'")),
    (("evaluate", "--corpus", "no-such-folder"), ("no-such-folder", "leave --corpus out")),
    (("generate", "--bars"), ("--bars", "add --help")),
]


@pytest.mark.parametrize(("words", "says"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_line_that_says_what_to_do(words: tuple[str, ...], says: tuple[str, ...]) -> None:
    code, out, err = run_here(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert [part for part in says if part not in err] == []
    assert err.rstrip().endswith(".") and not err.rstrip().endswith("..")


@pytest.mark.parametrize(
    ("code", "says"),
    [(errno.EACCES, "choose another place"), (errno.ENOENT, "check its name"), (errno.ENOSPC, "free some space")],
)
def test_what_the_system_refuses_is_told_with_the_place_and_the_way_out(code: int, says: str) -> None:
    sentence = str(from_os_error(OSError(code, os.strerror(code), "/some/place")))
    assert "/some/place" in sentence and says in sentence


def test_an_engine_that_may_not_write_its_cache_says_which_option_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code, out, err = run_here("serve", "--fake", "--zmq", "tcp://127.0.0.1:0", "--osc", "127.0.0.1:0")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(tmp_path / "cache") in err and "--render-dir" in err


def test_what_ends_in_an_error_leaves_no_empty_folder(tmp_path: Path) -> None:
    made, kept, full = tmp_path / "made", tmp_path / "kept", tmp_path / "full"
    kept.mkdir()

    def stop_at(folder: Path) -> None:
        with no_empty_folder(folder):
            folder.mkdir(exist_ok=True)
            if folder is full:
                (folder / "work").write_text("an hour's work")
            raise KeyboardInterrupt

    for folder in (made, kept, full):
        with pytest.raises(KeyboardInterrupt):
            stop_at(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "kept"]


def test_rewritten_bars_are_counted_from_1(tmp_path: Path) -> None:
    from engine.planning.files import write_plan
    from engine.types import Plan, PlanBar

    write_plan(tmp_path / "song.mid", Plan(bars=(PlanBar(chords=()),) * 4), None)
    words = ("plan", "--tempo", "120", "--from", str(tmp_path / "song.mid"), "--rewrite", "5")
    code, _, err = run_here(*words, "-o", str(tmp_path / "new.mid"))
    assert code == 2 and "has bars 1 to 4" in err


def test_a_ready_engine_is_told_to_programs_and_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    places = '"zmq":"tcp://127.0.0.1:1","osc":null,"web":"http://127.0.0.1:2/?token=x"'
    announce(f'ready {{"bundle":"ours",{places}}}')
    told = capsys.readouterr()
    assert told.out == f'ready {{"bundle":"ours",{places}}}\n'
    assert "ours is ready at tcp://127.0.0.1:1; Ctrl-C" in told.err and "http://127.0.0.1:2/?token=x" in told.err


def test_a_command_is_loaded_when_it_is_asked_for() -> None:
    loaded = "[m for m in sys.modules if m.startswith('bridge.commands.') or m == 'numpy']"
    code = f"import sys, bridge.cli; print({loaded})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.strip() == "['bridge.commands.menu']"


def test_every_place_of_the_menu_is_a_command() -> None:
    for entry in cli.entries.values():
        module, _, name = entry.place.partition(":")
        assert getattr(importlib.import_module(module), name).name == entry.name
        assert entry.does.endswith(".")


def test_an_interrupt_while_modules_are_loaded_is_no_traceback() -> None:
    """A command whose module takes long to load, as on a busy machine; SIGINT while it does."""
    code = (
        "import importlib, signal, time, bridge.cli as c\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow(name): print('loading', flush=True); time.sleep(60)\n"
        "importlib.import_module = slow\n"
        "c.main(['info'])"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=-1, stderr=-1, text=True)
    assert process.stdout is not None and process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "")
