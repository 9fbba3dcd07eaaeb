"""Edits of a take from its menu and by keys, in a real browser: what stays comes back sample for sample."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")

from engine.types import SEAM_SECONDS, Audio
from tests.browser import Tab
from tests.web_client import Place
from tests.web_pages import (
    BARS,
    SAID,
    TAKES,
    OnPage,
    all_named,
    fetched,
    fill_in,
    rendered,
    request_of,
    takes_of,
)

pytestmark = pytest.mark.timeout(300)
BAR_S = 0.02
BAR = 96_000
SEAM = round(SEAM_SECONDS * 48_000)
EDIT = "document.querySelector('[data-edit={0}]')"


async def sound(tab: Tab, take: str, kind: str = "audio.wav") -> Audio:
    """A take's samples as the browser gets them."""
    data = await fetched(tab, f"'/takes/{take}/{kind}'")
    samples: Audio = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    return samples


async def select(tab: Tab, first: int, end: int, bars: int) -> None:
    """Drag over bars in the ruler."""
    await tab.drag("#ruler", [((first + 0.3) / bars, 0.5), ((end - 0.3) / bars, 0.5)])
    await tab.until(f"document.querySelector('.files .what').innerText.endsWith('bars {first + 1}–{end}')")


def test_bars_are_filled_and_all_others_stay(place: Place, on_page: OnPage) -> None:
    async def work(tab: Tab) -> None:
        await fill_in(tab, "#seed", "11")
        await fill_in(tab, "input[aria-label='Chords of bar 2']", "Am")
        await tab.click("#render")
        await rendered(tab, 1)
        await tab.until(f"{BARS} == 4")
        await tab.click(".take .edit")
        await tab.until(f"{EDIT.format('fill')}.disabled")
        await all_named(tab)
        await select(tab, 2, 4, 4)
        await tab.until(f"{EDIT.format('fill')}.innerText == 'Fill bars 3–4'")
        await fill_in(tab, "#seed", "12")
        await tab.click("[data-edit=fill]")
        await rendered(tab, 2)
        await tab.until(f"{BARS} == 4")
        old, new = await takes_of(place)
        asked = new["request"]
        assert (asked["edit"], asked["at_bar"], asked["bars"], asked["seed"]) == ("fill", 2, 2, 12)
        assert asked["chords"] == "Am | %", "the chord that sounds there by the lane"
        was, now = [await sound(tab, take["request"]["id"]) for take in (old, new)]
        assert was.shape == now.shape == (4 * BAR, 2)
        assert np.array_equal(now[: 2 * BAR - SEAM], was[: 2 * BAR - SEAM])
        assert not np.array_equal(now[2 * BAR :], was[2 * BAR :])
        assert "bars 3–4 of take 1 filled" in await tab.js("document.querySelector('.take .words').innerText")

        await select(tab, 0, 2, 4)
        await tab.js("document.activeElement.blur()")
        await tab.key("v", 86, "v")
        await rendered(tab, 3)
        varied = await request_of(place)
        assert (varied["request"]["edit"], varied["request"]["at_bar"], varied["request"]["strength"]) == (
            "vary",
            0,
            0.5,
        )
        last = await sound(tab, varied["request"]["id"])
        assert np.array_equal(last[2 * BAR :], now[2 * BAR :]) and not np.array_equal(last[:BAR], now[:BAR])

    on_page(work)


def test_a_part_bars_in_front_a_loop_and_what_follows(place: Place, on_page: OnPage) -> None:
    async def work(tab: Tab) -> None:
        takes = await tab.js(TAKES)
        await fill_in(tab, "#bars", "2")
        await tab.js("document.querySelector('#bars').blur()")
        await tab.click("#render")
        await rendered(tab, takes + 1)
        base = await request_of(place)
        was = await sound(tab, base["request"]["id"])
        await tab.js("document.activeElement.blur()")
        await tab.key("f", 70, "f")
        await tab.until(f"{SAID}.includes('Select the bars to fill in the ruler first')")

        async def made(kind: str, number: int) -> dict[str, Any]:
            """The take that an edit of the base brings."""
            await tab.js(f"attacca.set({{a: {base['request']['id']!r}, editing: {base['request']['id']!r}}})")
            await tab.until(f"{EDIT.format(kind)} && {BARS} == 2")
            await tab.click(f"[data-edit={kind}]")
            await rendered(tab, takes + 1 + number)
            return await request_of(place)

        part = await made("accompany", 1)
        assert part["put"] == "over" and part["bars"] == 2
        alone = await sound(tab, part["request"]["id"], "part.wav")
        assert np.array_equal(await sound(tab, part["request"]["id"]), was + alone)
        await tab.until("document.querySelector('a#part')")
        front = await made("front", 2)
        assert np.array_equal((await sound(tab, front["request"]["id"]))[2 * BAR :], was)
        await tab.until(f"{BARS} == 4")
        loop = await made("loop", 3)
        assert loop["request"]["edit"] == "loop" and await tab.js("attacca.state.loop")
        after = await made("continue", 4)
        assert after["request"]["edit"] is None and after["origin"] is None and after["bars"] == 2

    on_page(work)
