"""What listeners call the styles, their moods, instruments and sounds: the words of captions and prompts."""

from __future__ import annotations

# GM program -> the words a listener uses; the first is the plainest.
INSTRUMENTS: dict[int, tuple[str, ...]] = {
    0: ("piano", "acoustic piano", "grand piano"), 1: ("bright piano", "piano"), 4: ("electric piano", "Rhodes-like keys", "e-piano"),
    5: ("FM electric piano", "electric piano"), 7: ("clavinet", "funky clav"), 8: ("celesta",), 9: ("glockenspiel", "bells"),
    10: ("music box", "bells"), 11: ("vibraphone", "vibes"), 12: ("marimba",), 14: ("tubular bells", "bells"), 15: ("dulcimer", "mandolin-like strings"),
    16: ("drawbar organ", "organ"), 17: ("percussive organ", "organ"), 18: ("rock organ", "organ"), 21: ("accordion",), 22: ("harmonica",),
    23: ("bandoneon", "accordion"), 24: ("nylon guitar", "classical guitar"), 25: ("acoustic guitar", "steel-string guitar"),
    26: ("jazz guitar", "mellow guitar"), 27: ("clean electric guitar", "clean guitar"), 28: ("muted guitar", "scratch guitar"),
    29: ("overdriven guitar", "crunchy guitar"), 30: ("distorted guitar", "distortion guitar"), 32: ("upright bass", "double bass"),
    33: ("bass guitar", "electric bass"), 34: ("picked bass", "bass guitar"), 35: ("fretless bass",), 36: ("slap bass",), 37: ("slap bass",),
    38: ("synth bass", "analog bass"), 39: ("synth bass", "deep sub bass"), 40: ("violin",), 42: ("cello",), 43: ("contrabass", "double basses"),
    44: ("tremolo strings",), 45: ("pizzicato strings",), 46: ("harp",), 47: ("timpani",), 48: ("strings", "string ensemble"),
    49: ("slow strings", "strings"), 50: ("synth strings", "string synth"), 52: ("choir",), 53: ("voice-like oohs", "vocal oohs"), 54: ("synth voice",),
    56: ("trumpet",), 57: ("trombone",), 58: ("tuba",), 60: ("French horn", "horns"), 61: ("brass section", "horn section", "brass"),
    62: ("synth brass",), 63: ("synth brass",), 64: ("soprano sax",), 65: ("alto sax", "saxophone"), 66: ("tenor sax", "saxophone"),
    67: ("baritone sax",), 68: ("oboe",), 70: ("bassoon",), 71: ("clarinet",), 73: ("flute",), 78: ("whistle",), 80: ("square lead", "synth lead"),
    81: ("saw lead", "synth lead"), 84: ("charang lead",), 85: ("synth lead",), 87: ("synth lead", "bass and lead synth"), 88: ("new age pad", "synth pad"),
    89: ("warm pad", "synth pad"), 90: ("polysynth", "synth chords"), 91: ("choir pad",), 92: ("bowed glass pad", "glassy pad"),
    94: ("halo pad", "airy pad"), 95: ("sweep pad", "drone"), 97: ("soundtrack pad", "drone"), 98: ("crystal bells", "glassy synth"),
    105: ("banjo",), 106: ("lute", "bouzouki-like strings"), 108: ("kalimba", "plucked thumb piano"), 110: ("fiddle",), 116: ("taiko",),
}  # fmt: skip
KITS: dict[int, tuple[str, ...]] = {
    0: ("drums", "live drums", "drum kit"), 8: ("room drums", "drums", "dusty drums"), 16: ("power drums", "big drums", "drums"),
    24: ("electronic drums", "drum machine", "programmed drums"), 25: ("808 drums", "drum machine"), 32: ("jazz drums", "ride cymbal"),
    40: ("brushes", "brushed drums"), 48: ("orchestral percussion", "big percussion", "timpani and taiko"),
}  # fmt: skip

