"""Audio in pieces: the same samples as whole bars, in order, each in its bar, and counted bar by bar."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import serve
from bridge.client import Engine
from engine.errors import BadRequest
from engine.events import BarReady
from engine.fake import FakeRenderer
from engine.render.pieces import cuts_of
from engine.resident import Resident
from engine.types import BarAudio, Renderer, Request
from tests.bridge_helpers import Heard
from tests.rendering import described, follow, sound
from tests.tiny_bundle import ask
from tests.waiting import quickest

SIZES_MS = (20, 77, 100, 350, 2000)


@given(
    st.lists(st.integers(0, 300_000), min_size=1, max_size=5),
    st.sampled_from([0, 160, 960]),
    st.integers(8_000, 192_000),
    st.integers(20, 2_000) | st.none(),
)
def test_cuts_are_gapless_and_no_piece_is_longer_than_asked(lengths, seam, rate, piece_ms):  # type: ignore[no-untyped-def]
    lines = [0, *np.cumsum(lengths).tolist()]
    cuts = cuts_of(lines, seam, rate, piece_ms)
    assert cuts[0].first == -seam and cuts[-1].end == lines[-1]
    assert all(a.end == b.first for a, b in itertools.pairwise(cuts))
    new = [cut for cut in cuts if cut.bar >= 0]
    for bar, (first, end) in enumerate(itertools.pairwise(lines)):
        own = [cut for cut in new if cut.bar == bar]
        assert (own[0].first, own[-1].end) == (first, end)
        if piece_ms is None:
            assert len(own) == 1
        else:
            assert max(cut.end - cut.first for cut in own) <= -(-piece_ms * rate // 1000)


def pieces_of(renderer: Renderer, request: Request, inline: np.ndarray | None) -> list[BarAudio]:
    """What a renderer emits, held to: gapless, bars in order, one last."""
    heard: list[BarAudio] = []
    rendered = renderer.render(request, inline, heard.append, lambda _: None, lambda: False)
    new = [piece for piece in heard if piece.first_frame >= 0]
    assert [piece.last for piece in new] == [False] * (len(new) - 1) + [True]
    at = np.cumsum([0, *(len(piece.audio) for piece in new)])
    assert [piece.first_frame for piece in new] == at[:-1].tolist() and at[-1] == rendered.frames
    frames = [sum(len(piece.audio) for piece in new if piece.bar == bar) for bar in range(request.bars)]
    assert frames == list(rendered.bar_frames)
    return heard


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_the_pieces_of_a_continuation_are_its_bars_bit_by_bit(renderer: Renderer, rate: int) -> None:
    """Lead-in, odd bar lines, one channel count that is folded; loud, so that the limiter works."""
    source = 3 * sound(2 * rate, 3, rate)
    request = {"bars": 3, "tempo": "241.7", "meter": "3/4"}
    whole = follow(renderer, source, rate, **request)
    assert whole.lead_in.shape == (rate // 50, 3)
    for piece_ms in SIZES_MS:
        asked = ask(inline=described(source, rate), piece_ms=piece_ms, **request)
        heard = pieces_of(renderer, asked, source)
        assert heard[0].audio.tobytes() == whole.lead_in.tobytes()
        assert np.concatenate([piece.audio for piece in heard[1:]]).tobytes() == whole.audio.tobytes()
        assert max(len(piece.audio) for piece in heard[1:]) <= piece_ms * rate // 1000 + 1


def test_a_generation_in_pieces_has_no_lead_in(renderer: Renderer) -> None:
    whole = np.concatenate([bar.audio for bar in pieces_of(renderer, ask(2, steps=2), None)])
    heard = pieces_of(renderer, ask(2, steps=2, piece_ms=100), None)
    assert len(heard) == 40 and heard[0].first_frame == 0
    assert np.concatenate([piece.audio for piece in heard]).tobytes() == whole.tobytes()


def test_the_first_piece_is_out_long_before_the_first_bar(renderer: Renderer) -> None:
    """At 20 bpm a bar lasts 12 s: its first piece must not wait for its last latent to be decoded."""
    resident = Resident(renderer)
    resident.start()

    def share_of_the_wait() -> float:
        heard = Heard()
        resident.submit(ask(1, "20", piece_ms=100), None, heard)
        report = heard.end("t").report
        assert report is not None and report.bar_frames == (576_000,) and len(report.bar_seconds) == 1
        assert report.first_bar_seconds == report.bar_seconds[0] == report.compute_seconds
        assert report.first_audio_seconds > 0
        return report.first_audio_seconds / report.first_bar_seconds

    assert quickest(share_of_the_wait, 0.7) < 0.7
    resident.close()


def test_a_report_counts_whole_bars() -> None:
    resident, heard = Resident(FakeRenderer(0.02)), Heard()
    resident.start()
    resident.submit(Request(id="a", kind="generate", bars=3, tempo="120", rate=44_100, piece_ms=150), None, heard)
    report = heard.end().report
    resident.close()
    pieces = [event.bar for event in heard.events if isinstance(event, BarReady)]
    assert report is not None and report.bar_frames == (88_200,) * 3 and report.frames == 264_600
    assert len(pieces) == 42 and [piece.bar for piece in pieces] == [0] * 14 + [1] * 14 + [2] * 14
    assert list(report.bar_seconds) == sorted(report.bar_seconds) and len(report.bar_seconds) == 3
    assert report.bar_seconds[1] - report.bar_seconds[0] >= 0.015
    assert report.first_audio_seconds <= report.first_bar_seconds == report.bar_seconds[0]


class Leaping(FakeRenderer):
    """Names the bar after next in its second piece."""

    def render(self, request, inline, emit, progress, cancelled):  # type: ignore[no-untyped-def]
        def skip(piece: BarAudio) -> None:
            bar = 0 if piece.first_frame == 0 else 2
            emit(BarAudio(bar=bar, first_frame=piece.first_frame, rate=piece.rate, audio=piece.audio, last=piece.last))

        return super().render(request, inline, skip, progress, cancelled)


def test_a_piece_of_a_bar_that_has_not_begun_is_a_bug() -> None:
    resident, heard = Resident(Leaping()), Heard()
    resident.start()
    resident.submit(Request(id="a", kind="generate", bars=3, tempo="120", piece_ms=500), None, heard)
    ended = heard.end()
    resident.close()
    assert (ended.ending, ended.code) == ("failed", "failed") and "piece of bar 2" in ended.text


def test_a_client_gathers_pieces_into_bars() -> None:
    options = serve.Options(fake=True, zmq="tcp://127.0.0.1:0", osc="off")
    with serve.serving(options) as server, Engine(server.ready()["zmq"]) as engine:
        fields = {"bars": 3, "tempo": "119.3", "meter": "5/8"}
        whole, cut = (engine.generate(seed=1, piece_ms=ms, **fields) for ms in (None, 90))
        request = Request(id="s", kind="generate", seed=1, bars=3, tempo="119.3", meter="5/8", piece_ms=90)
        streamed = list(engine.stream(request))
    assert whole.audio.tobytes() == cut.audio.tobytes() and cut.report.bar_frames == whole.report.bar_frames
    assert [len(bar) for bar in cut.bars] == list(cut.report.bar_frames)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(whole.bars, cut.bars, strict=True))
    assert [piece.bar for piece in streamed] == list(range(len(streamed))) and len(streamed) > 30
    assert np.concatenate([piece.audio for piece in streamed]).tobytes() == whole.audio.tobytes()
    assert [piece.last for piece in streamed] == [False] * (len(streamed) - 1) + [True]


@pytest.mark.parametrize("piece_ms", [19, 2_001])
def test_piece_sizes_out_of_range_are_refused_at_the_edge(piece_ms: int) -> None:
    options = serve.Options(fake=True, zmq="tcp://127.0.0.1:0", osc="off")
    with (
        serve.serving(options) as server,
        Engine(server.ready()["zmq"]) as engine,
        pytest.raises(BadRequest, match=r"piece_ms.*20.*2000"),
    ):
        engine.generate(bars=1, tempo=120, piece_ms=piece_ms)
