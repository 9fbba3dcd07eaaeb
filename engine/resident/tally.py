"""What the resident counts: endings, times, and the quantiles over the last 512 renders.

*Threading*: nothing here locks; the resident calls it with its one lock held.
"""

from __future__ import annotations

from collections import deque
from typing import get_args

import numpy as np

from engine.events import Metrics, Quantiles
from engine.resident.queueing import Job
from engine.types import Ending, Rendered, Renderer, Report

ROLLING = 512


class Tally:
    """Counts since the start. Every submitted request is counted as ended once."""

    def __init__(self) -> None:
        self.submitted = 0
        self.listener_errors = 0
        self.longest_gap_s = 0.0
        self._counts: dict[Ending, int] = dict.fromkeys(get_args(Ending), 0)
        self._reports: deque[Report] = deque(maxlen=ROLLING)
        self._audio_seconds = 0.0

    def end(self, ending: Ending, report: Report | None) -> None:
        self._counts[ending] += 1
        assert sum(self._counts.values()) <= self.submitted, "a request ended twice"
        if report is not None:
            self._reports.append(report)
            self._audio_seconds += report.audio_seconds

    def metrics(self, waiting: int, rendering: int) -> Metrics:
        reports = self._reports
        return Metrics(
            submitted=self.submitted,
            waiting=waiting,
            rendering=rendering,
            done=self._counts["done"],
            cancelled=self._counts["cancelled"],
            expired=self._counts["expired"],
            refused=self._counts["refused"],
            failed=self._counts["failed"],
            audio_seconds=self._audio_seconds,
            compute_seconds=quantiles([r.compute_seconds for r in reports]),
            queue_seconds=quantiles([r.queue_seconds for r in reports]),
            first_bar_seconds=quantiles([r.first_bar_seconds for r in reports]),
            real_time_factor=quantiles([r.real_time_factor for r in reports]),
            longest_check_gap_ms=self.longest_gap_s * 1000,
            listener_errors=self.listener_errors,
        )


def quantiles(values: list[float]) -> Quantiles:
    """p50, p95 and p99 by linear interpolation (numpy's default)."""
    if not values:
        return Quantiles()
    p50, p95, p99 = (float(v) for v in np.quantile(np.asarray(values), (0.5, 0.95, 0.99)))
    return Quantiles(count=len(values), p50=p50, p95=p95, p99=p99)


def make_report(job: Job, rendered: Rendered, renderer: Renderer, now_s: float) -> Report:
    """The report of a job whose last bar is out. compute: dequeue to last sample."""
    audio_s = rendered.frames / rendered.rate
    compute_s = max(job.bar_seconds[-1], 1e-9)
    return Report(
        id=job.request.id,
        frames=rendered.frames,
        rate=rendered.rate,
        channels=rendered.channels,
        audio_seconds=audio_s,
        queue_seconds=job.started_s - job.arrived_s,
        compute_seconds=compute_s,
        total_seconds=now_s - job.arrived_s,
        real_time_factor=compute_s / audio_s,
        times_real_time=audio_s / compute_s,
        first_bar_seconds=job.bar_seconds[0],
        seed=rendered.seed,
        bundle=renderer.bundle,
        runtime=renderer.runtime,
        threads=renderer.threads,
        bar_frames=rendered.bar_frames,
        bar_seconds=tuple(job.bar_seconds),
        first_audio_seconds=job.first_audio_s,
        context_seconds=rendered.context_seconds,
        adherence=rendered.adherence,
        plan=rendered.plan,
        remarks=rendered.remarks,
    )