GENRES: dict[str, tuple[str, ...]] = {
    "house": ("house", "deep house", "garage house", "soulful house", "piano house", "club music", "dance music"),
    "techno": ("techno", "warehouse techno", "minimal techno", "acid techno", "industrial techno", "rave"),
    "dnb": ("drum and bass", "liquid drum and bass", "jungle", "dnb", "neurofunk", "breakbeat"),
    "trap": ("trap", "drill", "melodic trap", "trap beat", "808 beat", "modern hip hop"),
    "lofi": ("lo-fi hip hop", "lofi", "chillhop", "study beats", "lo-fi beat", "jazzy lo-fi"),
    "boombap": ("boom bap", "golden era hip hop", "jazz rap", "old school hip hop", "90s hip hop", "rap beat"),
    "synthwave": ("synthwave", "retrowave", "outrun", "80s electronic", "80s synth pop", "vaporwave-like synth music"),
    "ambient": ("ambient", "drone", "soundscape", "ambient electronic", "new age", "meditation music"),
    "downtempo": ("downtempo", "trip hop", "chillout", "noir trip hop", "lounge electronica"),
    "rock": ("rock", "alternative rock", "hard rock", "garage rock", "punk rock", "indie rock", "metal-leaning rock"),
    "indie": ("indie pop", "synth-pop", "dream pop", "pop", "bright pop", "pop song"),
    "funk": ("funk", "disco funk", "groove", "disco", "jazz funk", "boogie"),
    "soul": ("soul", "neo-soul", "R&B", "slow jam", "gospel-tinged soul", "motown-like soul"),
    "reggae": ("reggae", "dub", "roots reggae", "rocksteady", "ska-like skank"),
    "jazz": ("jazz", "swing", "bebop", "jazz trio", "jazz ballad", "swing jazz", "cool jazz"),
    "bossa": ("bossa nova", "latin jazz", "bossa", "brazilian lounge", "samba-tinged jazz"),
    "afro": ("afrobeat", "afro-funk", "west African groove", "highlife-tinged funk", "afro groove"),
    "cinematic": ("orchestral", "cinematic", "film score", "trailer music", "epic orchestral", "soundtrack", "classical orchestra"),
    "folk": ("folk", "acoustic", "singer-songwriter", "country folk", "campfire song", "bluegrass-tinged folk"),
    "piano": ("neo-classical", "minimal piano", "felt piano", "solo piano", "classical piano", "modern classical"),
    "prog": ("prog rock", "math rock", "odd-meter rock", "progressive rock", "art rock"),
    "balkan": ("balkan dance", "balkan brass", "odd-meter folk dance", "brass band dance", "klezmer-like dance", "eastern european folk"),
}  # fmt: skip

MOODS: dict[str, tuple[str, ...]] = {
    "house": ("warm", "soulful", "hypnotic", "uplifting", "groovy", "happy", "late-night"),
    "techno": ("dark", "driving", "mechanical", "hypnotic", "cold", "relentless", "raw"),
    "dnb": ("energetic", "urgent", "lush", "fast", "liquid", "intense"),
    "trap": ("dark", "moody", "menacing", "cold", "sparse", "brooding", "aggressive"),
    "lofi": ("mellow", "nostalgic", "cozy", "sleepy", "relaxed", "rainy", "chill"),
    "boombap": ("gritty", "head-nodding", "raw", "dusty", "laid-back", "street"),
    "synthwave": ("nostalgic", "neon", "cinematic", "dreamy", "retro", "driving", "night-time"),
    "ambient": ("serene", "weightless", "vast", "calm", "floating", "meditative", "peaceful", "icy"),
    "downtempo": ("smoky", "noir", "brooding", "slow", "mysterious", "sultry"),
    "rock": ("energetic", "raw", "anthemic", "loud", "gritty", "rebellious", "powerful", "angry"),
    "indie": ("bright", "wistful", "catchy", "sunny", "hopeful", "youthful", "happy"),
    "funk": ("tight", "sweaty", "playful", "groovy", "cheeky", "danceable", "fun"),
    "soul": ("smooth", "intimate", "warm", "romantic", "tender", "sensual"),
    "reggae": ("relaxed", "sunny", "heavy", "easy-going", "summery", "laid-back"),
    "jazz": ("sophisticated", "smoky", "lively", "late-night", "swinging", "cool", "elegant"),
    "bossa": ("breezy", "intimate", "gentle", "sunlit", "elegant", "relaxed"),
    "afro": ("hypnotic", "celebratory", "earthy", "joyful", "rolling", "percussive"),
    "cinematic": ("heroic", "tense", "sorrowful", "epic", "majestic", "dramatic", "mysterious", "emotional"),
    "folk": ("tender", "earthy", "reflective", "homely", "gentle", "rustic", "bittersweet"),
    "piano": ("intimate", "wistful", "fragile", "sad", "quiet", "melancholic", "tender", "emotional"),
    "prog": ("intricate", "dramatic", "epic", "restless", "complex", "angular"),
    "balkan": ("fiery", "whirling", "festive", "wild", "celebratory", "exotic"),
}  # fmt: skip

