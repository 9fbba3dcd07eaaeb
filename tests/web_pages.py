"""The control page in a browser of its own: opened anew for each test, and held to a silent console."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser import Tab, browser
from tests.web_client import Place, talk

BARS = "+document.querySelector('#wave').dataset.bars"
HEAD = "+document.querySelector('#head').dataset.bar"
PLAYING = "document.querySelector('#play').ariaLabel == 'Pause'"
SAID = "document.querySelector('#message').innerText"
TAKES = "attacca.state.takes.length"
DONE = "document.querySelector('#render')"
WORK_S = 200.0
Work = Callable[[Tab], Awaitable[None]]
OnPage = Callable[[Work], None]


@contextmanager
def pages(place: Place, folder: Path) -> Iterator[OnPage]:
    """Gives a function that opens the page of `place`, works on it, and holds it to a silent console."""
    with asyncio.Runner() as runner:
        opened = browser(folder)
        tab = runner.run(opened.__aenter__())

        async def whole(work: Work) -> None:
            await tab.open(f"{place.base}/?token={place.token}")
            await tab.until("document.querySelector('.dot.on') && attacca.state.info")  # by then takes were told, too
            await work(tab)
            assert tab.complaints == []

        try:
            yield lambda work: runner.run(asyncio.wait_for(whole(work), WORK_S))
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def all_named(tab: Tab) -> None:
    """Everything that takes the focus has a name that can be read out."""
    nameless = await tab.js(
        "[...document.querySelectorAll('input, select, button, summary, canvas[tabindex]')].filter(e =>"
        " !(e.ariaLabel || e.labels?.length || e.textContent.trim() || e.title)).map(e => e.outerHTML)"
    )
    assert nameless == []


async def fill_in(tab: Tab, selector: str, text: str) -> None:
    """Text in the place of what a field holds, as it is typed."""
    await tab.until(f"document.querySelector({selector!r})")
    await tab.js(f"(e => (e.focus(), e.select()))(document.querySelector({selector!r}))")
    await tab.type(text)
    await tab.until(f"document.querySelector({selector!r}).value == {json.dumps(text)}")


async def rendered(tab: Tab, takes: int) -> None:
    """Wait until so many takes are there, whole."""
    await tab.until(f"{TAKES} == {takes} && {DONE} && !document.querySelector('.take em')")


async def takes_of(place: Place) -> list[dict[str, Any]]:
    """All takes, oldest first, as another page is told of them."""

    async def look(session: Any, client: Any) -> list[dict[str, Any]]:
        takes: list[dict[str, Any]] = (await client.until("takes"))["takes"]
        return takes

    found: list[dict[str, Any]] = await asyncio.to_thread(talk, place, look)
    return found


async def request_of(place: Place) -> dict[str, Any]:
    """The newest take as another page is told of it."""
    return (await takes_of(place))[-1]


async def downloaded(tab: Tab, selector: str) -> bytes:
    """What a link gives, as bytes."""
    await tab.until(f"document.querySelector('a{selector}')")
    return await fetched(tab, f"document.querySelector('a{selector}').href")


async def fetched(tab: Tab, address: str) -> bytes:
    """What an address of the page gives, as the browser gets it; address: an expression."""
    url = await tab.js(
        f"fetch({address}).then(r => r.blob()).then(b => new Promise(done => {{"
        " const reader = new FileReader(); reader.onload = () => done(reader.result); reader.readAsDataURL(b); }))"
    )
    return base64.b64decode(url.partition(",")[2])
