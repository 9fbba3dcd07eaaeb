"""The effects of a chain, as a person writes them down, and as pedalboard plays them.

chain.toml::

    tail_seconds = 2.0                      # optional, 0 to 60: how long to ring on after the end

    [[effect]]                              # in the order in which they are heard
    name = "HighpassFilter"                 # a class of pedalboard (`known_effects`)
    parameters = { cutoff_frequency_hz = 90.0 }

    [[effect]]
    vst3 = "plugins/Room.vst3"              # or a VST3 of your own; relative to chain.toml
    plugin = "Room"                         # optional: which one, if the file holds several
    parameters = { mix = 0.3 }
    state = "Room.state"                    # optional: where its own state is kept between runs

    rendered = true                         # optional, `attacca host`: false plays the instruments alone

    [[instrument]]                          # `attacca host` with a plan: your synth plays the plan's notes
    vst3 = "plugins/Synth.vst3"
    plays = ["melody", "chords"]            # optional: which of melody, chords, drums; default: all
    gain_db = -6.0                          # optional

Numbers must be finite; choices (a LadderFilter's `mode`) are written by name; an effect that is
not known, a parameter it does not have, or a file that is not there is refused with a sentence
that names the legal ones. pedalboard (GPLv3) is the optional extra `host` and is imported late.
"""

from __future__ import annotations

import importlib
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from engine import errors

Kind = TypeVar("Kind")
TAIL_LIMIT_SECONDS: Final = 60.0
EFFECT_LIMIT: Final = 64
NOT_EFFECTS: Final = frozenset({"Chain", "Mix", "Pedalboard", "VST3Plugin", "AudioUnitPlugin"})
WHOLE_FILES_ONLY: Final = frozenset({"GSMFullRateCompressor", "PitchShift"})
"""Block by block, pedalboard 0.9.26 lets these two give silence (its issue 415): refused instead."""
TRACKS: Final = ("melody", "chords", "drums")
GAIN_RANGE_DB: Final = (-60.0, 12.0)
CHOICES: Final = {"Mode": "LadderFilter", "Quality": "Resample"}


@dataclass(frozen=True)
class Effect:
    """One entry of a chain: a built-in by class name, or (with `vst3`) a plugin file."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    vst3: Path | None = None
    plugin: str | None = None
    state: Path | None = None
    carried: bytes | None = field(default=None, compare=False, repr=False)
    """The state of an instance that this one replaces; it goes before the file `state`."""

    @property
    def label(self) -> str:
        return self.name if self.vst3 is None else self.vst3.name

    def build(self) -> Any:
        """A new pedalboard plugin with its state and these parameters. Raises `errors.BadRequest`."""
        if self.vst3 is None:
            return _build_builtin(self)
        plugin = _build_vst3(self)
        if not plugin.is_effect:
            raise errors.BadRequest(f"{self.label} is an instrument; write it as [[instrument]]")
        return plugin


@dataclass(frozen=True)
class Instrument(Effect):
    """A VST3 that plays the notes of a plan: which of TRACKS, and how loud it is mixed in."""

    plays: tuple[str, ...] = TRACKS
    gain_db: float = 0.0

    def build(self) -> Any:
        """A new instance with its state and these parameters. Raises `errors.BadRequest`."""
        plugin = _build_vst3(self)
        if not plugin.is_instrument:
            raise errors.BadRequest(f"{self.label} is an effect; write it as [[effect]]")
        return plugin


@dataclass(frozen=True)
class ChainSpec:
    """Effects in order, and how many seconds the sound may ring on after the end.

    instruments: what plays a plan's notes, before the effects. rendered: whether what the engine rendered is heard.
    """

    effects: tuple[Effect, ...] = ()
    tail_seconds: float = 0.0
    instruments: tuple[Instrument, ...] = ()
    rendered: bool = True


def pedalboard() -> Any:
    """The pedalboard module. Raises `errors.Unavailable` where it is not installed."""
    try:
        return importlib.import_module("pedalboard")
    except ImportError as error:
        raise errors.Unavailable(
            'playing through effects needs pedalboard: pip install "attacca-engine[host]"'
        ) from error


def known_effects() -> dict[str, Any]:
    """Every effect a chain may name: pedalboard's plugin classes that can be built from parameters."""
    board = pedalboard()
    known = {}
    for name, cls in vars(board).items():
        if name.startswith("_") or name in NOT_EFFECTS | WHOLE_FILES_ONLY or not isinstance(cls, type):
            continue
        if issubclass(cls, board.Plugin) and _signature(cls) is not None:
            known[name] = cls
    return dict(sorted(known.items()))


def legal_parameters(effect: str) -> dict[str, str]:
    """Parameter names of a built-in effect and their types, as pedalboard states them."""
    return dict(_signature(known_effects()[effect]) or {})


