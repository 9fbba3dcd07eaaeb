"""The files of timeline caches: their names, who holds them, which are stale.

Two bytes of each file are locked by open file description (F_OFD_SETLK): byte 0 by its creator, the plugin,
byte 1 by the engine that writes. The kernel drops a lock when its process dies, whatever way, so a whole
file whose creator lock is free is stale. Only who holds the creator lock unlinks a file.

*Threading*: every call is a few system calls, safe from any thread; none belongs on an audio thread. A lock
lives as long as the open file, which a forked child shares: fork only to exec.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import re
import secrets
import stat
import struct
import time
from pathlib import Path

import numpy as np

from bridge.timeline import layout
from bridge.timeline.structs import CacheInfo
from engine.errors import BadRequest, Refused, Unavailable

CREATOR, ENGINE = 0, 1
"""The bytes that are locked."""
YOUNG_S = 2.0
"""A file without magic may be in the making for so long."""
MINUTES_RANGE = (0.01, 360.0)
LEAST_MINUTES = 0.5
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_FLOCK = struct.Struct("hhqqi4x")
_HEADER = layout.record(layout.HEADER)


def cache_folder() -> Path:
    """Where caches live: $ATTACCA_CACHE_DIR, else /dev/shm."""
    return Path(os.environ.get("ATTACCA_CACHE_DIR") or "/dev/shm")


def path_of(instance: str, folder: Path | None = None) -> Path:
    """The file of an instance. Raises BadRequest for an id that is none."""
    if not _NAME.fullmatch(instance):
        raise BadRequest(f"instance id {instance[:40]!r}: use 1 to 32 letters, digits, - or _")
    return (folder or cache_folder()) / f"{layout.PREFIX}{instance}"


def lock(fd: int, byte: int) -> bool:
    """Takes a byte's lock for this open file. False: somebody else has it."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def unlock(fd: int, byte: int) -> None:
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, byte, 1, 0))


def locked(fd: int, byte: int) -> bool:
    """Whether another open file holds the lock of this byte."""
    found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
    return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)


def header_of(fd: int) -> np.void | None:
    """The header, None while the file has no magic."""
    raw = os.pread(fd, _HEADER.itemsize, 0)
    if len(raw) < _HEADER.itemsize:
        return None
    header = np.frombuffer(raw, _HEADER)[0]
    return header if int(header["magic"]) == layout.MAGIC else None


def check_header(fd: int, path: Path) -> np.void:
    """The header of a cache that this engine can use. Raises Unavailable with the way out."""
    header = header_of(fd)
    if header is None:
        raise Unavailable(f"{path} is not a whole timeline cache: wait for its plugin, or remove it")
    version = int(header["version"])
    if version != layout.VERSION:
        raise Unavailable(
            f"the plugin speaks layout {version}, this engine {layout.VERSION}: rebuild the plugin with make plugin"
        )
    size, pages = os.fstat(fd).st_size, int(header["pages"])
    if not 1 <= pages <= layout.PROJECT_PAGES or not size == int(header["total_bytes"]) == layout.total_bytes(pages):
        raise Unavailable(f"{path} has {size} bytes, not what its header says: load the plugin anew")
    if int(header["channels"]) != layout.CHANNELS or not 8_000 <= int(header["rate"]) <= 192_000:
        raise Unavailable(f"{path} has {header['channels']} channels at {header['rate']} Hz: load the plugin anew")
    return header