# How it is made and what is heard, in the style's own words beyond the tables' descriptors.
SOUNDS: dict[str, tuple[str, ...]] = {
    "house": ("four-on-the-floor kick", "off-beat hi-hats", "filtered chords", "pumping sidechain", "piano stabs", "club groove"),
    "techno": ("rumble kick", "acid line", "modular sequence", "pounding kick", "metallic stabs", "repetitive sequence"),
    "dnb": ("chopped breaks", "sub bass", "reese bass", "two-step beat", "fast breakbeat", "rolling bass"),
    "trap": ("808 slides", "hi-hat rolls", "sparse keys", "booming 808 bass", "half-time snare", "bell melody"),
    "lofi": ("dusty drums", "vinyl crackle", "tape wobble", "swung beat", "jazzy chords", "muffled keys"),
    "boombap": ("chopped sample", "punchy drums", "swung hats", "boom-bap drums", "horn hits", "crunchy snare"),
    "synthwave": ("gated snare", "analog pads", "arpeggiated bass", "soaring saw lead", "retro synths", "neon arpeggios"),
    "ambient": ("evolving pads", "long reverb", "no drums", "slow swells", "distant bells", "endless drone"),
    "downtempo": ("dubby bass", "slow breakbeat", "vinyl noise", "tremolo guitar", "smoky keys"),
    "rock": ("distorted guitars", "live drums", "power chords", "crashing cymbals", "guitar riff", "driving bass"),
    "indie": ("jangly guitar", "big chorus", "layered hooks", "shimmering synths", "clean guitars", "sing-along melody"),
    "funk": ("slap bass", "scratch guitar", "horn stabs", "syncopated groove", "wah guitar", "tight drums"),
    "soul": ("laid-back pocket", "electric piano", "lush ninths", "organ swells", "smooth bass"),
    "reggae": ("one drop beat", "skank guitar", "spring reverb", "dub delay", "off-beat chops", "heavy bass line"),
    "jazz": ("walking bass", "ride cymbal", "improvised solo", "brushes", "saxophone solo", "comping piano"),
    "bossa": ("nylon guitar", "cross-stick clave", "whispering flute", "soft shaker", "syncopated guitar"),
    "afro": ("interlocking guitars", "horn riffs", "shekere", "polyrhythmic percussion", "call and response horns"),
    "cinematic": ("string ostinato", "brass swells", "taiko drums", "soaring strings", "choir", "slow build"),
    "folk": ("fingerpicked guitar", "waltz feel", "campfire strumming", "banjo", "fiddle tune", "simple melody"),
    "piano": ("arpeggios", "soft dynamics", "sparse strings", "felt hammers", "repeating figure", "rolling arpeggio"),
    "prog": ("7/8 riff", "5/4 groove", "shifting meters", "odd time signature", "organ and guitar unison", "complex rhythms"),
    "balkan": ("asymmetric rhythm", "ornamented clarinet", "oompah tuba", "accordion", "7/8 dance", "brass band"),
}  # fmt: skip

