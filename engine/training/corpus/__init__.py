"""Our own music: `compose` writes a song, `sample` renders and annotates it, `build` makes a corpus of them in
parallel.

A song is exact data (`song`); each line of it has modules of its own (`drums`, `bass`, `comp`, `melody`, ...), the
styles are tables (`styletable`, `tables`). `sources` says who plays what, `mix` makes stereo, `captions` says what
was played.
"""