def load_chain(path: Path, build: bool = True) -> ChainSpec:
    """Read chain.toml and (build) make every effect once. Raises `errors.BadRequest` with one sentence."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise errors.BadRequest(f"there is no chain file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise errors.BadRequest(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise errors.BadRequest(f"{path} is not valid TOML: {error}") from error
    spec = parse_chain(document, folder=path.parent)
    if not build:
        return spec
    for number, effect in enumerate(spec.effects, start=1):
        try:
            effect.build()
        except errors.BadRequest as error:
            raise errors.BadRequest(f"{path}, effect {number}: {error}") from error
    return spec


def parse_chain(document: Mapping[str, Any], folder: Path) -> ChainSpec:
    """A parsed chain.toml as a ChainSpec; `folder` is what relative paths start from."""
    _refuse_unknown(document, {"effect", "instrument", "rendered", "tail_seconds"}, "a chain file")
    tail = document.get("tail_seconds", 0.0)
    if not _is_number(tail) or not 0 <= tail <= TAIL_LIMIT_SECONDS:
        raise errors.BadRequest(f"tail_seconds is a number from 0 to {TAIL_LIMIT_SECONDS:g}, not {tail!r}")
    rendered = document.get("rendered", True)
    if not isinstance(rendered, bool):
        raise errors.BadRequest(f"rendered is true or false, not {rendered!r}")
    effects = _each(document, "effect", folder, _parse_effect)
    return ChainSpec(effects, float(tail), _each(document, "instrument", folder, _parse_instrument), rendered)


def _each(
    document: Mapping[str, Any], kind: str, folder: Path, parse: Callable[[Mapping[str, Any], Path], Kind]
) -> tuple[Kind, ...]:
    entries = document.get(kind, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise errors.BadRequest(f"{kind}s are written as [[{kind}]] tables, one after the other")
    if len(entries) > EFFECT_LIMIT:
        raise errors.BadRequest(f"a chain holds at most {EFFECT_LIMIT} {kind}s, not {len(entries)}")
    parsed = []
    for number, entry in enumerate(entries, start=1):
        try:
            parsed.append(parse(entry, folder))
        except errors.BadRequest as error:
            raise errors.BadRequest(f"{kind} {number}: {error}") from error
    return tuple(parsed)


def _parse_instrument(entry: Mapping[str, Any], folder: Path) -> Instrument:
    _refuse_unknown(entry, {"vst3", "plugin", "parameters", "state", "plays", "gain_db"}, "an instrument")
    if "vst3" not in entry:
        raise errors.BadRequest('an instrument has a file: vst3 = "..."')
    plays, gain_db = entry.get("plays", list(TRACKS)), entry.get("gain_db", 0.0)
    if not isinstance(plays, list) or not plays or not all(track in TRACKS for track in plays):
        raise errors.BadRequest(f"plays is a list of {', '.join(TRACKS)}, not {plays!r}")
    low, high = GAIN_RANGE_DB
    if not _is_number(gain_db) or not low <= gain_db <= high:
        raise errors.BadRequest(f"gain_db is a number from {low:g} to {high:g}, not {gain_db!r}")
    effect = _parse_effect({key: entry[key] for key in entry.keys() - {"plays", "gain_db"}}, folder)
    plugin = (effect.name, effect.parameters, effect.vst3, effect.plugin, effect.state)
    return Instrument(*plugin, plays=tuple(plays), gain_db=float(gain_db))


def _parse_effect(entry: Mapping[str, Any], folder: Path) -> Effect:
    _refuse_unknown(entry, {"name", "vst3", "plugin", "parameters", "state"}, "an effect")
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        raise errors.BadRequest("parameters is a table: parameters = { gain_db = -3.0 }")
    for key, value in parameters.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise errors.BadRequest(f"parameter {key} must be a finite number, not {value}")
    for key in ("name", "vst3", "plugin", "state"):
        if key in entry and (not isinstance(entry[key], str) or not entry[key]):
            raise errors.BadRequest(f"{key} is a text in quotation marks, not {entry[key]!r}")
    if ("name" in entry) == ("vst3" in entry):
        raise errors.BadRequest('each effect has either name = "..." or vst3 = "...", exactly one of them')
    if "vst3" in entry:
        file = folder / Path(entry["vst3"]).expanduser()
        if not file.exists():
            raise errors.BadRequest(f"there is no VST3 at {file}")
        state = folder / Path(entry["state"]).expanduser() if "state" in entry else None
        return Effect(file.stem, parameters, file, entry.get("plugin"), state)
    for key in ("plugin", "state"):
        if key in entry:
            raise errors.BadRequest(f"{key} goes with vst3 alone")
    return Effect(entry["name"], _resolved(parameters, folder))


def _resolved(parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {
        key: str(folder / Path(value).expanduser()) if key.endswith("filename") and isinstance(value, str) else value
        for key, value in parameters.items()
    }


def _build_builtin(effect: Effect) -> Any:
    known = known_effects()
    if effect.name in WHOLE_FILES_ONLY:
        raise errors.BadRequest(f"{effect.name} works on whole files alone: block by block it gives silence")
    if effect.name not in known:
        raise errors.BadRequest(f"unknown effect {effect.name!r}; known are {', '.join(known)}")
    legal = _signature(known[effect.name]) or {}
    arguments = {}
    for key, value in effect.parameters.items():
        if key not in legal:
            names = ", ".join(legal) or "none at all"
            raise errors.BadRequest(f"{effect.name} has no parameter {key!r}; it has {names}")
        arguments[key] = _checked(effect.name, key, value, legal[key])
    try:
        return known[effect.name](**arguments)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise errors.BadRequest(f"{effect.name} does not accept {dict(effect.parameters)}: {reason}") from error


def _checked(effect: str, key: str, value: Any, kind: str) -> Any:
    """`value` as the parameter's type wants it: a number, a switch, a choice by name or a file."""
    choice = CHOICES.get(kind.rsplit(".", 1)[-1])
    if choice is not None:
        members = getattr(getattr(pedalboard(), choice), kind.rsplit(".", 1)[-1]).__members__
        if value not in members:
            raise errors.BadRequest(f"{effect}: {key} is one of {', '.join(members)}, not {value!r}")
        return members[value]
    if key.endswith("filename"):
        if not isinstance(value, str) or not Path(value).is_file():
            raise errors.BadRequest(f"{effect}: there is no file {value!r} for {key}")
        return value
    if kind == "bool":
        if not isinstance(value, bool):
            raise errors.BadRequest(f"{effect}: {key} is true or false, not {value!r}")
    elif not _is_number(value):
        raise errors.BadRequest(f"{effect}: {key} is a number, not {value!r}")
    return value


