"""A process of its own that plays notes through amsynth's VST2 in DawDreamer: `python -m ... FOLDER`.

FOLDER holds job.json (plugin, frames, values by name, notes as [key, velocity, start_s, seconds]); sound.raw
[frames, 2] float32 is written beside it. amsynth and DawDreamer are GPL: they live in this process alone and
no module of ours imports it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 48_000


def play(job: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The job's sound [frames, 2]."""
    import dawdreamer  # type: ignore[import-untyped]

    engine = dawdreamer.RenderEngine(RATE_HZ, 256)
    synth = engine.make_plugin_processor("amsynth", job["plugin"])
    places = {synth.get_parameter_name(index): index for index in range(synth.get_plugin_parameter_size())}
    for name, value in job["values"].items():
        synth.set_parameter(places[name], value)
    for key, velocity, start_s, seconds in job["notes"]:
        synth.add_midi_note(key, velocity, start_s, seconds)
    engine.load_graph([(synth, [])])
    engine.render(job["frames"] / RATE_HZ)
    sound = engine.get_audio()
    return np.ascontiguousarray(sound[:, : job["frames"]].T, np.float32)


def main() -> None:
    """Read the folder's job, write its sound."""
    folder = Path(sys.argv[1])
    play(json.loads((folder / "job.json").read_text())).tofile(folder / "sound.raw")


if __name__ == "__main__":
    main()
