"""What a report says of how well the sound follows its targets, on sounds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.models.load import load_networks
from engine.render.adherence import Collected, Judge, intensity_error_db, strongest
from engine.render.condition import place_of
from engine.render.generate import ModelRenderer
from engine.types import Adherence, Audio, CurvePoint, Note, Only, PromptPart, Request, Stretch
from tests.rendering import RATE, follow, sound
from tests.tiny_bundle import ask, make_bundle, play

TUNE = (60, 64, 67, 72, 59, 62)


def tones(pitches: tuple[int, ...], rate: int = RATE, seconds: float = 0.5) -> Audio:
    """One plucked tone after another, with harmonics."""
    time = np.arange(round(seconds * rate)) / rate
    notes = [
        sum(np.sin(2 * np.pi * k * 440 * 2 ** ((pitch - 69) / 12) * time) / k for k in (1, 2, 3)) * np.exp(-2 * time)
        for pitch in pitches
    ]
    return np.repeat(0.2 * np.concatenate(notes)[:, None], 2, axis=1).astype(np.float32)


def sung(pitches: tuple[int, ...]) -> tuple[Note, ...]:
    return tuple(Note(pitch=pitch, beat=float(k), length=1.0) for k, pitch in enumerate(pitches))


def judged(request: Request, audio: Audio, rate: int = RATE) -> Adherence:
    class Deaf:
        listener = None

    judge = Judge(Deaf())  # type: ignore[arg-type]
    return judge.adherence(request, place_of(request, None), [], audio, lambda: None)


@pytest.mark.parametrize("rate", [44_100, RATE])
def test_a_melody_that_is_played_scores_one_and_another_none(rate: int) -> None:
    audio = tones(TUNE, rate)
    right = judged(ask(2, rate=rate, melody=sung(TUNE)), audio, rate)
    wrong = judged(ask(2, rate=rate, melody=sung(tuple(p + 1 for p in TUNE))), audio, rate)
    assert right.melody_accuracy is not None and right.melody_accuracy > 0.95
    assert wrong.melody_accuracy == 0.0
    assert right.intensity_error_db is None and right.text_similarity is None


def test_each_pitch_of_six_octaves_is_heard() -> None:
    pitches = tuple(range(40, 100, 7))
    found = strongest(tones(pitches), RATE, 0.25 + 0.5 * np.arange(len(pitches)))
    assert found.tolist() == [pitch % 12 for pitch in pitches]


def test_a_level_off_by_six_decibels_is_an_error_of_six() -> None:
    rng = np.random.default_rng(3)
    audio = (rng.normal(0, 0.1, (4 * RATE, 2))).astype(np.float32)
    points = (CurvePoint(beat=0.0, db=-26.0),)
    error = judged(ask(2, intensity=points), audio).intensity_error_db
    assert error == pytest.approx(6.0, abs=0.3)
    assert judged(ask(2, intensity=(CurvePoint(beat=0.0, db=-20.0),)), audio).intensity_error_db < 0.3


def test_only_where_a_target_acts_it_is_judged() -> None:
    audio = tones((60, 60, 60, 60, 65, 65, 65, 65))
    melody = sung((60, 60, 60, 60, 60, 60, 60, 60))
    everywhere = judged(ask(2, melody=melody), audio).melody_accuracy
    first = judged(ask(2, melody=melody, only=Only(melody=Stretch(begin=0, end=4))), audio).melody_accuracy
    assert first == 1.0 and everywhere == pytest.approx(0.5, abs=0.05)


def test_a_melody_of_very_short_notes_cannot_be_judged() -> None:
    melody = (Note(pitch=60, beat=0.0, length=0.05),)
    assert judged(ask(1, melody=melody), tones(TUNE)).melody_accuracy is None


def test_renders_report_what_was_asked_and_nothing_else(tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = make_bundle(tmp_path_factory.mktemp("judged") / "tiny")
    renderer = ModelRenderer(bundle, load_networks(bundle))
    points = (CurvePoint(beat=0.0, db=-25.0),)
    plain = play(renderer, ask(1))
    take = play(renderer, ask(1, intensity=points, melody=sung((60, 62))))
    assert plain.rendered.adherence is None
    found = take.rendered.adherence
    assert found is not None and found.intensity_error_db is not None and found.melody_accuracy is not None
    assert found == judged(ask(1, intensity=points, melody=sung((60, 62))), take.audio)
    assert play(renderer, ask(1, intensity=points, measure=False)).rendered.adherence is None
    kept = follow(renderer, sound(6 * 2 * RATE), edit="fill", at_bar=1, bars=3, keep=(1,), intensity=points)
    assert kept.rendered.adherence is not None


def test_kept_bars_are_not_judged() -> None:
    request = ask(3, intensity=(CurvePoint(beat=0.0, db=-60.0),), edit="fill", at_bar=0, keep=(1,), source="none")
    loud = np.zeros((6 * RATE, 2), np.float32)
    loud[round(2.6 * RATE) : round(3.4 * RATE)] = 0.5
    place = place_of(ask(3), None)
    new = np.ones(601, bool)
    new[200:400] = False
    quarters = np.arange(601) / 50
    error = intensity_error_db(request, loud, RATE, quarters, new)
    assert error is not None and error < 1.0
    assert place.lines == [0, 2 * RATE, 4 * RATE, 6 * RATE]


def test_collected_bars_pass_on_whole() -> None:
    heard: list[object] = []
    collected = Collected([])
    emit = collected.passing(heard.append)  # type: ignore[arg-type]
    from engine.types import BarAudio

    for first in (-2, 0, 3):
        audio = np.full((3 if first >= 0 else 2, 1), float(first), np.float32)
        emit(BarAudio(bar=max(first, -1), first_frame=first, rate=RATE, audio=audio, last=False))
    assert len(heard) == 3 and collected.audio[:, 0].tolist() == [0.0] * 3 + [3.0] * 3


def test_texts_and_references_are_likened_in_the_joint_space(tmp_path_factory: pytest.TempPathFactory) -> None:
    import soundfile
    import torch

    from engine.models.joint import Joint
    from tests.tiny_bundle import STYLES, TAGS

    torch.manual_seed(0)

    class Hearing:
        listener = Joint(len(STYLES), len(TAGS)).eval()

    folder = tmp_path_factory.mktemp("style")
    audio = sound(4 * RATE)
    soundfile.write(folder / "same.wav", audio, RATE)
    soundfile.write(folder / "noise.wav", np.random.default_rng(0).normal(0, 0.1, (4 * RATE, 2)), RATE)
    judge = Judge(Hearing())  # type: ignore[arg-type]
    request = ask(2)
    same, noise, words = (
        judge.adherence(request, place_of(request, None), [voice], audio, lambda: None)
        for voice in (
            PromptPart(audio=str(folder / "same.wav")),
            PromptPart(audio=str(folder / "noise.wav")),
            PromptPart(text="house"),
        )
    )
    assert same.style_similarity == pytest.approx(1.0, abs=1e-3) and same.text_similarity is None
    assert noise.style_similarity is not None and noise.style_similarity < 0.999
    assert words.text_similarity is not None and -1 <= words.text_similarity <= 1 and words.style_similarity is None
    assert judge.wants(request, [PromptPart(text="house")]) and not judge.wants(ask(2, measure=False), [])
