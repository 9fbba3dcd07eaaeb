"""One finding of the doctor."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Line(NamedTuple):
    """One finding. failed: the machine cannot serve; missing: it can, but something else will not work."""

    check: str
    state: Literal["ok", "missing", "failed"]
    text: str
    way_out: str = ""