def _build_vst3(effect: Effect) -> Any:
    assert effect.vst3 is not None
    board = pedalboard()
    try:
        names = board.VST3Plugin.get_plugin_names_for_file(str(effect.vst3))
        if effect.plugin is not None and effect.plugin not in names:
            raise errors.BadRequest(f"{effect.vst3} holds no plugin {effect.plugin!r}; it holds {', '.join(names)}")
        plugin = board.VST3Plugin(str(effect.vst3), plugin_name=effect.plugin)
    except (ImportError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise errors.BadRequest(
            f"{effect.vst3} cannot be loaded as a VST3 (is it one, and for this system?): {reason}"
        ) from error
    _restore(plugin, effect)
    for key, value in effect.parameters.items():
        if key not in plugin.parameters:
            raise errors.BadRequest(f"{effect.label} has no parameter {key!r}; it has {', '.join(plugin.parameters)}")
        try:
            setattr(plugin, key, value)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            legal = _legal_values(plugin.parameters[key])
            raise errors.BadRequest(f"{effect.label}: {key} is {legal}, not {value!r}") from error
    return plugin


def _restore(plugin: Any, effect: Effect) -> None:
    """Give a new instance the state of the one that it replaces, else that of the file."""
    state = effect.carried
    if state is None and effect.state is not None and effect.state.exists():
        try:
            state = effect.state.read_bytes()
        except OSError as error:
            raise errors.BadRequest(f"{effect.label}: the state {effect.state} cannot be read: {error}") from error
    if state:
        plugin.raw_state = state


def _legal_values(parameter: Any) -> str:
    low, high = parameter.range[:2]
    if isinstance(low, int | float) and not isinstance(low, bool) and isinstance(high, int | float):
        return f"a number from {low:g} to {high:g}"
    return "one of " + ", ".join(map(str, parameter.valid_values))


def _signature(cls: Any) -> dict[str, str] | None:
    """Parameters and types from the first line of pedalboard's own signature; None for no effect."""
    text = (cls.__init__.__doc__ or "").strip().split("\n", 1)[0]
    if not text.startswith("__init__(self") or cls.__name__ in {"ExternalPlugin", "IIRFilter", "Plugin"}:
        return None
    if "PluginContainer" in text:
        return None
    return dict(re.findall(r"(?<=, )(\w+): ([\w.]+)", text))


def _refuse_unknown(table: Mapping[str, Any], legal: set[str], what: str) -> None:
    for key in table:
        if key not in legal:
            raise errors.BadRequest(f"{what} has no entry {key!r}; it has {', '.join(sorted(legal))}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
