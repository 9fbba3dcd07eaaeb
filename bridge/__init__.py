"""Carries requests in and audio out; holds no model. The composition roots are `cli`, `serve` and `commands`.

`protocol` and `addresses` are the protocol as tables, `zeromq` and `osc` speak it, `session` is what the sockets
share, `client` is what a script imports. `live` serves plugins by way of `timeline`, the cache in shared memory;
`sync` and `midi` bring in play heads, notes and knobs; `web` is the control page; `files` reads and writes audio.
"""
