"""doctor: can this machine serve? Each line that is not ok says what to do."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import socket
import sys
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click

from bridge.commands import common
from bridge.commands.bundles import bundle_path
from bridge.quiet import quiet_libraries
from engine.errors import AttaccaError, Unavailable

SLOWEST_TIMES_REAL_TIME = 2.0
SOUNDFONTS = ("/usr/share/sounds/sf3", "/usr/share/sounds/sf2", "/usr/share/soundfonts")


class Line(NamedTuple):
    """One finding. failed: the machine cannot serve; missing: it can, but something else will not work."""

    check: str
    state: Literal["ok", "missing", "failed"]
    text: str
    way_out: str = ""


def check_python() -> Line:
    return Line("python", "ok", f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")


def check_bundle() -> Line:
    from bridge.commands.study import read_info

    path = bundle_path()
    facts = read_info(path)
    return Line("bundle", "ok", f"{facts.get('name', path.name)} passes its self-check ({path})")


def check_torch() -> Line:
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    return Line("torch", "ok", f"{torch.__version__} on {device}, {torch.get_num_threads()} threads")


def check_onnxruntime() -> Line:
    there = [name for name in ("onnxruntime", "onnxruntime-gpu") if installed(name)]
    if len(there) == 2:
        both = "onnxruntime and onnxruntime-gpu are both installed and share one module"
        return Line("onnxruntime", "failed", both, "pip uninstall both, then install exactly one.")
    if not there:
        return Line("onnxruntime", "missing", "not installed", "pip install 'attacca-engine[cpu]' (or [gpu]).")
    import onnxruntime

    return Line("onnxruntime", "ok", f"{there[0]} {onnxruntime.__version__}")


def installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def check_audio() -> Line:
    try:
        import sounddevice
    except OSError:
        return Line("audio", "missing", "PortAudio is not there", "sudo apt install libportaudio2 (needed by 'play').")
    with quiet_libraries():
        outputs = [device["name"] for device in sounddevice.query_devices() if device["max_output_channels"] > 0]
    if not outputs:
        way_out = "Connect a sound card or start JACK; serving and files work without."
        return Line("audio", "missing", "PortAudio finds no output device", way_out)
    return Line("audio", "ok", f"{len(outputs)} outputs, first: {outputs[0]}")


def check_midi() -> Line:
    from bridge.midi.inputs import input_names

    try:
        names = input_names()
    except Exception as error:
        way_out = "Load the kernel module snd-seq or start JACK; --midi-in socket:127.0.0.1:PORT works without."
        return Line(
            "midi", "missing", f"no MIDI system ({common.one_sentence(str(error.__cause__ or error))[:60]})", way_out
        )
    return Line("midi", "ok", f"{len(names)} inputs" + (f", first: {names[0]}" if names else ""))


def check_sync() -> Line:
    """Which sources of `--sync` work here. The plugin, Ardour and MIDI clock need nothing of their own."""
    from bridge.sync.open import open_source

    there, ways_out = ["plugin", "ardour", "midi"], []
    try:
        open_source("jack").close()
        there.append("jack")
    except Unavailable as error:
        ways_out.append(str(error))
    if installed("aalink"):
        there.append("link")
    else:
        ways_out.append("Ableton Link (GPL-2+): pip install 'attacca-engine[link]'")
    return Line("sync", "ok", ", ".join(there), "; ".join(ways_out))


def check_training() -> Line:
    library, fonts = find_library("fluidsynth"), soundfonts()
    if library and fonts and installed("pedalboard") and installed("pyfluidsynth"):
        return Line("training", "ok", f"FluidSynth and {fonts[0].name}")
    way_out = "To train: sudo apt install libfluidsynth3 musescore-general-soundfont-small; make setup."
    return Line("training", "missing", "FluidSynth, a SoundFont or pedalboard is not there", way_out)


def soundfonts() -> list[Path]:
    return [path for folder in SOUNDFONTS for path in sorted(Path(folder).glob("MuseScore_General*.sf[23]"))]


def check_ports() -> Line:
    from bridge.client import default_endpoint
    from bridge.protocol import DEFAULT_OSC, DEFAULT_ZMQ

    host, _, port = DEFAULT_ZMQ.removeprefix("tcp://").rpartition(":")
    osc_host, _, osc_port = DEFAULT_OSC.rpartition(":")
    free = [
        is_free(socket.SOCK_STREAM, host, int(port)),
        is_free(socket.SOCK_DGRAM, osc_host, int(osc_port)),
    ]
    if all(free):
        return Line("ports", "ok", f"{port} and {osc_port} are free")
    if engine_answers():
        return Line("ports", "ok", f"an engine is running at {default_endpoint()}")
    taken = " and ".join(name for name, yes in zip((port, osc_port), free, strict=True) if not yes)
    return Line("ports", "failed", f"{taken} in use by another program", "Give others with --zmq and --osc.")


def is_free(kind: socket.SocketKind, host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def engine_answers() -> bool:
    from bridge.commands.player import running_engine

    with contextlib.ExitStack() as stack:
        return running_engine(stack) is not None


def check_speed() -> Line:
    from bridge.commands.player import in_process
    from engine.types import PromptPart, Request

    prompts = (PromptPart(text="steady drums and bass"),)
    request = Request(id="doctor", kind="generate", bars=4, tempo="120", seed=1, prompts=prompts)
    report = in_process(request, bundle_path(), "auto").report
    text = f"{report.times_real_time:.1f}x real time ({report.runtime}, {report.threads} threads)"
    if report.times_real_time < SLOWEST_TIMES_REAL_TIME:
        return Line("speed", "failed", text, "Close other programs, or run the engine on a faster machine.")
    return Line("speed", "ok", text)


CHECKS: tuple[tuple[str, Callable[[], Line]], ...] = (
    ("python", check_python),
    ("bundle", check_bundle),
    ("torch", check_torch),
    ("onnxruntime", check_onnxruntime),
    ("audio", check_audio),
    ("midi", check_midi),
    ("sync", check_sync),
    ("training", check_training),
    ("ports", check_ports),
    ("speed", check_speed),
)


def examine() -> list[Line]:
    """All findings. A check that breaks is a finding, too; speed is only asked of a sound bundle."""
    lines: list[Line] = []
    for name, check in CHECKS:
        if name == "speed" and any(line.state == "failed" for line in lines if line.check in ("bundle", "torch")):
            lines.append(Line(name, "failed", "not measured", "First give it a sound bundle."))
            continue
        try:
            lines.append(check())
        except AttaccaError as error:
            text, _, way_out = common.one_sentence(str(error)).partition("; ")
            lines.append(Line(name, "failed", text, way_out or "Get or train another bundle."))
        except Exception as error:
            text = common.one_sentence(f"{type(error).__name__}: {error}")
            lines.append(Line(name, "failed", text, "Set it up again: make setup."))
    return lines


@click.command()
@common.json_option
def doctor(as_json: bool) -> None:
    """Can this machine serve? Exit code 0 or 1."""
    lines = examine()
    sound = not any(line.state == "failed" for line in lines)
    if as_json:
        common.print_line({"ok": sound, "checks": [line._asdict() for line in lines]})
    else:
        show(lines, sound)
    raise click.exceptions.Exit(0 if sound else 1)


def show(lines: list[Line], sound: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table: Any = Table("check", "", "finding", "what to do")
    colour = {"ok": "green", "missing": "yellow", "failed": "red"}
    for line in lines:
        table.add_row(line.check, f"[{colour[line.state]}]{line.state}[/]", line.text, line.way_out)
    console = Console()
    console.print(table)
    console.print("This machine can serve." if sound else "This machine cannot serve yet; see 'what to do'.")
