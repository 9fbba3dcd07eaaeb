"""ONNX files in the cache, what is picked, and what is said where something is missing, damaged or wrong."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from engine.bundle import Bundle
from engine.errors import BadRequest, Unavailable
from engine.models.load import load_networks
from engine.runtimes import choose, cuda, names, probe, store
from engine.runtimes import open as opening
from engine.runtimes.choose import Pick
from engine.runtimes.eager import TorchRuntime
from engine.runtimes.onnx_cpu import OnnxRuntime
from tests.runtime_bundles import opened, sealed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "attacca" / "runtimes"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return sealed(tmp_path_factory.mktemp("bundle"), "jumps")


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def test_files_are_written_once_and_found_again(source: Bundle, cache: Path) -> None:
    first, said = opened(source, "onnx")
    folder = store.folder_of(source)
    assert folder.parent == cache and first.runtime == "onnx"
    assert any("first start" in line for line in said) and any("the fastest here (ms a lap" in line for line in said)
    before = inodes(folder)
    assert set(before) >= {"step.onnx", "step-int8.onnx", "encode.onnx", store.FILES, store.PROBE, "picks.json"}
    again, said = opened(source, "onnx")
    assert again.runtime == "onnx" and again.threads == first.threads
    assert inodes(folder) == before and len(said) == 1 and "when measured" in said[0]
    assert [path.name for path in cache.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("name", "how"), [("step-int8.onnx", "a bit"), ("encode.onnx", "cut short"), (store.PROBE, "gone")]
)
def test_damaged_files_are_written_anew(source: Bundle, name: str, how: str) -> None:
    opened(source, "onnx-int8")
    path = store.folder_of(source) / name
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        half = len(content) // 2
        path.write_bytes(
            content[:half] + (b"" if how == "cut short" else bytes([content[half] ^ 1]) + content[half + 1 :])
        )
    renderer, said = opened(source, "onnx-int8")
    assert renderer.runtime == "onnx-int8" and any("written anew" in line for line in said)
    assert path.read_bytes() == content


def test_answers_that_differ_from_torch_are_refused(source: Bundle) -> None:
    """As on a machine whose int8 products saturate: the files are whole, their answers are not torch's."""
    opened(source, "onnx-int8")
    folder = store.folder_of(source)
    answers = load_file(str(folder / store.PROBE))
    answers["latents"] = answers["latents"] * 1.1
    save_file(answers, str(folder / store.PROBE))
    digests = json.loads((folder / store.FILES).read_text())
    digests[store.PROBE] = store.sha256(folder / store.PROBE)
    (folder / store.FILES).write_text(json.dumps(digests))
    renderer, said = opened(source, "onnx-int8")
    assert renderer.runtime == "torch"
    assert any("onnx-int8 differs from torch by more than 3 %: latents" in line for line in said)
    automatic, said = opened(source, "auto")
    assert automatic.runtime == "torch" and any("runtime torch" in line for line in said)


def test_a_graph_that_cannot_be_loaded_is_refused(source: Bundle) -> None:
    opened(source, "onnx")
    folder = store.folder_of(source)
    (folder / "step.onnx").write_bytes(b"no graph")
    digests = json.loads((folder / store.FILES).read_text())
    digests["step.onnx"] = store.sha256(folder / "step.onnx")
    (folder / store.FILES).write_text(json.dumps(digests))
    renderer, said = opened(source, "onnx")
    assert renderer.runtime == "torch" and any("onnx cannot run here" in line for line in said)


def test_folders_of_other_bundles_go(source: Bundle, cache: Path) -> None:
    for index in range(store.KEPT + 2):
        (cache / f"old{index}").mkdir(parents=True)
        os.utime(cache / f"old{index}", (1000 + index, 1000 + index))
    (cache / ".x.part").mkdir()
    os.utime(cache / ".x.part", (1000, 1000))
    opened(source, "onnx")
    kept = {path.name for path in cache.iterdir()}
    assert kept == {store.folder_of(source).name, *(f"old{n}" for n in range(3, store.KEPT + 2))}


