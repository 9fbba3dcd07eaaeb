"""A table of all sentences that training on a composed corpus embeds, made where the encoder is installed.

    python -m engine.training.captions_table FILE --songs 1600 --seed 1

Songs are composed, not rendered: captions are a function of (seed, index), and of which SoundFonts are installed.
Training with ATTACCA_PROMPT_TABLE=FILE then needs no sentence encoder (`engine.models.sentences`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from engine.models.sentences import write_table
from engine.training.corpus.build import EXCERPT_SECONDS, jobs
from engine.training.corpus.sample import SongJob, described
from engine.training.corpus.styletable import STYLE_NAMES
from engine.training.metrics.prompts import DRUM_PROMPTS
from engine.training.phrasebook.asked import ASKED
from engine.training.phrasings import UNSEEN
from engine.training.prompt import Vocabulary, embed_all, named_phrases


def song_captions(job: SongJob) -> list[str]:
    """The captions that `corpus.sample.render_job` gives this song."""
    return described(job)[2]


def phrases() -> Iterator[str]:
    """Sentences that are there whatever the corpus: what names a style, and what the evaluation asks for."""
    yield from (text for text, _ in named_phrases(Vocabulary(tuple(STYLE_NAMES), ())))
    for source in (UNSEEN, ASKED):
        for texts in source.values():
            yield from texts
    yield from (text for text, *_ in DRUM_PROMPTS)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--songs", default=1600, show_default=True, type=click.IntRange(0, 100_000))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="The corpus' own.")
def main(file: Path, songs: int, seed: int) -> None:
    """Write FILE with the captions of the first SONGS songs of a corpus, and every fixed phrase."""
    wanted = jobs(file.parent, songs * EXCERPT_SECONDS / 3600.0, seed, STYLE_NAMES)[:songs]
    texts = dict.fromkeys(phrases())
    for job in track(wanted, "compose", console=Console(stderr=True)):
        texts |= dict.fromkeys(song_captions(job))
    write_table(file, list(texts), embed_all(list(texts)))
    click.echo(f"{len(texts)} sentences, {file.stat().st_size / 2**20:.1f} MiB in {file}")


if __name__ == "__main__":
    main()
