"""The networks, and the arithmetic between them and sound.

In a render's order: `features` (what is seen of sound), `codec`, `prompt` and `joint` (words and sound as prompts),
`denoiser`, `vocoder`, `synthesis` with `voice` and `phase` (levels to a wave); `planner` writes plans. `load` takes
them out of a bundle.
"""
