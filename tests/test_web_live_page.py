"""Live sessions in a real browser: what is played, committed and planned is drawn, and a bar is held at a click."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")

from bridge.demo_engine import Engine
from bridge.live.map import announced
from bridge.serve import Options, serving
from tests.browser import Tab, chromium
from tests.live_helpers import RATE, Host
from tests.web_client import Place
from tests.web_pages import all_named, pages

pytestmark = pytest.mark.timeout(300)
SESSION = "document.querySelector('.session')"
TOLD = f"{SESSION}.querySelector('.told').innerText"
GROUNDS = ("live-played", "live-committed", "live-planned")
PAINTED = """((names) => {
  const probe = document.body.appendChild(document.createElement("i"));
  const colours = names.map((name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color.match(/[0-9.]+/g).map(Number);
  });
  probe.remove();
  const strip = document.querySelector(".session .strip canvas");
  const copy = Object.assign(document.createElement("canvas"), { width: strip.width, height: strip.height });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(strip, 0, 0);
  const data = context.getImageData(0, 0, copy.width, copy.height).data;
  const counts = [...names.map(() => 0), 0];
  for (let k = 0; k < data.length; k += 4) {
    const found = colours.findIndex((wanted) => [0, 1, 2].every((c) => Math.abs(data[k + c] - wanted[c]) < 3));
    counts[data[k + 3] < 250 ? -1 : found < 0 ? names.length : found] += 1;
  }
  return counts.every((count) => count > 50);
})"""
"""Whether the strip shows all three grounds, and something else on them."""


@contextmanager
def rolling(folder: Path) -> Iterator[Host]:
    """A host that plays on at the clock's pace, on a thread of its own, until the block ends."""
    host, ending = Host(folder, announced(RATE, "120", "4/4")), threading.Event()

    def play() -> None:
        while not ending.is_set():
            host.play(4_800, speed=1.0)

    thread = threading.Thread(target=play, name="test-host")
    thread.start()
    try:
        yield host
    finally:
        ending.set()
        thread.join()
        host.close()


def test_what_is_played_committed_and_planned_is_drawn_and_a_bar_is_held(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chromium()

    async def work(tab: Tab) -> None:
        await tab.until(f"{SESSION} && {TOLD}.includes('bars ready') && {TOLD}.includes('120 in 4/4')")
        await tab.until(f"{PAINTED}({list(GROUNDS)})")
        await tab.click(".session .acts button")
        await tab.until(f"{TOLD}.includes('held') && {TOLD}.includes('Release')")
        await tab.click(".session .acts button")
        await tab.until(f"!{TOLD}.includes('held')")
        await all_named(tab)

    options = Options(fake=True, zmq="off", osc="off", web=0, cache_dir=tmp_path)
    with serving(options) as server, rolling(tmp_path):
        assert server.web is not None
        parts = urlsplit(server.web.url)
        place = Place(f"http://{parts.netloc}", parts.query.removeprefix("token="), Engine("", "", server.ready(), 0.0))
        with pages(place, tmp_path_factory.mktemp("browser")) as on_page:
            on_page(work)
