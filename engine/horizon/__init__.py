"""What to render when: the receding horizon of a live session.

The play head moves over the bars of a project; a timeline cache holds audio by project frame. A
`Horizon` is told where the head is, what the cache holds, how long a render takes and what the
player changed. It answers with the next job, with what a running job is still good for, and with
what eviction must spare.

What lies before the *commit point* (play head, two blocks, the seam, the measured latency) is
too late to change; what lies after it is only planned. A change takes hold at the commit point,
rounded up to its grid, and makes all that is heard after it stale: playable, but to be rendered again.

*Threading*: none; pure state without I/O, clock or threads. One owner calls it.

`horizon` has what it is told. What it answers lies below, in layers: `way` (head, commit point, distances), `stock`
(what the cache holds of the way), `agenda` (the next job). Values: `places` on a grid, `plans` (jobs, changes),
`spans`, `loops`.
"""

from engine.horizon.horizon import Horizon
from engine.horizon.places import Grid, Point, Quantise
from engine.horizon.plans import Change, Head, Hold, Job

__all__ = ["Change", "Grid", "Head", "Hold", "Horizon", "Job", "Point", "Quantise"]
