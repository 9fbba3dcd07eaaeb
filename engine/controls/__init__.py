"""Musical targets, from what users type or play to the structs of `engine.types`. Loads without torch.

Every parser here takes untrusted text or files, works in bounded time, and raises nothing but
`errors.BadRequest` (or `BadMidi`, `BadAudio`) with one sentence that holds the legal range.
"""

from engine.controls.curve import intensity_envelope, parse_curve, sample_curve
from engine.controls.harmony import Chord, Key, chord_frames, parse_chords, parse_key
from engine.controls.keyed import progression
from engine.controls.melody import melody_frames, monophonic
from engine.controls.midifile import read_melody, read_notes
from engine.controls.parsing import chords_from, melody_from, only_from, strengths_from
from engine.controls.request import check, check_targets, on_grid, parse_parts, request_map

__all__ = [
    "Chord",
    "Key",
    "check",
    "check_targets",
    "chord_frames",
    "chords_from",
    "intensity_envelope",
    "melody_frames",
    "melody_from",
    "monophonic",
    "on_grid",
    "only_from",
    "parse_chords",
    "parse_curve",
    "parse_key",
    "parse_parts",
    "progression",
    "read_melody",
    "read_notes",
    "request_map",
    "sample_curve",
    "strengths_from",
]
