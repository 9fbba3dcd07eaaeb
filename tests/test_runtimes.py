"""Every runtime answers as torch does, and renders every product by the same contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine import bundle
from engine.errors import Cancelled
from engine.models import features as F
from engine.models.codec import LATENTS
from engine.models.load import load_networks
from engine.render.generate import ModelRenderer
from engine.runtimes import onnx_cpu, probe
from engine.runtimes.eager import TorchRuntime
from engine.runtimes.open import open_runtime
from engine.types import CurvePoint, Note, Renderer
from tests.rendering import described, sound
from tests.runtime_bundles import opened, sealed
from tests.tiny_bundle import ask, play

ONNX = ("onnx", "onnx-int8")
Runtimes = dict[str, ModelRenderer]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", params=["consistency", "jumps", "strengths"])
def renderers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: object) -> Runtimes:
    """One renderer a runtime, of the same tiny bundle."""
    source = sealed(tmp_path_factory.mktemp(request.param), request.param)
    return {name: opened(source, name)[0] for name in ("torch", *ONNX)}


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory, cache: object) -> Runtimes:
    """The same of one bundle that jumps, for what takes longer."""
    source = sealed(tmp_path_factory.mktemp("jumping"), "jumps")
    return {name: opened(source, name)[0] for name in ("torch", *ONNX)}


def test_each_runtime_is_what_it_says(renderers: Runtimes) -> None:
    for name, renderer in renderers.items():
        assert renderer.runtime == name == renderer.info()["runtime"]
        assert renderer.threads == renderer.made_by.threads >= 1


@pytest.mark.parametrize("name", ONNX)
def test_sessions_sleep_when_idle(renderers: Runtimes, name: str) -> None:
    runtime = renderers[name].made_by
    assert isinstance(runtime, onnx_cpu.OnnxRuntime)
    for graph, bound in runtime.bound.items():
        options = bound.session.get_session_options()
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
        beside = 1 if graph == "vocoder" else 0  # a piece is spoken on another core while it works
        assert options.intra_op_num_threads == max(1, runtime.threads - beside)
        assert bound.session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize("name", ONNX)
@pytest.mark.parametrize("steps", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 7, 144])
def test_latents_are_those_of_torch(renderers: Runtimes, name: str, count: int, steps: int) -> None:
    config = renderers["torch"].networks.student.config
    given = probe.conditions(config, torch.Generator().manual_seed(count), count)
    guidance = torch.full((1,), 2.0)

    def made(runtime: str) -> torch.Tensor:
        draws = torch.Generator().manual_seed(steps)
        noise = lambda: torch.randn(1, count, LATENTS, generator=draws)  # noqa: E731
        return renderers[runtime].made_by.sample(given, noise, steps, guidance, lambda: None)

    wanted, found = made("torch"), made(name)
    assert probe.errors({"z": found}, {"z": wanted})["z"] < probe.TOLERANCE[name]
    if config.jumps:
        known = given.context_mask[0, :, 0] > 0
        assert torch.equal(found[0, known], given.context[0, known])


@pytest.mark.parametrize("name", ONNX)
@pytest.mark.parametrize("place", [1, 5, 8])
def test_latents_on_the_way_are_those_of_torch(renderers: Runtimes, name: str, place: int) -> None:
    """What "vary" asks for: held latents, noised some eighths of the way and denoised again."""
    given = probe.conditions(renderers["torch"].networks.student.config, torch.Generator().manual_seed(7), 24)
    held = torch.randn(1, 24, LATENTS, generator=torch.Generator().manual_seed(8))

    def made(runtime: str) -> torch.Tensor:
        draws = torch.Generator().manual_seed(9)
        noise = lambda: torch.randn(1, 24, LATENTS, generator=draws)  # noqa: E731
        guidance = torch.full((1,), 1.5)
        return renderers[runtime].made_by.resample(given, held, noise, place, 3, guidance, lambda: None)

    errors = probe.errors({"z": made(name)}, {"z": made("torch")})
    assert errors["z"] < probe.TOLERANCE[name]


@pytest.mark.parametrize("name", ONNX)
@pytest.mark.parametrize("count", [1, 2, 50])
def test_codec_and_vocoder_are_those_of_torch(renderers: Runtimes, name: str, count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    latents = torch.randn(1, count, LATENTS, generator=generator)
    features = torch.randn(1, 8 * count, F.CHANNELS, generator=generator) * 12.0 - 50.0
    mel = torch.stack([features[0, :, : F.MELS], features[0, :, F.MELS : 2 * F.MELS]])
    low = features[:, :, 2 * F.MELS :].expand(2, -1, -1)

    def answers(runtime: str) -> dict[str, torch.Tensor]:
        made = renderers[runtime].made_by
        level, spread = made.levels(mel, low)
        return {"features": made.decode(latents), "level": level, "spread": spread, "coded": made.encode(features)}

    errors = probe.errors(answers(name), answers("torch"))
    assert max(errors.values()) < probe.TOLERANCE[name], errors


@pytest.mark.parametrize("name", ONNX)
def test_strengths_reach_the_network(renderers: Runtimes, name: str) -> None:
    """A higher scale gives other latents; so does one strength alone, where the student takes several."""
    student = renderers[name].networks.student
    given = probe.conditions(student.config, torch.Generator().manual_seed(1), 12)
    noise = torch.randn(1, 12, LATENTS, generator=torch.Generator().manual_seed(2))

    def made(guidance: torch.Tensor) -> torch.Tensor:
        return renderers[name].made_by.sample(given, lambda: noise, 1, guidance, lambda: None)

    plain = made(torch.ones(1))
    assert not torch.equal(made(torch.full((1,), 3.0)), plain)
    if student.config.strengths:
        groups = student.guidance_input.in_features // 128
        last = torch.ones(1, groups)
        last[0, -1] = 3.0
        assert torch.equal(made(torch.ones(1, groups)), plain) and not torch.equal(made(last), plain)


PRODUCTS = ("generate", "continue", "under", "controlled")


def product(renderer: Renderer, kind: str, **more: object) -> np.ndarray:
    """The bars of one kind of request, two bars in two steps."""
    source = sound(300_000)
    fields: dict[str, object] = {"steps": 2, **more}
    if kind in ("continue", "under"):
        fields["inline"] = described(source, 48_000)
    if kind == "under":
        fields |= {"at_bar": 0, "under": True}
    if kind == "controlled":
        curve = (CurvePoint(beat=0.0, db=-30.0), CurvePoint(beat=8.0, db=-12.0))
        melody = (
            Note(pitch=60, beat=0.0, length=4.0),
            Note(pitch=67, beat=4.0, length=2.0),
        )
        fields |= {"intensity": curve, "melody": melody, "key": "C minor"}
    request = ask(2, **fields)  # type: ignore[arg-type]
    heard: list[np.ndarray] = []
    renderer.render(
        request,
        source if "inline" in fields else None,
        lambda bar: heard.append(bar.audio) if bar.first_frame >= 0 else None,
        lambda _: None,
        lambda: False,
    )
    return np.concatenate(heard)


@pytest.mark.parametrize("name", ["torch", *ONNX])
@pytest.mark.parametrize("kind", PRODUCTS)
def test_the_same_request_gives_the_same_bytes_in_bars_and_in_pieces(jumping: Runtimes, name: str, kind: str) -> None:
    whole = product(jumping[name], kind)
    assert whole.shape == (192_000, 2) and float(np.abs(whole).max()) > 1e-3
    again = product(jumping[name], kind, piece_ms=170)
    assert np.array_equal(again, whole)


@pytest.mark.parametrize("name", ONNX)
@pytest.mark.parametrize("look", [0, 1, 2, 3, 6])
def test_a_cancel_ends_the_render_at_the_next_look(jumping: Runtimes, name: str, look: int) -> None:
    """The runtimes look as often as torch does: before each step."""
    looks = 0

    def cancelled() -> bool:
        nonlocal looks
        looks += 1
        return looks > look

    with pytest.raises(Cancelled):
        jumping[name].render(ask(4, steps=4), None, lambda _: None, lambda _: None, cancelled)
    assert looks == look + 1
    assert play(jumping[name], ask()).rendered.frames == 96_000


def test_the_shipped_bundle_in_int8(cache: object) -> None:
    """Its latents, features and levels are those of torch within 3 %, and it renders."""
    source = bundle.load(bundle.DEFAULT)
    networks, said = load_networks(source), list[str]()
    runtime = open_runtime(source, networks, "onnx-int8", said.append)
    assert runtime.name == "onnx-int8", said
    wanted = probe.answers(TorchRuntime(networks), networks.student.config)
    errors = probe.errors(probe.answers(runtime, networks.student.config), wanted)
    assert max(errors.values()) < 0.03, errors
    assert min(errors["latents"], errors["level"]) > 0.001
    take = play(ModelRenderer(source, networks, runtime), ask(1, steps=2))
    assert take.rendered.frames == 96_000 and 0.01 < float(take.audio.std()) < 0.5


def test_the_parity_that_is_asked_for_is_not_met_by_something_else(tmp_path: Path, cache: object) -> None:
    """A runtime of other weights is told apart."""
    networks = load_networks(sealed(tmp_path / "a", "jumps"))
    wanted = probe.answers(TorchRuntime(networks), networks.student.config)
    assert (
        probe.complaint("onnx", probe.errors(probe.answers(TorchRuntime(networks), networks.student.config), wanted))
        is None
    )
    networks.student.output.weight.mul_(1.1)
    found = probe.errors(probe.answers(TorchRuntime(networks), networks.student.config), wanted)
    text = probe.complaint("onnx-int8", found)
    assert text is not None and "latents" in text and "level" not in text
    assert probe.complaint("onnx", {"latents": float("nan")}) is not None