def open_file(path: Path) -> int:
    """An open cache file. Raises Unavailable."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as problem:
        raise Unavailable(f"no timeline cache at {path} ({problem.strerror}): is its plugin still loaded?") from None


def create_file(instance: str, rate: int, minutes: float, folder: Path | None) -> tuple[int, Path, int]:
    """A new, locked cache file without magic: (open file, path, pages).

    A stale file of that name is replaced; where the id is taken, a new id is drawn. Where the folder has no room,
    fewer minutes are tried, down to half a minute. Raises BadRequest and Unavailable.
    """
    if not 8_000 <= rate <= 192_000:
        raise BadRequest(f"rate {rate} Hz: use 8000 to 192000")
    if not MINUTES_RANGE[0] <= minutes <= MINUTES_RANGE[1]:
        raise BadRequest(f"{minutes} minutes: use {MINUTES_RANGE[0]} to {MINUTES_RANGE[1]:.0f}")
    fd, path = _claim(instance, folder)
    try:
        return fd, path, _allocate(fd, path, rate, minutes)
    except BaseException:
        remove(fd, path)
        os.close(fd)
        raise


def _claim(instance: str, folder: Path | None) -> tuple[int, Path]:
    for _ in range(8):
        path = path_of(instance, folder)
        reclaim_file(path)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            instance = secrets.token_hex(8)
            continue
        except OSError as problem:
            raise Unavailable(
                f"no timeline cache in {path.parent}: {problem.strerror}; set ATTACCA_CACHE_DIR"
            ) from None
        if lock(fd, CREATOR) and same_file(fd, path):
            return fd, path
        os.close(fd)
    raise Unavailable(f"no free name for a timeline cache in {path.parent}: set ATTACCA_CACHE_DIR")


def _allocate(fd: int, path: Path, rate: int, minutes: float) -> int:
    """Reserves the bytes, so that a full folder is an error now and no signal later. -> pages."""
    while True:
        pages = min(layout.pages_for(minutes, rate), layout.PROJECT_PAGES)
        try:
            os.posix_fallocate(fd, 0, layout.total_bytes(pages))
            return pages
        except OSError as problem:
            if problem.errno not in (errno.ENOSPC, errno.EFBIG, errno.ENOMEM, errno.EDQUOT):
                raise Unavailable(f"no timeline cache in {path.parent}: {problem.strerror}") from None
            os.ftruncate(fd, 0)
        if minutes <= LEAST_MINUTES:
            need = layout.total_bytes(pages) // 2**20 + 1
            raise Unavailable(f"{path.parent} has no room for a timeline cache: free {need} MiB there") from None
        minutes = max(LEAST_MINUTES, minutes / 2)


def same_file(fd: int, path: Path) -> bool:
    """Whether the path still names this open file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def remove(fd: int, path: Path) -> None:
    """Unlinks our own file; call with the creator lock held."""
    if same_file(fd, path):
        path.unlink(missing_ok=True)


def _stale(fd: int) -> bool:
    """Whether nobody owns it. A young file without magic may be in the making."""
    if locked(fd, CREATOR):
        return False
    return header_of(fd) is not None or time.time() - os.fstat(fd).st_mtime > YOUNG_S


def reclaim_file(path: Path) -> CacheInfo | None:
    """Unlinks a stale cache and says what it was; leaves any other alone."""
    try:
        fd = open_file(path)
    except Unavailable:
        return None
    try:
        if not _stale(fd):
            return None
        info = _describe(fd, path)
        if not lock(fd, CREATOR) or not same_file(fd, path):
            return None
        remove(fd, path)
        return info
    finally:
        os.close(fd)


def discover(folder: Path | None = None) -> list[CacheInfo]:
    """All caches of the folder by name, stale ones included."""
    found = []
    for path in _paths(folder):
        try:
            fd = open_file(path)
        except Unavailable:
            continue
        try:
            found.append(_describe(fd, path))
        finally:
            os.close(fd)
    return found


def reclaim(folder: Path | None = None) -> list[CacheInfo]:
    """Removes the caches that nobody owns any more, and returns them."""
    return [info for path in _paths(folder) if (info := reclaim_file(path))]


def _paths(folder: Path | None) -> list[Path]:
    try:
        found = sorted((folder or cache_folder()).glob(f"{layout.PREFIX}*"))
        named = [path for path in found if _NAME.fullmatch(path.name.removeprefix(layout.PREFIX))]
        return [path for path in named if stat.S_ISREG(os.lstat(path).st_mode)]
    except FileNotFoundError:
        return []


def _describe(fd: int, path: Path) -> CacheInfo:
    header, size = header_of(fd), os.fstat(fd).st_size
    version = int(header["version"]) if header is not None else 0
    ours = header is not None and version == layout.VERSION
    rate = int(header["rate"]) if ours and header is not None else 0
    frames = int(header["pages"]) * layout.PAGE_FRAMES if ours and header is not None else 0
    return CacheInfo(
        path=path,
        instance=path.name.removeprefix(layout.PREFIX),
        whole=header is not None,
        creator_alive=locked(fd, CREATOR),
        engine_attached=locked(fd, ENGINE),
        version=version,
        rate=rate,
        minutes=frames / rate / 60 if rate else 0.0,
        bytes=size,
        title=_title(fd) if ours else "",
    )


def _title(fd: int) -> str:
    region = layout.regions(1)["words"]
    raw = os.pread(fd, region.itemsize, region.offset)
    if len(raw) < region.itemsize:
        return ""
    return bytes(np.frombuffer(raw, region.dtype)[0]["title"]).decode("utf-8", "replace")


def map_file(fd: int, pages: int) -> mmap.mmap:
    """The whole file as memory. Raises Unavailable."""
    try:
        return mmap.mmap(fd, layout.total_bytes(pages))
    except OSError as problem:
        raise Unavailable(f"no timeline cache can be mapped: {problem.strerror}") from None


def take_engine_lock(fd: int, path: Path) -> None:
    """Raises Unavailable when the plugin is gone, Refused when another engine writes."""
    if not locked(fd, CREATOR):
        raise Unavailable(f"the plugin that made {path} is gone: load it anew")
    if not lock(fd, ENGINE):
        raise Refused(f"another engine writes to {path}: stop it first")
