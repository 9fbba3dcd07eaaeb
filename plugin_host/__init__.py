"""Sound on time; no torch, ever. `play` is `attacca play`, `host` is `attacca host`.

`chain` is what a user writes down, `rack` and `stage` are its effects at work, `safety` comes last. `stream` and
`voice` read a `timeline`, `player` and `rolling` keep sound ahead, `outputs` are JACK, devices and files. `plugin` is
the native plugin (C++), `daw` holds clients for programs that load none.
"""
