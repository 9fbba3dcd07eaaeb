"""The real renderer end to end, on untrained networks: exact frames, same bytes, seams, streaming, cancelling."""

from __future__ import annotations

import os
import time
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from engine.controls.request import check
from engine.errors import BadAudio, BadRequest, Cancelled
from engine.models.prompt import sentence_encoder
from engine.render.generate import ModelRenderer
from engine.render.join import join
from engine.render.limiter import CEILING
from engine.render.load import load_renderer
from engine.types import Audio, CurvePoint, InlineAudio, Note, PromptPart, Renderer, Strengths
from tests.tiny_bundle import Take, ask, make_bundle, play

RATE = 48_000


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    folder = tmp_path_factory.mktemp("tiny")
    make_bundle(folder)
    return load_renderer(folder, "cpu")


def sound(frames: int, channels: int = 2, rate: int = RATE, level: float = 0.1) -> Audio:
    """A chord with a pulse every quarter second, different in each channel."""
    time_s = np.arange(frames) / rate
    pulse = np.exp(-20.0 * (time_s % 0.25))
    waves = [np.sin(2 * np.pi * hertz * time_s) * pulse for hertz in (110.0, 165.0, 221.0)]
    mix = [level * sum(waves) * (1.0 - 0.1 * channel) for channel in range(channels)]
    return np.stack(mix, axis=1).astype(np.float32)


def described(audio: Audio, rate: int) -> InlineAudio:
    return InlineAudio(rate=rate, channels=audio.shape[1], frames=len(audio))


def follow(renderer: Renderer, audio: Audio, rate: int = RATE, **fields: object) -> Take:
    """A continuation of audio that travels beside the request."""
    return play(renderer, ask(inline=described(audio, rate), **fields), audio)  # type: ignore[arg-type]


def power_db(audio: Audio) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-12))


def bar_lines(bars: int, tempo: Fraction, bar_quarters: Fraction, rate: int) -> list[int]:
    """Oracle: floor(x + 1/2) of k bars in frames, by hand."""
    return [floor(k * bar_quarters * 60 / tempo * rate + Fraction(1, 2)) for k in range(bars + 1)]


@pytest.mark.parametrize(
    ("tempo", "meter", "quarters", "rate"),
    [
        ("127.3", "4/4", Fraction(4), 44_100),
        ("7200/61", "7/8", Fraction(7, 2), 22_050),
        ("61.803", "5/4", Fraction(5), 48_000),
        ("399.999", "3/16", Fraction(3, 4), 96_000),
        ("20", "1/32", Fraction(1, 8), 8_000),
        ("174.037", "6/8", Fraction(3), 47_999),
        ("93.5", "13/16", Fraction(13, 4), 192_000),
    ],
)
def test_bars_have_their_exact_frames(
    renderer: Renderer, tempo: str, meter: str, quarters: Fraction, rate: int
) -> None:
    take = play(renderer, ask(3, tempo, meter=meter, rate=rate))
    assert list(take.rendered.bar_frames) == np.diff(bar_lines(3, Fraction(tempo), quarters, rate)).tolist()
    assert np.isfinite(take.audio).all() and 1e-4 < np.abs(take.audio).max() <= CEILING
    assert take.lead_in.shape == (0, 2) and take.rendered.rate == rate and take.rendered.seed == 5


def test_a_tempo_map_gives_each_bar_its_own_length(renderer: Renderer) -> None:
    take = play(renderer, ask(4, "0:120,1:61.803,3:241"))
    edges, at = [0], Fraction(0)
    for tempo in ("120", "61.803", "61.803", "241"):
        at += Fraction(240) / Fraction(tempo) * RATE
        edges.append(floor(at + Fraction(1, 2)))
    assert list(take.rendered.bar_frames) == np.diff(edges).tolist()


