"""Where the control page is, for this user's plugins: one line in a file beside the timeline caches.

The address has the token of this start in it, so the file is this user's alone (0600), written whole or not at all,
and gone with the server. Its reader is `plugin_host/plugin/editor/page_link.hpp`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from bridge.timeline.files import cache_folder


def page_file(folder: Path | None = None) -> Path:
    return (folder or cache_folder()) / f"attacca.{os.getuid()}.page"


def announce(url: str, folder: Path | None = None) -> Path | None:
    """Write the page's address; the file, or None where the folder cannot be written: then no plugin finds the page."""
    path = page_file(folder)
    try:
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mkstemp: 0600
        with os.fdopen(handle, "w") as file:
            file.write(f"{url}\n")
        os.replace(name, path)
    except OSError:
        return None
    return path


def withdraw(url: str, folder: Path | None = None) -> None:
    """Remove the address, unless a newer engine's stands there."""
    with contextlib.suppress(OSError):
        path = page_file(folder)
        if path.read_text().strip() == url:
            path.unlink()
