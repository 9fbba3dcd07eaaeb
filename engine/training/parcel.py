"""Carry what was trained off a machine that lets out a few small files: pack, and join on the other side.

    python -m engine.training.parcel pack RUN TO     a run's bundle (or its finished stages) into TO
    python -m engine.training.parcel join FROM INTO  and back

Everything becomes one stream, cut into pieces of at most PIECE_BYTES; `parcel.json` holds the SHA-256 of each
piece and of each file. A parcel that lacks a piece, or in which a bit differs, is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.bundle import MANIFEST, sha256
from engine.errors import BadBundle
from engine.whole import whole

INDEX = "parcel.json"
PIECE_BYTES = 16 * 2**20 - 4096
MOST_BYTES = 64 * 2**20 - 2**20
MOST_FILES = 8
BLOCK = 1 << 20
FORMAT = 1


class _Pieces:
    """A stream cut into numbered files; `done` gives their names and digests."""

    def __init__(self, folder: Path, piece_bytes: int) -> None:
        self.folder, self.piece_bytes = folder, piece_bytes
        self.found: list[dict[str, Any]] = []
        self.file: BinaryIO | None = None
        self.room = 0

    def write(self, data: bytes) -> None:
        while data:
            if self.room == 0:
                self._next()
            assert self.file is not None
            part, data = data[: self.room], data[self.room :]
            self.file.write(part)
            self.digest.update(part)
            self.room -= len(part)

    def _next(self) -> None:
        self.close()
        name = f"piece-{len(self.found):02d}.bin"
        self.file, self.room, self.digest = (self.folder / name).open("wb"), self.piece_bytes, hashlib.sha256()
        self.found.append({"name": name})

    def close(self) -> list[dict[str, Any]]:
        if self.file is not None:
            self.file.close()
            self.found[-1]["sha256"] = self.digest.hexdigest()
            self.file = None
        return self.found


def blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def pack(files: dict[str, Path], out: Path, piece_bytes: int = PIECE_BYTES) -> dict[str, Any]:
    """Write files (name in the parcel, with / for folders -> path) as pieces and an index into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    pieces = _Pieces(out, piece_bytes)
    rows = []
    for name, path in files.items():
        rows.append({"name": name, "bytes": path.stat().st_size, "sha256": sha256(path)})
        for block in blocks(path):
            pieces.write(block)
    index = {"format": FORMAT, "pieces": pieces.close(), "files": rows}
    (out / INDEX).write_text(json.dumps(index, indent=1) + "\n")
    return index


def join(parcel: Path, into: Path) -> list[Path]:
    """Check a parcel's pieces and write its files below `into`; BadBundle names what is missing or damaged."""
    if not (parcel / INDEX).is_file():
        raise BadBundle(f"{parcel} is no parcel: it has no {INDEX}")
    index = json.loads((parcel / INDEX).read_text())
    for piece in index["pieces"]:
        path = parcel / piece["name"]
        if not path.is_file() or sha256(path) != piece["sha256"]:
            raise BadBundle(f"{path} is missing or damaged; fetch the parcel anew")
    stream = _joined(parcel / piece["name"] for piece in index["pieces"])
    held, written = b"", []
    for row in index["files"]:
        target = (into / row["name"]).resolve()
        if not target.is_relative_to(into.resolve()):
            raise BadBundle(f"the parcel {parcel} names {row['name']}, which lies outside {into}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as part:
            with part.open("wb") as file:
                left = row["bytes"]
                while left:
                    held = held or next(stream, b"")
                    if not held:
                        raise BadBundle(f"the parcel {parcel} ends inside {row['name']}")
                    file.write(held[:left])
                    held, left = held[left:], left - min(left, len(held))
            if sha256(part) != row["sha256"]:
                raise BadBundle(f"{row['name']} came out of {parcel} damaged; fetch it anew")
        written.append(target)
    return written


def _joined(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        yield from blocks(path)


def halved(source: Path, target: Path) -> Path:
    """A copy of a safetensors file in fp16, its metadata kept."""
    with safe_open(str(source), "pt") as file:
        note = file.metadata()
    state = load_file(str(source))
    save_file({key: v.half() if v.is_floating_point() else v for key, v in state.items()}, str(target), note)
    return target


def worth(run: Path, spare: Path, most_bytes: int = MOST_BYTES) -> dict[str, Path]:
    """What of a run to carry: its bundle and teacher, or where there is none yet its finished stages; and its records.

    Weights outside bundles are halved into `spare`. What does not fit any more is left out, the last first.
    """
    found: dict[str, Path] = {}
    records = (*sorted(run.glob("*.png")), run / "stages/ledger.json", run / "stages/losses.jsonl",
               *sorted((run / "evaluation").glob("results.*")))  # fmt: skip
    found |= {str(path.relative_to(run)): path for path in records if path.is_file()}
    bundles = sorted(path.parent for path in run.glob(f"*/{MANIFEST}") if path.parent.suffix != ".part")
    for folder in bundles:
        found |= {f"{folder.name}/{path.name}": path for path in sorted(folder.iterdir()) if path.is_file()}
    names = ["teacher"] if bundles else [path.stem for path in sorted((run / "stages").glob("*.done"))]
    for name in names:
        if (source := run / "stages" / f"{name}.done").is_file():
            found[f"stages/{name}.done"] = halved(source, spare / f"{name}.done")
    while sum(path.stat().st_size for path in found.values()) > most_bytes:
        name, _ = found.popitem()
        click.echo(f"{name} is left behind: over {most_bytes / 2**20:.0f} MiB in all", err=True)
    return found


@click.group()
def main() -> None:
    """Pack what a run made into few small files, or join them again."""


@main.command("pack")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("to", type=click.Path(path_type=Path, file_okay=False))
def pack_run(run: Path, to: Path) -> None:
    """Pack the bundle of RUN (a training's --out), or its finished stages, into TO; loss curves go beside them."""
    with tempfile.TemporaryDirectory() as spare:
        index = pack(worth(run, Path(spare)), to)
    if (run / "losses.png").is_file():
        shutil.copyfile(run / "losses.png", to / "losses.png")
    if len(list(to.iterdir())) > MOST_FILES:
        raise click.ClickException(f"{to} holds more than {MOST_FILES} files; empty it first")
    total = sum(path.stat().st_size for path in to.iterdir())
    click.echo(f"{len(index['files'])} files in {len(index['pieces'])} pieces, {total / 2**20:.1f} MiB in {to}")


@main.command("join")
@click.argument("parcel", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("into", type=click.Path(path_type=Path, file_okay=False))
def join_parcel(parcel: Path, into: Path) -> None:
    """Write the files of PARCEL below INTO, checked against their digests."""
    for path in join(parcel, into):
        click.echo(path)


if __name__ == "__main__":
    main()
