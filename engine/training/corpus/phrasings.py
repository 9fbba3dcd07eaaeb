"""A small grammar of requests and descriptions: many ways to say the same tags.

In a rule `(a|b)` is one of its options, `[a]` is there every other time, `a(n)` fits what follows, and braces name
what is filled in: g genre, m mood, mm one or two moods, i instrument, is one to three, top the one in front, p sound, ps one or two,
t tempo word, bpm, e era, x meter, k key or mode, scene. Options and brackets may be nested.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

NAMING = (
    "{m} {g}[, {t}][, {is}]",
    "{g}, {mm}[, {i}]",
    "{mm} {g}[, {p}]",
    "(give me|play|play me|make|I need|can I get|let's hear|I'd like|generate|create|compose|write) a(n) {m} {g} (track|tune|piece|beat|instrumental|loop|groove|jam|idea)[ with {is}][ (around|at|about) {bpm}]",
    "(something|music|a track|a few bars) (like|in the style of|that sounds like) {g}[, ({m}|{t}|{mm})]",
    "(how about|maybe|try) (some|a bit of) {m} {g}[ with {is}]",
    "{g}, {scene}",
    "{scene}: {m} {g}[, {i}]",
    "{g} for (a |the |){scene}",
    "{e} {g}[ with {is}]",
    "{e}-style {g}, {mm}[, {p}]",
    "the (sound|feel|spirit) of {e} {g}, {m}[, {i}]",
    "{g} (in|using) {x}[, {k}][, {m}]",
    "{g} at {bpm}[ in {x}][, {is}]",
    "{bpm} {g}[, {m}][, {k}]",
    "{t} {g}[ with {is}][, {p}]",
    "{t}, {m} {g}[ (driven|led|carried) by {i}]",
    "{g} with {is}(, {p}| and {p}|)[, {m} (mood|feel|vibe|atmosphere)]",
    "{is}[, {p}], {m} {g}",
    "{is} (over|on top of|on|plus) {p}, {g}",
    "a(n) {m} {g} (instrumental|number|cut|piece|theme) (driven by|built around|led by|carried by|featuring|based on) {is}[, {p}][, {k}]",
    "genre: {g}; mood: {mm}; instruments: {is}[; tempo: {bpm}][; key: {k}]",
    "{g} / {m} / {t} / {i}",
    "{g} | {p} | {is}[ | {bpm}]",
    "{g} (instrumental|loop|sample|backing track|background), {bpm}[, {k}], {m}",
    "(we are|I am|I'm) looking for (some |){m} {g}(: {is}, {p}| with {is}|, {t})",
    "{g}. {is}. {mm}.[ {bpm}.]",
    "{g}[ (instrumental|groove)] that (feels|sounds) {mm}[, with {is}]",
    "{m} {g} (where|in which) {top} plays the (lead|tune|theme|main part)",
    "{m} {g}, {p}, {x}, {bpm}",
    "{k}, {g}, {m}[, {is}]",
    "(a mix of|half) {p} and {i}, {g} style",
    "{g}, {e}, {p}[, {t}]",
    "{m} {g} (intro|verse|chorus|break|section|theme)[ with {i}][, {t}]",
)
WORDLESS = (
    "{m} {t} (music|instrumental|piece|tune) with {is}[, {p}]",
    "{is}, {p}, {m}[, {bpm}]",
    "{mm} (mood|atmosphere), {is}[, {t}]",
    "{scene}[, {m}][, {i}]",
    "(music|something|a soundtrack) for (a |the |){scene}",
    "{t} and {m}, {is}",
    "{e} sound, {is}, {m}",
)

# Other words for the same thing; captions use them now and then, tags never do.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "dark": ("gloomy", "shadowy", "black"), "happy": ("cheerful", "joyful", "feel-good"), "sad": ("melancholy", "sorrowful"),
    "warm": ("cosy", "glowing"), "relaxed": ("chilled", "easy", "laid back"), "energetic": ("high-energy", "lively", "full of energy"),
    "nostalgic": ("wistful", "sentimental"), "hypnotic": ("trance-like", "mesmerising"), "dreamy": ("floaty", "hazy"),
    "intimate": ("close", "personal"), "raw": ("rough", "unpolished"), "gritty": ("dirty", "grimy"), "bright": ("shiny", "radiant"),
    "epic": ("sweeping", "huge"), "calm": ("quiet", "still"), "playful": ("fun", "bouncy"), "smooth": ("silky", "velvety"),
    "driving": ("propulsive", "pushing"), "tender": ("soft", "delicate"), "dramatic": ("theatrical", "intense"),
    "mysterious": ("enigmatic", "strange"), "uplifting": ("euphoric", "hopeful"), "moody": ("brooding", "sombre"),
    "slow": ("slow-paced", "low tempo"), "very slow": ("really slow", "crawling"), "fast": ("quick", "fast-paced"),
    "very fast": ("breakneck", "super fast"), "mid-tempo": ("medium tempo", "walking pace"), "upbeat": ("bouncy", "peppy"),
    "drums": ("beats", "drum groove"), "piano": ("keys", "piano chords"), "electric piano": ("Rhodes", "e-piano"),
    "strings": ("string section", "violins"), "synth bass": ("bass synth",), "bass guitar": ("electric bass", "bass"),
    "upright bass": ("double bass", "acoustic bass"), "synth lead": ("lead synth", "synth melody"), "trumpet": ("trumpet line",),
    "acoustic guitar": ("steel guitar strumming", "acoustic guitars"), "nylon guitar": ("Spanish guitar", "classical guitar"),
    "synth pad": ("pads", "pad"), "drum machine": ("machine drums", "programmed beat"), "organ": ("Hammond-like organ",),
    "vibraphone": ("vibes", "mallets"), "flute": ("flute melody",), "distorted guitar": ("heavy guitar", "fuzz guitar"),
    "90s": ("nineties", "1990s"), "80s": ("eighties", "1980s"), "70s": ("seventies", "1970s"), "60s": ("sixties", "1960s"),
    "50s": ("fifties", "1950s"), "modern": ("contemporary", "current"), "vintage": ("old-fashioned", "retro"),
    "minor key": ("in minor", "minor"), "major key": ("in major", "major"),
}  # fmt: skip
_INNER = re.compile(r"\(([^()\[\]]*\|[^()\[\]]*)\)|\[([^()\[\]]*)\]")
_ARTICLE = re.compile(r"\ba<n> (\w)")


def expand(rule: str, rng: np.random.Generator) -> str:
    """A rule with every option chosen and every bracket kept or left out; braces stay."""
    text = rule.replace("a(n)", "a<n>")
    while found := _INNER.search(text):
        options, bracket = found.groups()
        if options is None:
            chosen = bracket if rng.random() < 0.5 else ""
        else:
            choices = options.split("|")
            chosen = choices[int(rng.integers(len(choices)))]
        text = text[: found.start()] + chosen + text[found.end() :]
    return text


def fill(text: str, word: Callable[[str], str]) -> str:
    """Braces replaced by `word(name)`, articles fitted, doubled spaces closed."""
    filled = re.sub(r"{(\w+)}", lambda found: word(found[1]), text)
    fitted = _ARTICLE.sub(lambda found: f"{'an' if found[1].lower() in 'aeio8' else 'a'} {found[1]}", filled)
    return re.sub(r" {2,}", " ", fitted).strip(" ,")


def synonym(word: str, rng: np.random.Generator, chance: float = 0.2) -> str:
    """The word, or now and then another one for it."""
    others = SYNONYMS.get(word)
    return others[int(rng.integers(len(others)))] if others and rng.random() < chance else word
