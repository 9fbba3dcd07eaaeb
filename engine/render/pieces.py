"""Where emitted audio is cut: at the bar lines, or in pieces between them. Loads without torch."""

from __future__ import annotations

import itertools
from typing import NamedTuple


class Cut(NamedTuple):
    """Frames first ... end from the first new bar on, of bar `bar`; the lead-in is bar -1 and lies before 0."""

    bar: int
    first: int
    end: int


def cuts_of(lines: list[int], seam_frames: int, rate: int, piece_ms: int | None) -> list[Cut]:
    """All cuts in order, without a gap: the lead-in where there is one, then each bar whole or in equal pieces.

    lines: bars + 1 frames at `rate`, the first 0. A piece lasts `piece_ms` at most, to a frame.
    """
    cuts = [Cut(-1, -seam_frames, 0)] if seam_frames else []
    for bar, (first, end) in enumerate(itertools.pairwise(lines)):
        count = 1 if piece_ms is None else max(1, -(-(end - first) * 1000 // (piece_ms * rate)))
        edges = [first + (end - first) * k // count for k in range(count + 1)]
        cuts += [Cut(bar, a, b) for a, b in itertools.pairwise(edges)]
    return cuts
