"""Learning: from a composed corpus, or a folder of recordings, to a bundle. Imported by commands alone, when they run.

`pipeline` walks the `stages` under one `budget`; a stage trains by `loop`. `corpus` composes and renders, `folder`
reads recordings, `adapt` fine-tunes. `evaluate` and `metrics` score a bundle; `experiments`, `recipes` and
`distillations` hold the papers side by side.
"""
