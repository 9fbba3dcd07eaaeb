"""What the evaluation asks for: prompts with drums in words of our own, each with a tempo and a meter."""

from __future__ import annotations

DRUM_PROMPTS: tuple[tuple[str, str, str], ...] = (
    ("deep house with a warm bass and off-beat hats", "122", "4/4"),
    ("piano house for a late dance floor", "124.5", "4/4"),
    ("uplifting house, four on the floor", "127", "4/4"),
    ("dark techno with a rolling low end", "132", "4/4"),
    ("hypnotic warehouse techno", "136", "4/4"),
    ("driving techno, hard kick", "140.25", "4/4"),
    ("fast liquid drum and bass with bright pads", "174", "4/4"),
    ("heavy drum and bass, reese bass, two-step drums", "172", "4/4"),
    ("jungle-like breakbeats", "166", "4/4"),
    ("trap beat with hi-hat rolls and a long 808", "140", "4/4"),
    ("moody trap instrumental", "146", "4/4"),
    ("sparse trap at half time", "133", "4/4"),
    ("dusty lo-fi hip hop to study to", "78", "4/4"),
    ("lo-fi beat with a mellow electric piano", "84", "4/4"),
    ("boom bap drums with a jazzy sample", "90", "4/4"),
    ("90s head-nodding hip hop", "93", "4/4"),
    ("gritty boom bap, swung hats", "86.5", "4/4"),
    ("synthwave night drive, gated snare", "100", "4/4"),
    ("retro 80s synth pop with a big snare", "112", "4/4"),
    ("synthwave chase scene", "118", "4/4"),
    ("downtempo trip hop, smoky and slow", "80", "4/4"),
    ("late night downtempo groove", "96", "4/4"),
    ("rock band with loud guitars", "128", "4/4"),
    ("garage rock, fast and raw", "160", "4/4"),
    ("slow heavy rock riff", "92", "4/4"),
    ("rock ballad in six eight", "105", "6/8"),
    ("sunny indie pop with jangling guitars", "120", "4/4"),
    ("upbeat indie song with handclaps", "138", "4/4"),
    ("tight funk with slap bass and clavinet", "104", "4/4"),
    ("funky drummer groove with horns", "110", "4/4"),
    ("slow funk, deep in the pocket", "94", "4/4"),
    ("classic soul with organ and tambourine", "108", "4/4"),
    ("slow soul ballad in six eight", "96", "6/8"),
    ("neo soul with rhodes", "82", "4/4"),
    ("roots reggae one drop", "74", "4/4"),
    ("steppers dub with a fat bass", "140", "4/4"),
    ("reggae with a skanking organ", "78.5", "4/4"),
    ("swinging jazz trio, walking bass, ride cymbal", "150", "4/4"),
    ("medium swing with a saxophone", "132", "4/4"),
    ("jazz waltz", "140", "3/4"),
    ("bossa nova with nylon guitar and soft drums", "130", "4/4"),
    ("gentle bossa by the sea", "118", "4/4"),
    ("afrobeat with horns and busy percussion", "112", "4/4"),
    ("afrobeat groove, congas and a guitar ostinato", "120", "4/4"),
    ("progressive rock in seven", "128", "7/8"),
    ("odd-meter prog with organ solos", "140", "7/8"),
    ("balkan brass dance in seven eight", "165", "7/8"),
    ("wild balkan wedding band", "150", "7/8"),
    ("waltz for drums, bass and accordion", "120", "3/4"),
    ("afro-cuban groove in six eight", "120", "6/8"),
)

WITHOUT_DRUMS = ("ambient", "orchestral", "folk", "neo-classical piano")

OTHER_PROMPTS = (
    "ambient pads drifting in space", "solo piano, quiet and sad", "an orchestra before the storm",
    "folk song with fingerpicked guitar", "a busy train station at night", "", "something nobody has heard before",
)  # fmt: skip


def spread(count: int) -> list[tuple[str, str, str]]:
    """`count` of the prompts with drums, spread over the whole list."""
    size = len(DRUM_PROMPTS)
    return [DRUM_PROMPTS[(index * size) // count % size] for index in range(count)]
