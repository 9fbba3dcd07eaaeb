"""The worker of a resident engine: it warms the renderer up, renders what waits, and rehearses while nothing does.

*Threading*: `attacca-worker` runs everything but `start` and `join`, and alone calls the renderer. It waits for work in
`Register.next`; while it renders, the renderer asks at least every 80 ms whether to stop.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from engine.errors import AttaccaError, BadRequest, Cancelled, Expired
from engine.events import BarReady, Progress
from engine.resident.queueing import Job
from engine.resident.register import Register
from engine.resident.rehearsing import Rehearsal, Rehearses
from engine.resident.tally import make_report
from engine.runtimes.memory import freeze
from engine.types import BarAudio, Rendered, Renderer

PROGRESS_INTERVAL_S = 0.02


class Worker:
    """Holds the renderer. canary: queues the first test render. rehearsed: counts rehearsals that were not left."""

    def __init__(self, renderer: Renderer, register: Register, canary: Callable[[], None]) -> None:
        self.rehearsed = 0
        self._renderer, self._register, self._canary = renderer, register, canary
        self._warm = threading.Event()
        self._warm_error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="attacca-worker", daemon=True)

    def start(self) -> None:
        """Returns when it is warm. Raises whatever the warm-up raised."""
        self._thread.start()
        self._warm.wait()
        if self._warm_error is not None:
            raise self._warm_error

    def join(self, timeout_s: float) -> bool:
        """Whether the thread has ended, or never began, in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # ---- the thread --------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._renderer.warm_up()
            self._first_canary()
            freeze()
        except BaseException as error:  # handed to start(), which raises it
            self._warm_error = error
        else:
            self._register.ready()
        finally:
            self._warm.set()
        while self._warm_error is None and (job := self._register.next()) is not None:
            if isinstance(job, Job):
                self._run(job)
            else:
                self._rehearse(job)

    def _first_canary(self) -> None:
        self._canary()
        job = self._register.next()
        if isinstance(job, Job):
            self._run(job)

    def _rehearse(self, rehearsal: Rehearsal) -> None:
        """Prepare until something waits; a rehearsal that fails is forgotten, for its render will say why."""
        assert isinstance(self._renderer, Rehearses)
        with contextlib.suppress(Exception):
            self._renderer.rehearse(rehearsal.request, rehearsal.inline, self._register.is_wanted)
            self.rehearsed += 1

    def _run(self, job: Job) -> None:
        """Render one job and give it its end, whatever the renderer does."""
        end = self._register.end
        try:
            if job.due_s <= job.started_s:
                raise Expired("the deadline passed before the render began")
            rendered = self._render(job)
        except Cancelled as error:
            self._end_stopped(job, error)
        except BadRequest as error:
            end(job, "refused", error)
        except AttaccaError as error:
            end(job, "expired" if isinstance(error, Expired) else "failed", error)
        except Exception as error:
            end(job, "failed", AttaccaError(f"the render failed: {_sentence(error)}"))
        else:
            if job.cancelled:
                self._end_stopped(job, Cancelled("cancelled while it rendered"))
            else:
                end(job, "done", None, make_report(job, rendered, self._renderer, self._register.clock()))

    def _end_stopped(self, job: Job, error: Cancelled) -> None:
        """End a job whose render was left: it was taken back, came too late, or the renderer is wrong."""
        if job.cancelled:
            self._register.end(job, "cancelled", error)
        elif job.due_s <= self._register.clock():
            self._register.end(job, "expired", Expired("the deadline passed while it rendered"))
        else:
            self._register.end(job, "failed", AttaccaError("the renderer stopped without being asked"))

    # ---- what the renderer calls ---------------------------------------------------------------

    def _render(self, job: Job) -> Rendered:
        rendered = self._renderer.render(
            job.request,
            job.inline,
            emit=lambda bar: self._emit(job, bar),
            progress=lambda fraction: self._progress(job, fraction),
            cancelled=lambda: self._must_stop(job),
        )
        if not job.cancelled:
            job.check_rendered(rendered)
        return rendered

    def _emit(self, job: Job, bar: BarAudio) -> None:
        job.take_bar(bar, self._register.clock() - job.started_s)
        if not job.cancelled:
            self._register.tell(job, BarReady(id=job.request.id, bar=bar))

    def _progress(self, job: Job, fraction: float) -> None:
        now = self._register.clock()
        if now - job.told_s >= PROGRESS_INTERVAL_S and not job.cancelled:
            job.told_s = now
            self._register.tell(job, Progress(id=job.request.id, fraction=min(1.0, max(0.0, fraction))))

    def _must_stop(self, job: Job) -> bool:
        """The renderer's check: cancelled, or too late. Also ends what expired while it waited."""
        now, tally = self._register.clock(), self._register.tally
        if not job.internal:
            tally.longest_gap_s = max(tally.longest_gap_s, now - job.checked_s)
        job.checked_s = now
        for waiting in self._register.late(now):
            self._register.end(waiting, "expired", Expired("the deadline passed while it waited"))
        return job.cancelled or job.due_s <= now


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
