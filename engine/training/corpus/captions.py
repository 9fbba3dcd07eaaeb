"""Captions: tags from what was composed, sentences from tags, and phrases that lead a prompt to a style."""

from __future__ import annotations

import re

import numpy as np

from engine.training.corpus.phrasings import NAMING, WORDLESS, expand, fill, synonym
from engine.training.corpus.song import Part
from engine.training.corpus.style import Style
from engine.training.corpus.stylekeys import style_key
from engine.training.corpus.words import (
    ERAS,
    GENRES,
    INSTRUMENTS,
    KITS,
    MOODS,
    NAMED,
    RHYTHMIC,
    SCENES,
    SOUNDS,
)

_TEMPO_WORDS = (
    (76.0, ("very slow", "slow")), (96.0, ("slow", "unhurried", "laid-back")), (116.0, ("mid-tempo", "moderate", "steady")),
    (136.0, ("upbeat", "brisk", "lively")), (156.0, ("fast", "quick")), (1e9, ("very fast", "high-speed", "frantic")),
)  # fmt: skip
_MODE_WORDS = {
    "major": ("major key", "bright major harmony"), "minor": ("minor key", "minor harmony"), "dorian": ("dorian mode", "minor key"),
    "mixolydian": ("mixolydian mode", "major key"), "lydian": ("lydian mode", "dreamy lydian harmony"), "phrygian": ("phrygian mode", "dark minor key"),
    "harmonic minor": ("harmonic minor", "minor key"), "phrygian dominant": ("phrygian dominant scale", "eastern scale"),
    "dorian sharp4": ("eastern scale", "minor key"),
}  # fmt: skip
_METER_WORDS = {
    (4, 4): ("4/4",), (3, 4): ("3/4", "waltz time"), (6, 8): ("6/8", "lilting 6/8"), (7, 8): ("7/8", "odd 7/8 meter"), (5, 4): ("5/4", "odd 5/4 meter"),
    (9, 8): ("9/8", "odd 9/8 meter"), (12, 8): ("12/8", "slow 12/8 shuffle"),
}  # fmt: skip
_METER_IN = re.compile(r"\b\d+/\d+\b")
_GROUP_ORDER = {"lead": 0, "chords": 1, "bass": 2, "drums": 3, "other": 4}


def make_tags(
    style: Style, tempo: float, meter: tuple[int, int], mode: str, parts: list[Part], rng: np.random.Generator
) -> dict[str, list[str]]:
    """Tags of a song: genre, mood, instruments, tempo, era, production, meter, mode; each a list, most telling first.

    tempo in quarters per minute (dotted quarters in 12/8). Only parts that play a note are named.
    """
    key = style_key(style.name)
    genres = [style.name, *(str(g) for g in rng.permutation(GENRES[key]) if g != style.name)]
    moods = [str(m) for m in rng.permutation(_unique(style.moods, MOODS[key]))]
    sounds = [str(s) for s in rng.permutation(_heard(_unique(style.descriptors, SOUNDS[key]), parts, meter))]
    tempo_words = next(words for limit, words in _TEMPO_WORDS if tempo < limit)
    return {
        "genre": genres[:4],
        "mood": moods[:4],
        "instruments": _instruments(parts, rng),
        "tempo": [str(rng.choice(tempo_words)), f"{round(tempo)} bpm"],
        "era": [str(rng.choice(ERAS[key]))],
        "production": [*sounds[:3], _space(style)],
        "meter": [_METER_WORDS.get(meter, (f"{meter[0]}/{meter[1]}",))[-1 if rng.random() < 0.5 else 0]],
        "mode": [str(rng.choice(_MODE_WORDS.get(mode, (mode,))))],
    }


def _unique(*groups: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(word for group in groups for word in group))


def _heard(sounds: list[str], parts: list[Part], meter: tuple[int, int]) -> list[str]:
    """The sounds whose instruments really play; 'no drums' only where nothing drums, '7/8' and 'waltz' only in them."""
    playing = [p for p in parts if p.notes]
    drums = any(p.group == "drums" for p in playing)
    words = " ".join(w for p in playing for w in INSTRUMENTS.get(p.program, ()) if p.group != "drums")
    kits = " ".join(w for p in playing for w in KITS.get(p.program, ()) if p.group == "drums")

    def true(sound: str) -> bool:
        if sound in ("no drums", "beatless"):
            return not drums
        if any(named != f"{meter[0]}/{meter[1]}" for named in _METER_IN.findall(sound)):
            return False
        if "waltz" in sound and meter not in ((3, 4), (6, 8)):
            return False
        missing = any(word in sound and word not in words for word in NAMED)
        rhythm = any(word in sound for word in RHYTHMIC)
        return not missing and not (rhythm and not drums) and not ("taiko" in sound and "taiko" not in kits)

    return [sound for sound in sounds if true(sound)]


