"""Edits of takes on the control page: the whole take comes back, and what stays keeps its samples. A real engine."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("aiohttp", reason="no aiohttp here: pip install 'attacca-engine[web]'")

from engine.types import SEAM_SECONDS, Audio
from tests.web_client import Client, Place, talk, web_engine

BAR = 48_000
SEAM = round(SEAM_SECONDS * BAR)
SONG = {"chords": "Am | F | C | G", "melody": [{"pitch": 60 + k, "beat": 4 * k, "length": 2} for k in range(4)]}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with web_engine("--fake-seconds-per-bar", "0.05") as place:
        yield place


async def edit(client: Client, take: str, request_id: str, bars: int, **fields: Any) -> tuple[str, dict[str, Any]]:
    """Ask for an edit of a take, and wait for its end."""
    request = {"id": request_id, "kind": "continue", "bars": bars, "tempo": "240", **fields}
    await client.send("continue", take=take, request=request)
    return await client.end(request_id)


def told(client: Client, request_id: str) -> dict[str, Any]:
    """The take as the page was told of it."""
    return next(b for t, b, _ in reversed(client.heard) if t == "take" and b["request"]["id"] == request_id)


async def file(session: Any, place: Place, path: str) -> Audio:
    async with session.get(f"{place.base}/takes/{path}") as answer:
        assert answer.status == 200, await answer.text()
        samples: Audio = soundfile.read(io.BytesIO(await answer.read()), dtype="float32")[0]
        return samples


@pytest.mark.parametrize("how", [{"edit": "fill"}, {"edit": "vary", "strength": 0.5}])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_bars_made_anew_leave_all_others_as_they_were(place: Place, first: int, how: dict[str, Any]) -> None:
    async def conversation(session: Any, client: Client) -> None:
        one, two = f"song-{first}-{how['edit']}", f"edit-{first}-{how['edit']}"
        await client.ask(one, bars=4, seed=7, **SONG)
        await client.end(one)
        tag, report = await edit(client, one, two, 2, at_bar=first, seed=8, chords="Dm | Em", **how)
        assert tag == "done" and len(report["bar_frames"]) == 2
        was, now = client.audio(one), client.audio(two)
        begin, end = first * BAR, (first + 2) * BAR
        assert now.shape == was.shape
        assert np.array_equal(now[: max(0, begin - SEAM)], was[: max(0, begin - SEAM)])
        assert np.array_equal(now[end:], was[end:])
        assert not np.array_equal(now[begin:end], was[begin:end])
        assert np.array_equal(await file(session, place, f"{two}/audio.wav?first={first}&bars=2"), now[begin:end])
        firsts = [b["first_frame"] for t, b, _ in client.heard if t == "audio" and b["id"] == two]
        assert firsts == [0, BAR, 2 * BAR, 3 * BAR]
        take = told(client, two)
        assert (take["origin"], take["put"], take["first_new_bar"], take["bars"]) == (one, "inside", first, 4)
        chords = [bar["chords"][0]["name"] for bar in take["played"]]
        assert chords[first : first + 2] == ["Dm", "Em"] and len(chords) == 4
        kept = [k for k in range(4) if not first <= k < first + 2]
        assert [chords[k] for k in kept] == [["Am", "F", "C", "G"][k] for k in kept]
        sung = [bool(bar["melody"]) for bar in take["played"]]
        assert sung == [how["edit"] == "vary" or k in kept for k in range(4)], "a fill leaves nothing of its bars"

    talk(place, conversation)


def test_bars_in_front_a_part_under_it_and_a_loop(place: Place) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.ask("base", bars=3, seed=3)
        await client.end("base")
        was = client.audio("base")
        assert (await edit(client, "base", "longer", 2, edit="front", seed=4))[0] == "done"
        longer = client.audio("longer")
        assert len(longer) == 5 * BAR and np.array_equal(longer[2 * BAR :], was)
        assert told(client, "longer")["bar_frames"] == [BAR] * 5 and told(client, "longer")["put"] == "front"

        assert (await edit(client, "base", "both", 2, under=True, at_bar=1, parts=["bass"], seed=5))[0] == "done"
        part, both = await file(session, place, "both/part.wav"), client.audio("both")
        assert len(part) == 2 * BAR and len(both) == len(was)
        assert np.array_equal(both[:BAR], was[:BAR]) and np.array_equal(both[BAR:], was[BAR:] + part)
        async with session.get(f"{place.base}/takes/base/part.wav") as answer:
            assert answer.status == 400 and "no part" in await answer.text()

        tag, report = await edit(client, "base", "loop", 2, edit="loop", seed=6)
        assert tag == "done" and report["frames"] == 2 * BAR and told(client, "loop")["origin"] is None
        assert (await edit(client, "longer", "again", 1, edit="fill", at_bar=4))[0] == "done", "an edit of an edit"
        assert np.array_equal(client.audio("again")[: 4 * BAR - SEAM], longer[: 4 * BAR - SEAM])

    talk(place, conversation)


def test_together_beyond_full_scale_is_said(place: Place) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.ask("t0", bars=1)
        await client.end("t0")
        remarks: list[str] = []
        for k in range(3):
            remarks = (await edit(client, f"t{k}", f"t{k + 1}", 1, under=True, at_bar=0))[1]["remarks"]
        assert any("beyond" in r or "peak at +" in r for r in remarks)

    talk(place, conversation)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"edit": "fill"}, "needs at_bar"),
        ({"edit": "fill", "at_bar": 1}, "has 2 bars; asked for 2 to 3"),
        ({"edit": "vary", "at_bar": 0, "tempo": "120"}, "keeps both"),
        ({"edit": "fill", "at_bar": 0, "strength": 0.5}, "goes with edit vary"),
        ({"edit": "front", "at_bar": 0}, "lie right before"),
        ({"edit": "fill", "at_bar": 0, "rate": 8000}, "keeps its rate"),
        ({"under": True, "at_bar": 5}, "has 2 bars"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_in_a_sentence(place: Place, fields: dict[str, Any], says: str) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.ask("short", bars=2)
        await client.end("short")
        tag, body = await edit(client, "short", "wrong", 2, **fields)
        assert (tag, body["ending"], body["code"]) == ("failed", "refused", "bad-request")
        assert says in body["text"], body["text"]

    talk(place, conversation)


def test_an_edit_that_is_taken_back_keeps_what_there_is(place: Place) -> None:
    async def conversation(session: Any, client: Client) -> None:
        await client.ask("start", bars=1)
        await client.end("start")
        client.heard.clear()
        request = {"id": "part", "kind": "continue", "bars": 256, "tempo": "240", "edit": "front"}
        await client.send("continue", take="start", request=request)
        await client.until("audio")
        await client.send("cancel", id="part")
        tag, body = await client.end("part")
        take = told(client, "part")
        assert (tag, body["ending"]) == ("failed", "cancelled") and 1 <= len(take["bar_frames"]) < 257 == take["bars"]

    talk(place, conversation)
