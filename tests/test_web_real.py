"""The control page over the real renderer, on small untrained networks: edits of a take, and how well it follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")

from engine.types import SEAM_SECONDS
from tests.browser import Tab, chromium
from tests.tiny_bundle import make_bundle
from tests.web_client import Client, Place, talk, web_engine
from tests.web_pages import pages, request_of

pytestmark = pytest.mark.timeout(300)
SEAM = round(SEAM_SECONDS * 48_000)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("page") / "tiny"
    make_bundle(folder)
    with web_engine(renderer=("--bundle", str(folder), "--device", "cpu", "--runtime", "torch")) as place:
        yield place


def test_a_fill_keeps_every_sample_outside_its_fades(place: Place) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.ask("song", bars=4, tempo="173", seed=1)
        assert (await client.end("song"))[0] == "done"
        request = {"id": "new", "kind": "continue", "bars": 2, "tempo": "173", "edit": "fill", "at_bar": 2, "seed": 2}
        await client.send("continue", take="song", request=request)
        tag, report = await client.end("new")
        assert tag == "done" and len(report["bar_frames"]) == 2
        was, now = client.audio("song"), client.audio("new")
        take = next(b for t, b, _ in reversed(client.heard) if t == "take")
        begin = sum(take["bar_frames"][:2])
        assert now.shape == was.shape and np.array_equal(now[: begin - SEAM], was[: begin - SEAM])
        assert not np.array_equal(now[begin:], was[begin:])

        request |= {"id": "first", "at_bar": 0}
        await client.send("continue", take="song", request=request)
        assert (await client.end("first"))[0] == "done"
        assert np.array_equal(client.audio("first")[begin:], was[begin:])

    talk(place, conversation)


def test_the_history_says_how_well_a_take_follows(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    chromium()

    async def work(tab: Tab) -> None:
        await tab.drag("#curve", [(0.02, 0.6), (0.5, 0.3), (0.9, 0.6)])
        await tab.click("#render")
        await tab.until("attacca.state.a && attacca.state.takes.at(-1).report?.adherence")
        report = (await request_of(place))["report"]
        error_db = report["adherence"]["intensity_error_db"]
        await tab.until(f"document.querySelector('.take .follows')?.innerText.includes('±{error_db:.1f} dB')")
        await tab.until(f"document.querySelector('.timing').innerText.includes('{error_db:.1f} dB')")

    with pages(place, tmp_path_factory.mktemp("browser")) as on_page:
        on_page(work)