def _instruments(parts: list[Part], rng: np.random.Generator) -> list[str]:
    """A word for each sounding part, foreground first."""
    named: list[str] = []
    for part in sorted(parts, key=lambda p: _GROUP_ORDER.get(p.group, 9)):
        words: tuple[str, ...] = ("percussion", "hand percussion")
        if part.name != "percussion":
            drums = part.group == "drums"
            words = KITS.get(part.program, ("drums",)) if drums else INSTRUMENTS.get(part.program, (part.name,))
        if part.notes:
            named.append(words[0] if rng.random() < 0.5 else str(rng.choice(words)))
    return list(dict.fromkeys(named))


def _space(style: Style) -> str:
    if style.tape > 0.25:
        return "lo-fi tape sound"
    if style.rt60_s >= 2.0:
        return f"long {style.reverb} reverb" if style.reverb != "spring" else "spring reverb"
    return "dry, close sound" if style.rt60_s <= 0.8 else f"{style.reverb} reverb"


def _join(words: list[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def _article(phrase: str) -> str:
    return f"an {phrase}" if phrase[:1].lower() in "aeiou8" and not phrase.startswith(("eu", "uni")) else f"a {phrase}"


class _Words:
    """Draws from tags, favouring the first of each list."""

    def __init__(self, tags: dict[str, list[str]], rng: np.random.Generator) -> None:
        self.tags, self.rng = tags, rng

    def one(self, key: str) -> str:
        words = self.tags[key]
        first = key == "genre" and self.rng.random() < 0.5
        word = words[0] if first else str(words[int(self.rng.integers(len(words)))])
        return word if key == "genre" else synonym(word, self.rng)

    def some(self, key: str, most: int) -> list[str]:
        words = self.tags[key]
        count = int(self.rng.integers(1, min(most, len(words)) + 1)) if words else 0
        picked = sorted(self.rng.permutation(len(words))[:count].tolist())
        return [synonym(words[i], self.rng) for i in picked]

    def filled(self, name: str) -> str:
        """What a brace of a rule stands for (see `phrasings`)."""
        heard = "instruments" if "instruments" in self.tags else "production"
        if name == "scene":
            scenes = SCENES[style_key(self.tags["genre"][0])]
            return str(scenes[int(self.rng.integers(len(scenes)))])
        if name == "top":
            return self.tags[heard][0]
        if name == "bpm":
            return self.tags["tempo"][-1]
        if name == "t":
            return synonym(self.tags["tempo"][0], self.rng)
        several = {"is": (heard, 3), "mm": ("mood", 2), "ps": ("production", 2)}
        if name in several:
            return _join(list(dict.fromkeys(self.some(*several[name]))))
        return self.one(
            {"g": "genre", "m": "mood", "i": heard, "p": "production", "e": "era", "x": "meter", "k": "mode"}[name]
        )

    def pick(self, *options: str) -> str:
        return options[int(self.rng.integers(len(options)))]


def caption(tags: dict[str, list[str]], rng: np.random.Generator) -> str:
    """A description as a user might type it, from two words to two sentences; nine in ten name the genre."""
    w = _Words({key: words for key, words in tags.items() if words}, rng)
    forms = (_by_rule, _two_words, _list, _phrase, _request, _sentence, _full, _no_genre)
    weights = (0.50, 0.09, 0.09, 0.08, 0.05, 0.08, 0.06, 0.05)
    text = forms[int(rng.choice(len(forms), p=weights))](w)
    return text if rng.random() < 0.5 else text[:1].upper() + text[1:]


def _by_rule(w: _Words) -> str:
    """One of the grammar's rules; nine in ten of them name the genre."""
    rules = NAMING if w.rng.random() < 0.9 else WORDLESS
    return fill(expand(rules[int(w.rng.integers(len(rules)))], w.rng), w.filled)


def _two_words(w: _Words) -> str:
    genre = w.one("genre")
    return w.pick(
        f"{w.one('mood')} {genre}",
        genre,
        f"{w.one('tempo')} {genre}",
        f"{genre} {w.pick('beat', 'loop', 'groove', 'track')}",
    )


def _list(w: _Words) -> str:
    pieces = [w.one("genre"), *w.some("mood", 2), *w.some("instruments", 3), *w.some("production", 1)]
    pieces += [w.one("tempo")] if w.rng.random() < 0.4 else []
    pieces += [w.one(w.pick("era", "mode", "meter"))] if w.rng.random() < 0.3 else []
    head, rest = pieces[:1], [pieces[1:][i] for i in w.rng.permutation(len(pieces) - 1)]
    return ", ".join(dict.fromkeys(head + rest))


def _phrase(w: _Words) -> str:
    lead = " ".join(dict.fromkeys(w.some("mood", 2) if w.rng.random() < 0.8 else [w.one("tempo")]))
    return (
        f"{lead} {w.one('genre')} with {_join(w.some('instruments' if 'instruments' in w.tags else 'production', 3))}"
    )


def _request(w: _Words) -> str:
    opening = w.pick("give me", "make", "I want", "play", "something like", "we need")
    what = f"{w.one('mood')} {w.one('genre')} {w.pick('track', 'beat', 'loop', 'piece', 'groove')}"
    tail = w.pick(
        f" with {w.one('production')}", f" at {w.tags['tempo'][-1]}", f" in {w.one('meter')}", f", {w.one('tempo')}", ""
    )
    return f"{opening} {_article(what)}{tail}"


def _sentence(w: _Words) -> str:
    subject = f"{w.one('tempo')} {w.one('genre')}" if w.rng.random() < 0.5 else f"{w.one('mood')} {w.one('genre')}"
    body = w.pick(
        f"featuring {_join(w.some('instruments' if 'instruments' in w.tags else 'production', 4))}",
        f"built on {_join(w.some('production', 2))}",
        f"in {_article(w.one('mode')) if 'key' in w.one('mode') else w.one('mode')}, {w.one('mood')} in mood",
        f"with {_article(w.one('era'))} sound, {_join(w.some('mood', 2))}",
    )
    return f"{_article(subject)} {w.pick('piece', 'track', 'instrumental', 'tune')} {body}"


def _full(w: _Words) -> str:
    first = f"{_article(w.one('mood'))} {w.one('genre')} {w.pick('piece', 'track', 'instrumental')} in {w.one('meter')} at {w.tags['tempo'][-1]}"
    heard = [w.one("production"), *w.some("instruments" if "instruments" in w.tags else "production", 4)]
    second = _join(list(dict.fromkeys(heard)))
    third = w.pick(
        f" It feels {_join(list(dict.fromkeys(w.some('mood', 2))))}.",
        f" {w.one('era').capitalize()} sound, {w.one('mode')}.",
        "",
    )
    return f"{first}. {second[:1].upper() + second[1:]}.{third}"


def _no_genre(w: _Words) -> str:
    """What is heard and how it feels, for those who have no word for the style."""
    heard = _join(w.some("instruments" if "instruments" in w.tags else "production", 3))
    mood = " ".join(dict.fromkeys([w.one("mood"), *([w.one("tempo")] if w.rng.random() < 0.3 else [])]))
    return w.pick(
        f"{mood} {heard}", f"{heard}, {mood}", f"{mood}, {w.one('production')}, {heard}", f"{mood} music with {heard}"
    )


def style_phrases() -> dict[str, list[str]]:
    """Style name -> 20-40 short phrases a user may type when that style is what should come.

    Names are those of styletable.STYLE_NAMES; the first phrases are the plain genre words.
    """
    from engine.training.corpus.styletable import STYLE_NAMES

    return {name: _phrases(style_key(name), name) for name in STYLE_NAMES}


def _phrases(key: str, name: str) -> list[str]:
    genres, moods, sounds = GENRES[key], MOODS[key], SOUNDS[key]
    paired = [f"{mood} {genres[i % len(genres)]}" for i, mood in enumerate(moods)]
    heard = [f"{genres[(i + 1) % len(genres)]} with {sound}" for i, sound in enumerate(sounds[:4])]
    aged = [f"{ERAS[key][0]} {genres[0]}"]
    return list(dict.fromkeys([name, *genres, *paired, *sounds, *heard, *SCENES[key], *aged]))[:40]
