"""Which bundle a command means."""

from __future__ import annotations

import os
from pathlib import Path

from engine.bundle import DEFAULT
from engine.errors import BadBundle


def bundle_path(given: Path | None = None) -> Path:
    """The bundle that was named, else ATTACCA_BUNDLE, else the shipped one. BadBundle where none is."""
    path = given or Path(os.environ.get("ATTACCA_BUNDLE") or DEFAULT)
    if not path.is_dir():
        raise BadBundle(
            f"There is no bundle at {path}; name one with --bundle or ATTACCA_BUNDLE, or train one with"
            f" 'attacca train --budget-minutes 75 --out DIR'."
        )
    return path
