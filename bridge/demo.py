"""`make demo`: an engine in its own process, and three requests to it as a DAW would send them.

    1  OSC       four bars from a prompt; the reply names a file
    2  ZeroMQ    four bars that continue a recorded loop; the audio comes back bar by bar
    3  MIDI      a melody, played into the engine, under a third request

Leaves the sound, spectrogram pictures with bar lines and a table in the output folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bridge.client import Engine as Client
from bridge.demo_engine import Engine, engine_process
from bridge.files import wavefile
from bridge.files.joining import join_exactly
from bridge.files.pictures import save_spectrogram
from bridge.osc.client import OscClient
from engine.errors import AttaccaError, Unavailable
from engine.timing import Meter, TempoMap
from engine.types import Audio

LOOP = Path(__file__).resolve().parent / "samples" / "loop_mika.flac"
BARS, TEMPO, METER, LOOP_BARS = 4, 120, "4/4", 4
REPLY_SECONDS = 120.0
PROMPT = "warm house groove with a round bass and electric piano chords"
MELODY_PROMPT = "bright synth lead over a steady synthwave beat"
MELODY = ((69, 0, 1), (72, 1, 1), (76, 2, 1.5), (74, 3.5, 0.5), (72, 4, 1), (71, 5, 1), (69, 6, 2))
"""Pitch, beat and length in quarters: an eight-beat phrase in A minor, played twice."""


class Row(NamedTuple):
    """A line of the table. bar_error_samples: the largest distance of a bar line from its exact frame."""

    request: str
    bars: int
    audio_seconds: float
    render_seconds: float
    times_real_time: float
    bar_error_samples: int


class Sound(NamedTuple):
    """audio: float32 [frames, channels]; bar_frames: the length of each bar as the engine gave it."""

    audio: Audio
    rate: int
    bar_frames: tuple[int, ...]
    compute_seconds: float


def exact_lines(bars: int, rate: int) -> list[int]:
    """Frames of all bar lines, from the first: floor(x + 1/2) of their exact place, by hand."""
    bar_seconds = Fraction(4 * 60, TEMPO)
    return [int(k * bar_seconds * rate + Fraction(1, 2)) for k in range(bars + 1)]


def row(name: str, sound: Sound) -> Row:
    lines = [0, *np.cumsum(sound.bar_frames).tolist()]
    exact = exact_lines(BARS, sound.rate)
    assert len(lines) == len(exact), "a bar is missing"
    error = max(abs(have - want) for have, want in zip(lines, exact, strict=True))
    seconds = len(sound.audio) / sound.rate
    return Row(name, BARS, seconds, sound.compute_seconds, seconds / max(sound.compute_seconds, 1e-9), error)


def melody_notes(repeats: int = 2) -> Iterator[tuple[int, float, float]]:
    for turn in range(repeats):
        for pitch, beat, length in MELODY:
            yield pitch, beat + 8 * turn, length


def ping(peer: OscClient) -> float:
    """Round trip in seconds."""
    begin = time.monotonic()
    peer.send("/attacca/ping", "demo")
    peer.wait_for("/attacca/pong")
    return time.monotonic() - begin


def ending(peer: OscClient, name: str) -> tuple[Path, int, float]:
    """Waits for a request's `done`: its file, rate and compute seconds. Raises what `fail` says."""
    while True:
        reply = peer.wait_for("/attacca/done", "/attacca/fail", timeout_s=REPLY_SECONDS)
        if reply.args[0] != name:
            continue
        if reply.address == "/attacca/fail":
            raise AttaccaError(str(reply.args[2]))
        _, path, _, rate, compute_seconds = reply.args
        return Path(str(path)), int(rate), float(compute_seconds)


def by_osc(peer: OscClient, name: str, prompt: str, seed: int) -> Sound:
    """One generate over OSC; the audio is read from the file that the reply names.

    OSC tells the length alone, so the lines between are those of the tempo map, the last that of the file.
    """
    peer.send("/attacca/generate", name, prompt, BARS, float(TEMPO), METER, seed)
    path, rate, compute_seconds = ending(peer, name)
    audio = wavefile.read_exact(path).samples.astype(np.float32)
    frames = TempoMap.parse(str(TEMPO), Meter.parse(METER)).bar_frames(0, BARS, rate)
    frames[-1] += len(audio) - sum(frames)
    return Sound(audio, rate, tuple(frames), compute_seconds)


def by_zeromq(client: Client, name: str, seed: int) -> tuple[Sound, Audio]:
    """Four bars that continue the loop, and loop and bars joined, both at the loop's own rate."""
    request, inline = client.continue_request(LOOP, BARS, TEMPO, id=name, seed=seed)
    take = client.take(request, inline)
    lead_in = take.audio[:0] if take.lead_in is None else take.lead_in
    joined = join_exactly(wavefile.read_exact(LOOP), request, take.audio, lead_in)
    sound = Sound(take.audio, take.rate, take.report.bar_frames, take.report.compute_seconds)
    return sound, joined.astype(np.float32)


