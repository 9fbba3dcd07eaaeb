"""A page without a browser: speaks to the control page's server of a real engine process."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from bridge.demo_engine import Engine, engine_process
from engine.types import Audio

WAIT_S = 30.0


@dataclass
class Place:
    """Where a page is served: "http://127.0.0.1:PORT", and the token of this start."""

    base: str
    token: str
    engine: Engine


@contextmanager
def web_engine(*options: str, renderer: tuple[str, ...] = ("--fake",)) -> Iterator[Place]:
    """An engine, a fake one unless told, with a control page on a free port."""
    with engine_process(*renderer, "--web", "0", "--no-live", *options) as engine:
        parts = urlsplit(engine.ready["web"])
        yield Place(f"{parts.scheme}://{parts.netloc}", parts.query.removeprefix("token="), engine)


@dataclass
class Client:
    """One WebSocket; keeps what came, as (tag, body, samples)."""

    socket: aiohttp.ClientWebSocketResponse
    heard: list[tuple[str, dict[str, Any], Audio | None]] = field(default_factory=list)

    async def send(self, tag: str, **body: Any) -> None:
        await self.socket.send_str(json.dumps({"tag": tag, "body": body}))

    async def ask(self, request_id: str = "a", bars: int = 2, **fields: Any) -> None:
        await self.send("request", id=request_id, kind="generate", bars=bars, **{"tempo": "240", **fields})

    async def hear(self) -> tuple[str, dict[str, Any], Audio | None]:
        message = await asyncio.wait_for(self.socket.receive(), WAIT_S)
        if message.type == aiohttp.WSMsgType.TEXT:
            told = json.loads(message.data)
            self.heard.append((told["tag"], told["body"], None))
        else:
            assert message.type == aiohttp.WSMsgType.BINARY, message
            size = struct.unpack("<I", message.data[:4])[0]
            told = json.loads(message.data[4 : 4 + size])
            samples = np.frombuffer(message.data, "<f4", offset=4 + size)
            self.heard.append((told["tag"], told["body"], samples.reshape(-1, told["body"]["channels"])))
        return self.heard[-1]

    async def until(self, tag: str) -> dict[str, Any]:
        """The body of the next message with this tag."""
        while True:
            found, body, _ = await self.hear()
            if found == tag:
                return body

    async def end(self, request_id: str = "a") -> tuple[str, dict[str, Any]]:
        """The end of a request."""
        while True:
            tag, body, _ = await self.hear()
            if tag in ("done", "failed") and body["id"] == request_id:
                return tag, body

    def audio(self, request_id: str = "a") -> Audio:
        return np.concatenate([a for t, b, a in self.heard if t == "audio" and b["id"] == request_id and a is not None])


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[tuple[aiohttp.ClientSession, Client]]:
    """A session that holds the token, and its WebSocket."""
    async with aiohttp.ClientSession(headers={"X-Attacca-Token": place.token}) as session:
        async with session.ws_connect(f"{place.base}/socket", max_msg_size=64 << 20) as socket:
            yield session, Client(socket)


def talk(place: Place, conversation: Callable[[aiohttp.ClientSession, Client], Awaitable[Any]]) -> Any:
    """Run a conversation to its end."""

    async def whole() -> Any:
        async with connected(place) as (session, client):
            return await conversation(session, client)

    return asyncio.run(asyncio.wait_for(whole(), 3 * WAIT_S))
