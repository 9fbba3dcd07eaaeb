"""Plans: what is to be played, bar by bar, before it is rendered (MeLoDy's guidance, made visible). Loads no torch.

`engine.types.Plan` is the struct; `bars` looks at plans, `midi`, `midicontents` and `midiread` carry them in MIDI
files, `files` reads and writes both kinds of file, `conditions` turns a plan into targets of a request, `tokens` and
`sampling` are the language model's side of it (`engine.models.planner`).
"""
