"""The audio thread of the plugin neither allocates, locks nor calls the system; no sanitizer finds fault with it."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bridge.timeline.cache import EngineSide
from tests.plugin_helpers import build
from tests.timeline_helpers import FOUR_FOUR, shm_folder

SOURCE = str(Path(__file__).resolve().parent / "plugin_realtime.cpp")


def _run(program: Path, steps: int) -> tuple[int, str]:
    """Runs it beside an engine that writes and republishes without pause; -> exit status, all that was printed."""
    with shm_folder() as folder:
        command = [str(program), str(folder), str(steps), "1"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(command, **pipes)  # type: ignore[call-overload]
        engine = EngineSide.attach(Path(process.stdout.readline().strip()))
        engine.publish_map([FOUR_FOUR])
        audio = np.full((700_000, 2), 0.5, np.float32)
        engine.write(0, audio)
        over = threading.Event()

        def write() -> None:
            rng = np.random.default_rng(0)
            while not over.is_set():
                first = int(rng.integers(0, 600_000))
                engine.write(first, audio[: int(rng.integers(1, 4_000))])
                over.wait(0.0005)
                if rng.random() < 0.01:
                    engine.publish_map([FOUR_FOUR])
                    engine.write(0, audio)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            printed, _ = process.communicate("go\n", timeout=200)
        finally:
            over.set()
            writer.join()
            process.kill()
            engine.close()
    return process.returncode, printed


def _figures(printed: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"(\w+) (\d+)", printed)}


def test_no_allocation_no_lock_no_system_call(tmp_path: Path) -> None:
    program = build(tmp_path / "realtime", SOURCE, flags=["-Wl,-E"])
    status, printed = _run(program, 20_000)
    if "no seccomp" in printed:
        pytest.skip("this kernel lets no process give up its system calls (seccomp)")
    assert status == 0, printed
    found = _figures(printed)
    assert (found["caught"], found["unsound"], found["blocks"]) == (0, 0, 20_000)
    assert found["played"] > 100_000 and found["missed"] > 10_000


@pytest.mark.parametrize(("add", "caught"), [("free(malloc(8));", "caught [1-9]"), ("getppid();", "system call 110")])
def test_the_trap_catches(tmp_path: Path, add: str, caught: str) -> None:
    text = Path(SOURCE).read_text()
    marked = "armed = true;\n"
    assert marked in text
    source = tmp_path / "caught.cpp"
    source.write_text(text.replace(marked, f"{marked}        {add}\n").replace("free(malloc(8))", "free(one())"))
    if "malloc" in add:
        source.write_text(source.read_text().replace("int main(", "void* one() { return malloc(8); }\nint main("))
    program = build(tmp_path / "caught", str(source), flags=["-Wl,-E", "-fno-builtin-malloc", "-O0"])
    printed = _run(program, 50)[1]
    if "no seccomp" in printed:
        pytest.skip("this kernel lets no process give up its system calls (seccomp)")
    assert re.search(caught, printed), printed


SANITIZERS: Sequence[str] = ("-DUNARMED", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def test_sanitizers_are_content(tmp_path: Path) -> None:
    probe = tmp_path / "probe.cpp"
    probe.write_text("int main() { return 0; }\n")
    works = subprocess.run(["g++", "-fsanitize=address,undefined", str(probe), "-o", str(tmp_path / "probe")])
    if works.returncode:
        pytest.skip("this g++ has no sanitizers: sudo apt install libasan8 libubsan1")
    status, printed = _run(build(tmp_path / "sanitized", SOURCE, flags=SANITIZERS), 2_000)
    assert status == 0, printed[-3_000:]
    assert _figures(printed)["unsound"] == 0
