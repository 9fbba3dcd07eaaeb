"""Rehearsals: the resident's idle worker, the renderer's memory, a live session's places."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.live.session import LiveSession
from engine.errors import Cancelled
from engine.fake import FakeRenderer
from engine.render.generate import ModelRenderer
from engine.render.past import ANSWERS, Past
from engine.resident import Resident
from engine.resident.rehearsing import Rehearsal, Rehearsals, Rehearses
from engine.types import Audio, Renderer, Request
from tests.bridge_helpers import Gate, Heard, ask
from tests.live_helpers import RATE, Coloured, Stage, beat, host, missed, stage, wait
from tests.rendering import described, follow, sound
from tests.tiny_bundle import ask as ask_model

LONG_S = 60.0


class Rehearsing(Gate):
    """A gated renderer that notes its rehearsals; each runs until it is let on or asked to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.rehearsed: list[str] = []
        self.stopped: list[str] = []
        self.begun = threading.Semaphore(0)
        self.let = threading.Event()
        self.let.set()
        self.fails = False

    def rehearse(self, request: Request, inline: Audio | None, cancelled: Callable[[], bool]) -> None:
        self.begun.release()
        while not self.let.wait(0.001):
            if cancelled():
                self.stopped.append(request.id)
                raise Cancelled("something waits")
        if self.fails:
            raise ZeroDivisionError
        self.rehearsed.append(request.id)


@pytest.fixture
def gate() -> Rehearsing:
    return Rehearsing()


@pytest.fixture
def resident(gate: Rehearsing) -> Iterator[Resident]:
    made = Resident(gate)
    made.start()
    yield made
    made.close()


def hold(resident: Resident, gate: Gate, heard: Heard) -> None:
    """Occupy the worker with a request that waits at the gate."""
    assert resident.submit(ask("holder"), None, heard)
    assert gate.began.acquire(timeout=60)


def test_an_idle_worker_rehearses(resident: Resident, gate: Rehearsing) -> None:
    assert resident.rehearse("a", ask("one"), None, LONG_S)
    wait(lambda: gate.rehearsed == ["one"], "the rehearsal")
    wait(lambda: resident.rehearsed == 1, "its count")


def test_requests_go_first_and_the_newest_of_a_name_counts(resident: Resident, gate: Rehearsing) -> None:
    heard = Heard()
    hold(resident, gate, heard)
    assert resident.rehearse("a", ask("old"), None, LONG_S)
    assert resident.rehearse("b", ask("other"), None, LONG_S)
    assert resident.rehearse("late", ask("late"), None, 0.0)
    assert resident.rehearse("a", ask("new"), None, LONG_S)
    assert resident.submit(ask("next"), None, heard)
    assert gate.rehearsed == []
    gate.permits.release(2)
    assert heard.end("next").ending == "done"
    wait(lambda: gate.rehearsed == ["other", "new"], "what waited")


def test_a_rehearsal_makes_way(resident: Resident, gate: Rehearsing) -> None:
    gate.let.clear()
    assert resident.rehearse("a", ask("long"), None, LONG_S)
    assert gate.begun.acquire(timeout=60)
    heard = Heard()
    gate.permits.release()
    assert resident.submit(ask("now"), None, heard)
    assert heard.end("now").ending == "done"
    assert gate.stopped == ["long"] and gate.rehearsed == [] and resident.rehearsed == 0


def test_closing_does_not_wait_for_a_rehearsal(resident: Resident, gate: Rehearsing) -> None:
    gate.let.clear()
    assert resident.rehearse("a", ask("long"), None, LONG_S)
    assert gate.begun.acquire(timeout=60)
    assert resident.close(60.0)
    assert gate.stopped == ["long"]


def test_a_rehearsal_that_fails_is_forgotten(resident: Resident, gate: Rehearsing) -> None:
    gate.fails = True
    assert resident.rehearse("a", ask("bad"), None, LONG_S)
    assert gate.begun.acquire(timeout=60)
    heard = Heard()
    gate.permits.release()
    assert resident.submit(ask("after"), None, heard)
    assert heard.end("after").ending == "done" and resident.rehearsed == 0


