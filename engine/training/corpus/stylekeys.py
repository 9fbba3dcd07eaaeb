"""Short keys for the 22 styles, so that the tables of harmony, comping and words find each other."""

from __future__ import annotations

_MARKS: tuple[tuple[str, str], ...] = (
    ("techno", "techno"), ("drum", "dnb"), ("dnb", "dnb"), ("trap", "trap"), ("lo", "lofi"), ("boom", "boombap"),
    ("synthwave", "synthwave"), ("ambient", "ambient"), ("trip", "downtempo"), ("downtempo", "downtempo"),
    ("prog", "prog"), ("indie", "indie"), ("afro", "afro"), ("funk", "funk"), ("soul", "soul"), ("r&b", "soul"),
    ("rnb", "soul"), ("reggae", "reggae"), ("dub", "reggae"), ("jazz", "jazz"), ("swing", "jazz"), ("bossa", "bossa"),
    ("cinematic", "cinematic"), ("orchestral", "cinematic"), ("folk", "folk"), ("piano", "piano"), ("neo", "piano"),
    ("balkan", "balkan"), ("odd", "prog"), ("pop", "indie"), ("rock", "rock"), ("house", "house"),
)  # fmt: skip
KEYS = (
    "house", "techno", "dnb", "trap", "lofi", "boombap", "synthwave", "ambient", "downtempo", "rock", "indie", "funk",
    "soul", "reggae", "jazz", "bossa", "afro", "cinematic", "folk", "piano", "prog", "balkan",
)  # fmt: skip


def style_key(name: str) -> str:
    """The key of a style by its table name ('Drum and bass' -> 'dnb'); unknown names count as 'indie'."""
    lowered = name.lower().replace("_", " ")
    for mark, key in _MARKS:
        if (lowered.startswith(mark)) if mark == "lo" else (mark in lowered):
            return key
    return "indie"


def section_family(name: str) -> str:
    """What a section is: intro, verse, pre, chorus, bridge, break, solo, build or outro.

    Primes and numbers are ignored, so that A, A' and A2 share their material.
    """
    bare = "".join(c for c in name.lower() if c.isalpha())
    table = (
        (("solo", "inst", "trade", "dub", "ccdd"), "solo"),
        (("in", "quiet", "slow", "pad"), "intro"), (("out", "end", "coda", "tag", "final", "thin", "fade"), "outro"),
        (("bd", "build", "gap", "riser"), "build"), (("bk", "break"), "break"), (("br", "bridge"), "bridge"), (("pre",), "pre"),
        (("chorus", "hook", "drop", "climax", "horns", "peak", "refrain", "var", "vamp"), "chorus"),
    )  # fmt: skip
    if bare in ("c",):
        return "chorus"
    if bare in ("b",):
        return "bridge"
    for marks, family in table:
        if bare.startswith(marks):
            return family
    return "verse"
