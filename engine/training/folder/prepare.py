"""A folder of sounds to a corpus folder: resumable, interruptible, with a report.

    OUT/train, OUT/valid, OUT/test    songs, as `corpus.build` writes them
    OUT/files/<digest>.json           what became of each file; a file that did not change is not listened to again
    OUT/report.json                   all of it

Whole files are held out, never parts of one: by a hash of the name, about one in ten for validation, and with at least
ten files one in twenty for tests. A single file gives its last excerpt.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from engine.errors import BadRequest
from engine.training.folder.audio import SUFFIXES, find_sounds, fingerprint
from engine.training.folder.convert import Outcome, convert
from engine.training.folder.report import Report
from engine.training.folder.sidecar import sidecars
from engine.whole import whole

VERSION = 1
SPLITS = ("train", "valid", "test")
VALID_EVERY = 10
TEST_EVERY = 20
FEWEST_FOR_TESTS = 10
FEWEST_BEFORE_DEADLINE = 4
Progress = Callable[[int, int, str], None]


def order(folder: Path, paths: list[Path]) -> list[Path]:
    """By a hash of the name inside the folder: the same on every machine, near the same when files are added."""
    return sorted(paths, key=lambda path: hashlib.sha256(path.relative_to(folder).as_posix().encode()).digest())


def signature(path: Path) -> str:
    """Changes when the sound, its side-cars or this code's version do."""
    stamps = [(one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in (path, *sidecars(path))]
    return json.dumps([VERSION, stamps])


def prepare(
    folder: Path, out: Path, progress: Progress | None = None, deadline: Callable[[], bool] = lambda: False
) -> Report:
    """Listen to every sound below `folder` and store it as songs in `out`; what is there already is kept.

    progress(done, total, name) is called before each file and at the end. Once `deadline()` is true no new file is
    begun, and the report counts those that wait. Raises BadRequest where there is nothing to train on.
    """
    if not folder.is_dir():
        raise BadRequest(f"--data: the folder {folder} is not there.")
    paths = order(folder, [path for path in find_sounds(folder) if not path.is_relative_to(out)])
    if not paths:
        raise BadRequest(f"{folder} holds no sound files ({', '.join(sorted(SUFFIXES))}).")
    for name in (*SPLITS, "files"):
        (out / name).mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    seen: dict[str, str] = {}
    waiting = 0
    for index, path in enumerate(paths):
        name = path.relative_to(folder).as_posix()
        if progress is not None:
            progress(index, len(paths), name)
        if waiting or (deadline() and sum(one.used for one in outcomes) >= FEWEST_BEFORE_DEADLINE):
            waiting += 1
            continue
        outcomes.append(_outcome(path, folder, out, seen))
    if progress is not None:
        progress(len(paths), len(paths), "")
    _remove_stale(out, outcomes)
    splits = _place(out, outcomes)
    report = Report(str(folder), outcomes, splits, waiting, time.strftime("%Y-%m-%d %H:%M"))
    (out / "report.json").write_text(json.dumps(report.as_json(), indent=1) + "\n")
    return report


def _outcome(path: Path, folder: Path, out: Path, seen: dict[str, str]) -> Outcome:
    """What became of one file; copies of a file that was used are left out."""
    name = path.relative_to(folder).as_posix()
    try:
        digest, mark = fingerprint(path), signature(path)
    except OSError as error:
        return Outcome(name, reason=f"unreadable: {error.strerror}")
    if digest in seen:
        return Outcome(name, reason=f"a copy of {seen[digest]}", digest=digest)
    seen[digest] = name
    note = out / "files" / f"{digest[:16]}.json"
    known = _known(note, mark, name, out)
    if known is not None:
        return known
    outcome = convert(path, folder, out / "train", digest)
    with whole(note) as part:
        part.write_text(json.dumps({"signature": mark, **asdict(outcome)}, indent=1) + "\n")
    return outcome


def _known(note: Path, mark: str, name: str, out: Path) -> Outcome | None:
    """The outcome of an earlier run, if the file is the same and its songs are there."""
    try:
        facts = json.loads(note.read_text())
        if facts.pop("signature") != mark or facts["file"] != name:
            return None
        outcome = Outcome(**facts)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return outcome if all(_find(out, song) for song in outcome.songs) else None


def _find(out: Path, song: str) -> Path | None:
    return next((path for split in SPLITS if (path := out / split / song).exists()), None)


def _remove_stale(out: Path, outcomes: list[Outcome]) -> None:
    """Songs of files that are gone, changed or now left out."""
    wanted = {song for outcome in outcomes for song in outcome.songs}
    for split in SPLITS:
        for path in (out / split).glob("*.safetensors"):
            if path.name not in wanted:
                path.unlink()


def split_of(rank: int, files: int) -> str:
    """train, valid or test of the file at `rank` in hash order among `files`."""
    if files < 2:
        return "train"
    valid = max(1, files // VALID_EVERY)
    test = max(1, files // TEST_EVERY) if files >= FEWEST_FOR_TESTS else 0
    return "valid" if rank < valid else "test" if rank < valid + test else "train"


def _place(out: Path, outcomes: list[Outcome]) -> dict[str, int]:
    """Move each song into its split; returns the number of songs in each."""
    used = [outcome for outcome in outcomes if outcome.used]
    counts = dict.fromkeys(SPLITS, 0)
    for rank, outcome in enumerate(used):
        for index, song in enumerate(outcome.songs):
            split = split_of(rank, len(used))
            if len(used) == 1 and index > 0 and index == len(outcome.songs) - 1:
                split = "valid"
            found = _find(out, song)
            assert found is not None, song
            found.replace(out / split / song)
            counts[split] += 1
    return counts
