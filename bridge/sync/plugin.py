"""The plugin's own report as a sync source: what the host told the plugin, out of its timeline cache.

*Threading*: one reader; `position` is a bounded read of shared memory (a seqlock), it never blocks.
"""

from __future__ import annotations

from typing import Protocol

from bridge.sync.position import HostPosition, host_position


class Reported(Protocol):
    """What this module reads of bridge.timeline.cache.Transport."""

    @property
    def frame(self) -> int: ...
    @property
    def monotonic_ns(self) -> int: ...
    @property
    def playing(self) -> bool: ...
    @property
    def looping(self) -> bool: ...
    @property
    def musical(self) -> bool: ...
    @property
    def bar(self) -> int: ...
    @property
    def quarter(self) -> float: ...
    @property
    def tempo(self) -> float: ...
    @property
    def numerator(self) -> int: ...
    @property
    def denominator(self) -> int: ...
    @property
    def loop_first(self) -> int: ...
    @property
    def loop_last(self) -> int: ...
    @property
    def jumps(self) -> int: ...


class Cache(Protocol):
    """The engine's side of a timeline cache, as far as it is read here."""

    @property
    def rate(self) -> int: ...

    def transport(self) -> Reported | None: ...


def from_transport(transport: Reported, rate: int) -> HostPosition | None:
    """The checked position of a plugin's report; None when its frame is nonsense.

    Without the flag `musical`, bar, quarter, tempo and meter are no host's, and None here.
    """
    musical = transport.musical
    loop = (transport.loop_first, transport.loop_last) if transport.looping else None
    return host_position(
        "plugin",
        transport.monotonic_ns,
        transport.frame,
        rate,
        transport.playing,
        tempo=transport.tempo if musical else None,
        bar=transport.bar if musical else None,
        quarter=transport.quarter if musical else None,
        numerator=transport.numerator if musical else None,
        denominator=transport.denominator if musical else None,
        loop=loop,
        jumps=transport.jumps,
    )


class PluginSource:
    """Follows the cache that it is given; None while it has none."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.name = "plugin"
        self.cache = cache

    def position(self) -> HostPosition | None:
        cache = self.cache
        transport = None if cache is None else cache.transport()
        if cache is None or transport is None:
            return None
        return from_transport(transport, cache.rate)

    def close(self) -> None:
        """Lets go of the cache; who attached it closes it."""
        self.cache = None