def test_a_renderer_may_have_nothing_to_rehearse() -> None:
    assert not isinstance(FakeRenderer(), Rehearses)
    assert not Resident(FakeRenderer()).rehearse("a", ask(), None, LONG_S)


def test_what_waits_is_bounded() -> None:
    waiting = Rehearsals(most=2)
    assert waiting.put("a", Rehearsal(ask("1"), None, 9.0)) and waiting.put("b", Rehearsal(ask("2"), None, 1.0))
    assert not waiting.put("c", Rehearsal(ask("3"), None, 9.0))
    assert waiting.put("a", Rehearsal(ask("4"), None, 9.0))
    found = waiting.pop(5.0)
    assert found is not None and found.request.id == "4"
    assert waiting.pop(5.0) is None


# ---- the renderer's memory -------------------------------------------------------------------


def test_a_rehearsed_request_finds_all_its_answers(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works nothing out again, and its bytes are those of a request that nobody rehearsed."""
    assert isinstance(renderer, ModelRenderer)
    audio = sound(4 * RATE)
    renderer.pasts.known.clear()
    plain = follow(renderer, audio)
    renderer.pasts.known.clear()
    renderer.rehearse(ask_model(inline=described(audio, RATE)), audio.copy(), lambda: False)
    (past,) = renderer.pasts.known.values()
    assert set(ANSWERS) <= set(vars(past))
    made: list[Past] = []
    monkeypatch.setattr(Past, "__init__", lambda self, *rest: made.append(self))
    assert follow(renderer, audio).audio.tobytes() == plain.audio.tobytes()
    assert made == []


def test_a_rehearsal_keeps_what_it_worked_out_before_it_made_way(renderer: Renderer) -> None:
    assert isinstance(renderer, ModelRenderer)
    audio, looks = sound(4 * RATE), iter([False] * 4 + [True] * 99)
    renderer.pasts.known.clear()
    with pytest.raises(Cancelled):
        renderer.rehearse(ask_model(inline=described(audio, RATE)), audio, lambda: next(looks))
    (past,) = renderer.pasts.known.values()
    known = [answer for answer in ANSWERS if answer in vars(past)]
    assert known == list(ANSWERS[: len(known)]) and 0 < len(known) < len(ANSWERS)


def test_nothing_is_remembered_of_silence_or_of_nothing(renderer: Renderer) -> None:
    assert isinstance(renderer, ModelRenderer)
    renderer.pasts.known.clear()
    renderer.rehearse(ask_model(), None, lambda: False)
    assert renderer.pasts.known == {}


# ---- a live session's places -----------------------------------------------------------------


class Listening(Coloured):
    """The fake engine, with rehearsals that it remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.rehearsals: list[tuple[Request, bytes]] = []

    def rehearse(self, request: Request, inline: Audio | None, cancelled: Callable[[], bool]) -> None:
        assert inline is not None
        self.rehearsals.append((request, inline.tobytes()))


@pytest.mark.parametrize(("policy", "quantise"), [("now", "beat"), ("now", "bar"), ("echo", "bar")])
def test_what_a_note_will_send_was_rehearsed_to_the_bit(tmp_path: Path, policy: str, quantise: str) -> None:
    """The context of the request that a note brings about, and where its bars begin, are those of a rehearsal."""
    renderer = Listening()
    with stage(tmp_path, renderer) as s, host(tmp_path) as h:
        h.ready(2)
        s.engine.live("policy", policy=policy)
        s.engine.live("quantise", quantise=quantise)
        found = 0
        h.side.set_words(prompt_a="somebody is here")
        for n in range(16):  # a busy machine may come to some notes before it came to rehearse their places
            assert missed(h.play(RATE, speed=1)) == []
            h.side.push_note(h.frame, bytes([0x90, 60 + n, 100]), time.monotonic_ns())
            assert missed(h.play(RATE // 4, speed=1)) == []
            h.side.push_note(h.frame, bytes([0x80, 60 + n, 0]), time.monotonic_ns())
            if n >= 3 and (found := rehearsed(s, renderer)) >= 3:
                break
        assert found >= 3, f"{found} of {n + 1} had been rehearsed"


def rehearsed(s: Stage, renderer: Listening) -> int:
    """How many requests that a note brought about had been rehearsed, with the very same context at the same place."""
    sent = {r.id: (r, inline) for r, inline in zip(renderer.requests, renderer.contexts, strict=False)}
    known = [(one.at_bar, one.at_beat, one.source_offset, inline) for one, inline in list(renderer.rehearsals)]
    found = 0
    for trace in s.traces():
        if trace.kind == "note" and trace.request_id in sent:
            request, inline = sent[trace.request_id]
            assert inline is not None
            found += (request.at_bar, request.at_beat, request.source_offset, inline.tobytes()) in known
    return found


def test_where_nobody_plays_only_bar_lines_are_prepared(tmp_path: Path) -> None:
    renderer = Listening()
    with stage(tmp_path, renderer) as s, host(tmp_path) as h:
        h.ready(2)
        s.engine.live("policy", policy="now")
        h.play(beat(h.song, 2), speed=1)
        assert renderer.rehearsals
        assert {request.at_beat for request, _ in renderer.rehearsals} == {None}
        h.side.set_words(prompt_a="somebody is here")
        h.play(beat(h.song, 1), speed=1)
        assert {request.at_beat for request, _ in renderer.rehearsals} > {None}


def test_rehearsals_are_few(tmp_path: Path) -> None:
    """A place is prepared once: four beats and their bar in two seconds, not fifty looks a second."""
    renderer = Listening()
    with stage(tmp_path, renderer) as s, host(tmp_path) as h:
        h.ready(2)
        s.engine.live("policy", policy="now")
        h.side.set_words(prompt_a="somebody is here")
        h.play(beat(h.song, 1), speed=1)
        before = len(renderer.rehearsals)
        h.play(beat(h.song, 1), speed=1)
        assert 2 <= len(renderer.rehearsals) - before <= 40
        s.engine.live("panic")
        quiet = len(renderer.rehearsals)
        h.play(RATE // 2, speed=1)
        assert len(renderer.rehearsals) <= quiet + 1


def test_a_grid_too_fine_to_foresee_is_not_rehearsed(tmp_path: Path) -> None:
    renderer = Listening()
    with stage(tmp_path, renderer) as s, host(tmp_path, playing=False) as h:
        h.ready(2)
        h.side.set_words(prompt_a="somebody is here")
        wait(s.traces, "the change")
        s.engine.live("policy", policy="now")
        s.engine.live("quantise", quantise="now")
        live = s.server.live
        assert live is not None
        session: LiveSession = live._sessions["test"]
        assert session.horizon is not None
        assert session.rehearsing.places(session.horizon) == []


class Slow(Listening):
    """Its rehearsals take a while, and are counted where they were broken off."""

    def __init__(self) -> None:
        super().__init__()
        self.broken_off = 0

    def rehearse(self, request: Request, inline: Audio | None, cancelled: Callable[[], bool]) -> None:
        super().rehearse(request, inline, cancelled)
        for _ in range(10):
            time.sleep(0.003)
            if cancelled():
                self.broken_off += 1
                raise Cancelled("something waits")


def test_bars_that_are_due_much_later_wait_for_the_next_places(tmp_path: Path) -> None:
    """A bar is begun as the head crosses a line; it breaks off no rehearsal, and is there in time all the same."""
    renderer = Slow()
    with stage(tmp_path, renderer) as s, host(tmp_path) as h:
        h.ready(2)
        s.engine.live("policy", policy="now")
        assert missed(h.play(beat(h.song, 1), speed=1)) == []
        renderer.broken_off, bars = 0, len(renderer.requests)
        assert missed(h.play(beat(h.song, 3), speed=1)) == []
        assert len(renderer.requests) - bars >= 2
        assert renderer.broken_off <= 1


def test_a_bar_that_is_due_soon_waits_for_nothing(tmp_path: Path) -> None:
    """A rehearsal that never ends by itself makes way for what is missing under the head."""
    renderer = Slow()
    with stage(tmp_path, renderer) as s, host(tmp_path) as h:
        h.ready(2)
        s.engine.live("policy", policy="now")
        h.play(RATE, speed=1)
        h.locate(beat(h.song, 40))
        h.ready(1)
        assert s.status() is not None and missed(h.play(RATE // 2, speed=1)) == []
