"""How audio gets into and out of a timeline cache: the mask alone, stray slots, tags gone mad."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.timeline.cache import EngineSide
from bridge.timeline.memory import SLOT, runs_of
from tests.timeline_helpers import PAGE, memory_of, noise, shm_folder, small_cache

SPANS = st.lists(st.tuples(st.integers(-300, 2 * PAGE), st.integers(1, 3 * SLOT)), max_size=8)
BREAKS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 600), st.integers(0, 600)), max_size=6)


@settings(max_examples=60)
@given(spans=SPANS, breaks=BREAKS)
def test_the_mask_alone_is_the_mask_of_a_read(spans: list[tuple[int, int]], breaks: list[tuple[int, int, int]]) -> None:
    """Also where slots were written at random and tags hold nonsense; what is not valid is silence."""
    with shm_folder() as folder:
        plugin = small_cache(folder)
        engine = EngineSide.attach(plugin.path)
        try:
            engine.publish_map(())
            for first, frames in spans:
                engine.write(first, noise(frames))
            tags = memory_of(engine)["tag"]
            for slot, begin, end in breaks:
                tags["begin"][slot], tags["end"][slot] = begin, end
            audio, known = engine.read(-500, 3 * PAGE)
            assert np.array_equal(known, engine.known(-500, 3 * PAGE))
            assert not audio[~known].any()
        finally:
            engine.close()
            plugin.close()


def test_a_slot_that_is_being_written_is_not_known() -> None:
    with shm_folder() as folder:
        plugin = small_cache(folder)
        engine = EngineSide.attach(plugin.path)
        try:
            engine.publish_map(())
            engine.write(0, noise(3 * SLOT))
            memory_of(engine)["tag"]["seq"][memory_of(engine)["tag"]["slot"] == 1] += np.uint64(1)
            known = engine.known(0, 3 * SLOT)
            assert known[:SLOT].all() and not known[SLOT : 2 * SLOT].any() and known[2 * SLOT :].all()
            assert len(engine.known(0, 0)) == 0
        finally:
            engine.close()
            plugin.close()


@given(st.lists(st.integers(0, 12), max_size=12))
def test_runs_cover_every_slot_once_and_are_as_long_as_they_can_be(places: list[int]) -> None:
    index = np.array(places, np.int64)
    runs = list(runs_of(index))
    assert [n for first, end, _ in runs for n in range(first, end)] == list(range(len(places)))
    assert [place + k for first, end, place in runs for k in range(end - first)] == places
    assert all(places[first] != places[first - 1] + 1 for first, _, _ in runs[1:])
