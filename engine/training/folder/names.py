"""Tempo, key and words from file and folder names, as producers write them: `Deep House_124bpm_Am_pad 02.wav`."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import PurePath

from engine.controls import parse_key
from engine.errors import BadRequest
from engine.timing import parse_tempo
from engine.training.folder.hints import Hints, KeyHint

BARE_RANGE_BPM = (60, 190)
MAX_WORDS = 12

_NUMBER = r"([0-9]{2,3}(?:[.,][0-9]{1,3})?)"
_BPM = re.compile(
    rf"(?<![0-9.]){_NUMBER}[ _\-]?bpm(?![a-z])|(?<![a-z])bpm[ _\-:=]{{0,2}}{_NUMBER}(?![0-9])", re.IGNORECASE
)
_BARE = re.compile(r"(?:(?<=[ _\-.(\[])|^)([0-9]{2,3})(?=$|[ _\-.)\]])")
_KEY = re.compile(
    r"(?:(?<=[ _\-.(\[])|^)([A-G])(#|b|♯|♭|[ _\-]?sharp|[ _\-]?flat)?[ _\-]?(major|minor|maj|min|m)?(?=$|[ _\-.)\]])",
)
_SPLIT = re.compile(r"[^A-Za-z0-9'&/#]+|(?<=[a-z])(?=[A-Z])")
_NOISE_WORDS = """
    loop loops sample samples wav wave flac mp3 ogg aif aiff audio bpm master mastered final mix mixdown bounce bounced
    export render rendered take track tracks file files untitled new old copy version demo project session stem stems
    full part seq rec recording recordings my the a of and song songs music sound sounds sharp flat maj min major minor
    key misc various pack library data
"""
_NOISE = frozenset(_NOISE_WORDS.split())
_SPELLED = {
    "dnb": "drum and bass", "d&b": "drum and bass", "hh": "hi-hat", "hat": "hi-hat", "hats": "hi-hats", "gtr": "guitar",
    "gtrs": "guitars", "egtr": "electric guitar", "agtr": "acoustic guitar", "pno": "piano", "keys": "keyboard",
    "ep": "electric piano", "rhodes": "electric piano", "bd": "kick drum", "kick": "kick drum", "sn": "snare drum",
    "snare": "snare drum", "perc": "percussion", "synth": "synthesiser", "vox": "voice", "str": "strings",
    "orch": "orchestral", "amb": "ambient", "lofi": "lo-fi", "hiphop": "hip hop", "fx": "effects", "arp": "arpeggio",
    "dub": "dub", "ld": "lead", "bs": "bass", "pd": "pad", "drm": "drums", "brk": "breakbeat", "brks": "breakbeats",
}  # fmt: skip


def tempo_in(text: str) -> Fraction | None:
    """A tempo that is marked as one: "124bpm", "bpm_98.5"; None without, or outside 20-400."""
    for match in _BPM.finditer(text):
        try:
            return parse_tempo((match[1] or match[2]).replace(",", "."))
        except BadRequest:
            continue
    return None


def bare_tempo_in(text: str) -> Fraction | None:
    """The only number from 60 to 190 that stands alone ("pad_120_C"); None for none or several."""
    found = {int(match[1]) for match in _BARE.finditer(text)}
    likely = [n for n in found if BARE_RANGE_BPM[0] <= n <= BARE_RANGE_BPM[1]]
    return Fraction(likely[0]) if len(likely) == 1 else None


def key_in(text: str, lone: bool = False) -> KeyHint | None:
    """(root, mode) of a key in a name: "Am", "F#min", "Bb major"; a lone letter only with `lone`, its mode None."""
    for match in _KEY.finditer(text):
        letter, accidental, mode = match.groups()
        sign = {"sharp": "#", "flat": "b"}.get((accidental or "").strip(" _-").lower(), accidental or "")
        if mode is None and not sign and not lone:
            continue
        root = parse_key(letter + sign).root
        return root, None if mode is None else parse_key(f"{letter}{sign} {mode}" if len(mode) > 1 else "Am").mode
    return None


def words_in(text: str) -> list[str]:
    """Words that may describe a sound: numbers, keys and studio words left out, abbreviations spelled out."""
    stripped = _BPM.sub(" ", text)
    stripped = _KEY.sub(lambda m: m[0] if m[2] is None and m[3] is None else " ", stripped)
    words = []
    for word in _SPLIT.split(stripped):
        lower = word.lower().strip("'/#&")
        if len(lower) < 2 or any(c.isdigit() for c in lower) or lower in _NOISE:
            words += [lower] if lower in ("808", "909", "303", "2step") else []
            continue
        words.append(_SPELLED.get(lower, lower))
    return list(dict.fromkeys(words))[:MAX_WORDS]


def read_names(relative: PurePath) -> Hints:
    """Hints from a path inside the folder: the file's own name first, then its folders from the innermost."""
    names = [relative.stem, *reversed(relative.parts[:-1])]
    tempi = [tempo for name in names if (tempo := tempo_in(name)) is not None]
    bare = bare_tempo_in(relative.stem)
    key = key_in(relative.stem, lone=bool(tempi) or bare is not None)
    folders = [word for part in relative.parts[:-1] for word in words_in(part)]
    return Hints(
        tempo=tempi[0] if tempi else None,
        bare_tempo=bare,
        key=key,
        words=tuple(dict.fromkeys([*folders, *words_in(relative.stem)])),
    ).said_by("name")