def test_a_cache_that_cannot_be_written(source: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    renderer, said = opened(source, "auto")
    assert renderer.runtime == "torch" and any("cannot be kept" in line for line in said)


def test_two_that_write_at_once_leave_one_whole_folder(source: Bundle, cache: Path) -> None:
    networks, target = load_networks(source), store.folder_of(source)
    answers = {"latents": torch.ones(3)}
    writers = [threading.Thread(target=store.build, args=(target, networks, lambda: answers)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [path.name for path in cache.iterdir()] == [target.name]
    assert store.damage(target, set(json.loads((target / store.FILES).read_text()))) is None


def test_auto_picks_by_measuring_and_remembers(source: Bundle) -> None:
    renderer, said = opened(source, "auto")
    assert any(
        f"runtime {renderer.runtime}, " in line and "onnx-int8 x1" in line and "torch x" in line for line in said
    )
    picks = store.read_picks(store.folder_of(source))
    assert picks[choose.machine("auto-auto")][:2] == [renderer.runtime, renderer.threads]
    store.write_pick(store.folder_of(source), choose.machine("auto-auto"), ["onnx-int8", 1, True])
    again, said = opened(source, "auto")
    assert (again.runtime, again.threads) == ("onnx-int8", 1) and len(said) == 1


@pytest.mark.parametrize(
    "left",
    [
        {},
        [],
        {"m": 3},
        {"m": ["gone", 1, True]},
        {"m": ["onnx", 0, True]},
        {"m": ["onnx", 9999, True]},
        {"m": ["onnx", 1]},
        {"m": "x"},
    ],
)
def test_a_pick_that_makes_no_sense_is_none(left: object, tmp_path: Path) -> None:
    (tmp_path / "picks.json").write_text(json.dumps(left))
    assert choose.stored(store.read_picks(tmp_path).get("m"), ("torch", "onnx")) is None


def test_a_race_is_run_in_turns() -> None:
    order: list[str] = []

    def lap(name: str, seconds: float) -> choose.Lap:
        order.append(name)
        return choose.Lap(seconds, seconds / len(order))

    laps = {Pick("a", 1): lambda: lap("a", 2.0), Pick("b", 1): lambda: lap("b", 1.0)}
    assert choose.race(laps, seconds=0.0) == {Pick("a", 1): (2.0, 2.0 / 7), Pick("b", 1): (1.0, 1.0 / 8)}
    assert order == ["a", "b"] * (1 + choose.FEWEST_ROUNDS)


@given(
    st.dictionaries(
        st.sampled_from([Pick(n, t) for n in names.NAMES[1:] for t in (1, 2, 4)]), st.floats(0.001, 1), min_size=1
    )
)
def test_the_fastest_is_picked_and_no_core_is_taken_for_nothing(times: dict[Pick, float]) -> None:
    pick = choose.fastest(times)
    assert all(times[pick] <= other for which, other in times.items() if which.threads == pick.threads)
    assert all(choose.THREADS_GAIN * times[pick] <= other for other in times.values())
    fewer = [other for which, other in times.items() if which.threads < pick.threads]
    assert not fewer or times[pick] < choose.THREADS_GAIN * min(fewer)
    assert choose.because(pick, times).startswith(f"runtime {pick.name}, ")


def test_a_busy_machine_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch was lucky and int8 waited for its core: processor time decides, and the pick is not for good."""
    best = {Pick("torch", 1): choose.Lap(0.07, 0.07), Pick("onnx-int8", 1): choose.Lap(0.08, 0.03)}
    best[Pick("onnx-int8", 2)] = choose.Lap(0.02, 0.03)
    times, sure = choose.judged(best)
    assert (choose.fastest(times), sure) == (Pick("onnx-int8", 1), False)
    best[Pick("onnx-int8", 1)] = choose.Lap(0.031, 0.03)
    times, sure = choose.judged(best)
    assert (choose.fastest(times), sure) == (Pick("onnx-int8", 2), True)
    monkeypatch.setattr(choose, "quiet", lambda: True)
    assert choose.stored(["onnx", 1, False], ["onnx"]) is None
    assert choose.stored(["onnx", 1, True], ["onnx"]) == Pick("onnx", 1)
    monkeypatch.setattr(choose, "quiet", lambda: False)
    assert choose.stored(["onnx", 1, False], ["onnx"]) == Pick("onnx", 1)


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(names.VARIABLE, "onnx")
    assert names.named(None) == "onnx" and names.named("torch") == "torch"
    monkeypatch.delenv(names.VARIABLE)
    assert names.named(None) == "auto"
    with pytest.raises(BadRequest, match="torch, onnx, onnx-int8"):
        names.named("tensorrt")


def test_without_onnx(source: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "missing", lambda: "onnxruntime")
    renderer, said = opened(source, "auto")
    assert renderer.runtime == "torch" and "onnxruntime is not installed" in said[0]
    with pytest.raises(Unavailable, match=r"attacca-engine\[cpu\]"):
        opened(source, "onnx")


@pytest.mark.parametrize(
    ("name", "device", "gpu", "wanted"),
    [
        ("auto", "auto", False, ("torch", "onnx", "onnx-int8")),
        ("auto", "cpu", True, ("torch", "onnx", "onnx-int8")),
        ("auto", "auto", True, ("torch", "onnx", "onnx-int8", "torch-cuda", "onnx-cuda")),
        ("auto", "cuda", True, ("torch-cuda", "onnx-cuda")),
        ("onnx", "cuda", True, ("onnx-cuda",)),
        ("torch", "cuda", True, ("torch-cuda",)),
        ("torch", "auto", True, ("torch",)),
        ("onnx-int8", "auto", True, ("onnx-int8",)),
    ],
)
def test_what_a_name_and_a_device_mean(name: str, device: str, gpu: bool, wanted: tuple[str, ...]) -> None:
    assert choose.candidates(name, device, gpu) == wanted


def test_int8_is_for_processors() -> None:
    with pytest.raises(BadRequest, match="is for processors"):
        choose.candidates("onnx-int8", "cuda", True)


def test_cuda_is_believed_when_a_session_holds_it(source: Bundle) -> None:
    """There is no GPU in the tests: the session is on the processor, and is refused."""
    opened(source, "onnx")
    with pytest.raises(Unavailable, match="CUDA provider does not load"):
        cuda.open_session(store.folder_of(source) / "step.onnx", 1)


def test_float16_graphs_answer_as_torch_does(source: Bundle) -> None:
    """On the processor, where ONNX Runtime computes them in float32 between roundings."""
    networks = load_networks(source)
    wanted = probe.answers(TorchRuntime(networks), networks.student.config)
    store.build(store.folder_of(source), networks, lambda: wanted, ["fp16"])
    files = store.files_for(store.folder_of(source), "onnx-cuda")
    found = OnnxRuntime("onnx-cuda", files, networks.student, 1)
    errors = probe.errors(probe.answers(found, networks.student.config), wanted)
    assert 1e-5 < max(errors.values()) < 0.01, errors


def test_threads_that_are_tried() -> None:
    counts = choose.thread_counts()
    assert counts[0] == 1 and counts[-1] == choose.cores() and counts == sorted(set(counts))
