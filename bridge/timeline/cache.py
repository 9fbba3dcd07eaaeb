"""The timeline cache: rendered bars in shared memory, addressed by project frame; both sides, as one import.

`PluginSide` makes a cache and plays from it; `EngineSide` attaches to one and fills it; `discover` lists what is
there and `reclaim` removes what crashed plugins left. The layout is `bridge/timeline/layout.py`; the C++ twin
is `plugin_host/plugin/timeline_cache.hpp`.
"""

from __future__ import annotations

from bridge.timeline.engine import EngineSide
from bridge.timeline.files import cache_folder, discover, path_of, reclaim
from bridge.timeline.memory import BoolMask
from bridge.timeline.plugin import PluginSide
from bridge.timeline.structs import (
    CacheInfo,
    Counters,
    EngineStatus,
    HeardNote,
    Knobs,
    Position,
    Segment,
    Transport,
    Words,
    position_at,
)

__all__ = [
    "BoolMask",
    "CacheInfo",
    "Counters",
    "EngineSide",
    "EngineStatus",
    "HeardNote",
    "Knobs",
    "PluginSide",
    "Position",
    "Segment",
    "Transport",
    "Words",
    "cache_folder",
    "discover",
    "path_of",
    "position_at",
    "reclaim",
]
