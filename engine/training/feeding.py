"""Batches made by worker processes while the device computes.

One core makes a window in about half a millisecond; a GPU eats thousands a second. `fed` spreads the making
over forked processes (they see the songs without a copy, and never touch the GPU) and hands batches
over in turn. Without workers it is the plain function, in the order that one seed gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

Feed = Callable[[], Any]
AHEAD = 4


class _Endless(IterableDataset[Any]):
    def __init__(self, make: Callable[[int], Feed]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        feed = self.make(0 if info is None else info.id)
        while True:
            yield feed()


def _as_it_is(batch: Any) -> Any:
    return batch


def fed(make: Callable[[int], Feed], workers: int) -> Feed:
    """The next batch at each call. make(worker) gives that worker's own feed, with a random stream of its own.

    workers 0: everything happens in the caller.
    """
    if workers == 0:
        return make(0)
    loader = DataLoader(
        _Endless(make), batch_size=None, num_workers=workers, multiprocessing_context="fork",
        prefetch_factor=AHEAD, collate_fn=_as_it_is,
    )  # fmt: skip
    return iter(loader).__next__
