"""Where a host's play head is: plugin, JACK, Ardour's OSC, MIDI clock or Link, each as a `position.HostPosition`.

`open` takes what `attacca serve --sync` is given. A source holds one I/O library; what it hears is worked out by pure
modules beside it (`ticks`, `regress`, `surface`).
"""
