"""The resident engine: one warm renderer, one queue, one end for every request.

*Threading*: one worker thread owns the renderer, and warms it up itself, because thread
pools belong to the thread that made them. `submit`, `cancel`, `cancel_all`, `canary`,
`health` and `metrics` may be called from any thread; they hold one lock for microseconds and
never wait for a render. The listener is called from the submitting thread (Accepted,
refusals), the cancelling thread (a request that waited) or the worker (all else), never with
the lock held; it must only hand the event on. What waits is bounded (64 requests, 512 MB of
inline audio): beyond that a request is refused. A deadline that passes ends the request as
expired, whether it waits or renders. A cancel of a waiting request is answered in the call;
of a rendering one at the renderer's next check, at most 80 ms later.

What somebody expects to ask soon can be rehearsed: the worker does it while nothing waits, and leaves it at the
renderer's next check when something comes. One rehearsal of each name waits, 16 in all; newer ones replace older.

`resident` is what others call. `register` holds what is under way, its one lock and the one end of each request;
`worker` warms up, renders and rehearses. `queueing`: a job and the waiting line; `canary`, `rehearsing`, `tally`.
"""

from engine.resident.resident import Resident

__all__ = ["Resident"]
