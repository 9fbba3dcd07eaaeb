"""The control page's server: who may come in, and each request's way to exactly one end. A real engine process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.client import connect
from bridge.commands.listen import serve as serve_command
from bridge.protocol import Malformed
from bridge.web.messages import decode, request_id
from tests.bridge_helpers import fake_server

aiohttp = pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")
from tests.web_client import Client, Place, connected, talk, web_engine  # noqa: E402

Texts = dict[str, str] | None
Answer = tuple[int, Any, bytes]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with web_engine("--fake-seconds-per-bar", "0.05") as place:
        yield place


def get(
    url: str, headers: dict[str, str] | None = None, cookies: dict[str, str] | None = None
) -> tuple[int, Any, bytes]:
    async def whole() -> tuple[int, Any, bytes]:
        async with aiohttp.ClientSession(cookies=cookies) as session:
            async with session.get(url, headers=headers, allow_redirects=False) as answer:
                return answer.status, answer.headers, await answer.read()

    return asyncio.run(whole())


# ---- who may come in ---------------------------------------------------------------------------


def test_the_address_lets_in_once_and_the_cookie_afterwards(place: Place) -> None:
    status, headers, _ = get(f"{place.base}/?token={place.token}")
    cookie = headers["Set-Cookie"]
    assert status == 303 and headers["Location"] == "/"
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    name, value = cookie.partition(";")[0].split("=", 1)
    status, headers, page = get(f"{place.base}/", cookies={name: value})
    assert status == 200 and b"<title>Attacca</title>" in page
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/takes/a/audio.wav", "/socket", "/?token=wrong", "/?token=%ff"]
)
def test_nothing_without_the_token(place: Place, path: str) -> None:
    status, headers, text = get(place.base + path, headers={"Origin": place.base})
    assert status == 401 and b"attacca serve" in text
    assert "Content-Security-Policy" in headers and "Set-Cookie" not in headers
    assert get(place.base + path, headers={"X-Attacca-Token": "x" * 32, "Origin": place.base})[0] == 401


@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1", "127.0.0.1:1", "localhost.attacker.example:80", ""])
def test_a_foreign_name_is_refused(place: Place, host: str) -> None:
    status, _, text = get(f"{place.base}/?token={place.token}", headers={"Host": host})
    assert (status == 403 and b"attacca serve" in text) or (status == 400 and host == "")


@pytest.mark.parametrize("origin", ["http://attacker.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_a_foreign_page_is_refused(place: Place, origin: str) -> None:
    for path in ("/", "/static/main.js", "/socket"):
        headers = {"Origin": origin, "X-Attacca-Token": place.token}
        assert get(place.base + path, headers=headers)[0] == 403


def test_a_socket_by_cookie_needs_the_origin_that_browsers_send(place: Place) -> None:
    port = place.base.rpartition(":")[2]
    cookies = {f"attacca_{port}": place.token}

    async def upgrade(**headers: str) -> int:
        async with aiohttp.ClientSession(cookies=cookies) as session:
            try:
                async with session.ws_connect(f"{place.base}/socket", headers=headers):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return int(error.status)

    assert asyncio.run(upgrade()) == 403
    assert asyncio.run(upgrade(Origin=place.base)) == 101
    assert asyncio.run(upgrade(Origin=place.base.replace("127.0.0.1", "localhost"))) == 101


def test_it_listens_on_loopback_alone_and_names_no_files(place: Place) -> None:
    assert place.base.startswith("http://127.0.0.1:")
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/nothing.js"):
        assert get(place.base + path, headers={"X-Attacca-Token": place.token})[0] == 404

    async def ask_with_path(session: Any, client: Client) -> None:
        for number, fields in enumerate(({"style": "/etc/passwd"}, {"prompts": [{"audio": "/etc/passwd"}]})):
            await client.ask(f"p{number}", **fields)
            tag, body = await client.end(f"p{number}")
            assert (tag, body["ending"], body["code"]) == ("failed", "refused", "refused") and "files" in body["text"]

    talk(place, ask_with_path)


# ---- requests ----------------------------------------------------------------------------------


def test_bars_arrive_one_by_one_and_equal_those_of_another_socket(place: Place) -> None:
    async def render(session: Any, client: Client) -> None:
        await client.ask("stream", bars=4, seed=7)
        tag, report = await client.end("stream")
        assert tag == "done" and report["seed"] == 7 and len(report["bar_frames"]) == 4
        tags = [t for t, _, _ in client.heard]
        assert tags.count("accepted") == 1 and tags.count("audio") == 4 and tags.count("done") == 1
        first = tags.index("audio")
        assert "progress" in tags[first:], "the first bar was here before the last was rendered"
        assert [b["first_frame"] for t, b, _ in client.heard if t == "audio"] == [0, 48_000, 96_000, 144_000]
        with connect(place.engine.zmq) as other:
            assert np.array_equal(other.generate(bars=4, tempo=240, seed=7).audio, client.audio("stream"))

    talk(place, render)


def test_cancel_ends_it_once_and_what_was_rendered_is_kept(place: Place) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.ask("c", bars=100)
        await client.until("audio")
        await client.send("cancel", id="c")
        tag, body = await client.end("c")
        assert (tag, body["ending"]) == ("failed", "cancelled")
        take = next(b for t, b, _ in client.heard if t == "take")
        assert take["ending"] == "cancelled" and 1 <= len(take["bar_frames"]) < 100
        await client.send("cancel", id="c")
        assert "waits or renders" in (await client.until("failed"))["text"]
        await client.ask("late", bars=50, deadline_ms=50)
        tag, body = await client.end("late")
        assert (tag, body["ending"]) == ("failed", "expired")

    talk(place, conversation)


def test_a_page_that_vanishes_is_tidied(place: Place) -> None:
    async def metrics(client: Client) -> dict[str, Any]:
        await client.send("metrics?")
        return await client.until("metrics")

    async def leave(session: Any, client: Client) -> int:
        before: int = (await metrics(client))["cancelled"]
        await client.ask("gone", bars=200)
        await client.until("audio")
        return before

    async def look(session: Any, client: Client) -> int:
        for _ in range(600):
            now = await metrics(client)
            if not now["rendering"]:
                return int(now["cancelled"])
            await asyncio.sleep(0.05)
        raise AssertionError("the request of a page that is gone is still rendered")

    assert talk(place, leave) + 1 == talk(place, look)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"bars": 0}, "bars"),
        ({"what": 1}, "what"),
        ({"tempo": "1e9"}, "tempo"),
        ({"melody": [{}]}, "pitch"),
        ({"intensity": [{"beat": 0, "db": 20}]}, "db"),
        ({"kind": "continue"}, "continu"),
        ({"kind": "continue", "inline": {"rate": 48_000, "channels": 2, "frames": 9}}, "no audio"),
    ],
)
@pytest.mark.parametrize("after", [None, "nothing"])
def test_a_wrong_request_is_refused_in_a_sentence(
    place: Place, fields: dict[str, Any], says: str, after: str | None
) -> None:
    async def conversation(session: Any, client: Client) -> None:
        request = {"id": "x", "kind": "generate", "bars": 4, "tempo": "120", **fields}
        if after is None:
            await client.send("request", **request)
        else:
            await client.send("continue", take=after, request=request)
        tag, body = await client.end("x")
        assert (tag, body["ending"], body["code"]) == ("failed", "refused", "bad-request")
        assert says in body["text"].lower() or (after is not None and "not kept" in body["text"])

    talk(place, conversation)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[" * 100_000, '{"tag": "audio", "body": {}}', '{"tag": "metrics?", "body": 1}', "\x00", '"\\ud800"'],
)
def test_nonsense_is_counted_and_the_page_goes_on(place: Place, text: str) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.socket.send_str(text)
        await client.socket.send_bytes(b"\x00\x01")
        assert (await client.until("failed"))["code"] == "bad-request"
        await client.send("info?")
        assert (await client.until("info"))["bundle"] == "fake"

    talk(place, conversation)


def test_a_message_that_is_too_large_ends_the_connection_alone(place: Place) -> None:
    async def conversation(session: Any, client: Client) -> None:
        with contextlib.suppress(ConnectionError):  # it may be gone before all of it was sent,
            await client.socket.send_str('{"tag": "' + "x" * (3 << 20))
        async with asyncio.timeout(60):
            while not client.socket.closed:
                await client.socket.receive()
        codes = (aiohttp.WSCloseCode.MESSAGE_TOO_BIG, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
        assert client.socket.close_code in codes, "and with it the word why"

    talk(place, conversation)
    assert get(f"{place.base}/", headers={"X-Attacca-Token": place.token})[0] == 200


def test_no_more_pages_than_there_is_room_for(place: Place) -> None:
    async def crowd() -> None:
        async with aiohttp.ClientSession(headers={"X-Attacca-Token": place.token}) as session:
            sockets = [await session.ws_connect(f"{place.base}/socket") for _ in range(16)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(f"{place.base}/socket")
            assert caught.value.status == 503
            for socket in sockets:
                await socket.close()

    asyncio.run(crowd())


# ---- starting and stopping ---------------------------------------------------------------------


def test_without_the_flag_there_is_no_page_and_no_aiohttp(tmp_path: Path) -> None:
    with fake_server(tmp_path) as server:
        assert server.ready()["web"] is None
    code = "import sys, bridge.serve, bridge.cli; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_aiohttp_the_flag_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['aiohttp'] = None\n"
        "from bridge.cli import main\n"
        "main(['serve', '--fake', '--web', '0', '--zmq', 'off', '--osc', '127.0.0.1:0'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2 and "pip install 'attacca-engine[web]'" in told.stderr


def test_a_port_in_use_is_named(place: Place) -> None:
    port = place.base.rpartition(":")[2]
    command = [sys.executable, "-m", "bridge.cli", "serve", "--fake", "--web", port, "--zmq", "off", "--osc", "off"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2 and f"127.0.0.1:{port}" in told.stderr and "--web PORT" in told.stderr


def test_the_flag_takes_a_port_or_none() -> None:
    option = next(option for option in serve_command.params if option.name == "web")
    assert option.metavar == "[PORT]"
    context = serve_command.make_context("serve", ["--web", "--fake"])
    assert (context.params["web"], context.params["fake"]) == (9820, True)
    assert serve_command.make_context("serve", ["--web", "0"]).params["web"] == 0


def test_when_the_engine_stops_pages_are_told_how_their_requests_ended() -> None:
    async def until_the_end(place: Place) -> None:
        async with connected(place) as (_, client):
            await client.ask("last", bars=200)
            await client.until("audio")
            os.kill(place.engine.ready["pid"], signal.SIGTERM)
            tag, body = await client.end("last")
            assert (tag, body["ending"]) == ("failed", "cancelled")
            message = await asyncio.wait_for(client.socket.receive(), 20)
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    with web_engine("--fake-seconds-per-bar", "0.3") as place:
        asyncio.run(asyncio.wait_for(until_the_end(place), 60))


# ---- whatever comes -----------------------------------------------------------------------------


@given(
    st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=20).map(json.dumps)
)
def test_whatever_comes_is_decoded_or_malformed(text: str) -> None:
    for sent in (text, json.dumps({"tag": "request", "body": text}), f'{{"tag": "live", "body": {text}}}'):
        with contextlib.suppress(Malformed):
            decode(sent)
        assert isinstance(request_id(sent), str)


def test_ready_tells_the_address(place: Place) -> None:
    assert place.engine.ready["web"] == f"{place.base}/?token={place.token}" and len(place.token) >= 32
    assert json.dumps(place.engine.ready)
