"""midi: the machine's MIDI inputs, the chosen one, and which knob steers what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bridge.commands.common import Real, json_option, print_line, remark
from bridge.commands.menu import Topic, examples
from engine.errors import AttaccaError, BadRequest

if TYPE_CHECKING:
    from bridge.midi.mapping import Binding, Knob

EXAMPLES = ("attacca midi", "attacca midi learn intensity", "attacca midi map 74:1 blend")
TARGETS = click.Choice(["intensity", "prompt", "melody", "guidance", "blend"])
low_option = click.option("--low", type=Real(-60, 6), help="What the knob's lower end asks for; intensity: in dB.")
high_option = click.option("--high", type=Real(-60, 6), help="What its upper end asks for; it may lie below.")


@click.group(cls=Topic, invoke_without_command=True, epilog=examples(*EXAMPLES))
@json_option
@click.pass_context
def midi(context: click.Context, as_json: bool) -> None:
    """MIDI inputs, the chosen one, and what knobs steer in live sessions: alone, it lists them.

    A running `attacca serve --midi-in PORT` takes a changed mapping up within a second.
    """
    if context.invoked_subcommand is not None:
        return
    from bridge.midi.settings import load, settings_path

    names, problem = _inputs()
    settings = load()
    if as_json:
        bindings = [_row(binding) for binding in settings.bindings]
        print_line({"inputs": names, "problem": problem, "chosen": settings.input, "bindings": bindings})
        return
    for name in names:
        click.echo(f"input   {name}")
    if not names:
        click.echo(problem or "No MIDI input is there: plug one in, or make one with --midi-in virtual:NAME.")
    click.echo(f"chosen  {settings.input or 'none yet (attacca serve --midi-in PORT remembers it; then: last)'}")
    for binding in settings.bindings:
        click.echo(f"knob    {_words(binding)}")
    if not settings.bindings:
        click.echo(f"knob    none is mapped yet (attacca midi learn intensity); they are kept in {settings_path()}")


@midi.command(short_help="Move a knob: from now on it steers TARGET.")
@click.argument("target", type=TARGETS, metavar="TARGET")
@click.option("--port", metavar="PORT", help="Where the knob is; default: the chosen input.")
@click.option("--seconds", type=Real(1, 600), default=20.0, show_default=True, help="How many seconds to wait for it.")
@low_option
@high_option
@json_option
def learn(target: str, port: str | None, seconds: float, low: float | None, high: float | None, as_json: bool) -> None:
    """Move a knob: from now on it steers TARGET: intensity, prompt, melody, guidance or blend."""
    from bridge.midi.inputs import open_input
    from bridge.midi.learn import Learner
    from bridge.midi.remembered import LAST, open_chosen

    learner = Learner()
    with open_chosen(LAST) if port is None else open_input(port) as source:
        source.listen(learner.feed)
        remark(f"move the knob on {source.name} that is to steer {target}, from end to end")
        knob = learner.wait(seconds)
    _keep(knob, target, low, high, as_json)


@midi.command("map", short_help="The same by the knob's number, or by velocity.")
@click.argument("knob", metavar="velocity|CC[:CHANNEL]")
@click.argument("target", type=TARGETS, metavar="TARGET")
@low_option
@high_option
@json_option
def map_(knob: str, target: str, low: float | None, high: float | None, as_json: bool) -> None:
    """Map a knob by its number, or the velocity of notes, to TARGET (see attacca midi learn --help)."""
    _keep(knob_from(knob), target, low, high, as_json)


@midi.command(short_help="Nothing steers TARGET any more; alone: all of them.")
@click.argument("target", type=TARGETS, metavar="[TARGET]", required=False)
@json_option
def forget(target: str | None, as_json: bool) -> None:
    """Nothing steers TARGET any more; without one: no knob steers anything."""
    from bridge.midi.settings import load, save, without

    before = load()
    after = without(before, target)
    save(after)
    gone = len(before.bindings) - len(after.bindings)
    print_line({"forgotten": gone}) if as_json else click.echo(
        f"{gone} {'mapping' if gone == 1 else 'mappings'} forgotten."
    )


def knob_from(text: str) -> Knob:
    """`velocity`, `74` or `74:1` (channel 1). Raises BadRequest."""
    from bridge.midi.mapping import ANY_CHANNEL, Knob

    if text == "velocity":
        return Knob("velocity", ANY_CHANNEL, 0)
    number, _, channel = text.removeprefix("cc").partition(":")
    legal = number.isdecimal() and len(number) < 4 and int(number) < 120 and (channel or "1").isdecimal()
    if not legal or len(channel) > 2 or (channel and not 1 <= int(channel) <= 16):
        raise BadRequest(f"a knob is velocity, or a controller 0-119 and its channel 1-16, as in 74:1; got {text!r}")
    return Knob("cc", int(channel or ANY_CHANNEL), int(number))


def _keep(knob: Knob, target: str, low: float | None, high: float | None, as_json: bool) -> None:
    from bridge.midi.mapping import bound
    from bridge.midi.settings import load, save, with_binding

    binding = bound(target, knob, low, high)
    path = save(with_binding(load(), binding))
    if as_json:
        print_line({**_row(binding), "file": str(path)})
    else:
        click.echo(f"{_words(binding)} (kept in {path})")


def _inputs() -> tuple[list[str], str]:
    """The inputs of this machine, and why there are none."""
    from bridge.midi.inputs import input_names

    try:
        return input_names(), ""
    except AttaccaError as error:
        return [], str(error)


def _row(binding: Binding) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.to_builtins(binding))


def _words(binding: Binding) -> str:
    from bridge.midi.mapping import TARGETS as SPANS

    unit = SPANS[binding.target].unit
    return f"{binding.knob} steers {binding.target}, {binding.low:g}{unit} to {binding.high:g}{unit}"
