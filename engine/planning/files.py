"""Plan files: a MIDI file for the DAW and JSON that keeps everything exactly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec

from engine.errors import BadMidi, BadRequest, Unavailable
from engine.planning.bars import check_plan, says_nothing
from engine.timing import shown
from engine.types import Plan
from engine.whole import whole

MAX_JSON_BYTES = 4_000_000


def read_plan(path: Path) -> Plan:
    """The plan in a .json file of ours or in any MIDI file. BadMidi or BadRequest: one sentence that names the file."""
    name = shown(path.name or str(path))
    try:
        if not path.is_file():
            raise BadRequest(f"There is no plan file {name}.")
        with path.open("rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such file"
        raise BadRequest(f"Cannot read the plan file {name}: {why}.") from None
    if data.lstrip()[:1] == b"{" or path.suffix.lower() == ".json":
        return from_json(data, name)
    from engine.planning.midiread import from_midi

    try:
        return from_midi(data)
    except BadMidi as error:
        raise BadMidi(f"The MIDI file {name} {str(error).rstrip('.')}.") from None
    except BadRequest as error:
        raise BadMidi(f"The MIDI file {name} cannot be played: {error}") from None


def from_json(data: bytes, name: str = "JSON") -> Plan:
    """A plan from `to_json`, edited or not."""
    if len(data) > MAX_JSON_BYTES:
        raise BadRequest(f"The plan file {name} is larger than {MAX_JSON_BYTES // 1_000_000} MB.")
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequest(f"The plan file {name} is no plan: {str(error)[:200]}.") from None
    if says_nothing(plan):
        raise BadRequest(f"The plan file {name} plans nothing: all of its bars are open.")
    check_plan(plan)
    return plan


def to_json(plan: Plan) -> bytes:
    """JSON for people: indented, what is open left out."""
    bars = [{n: v for n in bar.__struct_fields__ if (v := getattr(bar, n)) is not None} for bar in plan.bars]
    told = {"meter": plan.meter, **({"fill": True} if plan.fill else {}), "bars": msgspec.to_builtins(bars)}
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


def check_target(path: Path, option: str) -> None:
    """BadRequest unless a MIDI file and its JSON can be written there."""
    if path.suffix.lower() not in (".mid", ".midi"):
        raise BadRequest(f"{option}: name a MIDI file, as in plan.mid; its JSON goes beside it.")
    if path.is_dir() or not path.parent.is_dir():
        raise BadRequest(f"{option}: there is no folder {shown(str(path.parent))}; make it first.")


def write_plan(path: Path, plan: Plan, tempo: Fraction | None = None) -> tuple[Path, Path]:
    """Write FILE.mid and FILE.json beside it, each whole or not at all. Raises BadRequest, Unavailable."""
    from engine.planning.midi import to_midi

    check_target(path, "the plan")
    beside = path.with_suffix(".json")
    for target, data in ((path, to_midi(plan, tempo)), (beside, to_json(plan))):
        try:
            with whole(target) as part:
                part.write_bytes(data)
        except OSError as error:
            raise Unavailable(f"Cannot write {shown(str(target))}: {error.strerror or error}.") from None
    return path, beside
