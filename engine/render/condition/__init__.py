"""Stage 1: a request becomes what the denoiser is told, frame by frame, on its exact grid.

Time zero is the first new frame at the caller's rate. Latent j stands for the eight feature frames
centred 4096 j + 512 i samples (48 kHz) after it; context has negative j. The last `UNSURE`
latents before zero are made anew even where context exists: their windows reach past its end.
A context that is silent counts as none.

`place` lays the new bars on the grid, `around` finds what sounds around them, `targets` tells the frames, `material`
gathers it all.
"""

from engine.render.condition.around import CONTEXT, MARGIN, encoded, next_of, past_of
from engine.render.condition.material import Material, PromptSense, gather
from engine.render.condition.place import Place, grid_phases, place_of, quarters_of
from engine.render.condition.targets import targets_of

__all__ = [
    "CONTEXT",
    "MARGIN",
    "Material",
    "Place",
    "PromptSense",
    "encoded",
    "gather",
    "grid_phases",
    "next_of",
    "past_of",
    "place_of",
    "quarters_of",
    "targets_of",
]
