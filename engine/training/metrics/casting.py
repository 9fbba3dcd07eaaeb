"""Rows of every system and baseline over the same conditions and noise; what the comparison's sections share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import torch

from engine.errors import Unavailable
from engine.models.denoiser import Conditions
from engine.training.metrics import clips as C
from engine.training.metrics import composer, systems, voices
from engine.training.metrics.bench import FIRST_SEED, Bench
from engine.training.metrics.rows import file_key, kept, sound_key
from engine.training.metrics.voices import Rows

KEPT_BATCHES = 4
TIMINGS = 5
COMPOSED_SPACING_SECONDS = 2.5


@dataclass
class Cast:
    """The clips, what is told of them, and the workers. keys tell rows of one evaluation from another's."""

    bench: Bench
    pool: Executor
    asked: list[C.Clip]
    reference: list[C.Clip]

    @cached_property
    def given(self) -> list[Conditions]:
        """The conditions of `asked`, in batches of up to 16; the sections of an evaluation share them."""
        if "given" not in self.bench.memo:
            self.bench.memo["given"] = C.conditions(self.bench, self.asked)
        found: list[Conditions] = self.bench.memo["given"]
        return found

    @property
    def key(self) -> list[Any]:
        places = [[path.name, path.stat().st_size, first] for path, first, _ in (clip.place for clip in self.asked)]
        return ["v2", C.WINDOW, places]

    @property
    def seeds(self) -> list[list[int]]:
        """The seeds of each batch's clips."""
        firsts = [FIRST_SEED + index * C.BATCH for index in range(len(self.given))]
        return [[first + i for i in range(len(given.frames))] for first, given in zip(firsts, self.given, strict=True)]

    def track(self, parts: Iterable[Rows], name: str, total: int) -> Iterator[Rows]:
        return self.bench.track(parts, name, total=total)

    def listened(self, count: int) -> list[bool]:
        """Which of `count` batches keep their first clip's sound."""
        places = set(np.linspace(0, count - 1, min(KEPT_BATCHES, count)).round().astype(int).tolist())
        return [index in places for index in range(count)]


def cast(bench: Bench, pool: Executor) -> Cast:
    """The clips at the bench's size."""
    return Cast(bench, pool, *C.windows_of(bench.songs, max(8, bench.clips)))


def listed(cast: Cast) -> list[C.Clip]:
    """The clips whose sound is kept."""
    count = -(-len(cast.asked) // C.BATCH)
    return [cast.asked[i * C.BATCH] for i, keep in enumerate(cast.listened(count)) if keep]


def real_rows(cast: Cast, name: str) -> Rows:
    """Rows that no network made: held-out, reference, repeated; and coded, which the bundle's codec made."""
    task, clips = {
        "held-out": (voices.describe, cast.asked),
        "reference": (voices.describe, cast.reference),
        "coded": (voices.describe_coded, cast.asked),
        "repeated": (voices.describe_repeated, cast.asked),
    }[name]
    places = [C.repeated_place(clip) for clip in clips] if name == "repeated" else [clip.place for clip in clips]
    about = [cast.key, name, sound_key(cast.bench) if name == "coded" else ""]

    def make() -> Rows:
        batches = [places[first : first + C.BATCH] for first in range(0, len(places), C.BATCH)]
        parts = cast.pool.map(task, batches, cast.listened(len(batches)))
        return voices.joined(list(cast.track(parts, f"compare: {name}", len(batches))))

    return kept(cast.bench, about, make)


def system_rows(cast: Cast, system: systems.System) -> Rows:
    """The same conditions through a system, to sound."""

    def make() -> Rows:
        count = len(cast.given)
        parts = cast.pool.map(voices.describe_made, [system] * count, cast.given, cast.seeds, cast.listened(count))
        return voices.joined(list(cast.track(parts, f"compare: {system.name}", count)))

    return kept(cast.bench, [cast.key, *system_key(cast.bench, system)], make)


def system_key(bench: Bench, system: systems.System) -> list[Any]:
    """What a system's clips depend on beside their conditions."""
    teacher = file_key(bench.teacher) if system.kind != "student" else ""
    return [system.name, sound_key(bench), teacher]


def targets(cast: Cast) -> list[tuple[composer.Target, int]]:
    """One fresh song for each held-out song, and how many clips are cut from it."""
    found = []
    groups = C.groups_of(cast.asked)
    for number in np.unique(groups).tolist():
        rows = np.flatnonzero(groups == number)
        facts = cast.asked[int(rows[0])].song.facts
        seconds = C.SECONDS + COMPOSED_SPACING_SECONDS * (len(rows) - 1)
        meter = (int(facts["meter"][0]), int(facts["meter"][1]))
        target = composer.Target(
            facts["style"], Fraction(facts["tempo"]), meter, facts["key_root"], facts["mode"], seconds, number
        )
        found.append((target, len(rows)))
    return found


def composed_rows(cast: Cast) -> Rows | None:
    """The composer in each held-out song's style, tempo, meter and key; None where its instruments are missing."""

    def make() -> Rows:
        wanted = targets(cast)
        kept_songs = {str(clip.song.path) for clip in listed(cast)}
        songs = dict.fromkeys(str(clip.song.path) for clip in cast.asked)
        parts = cast.pool.map(
            voices.describe_composed, *zip(*wanted, strict=True), [song in kept_songs for song in songs]
        )  # fmt: skip
        return voices.joined(list(cast.track(parts, "compare: composer", len(wanted))))

    try:
        return kept(cast.bench, [cast.key, "composer"], make)
    except (Unavailable, KeyError):
        return None


@torch.no_grad()
def wall_ms(bench: Bench, system: systems.System, given: Conditions, teacher: Any) -> dict[str, float]:
    """Milliseconds of one clip alone, network and decoding: medians of a few on all threads, fp32 for all systems."""
    one = given.map(lambda value: value[:1])
    making, decoding = [], []
    scale = bench.renderer.networks.student.config.guidance
    for index in range(bench.scaled(TIMINGS) if system.steps < 20 else 2):
        started = time.perf_counter()
        latents = systems.made(system, bench.renderer.made_by, teacher, one, [index], half=False, guidance=scale)
        halfway = time.perf_counter()
        voices.sound(bench, voices.decoded(bench, latents)[0])
        making.append(halfway - started)
        decoding.append(time.perf_counter() - halfway)
    return {
        "network": round(1000 * statistics.median(making), 1),
        "decoding": round(1000 * statistics.median(decoding), 1),
        "threads": torch.get_num_threads(),
    }
