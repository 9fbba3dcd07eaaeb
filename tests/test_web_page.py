"""The control page in a real browser: draws a curve, asks for four bars, sees them appear, plays, downloads."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import mido
import pytest
import soundfile

pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")

from tests.browser import Tab
from tests.web_client import Client, Place, talk
from tests.web_pages import BARS, HEAD, PLAYING, SAID, OnPage, all_named, downloaded, request_of

pytestmark = pytest.mark.timeout(300)
BAR_S = 0.3


def test_keys_that_can_do_nothing_yet_say_what_to_do(place: Place, on_page: OnPage) -> None:
    """Whatever takes other tests have made, this page is told of none."""

    async def work(tab: Tab) -> None:
        await tab.js("attacca.set({ takes: [], a: null, b: null })")
        await tab.until("document.querySelector('span#wav')")
        for letter, says in (
            (" ", "R renders one"), ("e", "R renders one"), ("d", "R renders one"), ("m", "R renders one"),
            ("f", "Choose a take"), ("v", "Choose a take"), ("x", "press B on a take"), ("p", "choose one under Plan"),
        ):  # fmt: skip
            await tab.js("attacca.set({ message: null })")
            await tab.key(letter, ord(letter.upper()), letter)
            await tab.until(f"{SAID}.includes({says!r})")
        assert await tab.js("attacca.state.takes.length") == 0

    on_page(work)


def test_a_musician_draws_asks_listens_and_keeps(place: Place, on_page: OnPage) -> None:
    async def work(tab: Tab) -> None:
        assert "token" not in await tab.js("location.href")
        await tab.drag("#curve", [(0.02, 0.8), (0.3, 0.5), (0.6, 0.2), (0.9, 0.6)])
        await tab.drag("#roll", [(0.01, 0.5), (0.2, 0.5)])
        await tab.js("document.querySelector('.words').focus()")
        await tab.type("dub techno")
        await tab.click(".transport .toggle")  # loop: it plays until it is stopped
        await tab.click("#render")
        await tab.until(f"{BARS} == 4 && document.querySelector('#render')")
        await tab.until(f"{PLAYING} && {HEAD} > 0.3")  # it began by itself, with the first bar
        await tab.click("#play")
        await tab.until(f"!({PLAYING})")
        still = await tab.js(HEAD)
        await asyncio.sleep(0.2)
        assert still == await tab.js(HEAD) > 0
        await tab.drag("#ruler", [(0.3, 0.5), (0.7, 0.5)])
        samples, rate = soundfile.read(io.BytesIO(await downloaded(tab, "#wav")))
        assert rate == 48_000 and samples.shape == (2 * 96_000, 2)
        assert abs(samples).max() > 0.1
        midi = mido.MidiFile(file=io.BytesIO(await downloaded(tab, "#plan-midi")))
        assert [track.name for track in midi.tracks][:2] == ["Plan", "Melody"]
        asked = (await request_of(place))["request"]
        assert asked["bars"] == 4 and asked["prompts"][0]["text"] == "dub techno"
        levels = [point["db"] for point in asked["intensity"]]
        assert 3 <= len(levels) < 20 and levels.index(max(levels)) not in (0, len(levels) - 1)
        assert len(asked["melody"]) == 1 and asked["melody"][0]["length"] > 1
        drawn = "(c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((x, k) => k % 4 == 3 && x))"
        for canvas in ("wave", "spectrogram", "curve", "roll", "timing"):
            assert await tab.js(f"{drawn}(document.querySelector('#{canvas}'))"), canvas

    on_page(work)


async def ask_with_plan(session: Any, client: Client) -> None:
    """As another page of this engine: a take that was planned."""
    bar = {"section": "verse", "key": "A minor", "drums": "four", "melody": [{"pitch": 69, "beat": 1, "length": 2}]}
    await client.ask("planned", plan={"bars": [bar, {"section": "verse"}]})
    await client.end("planned")


def test_by_the_keyboard_alone_and_compared(place: Place, on_page: OnPage) -> None:
    async def work(tab: Tab) -> None:
        key = tab.key
        await tab.js("document.querySelector('#bars').focus()")
        await tab.js("document.querySelector('#bars').select()")
        await tab.type("2")
        await key("Enter", 13, "\r")
        await tab.until(f"{BARS} == 2 && document.querySelector('#render')")
        await tab.js("document.activeElement.blur()")
        await key(" ", 32, " ")
        await tab.until(f"!({PLAYING})")
        await tab.js("document.querySelector('#curve').focus()")
        for _ in range(3):
            await key("ArrowUp", 38)
        await key("ArrowRight", 39)
        await tab.until("document.querySelector('#curve + [aria-live]').textContent.includes('Bar 1.2: -15.0 dB')")
        await tab.js("document.querySelector('#roll').focus()")
        await key("Enter", 13, "\r")
        before = await tab.js("document.querySelectorAll('.take').length")
        await key("r", 82, "r")
        await tab.until(f"document.querySelectorAll('.take').length > {before} && document.querySelector('#render')")
        await tab.until("document.querySelector('a#midi')")
        asked = (await request_of(place))["request"]
        assert asked["intensity"] == [{"beat": 0.0, "db": -15.0}]
        assert [note["pitch"] for note in asked["melody"]] == [67]
        await tab.js("document.querySelectorAll('.take .deck')[1].click()")
        await key("x", 88, "x")
        await tab.until("document.querySelector('.deck-b').ariaPressed == 'true' && document.querySelector('#wave-b')")
        await key("?", 191, "?")
        await tab.until("document.querySelector('dialog[open]')")
        await key("Escape", 27)
        await tab.until("!document.querySelector('dialog')")
        await all_named(tab)

    on_page(work)


def test_cancel_a_mistake_and_a_page_that_comes_back(place: Place, on_page: OnPage) -> None:
    async def work(tab: Tab) -> None:
        await tab.js("document.querySelector('#bars').select()")
        await tab.type("60")
        await tab.js("document.activeElement.blur()")
        await tab.click("#render")
        await tab.until(f"{BARS} >= 1")
        assert await tab.js(BARS) < 60, "the first bar is drawn long before the last is there"
        await tab.key("Escape", 27)
        await tab.until(f"document.querySelector('#render') && {SAID}.includes('Cancelled')")
        await tab.js("document.querySelector('#key').focus()")
        await tab.type("H sharp")
        await tab.click("#render")
        await tab.until("document.querySelector('#message[role=alert]')")
        assert "A key is a note and a mode" in await tab.js(SAID)
        takes = await tab.js("document.querySelectorAll('.take').length")
        await tab.call("Page.reload")
        await tab.until(f"document.querySelectorAll('.take').length == {takes} && {BARS} >= 1")
        assert await tab.js("document.querySelector('#key').value") == "H sharp"
        await asyncio.to_thread(talk, place, ask_with_plan)
        await tab.until(f"document.querySelectorAll('.take').length == {takes + 1}")
        await tab.click(".take .choose")
        await tab.until("document.querySelector('.plan li')?.innerText.split('\\n').join() == 'verse · A minor,four'")
        await tab.until(f"{BARS} == 2 && document.querySelector('a#midi')")
        midi = mido.MidiFile(file=io.BytesIO(await downloaded(tab, "#midi")))
        assert [m.note for m in midi.tracks[1] if m.type == "note_on"] == [69]

    on_page(work)
