"""Opens a sync source by what a user writes: `attacca serve --sync SOURCE`.

*Threading*: `open_source` belongs to the thread that starts the service; it may take a second. What a source's own
threads do stands in its module. Libraries are imported when their source is asked for.
"""

from __future__ import annotations

from bridge.midi.inputs import MidiInput, match, open_input
from bridge.sync.position import SyncSource
from engine.errors import BadRequest
from engine.timing import Meter

SENTENCE = "a sync source is plugin, jack[:SERVER], ardour[:HOST:PORT], midi:PORT or link[:free]"


def open_source(
    text: str = "plugin", *, rate: int = 48_000, meter: Meter | None = None, midi: MidiInput | None = None
) -> SyncSource:
    """The source that `text` names.

    plugin           what the host tells the plugin (give it the cache: `source.cache = side`)
    jack[:SERVER]    the transport of a running JACK server
    ardour[:HOST:PORT]   Ardour's OSC surface (127.0.0.1:3819)
    midi:PORT        MIDI clock from a port (as `bridge.midi.inputs.open_input` takes it); `midi`: the input `midi`
    link[:free]      Ableton Link; `free` plays whatever its start/stop says

    rate: of the frames where the source has none of its own (midi, link). meter: where it tells none. A `midi:PORT`
    that names or matches the open input shares it. Raises BadRequest and Unavailable.
    """
    kind, _, rest = text.strip().partition(":")
    if kind == "plugin" and not rest:
        from bridge.sync.plugin import PluginSource

        return PluginSource()
    if kind == "jack":
        from bridge.sync.jack import JackTransport

        return JackTransport(rest or None)
    if kind == "ardour":
        return _ardour(rest, meter)
    if kind == "midi":
        return _midi(rest, rate, meter, midi)
    if kind == "link" and rest in ("", "free"):
        from bridge.sync.link import LinkSource

        return LinkSource(rate, meter, free=rest == "free")
    raise BadRequest(f"{SENTENCE}; got {text!r}")


def _ardour(where: str, meter: Meter | None) -> SyncSource:
    from bridge.sync.ardour import DEFAULT_HOST, DEFAULT_PORT, ArdourSource

    host, _, port = where.rpartition(":")
    if where and (not host or not port.isdecimal() or len(port) > 5):
        raise BadRequest(
            f"Ardour is found at ardour:HOST:PORT (ardour alone: its port {DEFAULT_PORT} here); got {where!r}"
        )
    return ArdourSource(host or DEFAULT_HOST, int(port or DEFAULT_PORT), meter)


def _names(pattern: str, name: str) -> bool:
    """Whether an open input is called or matched so, as a port would be."""
    try:
        return match(pattern, [name]) == name
    except BadRequest:
        return False


def _midi(name: str, rate: int, meter: Meter | None, shared: MidiInput | None) -> SyncSource:
    from bridge.sync.midiclock import MidiClock

    if shared is not None and (name == "" or _names(name, shared.name)):
        source = MidiClock(rate, meter)
        source.on_close(shared.listen(source.feed))
        return source
    if not name:
        raise BadRequest("MIDI clock needs a port: midi:PORT (a name, a pattern, virtual:NAME or socket:HOST:PORT)")
    port = open_input(name)
    source = MidiClock(rate, meter)
    source.on_close(port.close)
    port.listen(source.feed)
    return source
