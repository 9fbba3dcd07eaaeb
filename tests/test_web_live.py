"""Live sessions on the control page: what is written to a cache comes to who listens, with bar lines and commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")

from bridge.demo_engine import Engine
from bridge.live.map import announced
from bridge.serve import Options, serving
from bridge.web.announce import page_file
from tests.live_helpers import RATE, THREE_TEMPI, Host
from tests.web_client import Client, Place, talk


async def sessions_of(client: Client) -> list[dict[str, Any]]:
    await client.send("live?", traces=0)
    found: list[dict[str, Any]] = (await client.until("live-status"))["sessions"]
    return found


def test_a_page_follows_a_session_and_commands_it(tmp_path: Path) -> None:
    song = announced(RATE, *THREE_TEMPI)
    options = Options(fake=True, zmq="off", osc="off", web=0, cache_dir=tmp_path)
    with serving(options) as server:
        assert server.web is not None
        parts = urlsplit(server.web.url)
        place = Place(f"http://{parts.netloc}", parts.query.removeprefix("token="), Engine("", "", server.ready(), 0.0))
        assert page_file(tmp_path).read_text().strip() == server.web.url

        async def conversation(session: Any, client: Client) -> None:
            assert await sessions_of(client) == []
            await client.send("live", action="panic", id="early")
            assert "no live session" in (await client.until("failed"))["text"]
            await client.send("subscribe", on=True, live=True)
            await client.send("metrics?")
            await client.until("metrics")  # it listens now
            host = Host(tmp_path, song)
            try:
                while not await sessions_of(client):
                    await asyncio.to_thread(host.report)
                await client.send("live", action="tempo-map", tempo=THREE_TEMPI[0], meter=THREE_TEMPI[1], id="map")
                assert (await client.until("live-done"))["id"] == "map"
                await asyncio.to_thread(host.ready, 1.0)
                end = song.frame(1)
                generation = (await sessions_of(client))[0]["generation"]
                heard = np.full((end, 2), np.nan, np.float32)
                while not np.array_equal(heard, host.side.play(0, end)[0]):  # what is written last holds
                    tag, body, audio = client.heard.pop(0) if client.heard else await client.hear()
                    if tag != "live-audio" or audio is None or body["generation"] != generation:
                        continue
                    assert body["instance"] == "test" and body["rate"] == RATE
                    first = max(0, body["first_frame"])
                    piece = audio[first - body["first_frame"] :][: max(0, end - first)]
                    heard[first : first + len(piece)] = piece
                assert bool(host.side.play(0, end)[1].all()) and np.abs(heard).max() > 0.05
                status = (await sessions_of(client))[0]
                lines = status["bar_lines"]
                assert lines == [song.frame(bar) for bar in range(-2, len(lines) - 2)]
                assert lines[-1] > status["ready_until_frame"] > 0
                await client.send("live", action="policy", policy="off", instance="test", id="off")
                assert (await client.until("live-done"))["id"] == "off"
            finally:
                host.close()

        talk(place, conversation)
    assert not page_file(tmp_path).exists()
