"""Prompts in words of our own for every style, none of which stands in the corpus' phrases; and seen ones beside them.

Four a style: how somebody might ask who has never read the corpus' captions. A test holds that they were not seen.
"""

from __future__ import annotations

UNSEEN: dict[str, tuple[str, ...]] = {
    "afrobeat": (
        "long Nigerian jam in the spirit of Fela, saxes answering each other",
        "percussion-heavy dance band from Lagos",
        "African horn section riding one chord over congas",
        "seventies afro groove with talking guitars",
    ),
    "ambient": (
        "a slow wash of sound without any beat",
        "music for staring at the ceiling, soft synth clouds",
        "beatless atmosphere, very long notes",
        "calm textures for falling asleep",
    ),
    "balkan": (
        "gypsy brass at a wedding feast in seven",
        "fast Serbian trumpet dance",
        "Bulgarian folk dance with accordion and clarinet",
        "drunken tuba and clarinet racing each other in an odd meter",
    ),
    "boom bap": (
        "classic nineties rap instrumental with a sampled loop",
        "east coast hip hop drums, kick and snare up front",
        "something an MC from Queens would rhyme over",
        "dusty sampler beat with swing, for rapping",
    ),
    "bossa nova": (
        "Jobim-like tune with gentle Brazilian guitar",
        "soft latin guitar and brushed rim clicks, like Ipanema",
        "light Brazilian jazz for an afternoon drink",
        "quiet samba on a classical guitar",
    ),
    "downtempo": (
        "slow Bristol sound with a heavy bass and a smoky mood",
        "lazy electronic head-nodder for the small hours",
        "cinematic slow beats in the manner of Portishead",
        "chilled electronica, slow and a bit dark",
    ),
    "drum and bass": (
        "jungle at 174 with chopped amen drums",
        "rolling DnB, growling bassline",
        "fast broken beats and a deep sub for a rave",
        "liquid d'n'b tune with airy chords",
    ),
    "folk": (
        "acoustic ballad picked on a steel-string",
        "a fiddle and a guitar by the fire",
        "country-tinged acoustic tune, wooden and warm",
        "an old mountain song with banjo",
    ),
    "funk": (
        "James Brown style vamp with a popping bass",
        "sweaty groove, choppy guitar on the one",
        "bass-slapping party band with horns",
        "disco-era dance groove with wah-wah",
    ),
    "house": (
        "four to the floor Chicago club track",
        "a kick on every beat with soulful organ chords",
        "Ibiza dance tune with open hats on the off-beat",
        "groovy 124 club tune to dance all night",
    ),
    "indie pop": (
        "catchy guitar tune like a college radio single",
        "cheerful band song with chiming guitars and a singable hook",
        "sweet upbeat pop with synths and handclaps",
        "bedroom pop with a bright chorus",
    ),
    "jazz swing": (
        "a quartet swinging with upright bass and sax",
        "bebop combo in a basement club",
        "Count Basie kind of shuffle with piano",
        "ride cymbal spang-a-lang, walking double bass",
    ),
    "lo-fi hip hop": (
        "beats to relax and revise to",
        "crackly chilled beat with a sleepy Rhodes",
        "anime study stream music",
        "warm tape-worn drums under soft jazz chords",
    ),
    "neo-classical piano": (
        "a lone upright piano with soft hammers, like Nils Frahm",
        "gentle solo keys, slowly rolling broken chords",
        "Satie-like quiet piano miniature",
        "Einaudi sort of reflective piano",
    ),
    "orchestral": (
        "symphonic score for a battle scene",
        "strings and brass like a Hollywood blockbuster",
        "big symphony orchestra with timpani",
        "violins, horns and choir building to a climax",
    ),
    "prog rock": (
        "seventies symphonic rock in changing time signatures",
        "King Crimson kind of riff in seven",
        "virtuosic band with organ and tricky meters",
        "complicated rock in five with a moog solo",
    ),
    "reggae": (
        "Bob Marley sort of groove",
        "Jamaican riddim with guitar on the upstroke",
        "Kingston dub with echoing snare",
        "slow island groove, bass first, guitar on the off-beat",
    ),
    "rock": (
        "loud electric guitars and pounding drums",
        "AC/DC sort of riff",
        "grungy band with fuzz pedals",
        "stadium guitars with a big backbeat",
    ),
    "soul": (
        "Marvin Gaye kind of slow groove",
        "velvety rhythm and blues with Rhodes and organ",
        "Stax ballad with gospel organ",
        "tender R and B for a candlelit evening",
    ),
    "synthwave": (
        "eighties film synths, like the Drive soundtrack",
        "Kavinsky style night cruise",
        "neon retro synths with a gated drum machine",
        "Miami Vice chase on analog synthesisers",
    ),
    "techno": (
        "Berlin basement at four in the morning, pounding",
        "relentless machine music with a hard kick",
        "Detroit machines, stripped and driving",
        "a 303 squelching over a straight kick drum",
    ),
    "trap": (
        "Atlanta beat with rattling hats and a sliding 808",
        "dark rap beat, half-time, booming subs",
        "southern hip hop with triplet hi-hats",
        "menacing bells over distorted 808s",
    ),
}


def seen(style: str, count: int) -> list[str]:
    """`count` phrases that the prompt head was trained on, spread over the style's list, plain names left out."""
    from engine.training.corpus.captions import style_phrases

    known = [phrase for phrase in style_phrases()[style] if len(phrase.split()) > 1]
    return [known[(2 * i + 1) * len(known) // (2 * count)] for i in range(count)]
