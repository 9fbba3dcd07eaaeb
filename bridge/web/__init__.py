"""The control page: a small HTTP server on loopback and what it serves. aiohttp is imported in here alone.

`server` is the thread, `app` the routes, `guard` who may come in, `page` one open page, `shelf` the takes,
`whole` their edits, `scores` their MIDI, `messages` the structs that only the page knows. `static/` is the page itself.
"""