# Scenes and uses people name when they have no genre word.
SCENES: dict[str, tuple[str, ...]] = {
    "house": ("club at midnight", "dance floor", "summer rooftop party", "workout beat"),
    "techno": ("dark warehouse at 4 am", "rave in a bunker", "robot factory", "strobe lights"),
    "dnb": ("high speed chase", "fast running game level", "adrenaline sports"),
    "trap": ("rap instrumental", "night drive through the city", "streets after dark"),
    "lofi": ("rainy afternoon studying", "coffee shop background", "late night homework", "sleepy cat by the window"),
    "boombap": ("rapper's backing beat", "New York street corner", "breakdance battle"),
    "synthwave": ("driving at night in the 80s", "retro arcade game", "neon city skyline", "science fiction opening titles"),
    "ambient": ("floating in space", "meditation and yoga", "deep sleep", "underwater world", "background drone"),
    "downtempo": ("detective in the rain", "smoky bar at closing time", "slow motion scene"),
    "rock": ("stadium anthem", "garage band", "road trip with loud guitars", "headbanging riff"),
    "indie": ("summer radio hit", "coming-of-age film", "feel-good advert", "cheerful jingle"),
    "funk": ("dance party in the seventies", "block party", "cop show theme"),
    "soul": ("romantic dinner", "slow dance", "Sunday morning", "love song"),
    "reggae": ("beach in Jamaica", "island holiday", "summer barbecue"),
    "jazz": ("smoky jazz club", "cocktail hour", "black and white film", "hotel lobby piano trio"),
    "bossa": ("cafe in Rio", "elevator music", "beach at sunset", "summer cocktails"),
    "afro": ("street festival in Lagos", "drum circle", "carnival parade"),
    "cinematic": ("epic battle", "hero's journey", "fantasy adventure film", "movie trailer", "horror film tension"),
    "folk": ("campfire in the woods", "pub session", "walking in the countryside", "lullaby on guitar"),
    "piano": ("sad film scene", "falling snow", "lonely evening at the piano", "wedding aisle piano"),
    "prog": ("weird time signatures", "seventies concept album", "virtuoso band"),
    "balkan": ("village wedding", "wild circle dance", "travelling circus band"),
}  # fmt: skip

ERAS: dict[str, tuple[str, ...]] = {
    "house": ("90s", "modern"), "techno": ("90s", "modern"), "dnb": ("90s", "2000s"), "trap": ("2010s", "modern"), "lofi": ("modern", "vintage"),
    "boombap": ("90s", "golden era"), "synthwave": ("80s", "retro"), "ambient": ("timeless", "modern"), "downtempo": ("90s", "2000s"), "rock": ("90s", "classic"),
    "indie": ("2010s", "modern"), "funk": ("70s", "vintage"), "soul": ("70s", "modern"), "reggae": ("70s", "vintage"), "jazz": ("50s", "classic"),
    "bossa": ("60s", "vintage"), "afro": ("70s",), "cinematic": ("modern", "timeless"), "folk": ("timeless", "60s"), "piano": ("modern", "timeless"),
    "prog": ("70s", "modern"), "balkan": ("traditional",),
}  # fmt: skip

# Words in SOUNDS that name an instrument: such a sound is only claimed when the instrument plays.
NAMED = ("sax", "flute", "clarinet", "fiddle", "banjo", "choir", "accordion", "tuba", "horn", "brass", "guitar", "organ",
         "piano", "saw lead", "slap bass", "nylon", "strings")  # fmt: skip
RHYTHMIC = (
    "drum",
    "kick",
    "hi-hat",
    "hats",
    "snare",
    "cymbal",
    "break",
    "brushes",
    "clave",
    "shaker",
    "percussi",
    "shekere",
    "beat",
)