def test_the_same_request_gives_the_same_bytes_and_another_seed_others(renderer: Renderer) -> None:
    take, again, other = (play(renderer, ask(2, steps=2, seed=seed)) for seed in (7, 7, 8))
    assert take.audio.tobytes() == again.audio.tobytes()
    assert np.abs(take.audio - other.audio).max() > 0.01


def test_a_request_without_a_seed_says_which_it_took(renderer: Renderer) -> None:
    take = play(renderer, ask(seed=None))
    assert take.rendered.seed != play(renderer, ask(seed=None)).rendered.seed
    np.testing.assert_array_equal(take.audio, play(renderer, ask(seed=take.rendered.seed)).audio)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_continuation_keeps_rate_and_channels_and_touches_only_the_seam(
    renderer: Renderer, rate: int, channels: int
) -> None:
    source = sound(bar_lines(1, Fraction("127.3"), Fraction(4), rate)[1], channels, rate)
    take = follow(renderer, source, rate, bars=2, tempo="127.3")
    lines = bar_lines(3, Fraction("127.3"), Fraction(4), rate)
    assert list(take.rendered.bar_frames) == np.diff(lines[1:]).tolist() and take.rendered.remarks == ()
    assert (take.rendered.rate, take.rendered.channels) == (rate, channels)
    seam = rate // 50
    assert take.lead_in.shape == (seam, channels) and np.abs(take.lead_in).max() > 1e-4
    whole = join(source, take.audio, take.lead_in, seam)
    assert whole[: len(source) - seam].tobytes() == source[:-seam].tobytes()
    assert whole[len(source) :].tobytes() == take.audio.tobytes()
    faded = whole[len(source) - seam : len(source)]
    assert len(whole) == lines[3] and (faded != source[-seam:]).any(axis=1).sum() > 0.9 * seam


