"""From a request to files: one take or several, by a running engine or in this process, and what is told of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from bridge.commands.common import print_line, remark
from bridge.commands.player import Take, render_all
from bridge.files import wavefile
from engine.types import Report, Request

JSON_FIELDS = (
    "frames",
    "rate",
    "channels",
    "audio_seconds",
    "compute_seconds",
    "real_time_factor",
    "times_real_time",
    "seed",
    "bundle",
    "runtime",
    "threads",
)
MAKING = ("bundle", "device", "runtime", "takes", "as_json")
LARGEST_SEED = 2**53


@dataclass(frozen=True)
class Making:
    """Who renders, how many takes, and how it is told."""

    bundle: Path | None
    device: str
    runtime: str | None
    takes: int
    as_json: bool

    @staticmethod
    def of(options: dict[str, Any]) -> Making:
        """Taken out of a command's options."""
        return Making(*(options.pop(name) for name in MAKING))

    def file(self, path: Path, index: int) -> Path:
        """The name of take `index`: the path itself where there is one take, else OUT-1.wav, OUT-2.wav, ..."""
        return path if self.takes == 1 else path.with_name(f"{path.stem}-{index + 1}{path.suffix}")

    def files(self, path: Path) -> list[Path]:
        return [self.file(path, index) for index in range(self.takes)]


class Written(NamedTuple):
    """A file and what it holds."""

    path: Path
    frames: int
    rate: int
    channels: int


@dataclass
class Made:
    """A take that is there, and the files that it went to."""

    making: Making
    index: int
    take: Take
    written: list[Written] = field(default_factory=list)

    def write(self, path: Path, samples: NDArray[np.floating[Any]], rate: int, subtype: str = "FLOAT") -> None:
        """A WAV in which every sample value of `subtype` is kept exactly. samples: [frames, channels]."""
        target = self.making.file(path, self.index)
        wavefile.write_wav(target, samples, rate, wavefile.holding_subtype(subtype))
        self.written.append(Written(target, len(samples), rate, samples.shape[1]))


def check_takes(making: Making, targets: list[tuple[str, Path]]) -> None:
    """BadRequest or Unavailable for (option, path) that cannot be written: asked before anything is rendered."""
    for option, path in targets:
        for one in making.files(path):
            wavefile.check_target(one, option)


def seeds_of(request: Request, takes: int) -> list[Request]:
    """The request of each take: seeds that follow each other, from the one asked for or from one by chance."""
    from msgspec.structs import replace

    if takes == 1:
        return [request]
    first = int(np.random.default_rng().integers(2**31)) if request.seed is None else request.seed
    return [replace(request, id=f"{request.id}-{k}", seed=(first + k) % LARGEST_SEED) for k in range(takes)]


def deliver(request: Request, making: Making) -> Iterator[Made]:
    """Each take as soon as it is there; whoever iterates writes it. Afterwards it is told: one line of JSON for all."""
    lines = []
    takes = render_all(seeds_of(request, making.takes), making.bundle, making.device, making.runtime)
    for index, take in enumerate(takes):
        made = Made(making, index, take)
        yield made
        for line in take.report.remarks:
            remark(line)
        if not making.as_json:
            tell(made.written, request.bars, take.report)
        lines.append({**facts_of(take.report), **({"file": str(made.written[-1].path)} if making.takes > 1 else {})})
    if making.as_json:
        print_line(lines[0] if making.takes == 1 else {"takes": lines})


def facts_of(report: Report) -> dict[str, Any]:
    """What --json says of a take; `adherence` where a target was set that can be judged."""
    facts = {name: getattr(report, name) for name in JSON_FIELDS}
    judged = judged_of(report)
    return {**facts, "adherence": judged} if judged else facts


def judged_of(report: Report) -> dict[str, float]:
    """The figures of a report's adherence that are there."""
    if report.adherence is None:
        return {}
    found = {name: getattr(report.adherence, name) for name in report.adherence.__struct_fields__}
    return {name: round(value, 4) for name, value in found.items() if value is not None}


def tell(written: list[Written], bars: int, report: Report) -> None:
    """The result for people: each file and how long it is, then how its new bars came about."""
    for file in written:
        click.echo(
            f"{file.path}: {file.frames / file.rate:.3f} s, {file.frames} frames at {file.rate} Hz,"
            f" {'mono' if file.channels == 1 else f'{file.channels} channels'}"
        )
    judged = "".join(f"; {name.replace('_', ' ')} {value:g}" for name, value in judged_of(report).items())
    click.echo(
        f"  {'1 new bar' if bars == 1 else f'{bars} new bars'}: {report.audio_seconds:.3f} s rendered in"
        f" {report.compute_seconds:.3f} s, {report.times_real_time:.1f} times real time;"
        f" seed {report.seed}, bundle {report.bundle}{judged}"
    )
