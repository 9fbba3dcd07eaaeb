"""Where sound goes. An output is two methods: `start(player)` and `stop()`.

`start` begins to pull blocks from the player, `stop` ends it and lets go of the device or file;
`stop` is called in any case, after an error too.
"""

from __future__ import annotations

from typing import Protocol

from plugin_host.player import Player


class Output(Protocol):
    """A place to play to, at its own rate, channel count and block size."""

    @property
    def name(self) -> str: ...

    @property
    def rate_hz(self) -> int: ...

    @property
    def channels(self) -> int: ...

    @property
    def block_frames(self) -> int: ...

    @property
    def alive(self) -> bool:
        """False once a device has gone; a file is always alive."""
        ...

    def start(self, player: Player) -> None: ...

    def stop(self) -> None: ...
