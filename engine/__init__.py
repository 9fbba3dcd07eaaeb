"""Makes bars of audio; knows no sockets and no DAW. Who plays begins at `render`, who learns at `training`.

`types`, `timing`, `errors`, `controls` are the vocabulary (no torch). `resident` keeps a renderer warm, `render` has
its four stages, `models` the networks, `runtimes` what runs them, `diffusion` the paths and samplers. `control` is
`--refine`, `planning` is `--plan`, `horizon` says what a live session renders when. `bundle` is the model on disk.
"""
