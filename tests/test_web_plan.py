"""A plan on the control page, bar by bar, and the fold of the request, in a real browser: what is set is what is asked.

A fake engine answers, so that the test reads in its takes what it was asked for.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")

from tests.browser import Tab
from tests.web_client import Client, Place, talk
from tests.web_pages import SAID, TAKES, OnPage, all_named, fill_in, rendered, request_of, takes_of

pytestmark = pytest.mark.timeout(300)
BAR_S = 0.02
CELL = "document.querySelectorAll('.plan .cell')"
SONG = [
    {
        "section": "verse",
        "key": "A minor",
        "drums": "four",
        "chords": [{"beat": 0, "name": name}],
        "melody": [{"pitch": 69 + k, "beat": 1, "length": 1}],
        "intensity_db": -20.0,
    }
    for k, name in enumerate(("Am", "F", "C", "G"))
]


async def a_planned_take(place: Place, tab: Tab, name: str) -> int:
    """Another page asks for a take that is planned; it is chosen on this one. How many takes there are."""

    async def ask(session: Any, client: Client) -> None:
        await client.ask(name, bars=4, plan={"bars": SONG})
        await client.end(name)

    takes = int(await tab.js(TAKES)) + 1
    await asyncio.to_thread(talk, place, ask)
    await rendered(tab, takes)
    await tab.click(".take .choose")
    await tab.until(f"{CELL}.length == 4")
    return takes


async def choose(tab: Tab, selector: str, value: str) -> None:
    """As somebody does who picks from a list."""
    put = f"e.value = {value!r}, e.dispatchEvent(new Event('change'))"
    await tab.js(f"(e => ({put}))(document.querySelector({selector!r}))")


def test_a_bar_of_a_plan_is_changed_and_what_is_locked_stays(place: Place, on_page: OnPage) -> None:
    async def work(tab: Tab) -> None:
        takes = await a_planned_take(place, tab, "by-mouse")
        assert await tab.js(f"{CELL}[0].innerText.split('\\n').join()") == "verse · A minor,four"
        await tab.click(".plan li:nth-child(2) .cell")
        await fill_in(tab, "#bar-chords", "Dm7:3 G7:1")
        await fill_in(tab, "#bar-section", "chorus")
        await tab.js(
            "(e => (e.value = 'half', e.dispatchEvent(new Event('change'))))(document.querySelector('#bar-drums'))"
        )
        await tab.until(f"{CELL}[1].innerText.includes('chorus') && {CELL}[1].innerText.includes('half')")
        await fill_in(tab, "input[aria-label='Chords of bar 4']", "C/E")
        await tab.click("#lock")
        await tab.until("document.querySelector('#bar-chords').disabled")
        await tab.until("document.querySelector('#render').innerText.startsWith('Render with this plan')")
        await tab.click("#render")
        await rendered(tab, takes + 1)
        asked = (await request_of(place))["request"]
        first, second, third, fourth = asked["plan"]["bars"]
        assert asked["bars"] == 4 and asked["plan"]["fill"] is False and asked["chords"] is None
        for bar, was in ((first, SONG[0]), (third, SONG[2])):
            assert {name: bar[name] for name in ("section", "key", "drums", "chords", "intensity_db")} == {
                name: was[name] for name in ("section", "key", "drums", "chords", "intensity_db")
            }
            assert [(note["pitch"], note["beat"], note["length"]) for note in bar["melody"]] == [
                (note["pitch"], note["beat"], note["length"]) for note in was["melody"]
            ]
        assert second["chords"] == [{"beat": 0.0, "name": "Dm7"}, {"beat": 3.0, "name": "G7"}]
        assert (second["section"], second["drums"], second["key"]) == ("chorus", "half", "A minor")
        assert fourth["chords"] == [{"beat": 0.0, "name": "C/E"}]

        await tab.click("#rewrite")
        await rendered(tab, takes + 2)
        plan = (await request_of(place))["request"]["plan"]
        assert plan["fill"] is True and plan["bars"][1] == second
        open_bar = dict.fromkeys(second)
        assert [plan["bars"][k] for k in (0, 2, 3)] == [open_bar] * 3
        await tab.until(f"{CELL}[1].matches('.locked') && !{CELL}[0].innerText.trim()")  # what was written is shown
        await tab.click("#let-go")
        await tab.until("document.querySelector('#plan').value == ''")
        assert await tab.js("[...document.querySelectorAll('.chords input')].every(e => !e.value)"), (
            "as before the plan"
        )

    on_page(work)


def test_a_plan_by_the_keyboard_alone_and_a_wrong_chord_is_said(place: Place, on_page: OnPage) -> None:
    async def work(tab: Tab) -> None:
        takes = await a_planned_take(place, tab, "by-keys")
        await tab.js("document.activeElement.blur()")
        await tab.key("p", 80, "p")
        await tab.until(f"document.activeElement == {CELL}[0]")
        await tab.key("ArrowRight", 39)
        await tab.key("ArrowRight", 39)
        await tab.until(f"document.activeElement == {CELL}[2]")
        await tab.key("Enter", 13, "\r")
        await tab.until("document.activeElement?.id == 'bar-section'")
        await fill_in(tab, "#bar-section", "bridge")
        await all_named(tab)
        await tab.key("Escape", 27)
        await tab.until(f"document.activeElement == {CELL}[2] && !document.querySelector('.sheet-bar')")
        await tab.key("l", 76, "l")
        await tab.until(f"{CELL}[2].matches('.locked')")
        await tab.key("Enter", 13, "\r", modifiers=2)
        await rendered(tab, takes + 1)
        sections = [bar["section"] for bar in (await request_of(place))["request"]["plan"]["bars"]]
        assert sections == ["verse", "verse", "bridge", "verse"]
        await fill_in(tab, "input[aria-label='Chords of bar 1']", "H7")
        await tab.click("#render")
        await tab.until(
            f"document.querySelector('#message[role=alert]') && {SAID}.includes('Chords are names like Am')"
        )
        assert await tab.js(TAKES) == takes + 1

    on_page(work)


def test_what_the_fold_holds_is_asked_for(place: Place, on_page: OnPage) -> None:
    async def work(tab: Tab) -> None:
        takes = await tab.js(TAKES)
        await fill_in(tab, "#seed", "70")
        await tab.click(".more summary")
        await tab.until("document.querySelector('.more').open")
        await all_named(tab)
        for name, presses in (("melody", 5), ("prompt", 12)):
            await tab.js(f"document.querySelector('#strength-{name}').focus()")
            for _ in range(presses):
                await tab.key("ArrowRight", 39)
        await tab.until("document.querySelector('#strength-prompt').value == '2.2'")
        await fill_in(tab, "#form", "AABA")
        await tab.click("#render")
        await tab.until(f"{SAID}.includes('A form is followed by refining or a plan')")
        await fill_in(tab, "#refine", "5")
        await fill_in(tab, "#count", "3")
        await tab.js("document.querySelector('#count').blur()")
        await tab.until("document.querySelector('#render').innerText.startsWith('Render 3 takes')")
        await tab.click("#render")
        await rendered(tab, takes + 3)
        asked = [take["request"] for take in (await takes_of(place))[-3:]]
        assert [request["seed"] for request in asked] == [70, 71, 72]
        given = {name: value for name, value in asked[0]["strengths"].items() if value is not None}
        assert given == {"melody": 1.5, "prompt": 2.2}
        assert all((request["form"], request["refine"]) == ("AABA", "5s") for request in asked)
        await tab.click(".strength .quiet")
        await tab.until("document.querySelectorAll('.strength.unset').length == 5")
        await tab.call("Page.reload")
        await tab.until("document.querySelector('.dot.on') && document.querySelector('#form').value == 'AABA'")

    on_page(work)