def test_the_lead_in_is_what_the_first_bar_grows_out_of(renderer: Renderer) -> None:
    """No jump between lead-in and bar: the step there is one of its neighbours'."""
    take = follow(renderer, sound(2 * RATE))
    joined = np.concatenate([take.lead_in, take.audio[: RATE // 50]])
    steps = np.abs(np.diff(joined, axis=0)).max(axis=1)
    line = len(take.lead_in) - 1
    assert steps[line] <= 1.5 * max(steps[line - 3 : line].max(), steps[line + 1 : line + 4].max())


def test_channels_are_folded_on_request(renderer: Renderer) -> None:
    stereo, mono, four = (play(renderer, ask(channels=n)).audio for n in (2, 1, 4))
    np.testing.assert_allclose(mono[:, 0], stereo.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(four, stereo[:, [0, 1, 0, 1]])


def test_another_rate_is_the_same_sound(renderer: Renderer) -> None:
    """Below 8 kHz a render at 24 kHz holds what one at 48 kHz holds, at the same times."""
    full, half = (play(renderer, ask(rate=rate)).audio[:, 0] for rate in (48_000, 24_000))
    spectra = [np.fft.rfft(wave)[: len(half) // 3] / len(wave) for wave in (full, half)]
    difference = np.abs(spectra[0] - spectra[1])
    assert np.square(difference).sum() < 1e-3 * np.square(np.abs(spectra[0])).sum()


def test_at_bar_replaces_from_that_bar_on(renderer: Renderer) -> None:
    source = sound(8 * RATE)
    cut = follow(renderer, source, at_bar=2, bars=2)
    assert cut.rendered.bar_frames == (96_000, 96_000) and len(cut.lead_in) == 960
    np.testing.assert_array_equal(cut.audio, follow(renderer, source[: 4 * RATE], bars=2).audio)
    changed = source.copy()
    changed[3 * RATE : 4 * RATE] *= 0.1
    assert np.abs(cut.audio - follow(renderer, changed, at_bar=2, bars=2).audio).max() > 1e-3


def test_bar_0_is_made_from_nothing_and_far_bars_are_no_silence(renderer: Renderer) -> None:
    """Where the context is empty or silent, it says nothing of loudness."""
    source = sound(2 * RATE)
    begun, far = follow(renderer, source, at_bar=0), follow(renderer, source, at_bar=9)
    assert len(begun.lead_in) == 0 and "beyond" in far.rendered.remarks[0]
    generated = play(renderer, ask())
    np.testing.assert_array_equal(begun.audio, generated.audio)
    assert abs(power_db(far.audio) - power_db(generated.audio)) < 3.0


def test_an_input_that_ends_inside_a_bar_is_padded_and_says_so(renderer: Renderer) -> None:
    take = follow(renderer, sound(3 * RATE), bars=1)
    assert take.rendered.bar_frames == (96_000,)
    assert "padded with 48000 frames" in take.rendered.remarks[0]


@pytest.mark.parametrize("off", [-300, 1, 2_000])
def test_an_input_that_ends_near_a_bar_line_moves_the_grid(renderer: Renderer, off: int) -> None:
    take = follow(renderer, sound(2 * RATE + off), bars=2)
    assert take.rendered.bar_frames == (96_000, 96_000)
    assert f"{abs(off)} frames" in take.rendered.remarks[0]


def test_source_bars_give_the_tempo(renderer: Renderer) -> None:
    """4 bars in 333 333 frames: the next 3 bars end where 7 such bars do."""
    take = follow(renderer, sound(333_333), source_bars=4, bars=3)
    lines = [floor(Fraction(333_333 * k, 4) + Fraction(1, 2)) for k in (4, 5, 6, 7)]
    assert list(take.rendered.bar_frames) == np.diff(lines).tolist()


def test_a_tempo_outside_the_trained_range_is_rendered_and_remarked(renderer: Renderer) -> None:
    take = play(renderer, ask(1, "300"))
    assert take.rendered.bar_frames == (38_400,) and any("300" in remark for remark in take.rendered.remarks)


CONTROLS = {
    "melody": {"melody": (Note(pitch=60, beat=0, length=1), Note(pitch=67, beat=1.5, length=2))},
    "intensity": {"intensity": (CurvePoint(beat=0, db=-40), CurvePoint(beat=4, db=-12))},
    "chords": {"chords": "Am F"},
    "key": {"key": "F# minor"},
    "parts": {"parts": ("drums", "bass")},
    "guidance": {"guidance": 5.0},
    "steps": {"steps": 3},
    "prompt": {"prompts": (PromptPart(text="deep house"), PromptPart(text="piano", weight=0.5))},
}


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_reaches_the_sound(renderer: Renderer, name: str) -> None:
    request = ask(2, **CONTROLS[name])  # type: ignore[arg-type]
    check(request)
    assert np.abs(play(renderer, request).audio - play(renderer, ask(2)).audio).max() > 1e-3


OTHERS = {
    "melody": {"melody": (Note(pitch=72, beat=0.5, length=1),)},
    "intensity": {"intensity": (CurvePoint(beat=0, db=-30),)},
    "chords": {"chords": "Gm7 C7"},
    "prompt": {"prompts": (PromptPart(text="slow jazz"),)},
}


@pytest.mark.parametrize("name", OTHERS)
def test_at_strength_0_a_control_is_not_heard(renderer: Renderer, name: str) -> None:
    strengths = Strengths(**{name: 0.0})
    one, other = (
        play(renderer, ask(strengths=strengths, **given[name])).audio  # type: ignore[arg-type]
        for given in (CONTROLS, OTHERS)
    )
    np.testing.assert_array_equal(one, other)


def test_what_sounds_under_the_new_bars_reaches_them(renderer: Renderer) -> None:
    """A change two bars after the start is heard only by a request that plays over the source."""
    source = sound(12 * RATE)
    other = source.copy()
    other[7 * RATE :] *= 0.05
    for under, differs in ((True, True), (False, False)):
        takes = [follow(renderer, s, at_bar=2, bars=3, under=under).audio for s in (source, other)]
        assert (np.abs(takes[0] - takes[1]).max() > 1e-3) == differs


def test_loudness_is_carried_over_unless_a_curve_is_given(renderer: Renderer) -> None:
    loud, quiet = (follow(renderer, sound(4 * RATE, level=level), bars=2).audio for level in (0.2, 0.05))
    assert power_db(loud) > power_db(quiet) + 3.0
    curve = {"intensity": (CurvePoint(beat=0, db=-20),)}
    near = [follow(renderer, sound(4 * RATE, level=v), bars=2, **curve).audio for v in (0.2, 0.05)]
    assert abs(power_db(near[0]) - power_db(near[1])) < power_db(loud) - power_db(quiet)


def test_the_first_bar_leaves_before_the_last_is_decoded(renderer: Renderer) -> None:
    """Cancellation is looked at before each piece of work: work is left when bar 0 comes, in time and in looks."""
    looks, at_bar, begin = 0, {}, time.thread_time()

    def look() -> bool:
        nonlocal looks
        looks += 1
        return False

    renderer.render(
        ask(8),
        None,
        lambda bar: at_bar.setdefault(bar.bar, (looks, time.thread_time() - begin)),  # type: ignore[arg-type,return-value]
        lambda _: None,
        look,
    )
    assert sorted(at_bar) == list(range(8)) and list(at_bar.values()) == sorted(at_bar.values())
    assert at_bar[0][0] < looks / 2 and at_bar[0][1] < at_bar[7][1] / 2


@pytest.mark.parametrize("kind", ["generate", "continue", "under"])
def test_no_piece_of_work_takes_longer_than_a_cancel_may(renderer: Renderer, tmp_path: Path, kind: str) -> None:
    """The longest time between two looks at `cancelled`, in processor time of the rendering thread."""
    path = tmp_path / "long.flac"
    soundfile.write(path, sound(60 * 44_100, rate=44_100), 44_100)
    fields = {
        "generate": {},
        "continue": {"source": str(path)},
        "under": {"source": str(path), "at_bar": 2, "under": True},
    }
    request = ask(6, **{"steps": 2, **fields[kind]})  # type: ignore[arg-type]
    sentence_encoder()
    looked = [time.thread_time()]

    def look() -> bool:
        looked.append(time.thread_time())
        return False

    renderer.render(request, None, lambda _: None, lambda _: None, look)
    assert len(looked) > 10 and max(np.diff(looked)) < 0.1


@pytest.mark.parametrize("look", [0, 1, 2, 5, 9])
def test_a_cancel_ends_the_render_at_the_next_look(renderer: Renderer, look: int) -> None:
    looks, bars = 0, []

    def cancelled() -> bool:
        nonlocal looks
        looks += 1
        return looks > look

    with pytest.raises(Cancelled):
        renderer.render(ask(8), None, bars.append, lambda _: None, cancelled)
    assert looks == look + 1 and len(bars) < 8
    assert play(renderer, ask()).rendered.frames == 96_000


def write_bad(kind: str, path: Path) -> None:
    if kind == "nothing":
        path.write_bytes(b"")
    elif kind == "no audio":
        path.write_bytes(b"RIFF$\x00\x00\x00WAVEfmt nonsense" * 20)
    elif kind != "missing":
        audio = {"empty": sound(0), "silent": 0 * sound(RATE), "nan": sound(RATE), "infinite": sound(RATE)}[kind]
        if kind in ("nan", "infinite"):
            audio[RATE // 2, 1] = {"nan": np.nan, "infinite": -np.inf}[kind]
        soundfile.write(path, audio, RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "there is no file"),
        ("nothing", "cannot read"),
        ("no audio", "cannot read"),
        ("empty", "is empty"),
        ("silent", "is silent"),
        ("nan", "NaN or infinite"),
        ("infinite", "NaN or infinite"),
    ],
)
def test_audio_that_cannot_be_continued_gives_one_sentence(
    renderer: Renderer, tmp_path: Path, kind: str, says: str
) -> None:
    path = tmp_path / "in.wav"
    write_bad(kind, path)
    with pytest.raises(BadAudio, match=says) as refused:
        play(renderer, ask(source=str(path)))
    text = str(refused.value)
    assert "in.wav" in text and "\n" not in text and len(text) < 300


def test_a_folder_as_source_and_a_broken_tail_are_bad_audio(renderer: Renderer, tmp_path: Path) -> None:
    with pytest.raises(BadAudio):
        play(renderer, ask(source=str(tmp_path)))
    path = tmp_path / "cut.flac"
    soundfile.write(path, sound(4 * RATE), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + bytes(100))
    with pytest.raises(BadAudio, match="cannot read"):
        play(renderer, ask(source=str(path)))


@pytest.mark.parametrize(("value", "says"), [(np.nan, "NaN"), (0.0, "silent")])
def test_audio_sent_along_is_held_to_the_same(renderer: Renderer, value: float, says: str) -> None:
    with pytest.raises(BadAudio, match=says):
        follow(renderer, np.full((RATE, 2), value, np.float32))


@pytest.mark.parametrize(
    "fields", [{"tempo": "19.9"}, {"tempo": "nan"}, {"meter": "4/3"}, {"bars": 200, "tempo": "20"}, {"key": "H dur"}]
)
def test_a_request_that_makes_no_sense_is_refused(renderer: Renderer, fields: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        check(ask(**fields))  # type: ignore[arg-type]
    assert play(renderer, ask()).rendered.frames == 96_000


def test_sixty_four_bars_in_bounded_memory(renderer: Renderer) -> None:
    """96 s of sound are 37 MB; a renderer that streams needs hardly more for them than for 48 s."""
    process, peak, frames = psutil.Process(os.getpid()), 0, 0

    def emit(bar: object) -> None:
        nonlocal peak, frames
        frames += len(bar.audio)  # type: ignore[attr-defined]
        peak = max(peak, process.memory_info().rss)

    renderer.render(ask(32, "160"), None, lambda _: None, lambda _: None, lambda: False)
    before = process.memory_info().rss
    renderer.render(ask(64, "160"), None, emit, lambda _: None, lambda: False)
    assert frames == 64 * 72_000 and peak - before < 18_000_000


def test_a_chain_of_continuations_never_leaves_the_grid(renderer: Renderer) -> None:
    """Each link continues the whole so far; after all of them every line is where the first grid has it."""
    tempo, rate, links = Fraction("211.37"), 11_025, 6
    audio = sound(bar_lines(1, tempo, Fraction(7, 4), rate)[1], rate=rate)
    lines = [0, len(audio)]
    for link in range(links):
        take = follow(renderer, audio, rate, bars=3, tempo="211.37", meter="7/16", seed=link)
        lines += [lines[-1] + int(n) for n in np.cumsum(take.rendered.bar_frames)]
        audio = join(audio, take.audio, take.lead_in, rate // 50)
    assert lines == bar_lines(1 + 3 * links, tempo, Fraction(7, 4), rate) and len(audio) == lines[-1]


def test_warm_up_and_facts(renderer: Renderer) -> None:
    assert isinstance(renderer, ModelRenderer)
    renderer.warm_up()
    facts = renderer.info()
    assert facts["bundle"] == "tiny" and facts["styles"] == ["house", "jazz"] and facts["threads"] >= 1


def test_a_strength_that_cannot_act_is_remarked(renderer: Renderer) -> None:
    assert play(renderer, ask(strengths=Strengths(melody=1.0))).rendered.remarks == ()
    (remark,) = play(renderer, ask(strengths=Strengths(melody=0.5))).rendered.remarks
    assert "count as 1" in remark
