"""What goes into a timeline cache and how it joins what is there: equal-power seams of 20 ms, behind what is read.

*Threading*: the live thread owns it. A write takes some milliseconds a bar and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bridge.live.map import ProjectMap
from bridge.live.takes import Takes
from bridge.timeline.engine import EngineSide
from engine.horizon import Horizon
from engine.horizon.plans import Job
from engine.types import SEAM_SECONDS, Audio, BarAudio

Tell = Callable[[int, int, Audio], None]
"""(generation, project first frame, audio [frames, 2]) of what was written."""
MAX_HEARD_BARS = 4_096


class Writer:
    """Writes for one session, and tells its horizon and whoever listens."""

    def __init__(self, side: EngineSide, horizon: Horizon, takes: Takes, tell: Tell) -> None:
        self._side, self._horizon, self._takes, self._tell = side, horizon, takes, tell
        self.seam_frames = round(SEAM_SECONDS * side.rate)
        self.late_frames = self.stores = 0
        self._heard: dict[int, None] = {}
        self._kept: set[int] = set()
        self._joined = False

    def heard(self, bar: int) -> None:
        """The head has been in this bar: what is there is worth a take."""
        self._heard.pop(bar, None)
        self._heard[bar] = None
        if len(self._heard) > MAX_HEARD_BARS:
            del self._heard[next(iter(self._heard))]

    def begin(self) -> None:
        """A new job writes from now on."""
        self._kept.clear()
        self._joined = False

    def piece(self, job: Job, piece: BarAudio, song: ProjectMap) -> int | None:
        """A piece of a job: its lead-in, its body up to the job's end, what fades out behind it.

        Returns the first project frame that the body changed, None where it changed none.
        """
        first = job.at.frame + piece.first_frame
        if piece.first_frame < 0:
            self._lead_in(job, first, piece.audio)
            return None
        body = piece.audio[: max(0, job.end - first)]
        changed = None
        if len(body):
            self.keep_takes(first, first + len(body), song)
            changed = self.put(first, body, fade_in=not self._joined)
            self._joined = True
        if job.seam and len(body) < len(piece.audio):
            self._fade_out(job.end, max(first, job.end), piece.audio[len(body) :])
        return changed

    def put(self, first: int, audio: Audio, fade_in: bool = False) -> int | None:
        """Write from a project frame on; over a reader that is near, from behind what it may read, with a seam.

        Returns the first frame that changed, None where the reader has passed it all.
        """
        end, begin = first + len(audio), self._behind_reader(first, first + len(audio))
        part = audio[begin - first :]
        self.late_frames += begin - first
        self._horizon.wrote(first, begin)
        if not len(part):
            return None
        if fade_in or begin > first:
            part = self._over(begin, part, 0, rising=True)
        self._store(begin, part, end)
        return begin

    def bring_back(self, first: int, audio: Audio) -> int | None:
        """Write a bar heard before over what is there now, with a seam at both ends; see `put`."""
        self._joined = True
        tail = self._over(first + len(audio) - self.seam_frames, audio[-self.seam_frames :], 0, rising=False)
        return self.put(first, np.concatenate([audio[: -self.seam_frames], tail]), fade_in=True)

    def keep_takes(self, first: int, end: int, song: ProjectMap) -> None:
        """Keep the heard bars that first..end is about to overwrite, each once a job."""
        for bar in range(song.bar_at(first), song.bar_at(end - 1) + 1):
            if bar in self._heard and bar not in self._kept:
                line, frames = song.frame(bar), song.frame(bar + 1) - song.frame(bar)
                audio, known = self._side.read(line, frames)
                if known.all():
                    self._takes.keep(bar, audio)
            self._kept.add(bar)

    def _lead_in(self, job: Job, first: int, audio: Audio) -> None:
        """The new sound right before a job fades in over the old, where there is time and old sound."""
        late = self._behind_reader(job.at.frame, job.end) > job.at.frame
        if late or self._behind_reader(first, first + len(audio)) > first:
            return
        old, known = self._side.read(first, len(audio))
        if known.all():
            down, up = _curves(0, len(audio), len(audio))
            self._store(first, old * down + audio * up, first + len(audio))
            self._joined = True

    def _fade_out(self, end: int, first: int, audio: Audio) -> None:
        """What a job has behind its end fades out over the bars that stay."""
        part = audio[: max(0, end + self.seam_frames - first)]
        if len(part) and self._behind_reader(first, first + len(part)) == first:
            self._store(first, self._over(first, part, first - end, rising=False), first + len(part))
        else:
            self._horizon.wrote(first, first + len(part))

    def _over(self, first: int, audio: Audio, at: int, rising: bool) -> Audio:
        """New audio mixed with what is there, over the seam's frames from `at` on; as it is where nothing is there."""
        frames = min(self.seam_frames - at, len(audio))
        old, known = self._side.read(first, frames)
        if not known.all():
            return audio
        down, up = _curves(at, at + frames, self.seam_frames)
        new, old = audio[:frames], old
        mixed = old * down + new * up if rising else new * down + old * up
        return np.concatenate([mixed, audio[frames:]])

    def _behind_reader(self, first: int, end: int) -> int:
        """Where writing may begin, so that a reader at the head hears no jump inside of what it plays."""
        head = self._horizon.head
        safe = head.frame + self._horizon.safe_frames
        if not head.rolling or not first < safe or end <= head.frame:
            return first
        upto = min(safe, end)
        return upto if self._horizon.playable.holds(max(first, head.frame), upto) else first

    def _store(self, first: int, audio: Audio, end: int) -> None:
        audio = np.ascontiguousarray(audio, np.float32)
        stored = self._side.write(first, audio)
        self.stores += 1
        if stored == len(audio):
            self._horizon.wrote(first, end)
        else:
            self._horizon.spared(first, end)
        self._tell(self._side.generation, first, audio)


def _curves(first: int, end: int, frames: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Equal-power (falling, rising) gains [n, 1] of frames first..end of a fade."""
    angle = (np.arange(first, end) + 0.5) / frames * (np.pi / 2)
    return np.cos(angle).astype(np.float32)[:, None], np.sin(angle).astype(np.float32)[:, None]
