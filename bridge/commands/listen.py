"""serve, play, demo: what runs for a while and is listened to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bridge.commands.bundles import bundle_path
from bridge.commands.common import Real, Whole, device_option, json_option, print_line, remark, runtime_option
from bridge.commands.menu import examples
from bridge.protocol import DEFAULT_OSC, DEFAULT_WEB, DEFAULT_ZMQ
from engine.errors import BadRequest

path = click.Path(path_type=Path)


@click.command(
    epilog=examples(
        "attacca serve",
        "attacca serve --web",
        'attacca serve --midi-in "*Keystation*" --sync jack',
    )
)
@click.option("--bundle", type=path, metavar="DIR", help="What to play from; default: ATTACCA_BUNDLE, else ours.")
@click.option("--fake", is_flag=True, help="No model, no weights: clicks on beats and a tone on each bar.")
@device_option
@runtime_option
@click.option("--zmq", default=DEFAULT_ZMQ, show_default=True, metavar="ENDPOINT", help='"off": none; port 0: any.')
@click.option("--osc", default=DEFAULT_OSC, show_default=True, metavar="HOST:PORT", help='"off": none; port 0: any.')
@click.option("--ready-file", type=path, help="Written when requests are taken, removed at the end.")
@click.option(
    "--render-dir",
    type=path,
    help="Where renders for OSC go and stay; default: the engine's own folder.",
)
@click.option("--osc-allow", multiple=True, metavar="ADDRESS", help="An address beyond loopback that may send OSC.")
@click.option("--curve-keys", type=path, help="A folder of CURVE keys: needed beyond loopback.")
@click.option(
    "--midi-in",
    metavar="PORT",
    help="Live notes become melodies, of live sessions too: a port, virtual:NAME, socket:HOST:PORT or last.",
)
@click.option(
    "--sync",
    default="plugin",
    show_default=True,
    metavar="SOURCE",
    help="Who tells the play head: plugin, jack[:SERVER], ardour[:HOST:PORT], midi[:PORT] (clock) or link[:free].",
)
@click.option(
    "--sync-meter", default="4/4", show_default=True, metavar="METER", help="Of sources that tell none: midi, link."
)
@click.option("--live/--no-live", default=True, show_default=True, help="Serve the plugins of this machine's hosts.")
@click.option(
    "--live-steps",
    type=Whole(1, 8),
    default=2,
    show_default=True,
    help="Sampling steps, live: fewer are quicker.",
)
@click.option(
    "--web",
    type=Whole(0, 65_535),
    is_flag=False,
    flag_value=DEFAULT_WEB,
    metavar="[PORT]",
    help=f"The control page, for a browser on this machine; its address is printed. Port {DEFAULT_WEB}; 0: any.",
)
@click.option("--fake-seconds-per-bar", type=Real(0, 60), default=0.0, hidden=True)
def serve(bundle: Path | None, fake: bool, osc_allow: tuple[str, ...], **options: Any) -> None:
    """Runs the engine: loads, warms up, says "ready {json}", then takes requests until it is stopped."""
    if fake and bundle:
        raise BadRequest("Give either --bundle or --fake.")
    from bridge import serve as server

    place = None if fake else bundle_path(bundle)
    if place is not None:
        remark(f"loading {place.name}")
    server.serve(server.Options(bundle=place, fake=fake, osc_allow=osc_allow, **options), announce)


def announce(line: str) -> None:
    """The ready line for programs, on stdout; for people, on stderr, what they can do now."""
    print(line, flush=True)
    ready = json.loads(line.removeprefix("ready "))
    served = " and ".join(place for place in (ready["zmq"], ready["osc"] and f"OSC {ready['osc']}") if place)
    remark(f"{ready['bundle']} is ready{f' at {served}' if served else ''}; Ctrl-C ends it")
    if ready["web"]:
        remark(f"the control page, for a browser on this machine: {ready['web']}")


@click.command(epilog=examples("attacca play all.wav", "attacca play all.wav --chain chain.toml -o mixed.wav"))
@click.argument("file", type=path)
@click.option("--chain", type=path, help="Effects: a chain.toml of pedalboard's own and of your VST3s.")
@click.option("--device", help="A sound device, by name or number; default: the system's.")
@click.option("-o", "output", type=path, metavar="OUT.wav", help="Write a WAV instead of playing.")
@json_option
def play(file: Path, chain: Path | None, device: str | None, output: Path | None, as_json: bool) -> None:
    """Plays a sound file through an effect chain, with a limiter last."""
    from plugin_host.play import play as play_file

    report = play_file(file, chain, output, device)
    for line in report.remarks:
        remark(line)
    if as_json:
        import msgspec

        print_line(msgspec.to_builtins(report))
    else:
        click.echo(f"{report.source} -> {report.output}: {report.audio_seconds:.3f} s, peak {report.peak_db:.1f} dB")


@click.command()
@click.option("--out", type=path, default=Path("out"), show_default=True, help="Where the results go.")
@click.option("--bundle", type=path, metavar="DIR", help="What to play from; default: ATTACCA_BUNDLE, else ours.")
@click.option("--fake", is_flag=True, help="Without a model: clicks and tones, to try the protocol.")
def demo(out: Path, bundle: Path | None, fake: bool) -> None:
    """Starts an engine and asks it for three things, as a DAW would: sound, pictures and a table in --out."""
    from bridge import demo as demonstration

    demonstration.run(out, None if fake else bundle_path(bundle))