def by_melody(engine: Engine, peer: OscClient, name: str, seed: int) -> Sound:
    """A melody played live into the engine's MIDI port, then a generate that follows it."""
    play_midi(str(engine.ready["midi"]))
    return by_osc(peer, name, MELODY_PROMPT, seed)


def play_midi(port: str) -> None:
    """Plays the melody in time into `socket:HOST:PORT`, mido's own port over TCP, which every machine has."""
    import mido.sockets

    _, host, number = port.split(":")
    events = [(beat, "note_on", pitch) for pitch, beat, _ in melody_notes()]
    events += [(beat + 0.95 * length, "note_off", pitch) for pitch, beat, length in melody_notes()]
    begin = time.monotonic()
    with mido.sockets.connect(host, int(number)) as output:
        for beat, kind, pitch in sorted(events):
            time.sleep(max(0.0, begin + beat * 60 / TEMPO - time.monotonic()))
            output.send(mido.Message(kind, note=pitch, velocity=100))
        time.sleep(0.2)


def save(out: Path, name: str, sound: Sound, title: str) -> None:
    lines = np.cumsum([0, *sound.bar_frames]).tolist()
    wavefile.write_wav(out / f"{name}.wav", sound.audio, sound.rate)
    save_spectrogram(out / f"{name}.png", sound.audio, sound.rate, lines, title)


def save_joined(out: Path, joined: Audio, rate: int) -> None:
    """The loop and its continuation as one file and one picture, with all bar lines."""
    wavefile.write_wav(out / "2-continued-joined.wav", joined, rate)
    title = f"the recorded loop (bars 1-{LOOP_BARS}) and its continuation"
    save_spectrogram(out / "2-continued-joined.png", joined, rate, exact_lines(LOOP_BARS + BARS, rate), title)


def three_requests(engine: Engine, out: Path) -> list[Row]:
    """The three requests, each saved as it comes."""
    with OscClient(engine.osc) as peer, Client(engine.zmq) as client:
        say(f"OSC ping answered in {1000 * ping(peer):.1f} ms")
        say(f"1  OSC: {BARS} bars of '{PROMPT}'")
        first = by_osc(peer, "demo-1", PROMPT, seed=1)
        save(out, "1-prompt", first, PROMPT)
        say(f"2  ZeroMQ: {BARS} bars that continue {LOOP.name}")
        second, joined = by_zeromq(client, "demo-2", seed=2)
        save(out, "2-continued", second, f"the {BARS} bars after {LOOP.name}")
        save_joined(out, joined, second.rate)
        say(f"3  MIDI: a melody played into {engine.ready['midi']}, under '{MELODY_PROMPT}'")
        third = by_melody(engine, peer, "demo-3", seed=3)
        save(out, "3-melody", third, f"{MELODY_PROMPT}, along a melody")
    return [row("1 prompt, OSC", first), row("2 continued loop, ZeroMQ", second), row("3 MIDI melody, OSC", third)]


def run(out: Path, bundle: Path | None) -> list[Row]:
    """The demo, with a bundle or (None) the fake. Raises an AttaccaError where a step fails."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"--out: the folder {out} cannot be made: {error.strerror}.") from error
    options = ["--fake"] if bundle is None else ["--bundle", str(bundle)]
    say("starting the engine (load, self-check, warm-up)")
    with engine_process(*options, "--midi-in", "socket:127.0.0.1:0") as engine:
        say(f"ready after {engine.start_seconds:.1f} s: bundle {engine.ready['bundle']}, {engine.zmq}")
        rows = three_requests(engine, out)
    table = as_markdown(rows)
    wavefile.write_whole(out / "table.md", table.encode())
    say(f"the engine has stopped; see {out}/\n\n{table}")
    say(f"Listen to {out / '2-continued-joined.wav'}: a recorded loop, then bars that go on from it.")
    say("Next: an engine of your own, with a page in the browser: .venv/bin/attacca serve --web")
    return rows


def say(text: str) -> None:
    print(text, flush=True)


def as_markdown(rows: list[Row]) -> str:
    """The table, as it is printed and saved."""
    heads = ("request", "bars", "audio s", "render s", "times real time", "bar error (samples)")
    cells = [
        (
            r.request,
            r.bars,
            f"{r.audio_seconds:.3f}",
            f"{r.render_seconds:.3f}",
            f"{r.times_real_time:.1f}",
            r.bar_error_samples,
        )
        for r in rows
    ]
    lines = [heads, ("---", *["---:"] * (len(heads) - 1)), *cells]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
