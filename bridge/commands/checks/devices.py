"""Sound devices, JACK, MIDI ports, and who may tell the play head."""

from __future__ import annotations

from ctypes.util import find_library

from bridge.commands import common
from bridge.commands.checks.line import Line
from bridge.commands.checks.software import installed
from bridge.quiet import quiet_libraries
from engine.errors import AttaccaError, BadRequest, Unavailable


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


def check_jack() -> Line:
    """The library, its Python package, and a server that runs."""
    if not installed("JACK-Client"):
        way_out = "pip install 'attacca-engine[jack]' (for --sync jack and attacca click)."
        return Line("jack", "missing", "JACK-Client is not there", way_out)
    if find_library("jack") is None:
        return Line("jack", "missing", "libjack is not there", "sudo apt install jackd2 (or pipewire-jack).")
    import jack

    try:
        with quiet_libraries():
            client = jack.Client("attacca-doctor", no_start_server=True)
            rate, block = client.samplerate, client.blocksize
            client.close()
    except jack.JackError:
        way_out = "Where you want it, start it: jackd -R -d alsa (or qjackctl, or PipeWire)."
        return Line("jack", "missing", "no JACK server runs", way_out)
    return Line("jack", "ok", f"a server runs: {rate} Hz, periods of {block} frames")


def check_midi() -> Line:
    """Ports, and whether the remembered one is there."""
    from bridge.midi.inputs import input_names, match
    from bridge.midi.settings import load

    try:
        names = input_names()
    except Exception as error:
        way_out = "Load the kernel module snd-seq or start JACK; --midi-in socket:127.0.0.1:PORT works without."
        cause = common.one_sentence(str(error.__cause__ or error))[:60]
        return Line("midi", "missing", f"no MIDI system ({cause})", way_out)
    try:
        settings = load()
    except AttaccaError as error:
        text, _, way_out = common.one_sentence(str(error)).rpartition(": ")
        return Line("midi", "missing", text, f"{way_out}.")
    text = f"{len(names)} inputs" + (f", first: {names[0]}" if names else "")
    if settings.bindings:
        text += f"; {len(settings.bindings)} knobs mapped"
    if settings.input and not settings.input.startswith("virtual"):
        try:
            match(settings.input, names)
        except BadRequest:
            way_out = "Plug it in, or choose another: attacca serve --midi-in PORT."
            return Line("midi", "missing", f"{text}; the chosen one, {settings.input!r}, is not there", way_out)
    return Line("midi", "ok", text)


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
