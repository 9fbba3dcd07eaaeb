"""From a bundle and a wish to a runtime that is checked, in one function.

What is not there, is damaged or answers otherwise than torch is said in one sentence, and torch takes its place.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import torch

from engine.bundle import Bundle
from engine.errors import Unavailable
from engine.models.load import Networks
from engine.models.packed import pack
from engine.runtimes import choose, probe
from engine.runtimes.base import Runtime
from engine.runtimes.choose import Pick
from engine.runtimes.eager import TorchRuntime
from engine.runtimes.names import named
from engine.runtimes.probe import Say


def missing() -> str | None:
    """The package that ONNX runtimes lack here, or None."""
    return next((name for name in ("onnxruntime", "onnx") if importlib.util.find_spec(name) is None), None)


def open_runtime(
    bundle: Bundle, networks: Networks, runtime: str | None = None, say: Say = lambda _: None, device: str = "auto"
) -> Runtime:
    """The runtime `runtime` (see `named`) of a bundle whose networks are loaded. Raises BadRequest or Unavailable."""
    name = named(runtime)
    wanted = choose.candidates(name, device, torch.cuda.is_available())
    if wanted == ("torch",):
        return eager(networks)
    lacking = missing()
    if lacking is not None and name != "auto":
        raise Unavailable(
            f"--runtime {name} needs {lacking}: pip install 'attacca-engine[cpu]', or use --runtime torch"
        )
    if lacking is not None:
        say(f"runtime torch: {lacking} is not installed (pip install 'attacca-engine[cpu]' makes rendering faster)")
        return eager(networks)
    try:
        return _Opening(bundle, networks, say).open(wanted, f"{name}-{device}")
    except OSError as problem:
        say(f"runtime torch: the ONNX files cannot be kept ({problem}); set XDG_CACHE_HOME to a folder with 200 MB")
        return eager(networks)


def eager(networks: Networks) -> TorchRuntime:
    for network in (networks.codec, networks.vocoder, networks.student):
        pack(network)
    return TorchRuntime(networks)


class _Opening:
    """One bundle's files and what was tried with them."""

    def __init__(self, bundle: Bundle, networks: Networks, say: Say) -> None:
        from engine.runtimes import store

        self.store, self.networks, self.say = store, networks, say
        self.config = networks.student.config
        self.folder: Path = store.folder_of(bundle)
        self.fresh = False

    def open(self, names: tuple[str, ...], asked: str) -> Runtime:
        """The fastest of `names`; what was picked is kept under `asked`, what the user said."""
        self._ensure(tuple(name for name in names if name in self.store.KINDS))
        key = choose.machine(asked)
        pick = choose.stored(self.store.read_picks(self.folder).get(key), names)
        if pick is not None and not self.fresh:
            found = self._checked(pick)
            if found is not None:
                self.say(f"runtime {pick.name}, {choose.threads_text(pick.threads)}: the fastest here when measured")
                self.store.prune(self.folder)
                return found
        return self._race(names, key)

    def _ensure(self, names: tuple[str, ...]) -> None:
        """Have the files of these runtimes, written anew where one is missing or damaged."""
        wanted = {path.name for name in names for path in self.store.files_for(self.folder, name).values()}
        trouble = self.store.damage(self.folder, wanted | {self.store.PROBE})
        if trouble is None:
            return
        if self.folder.exists():
            self.say(f"the ONNX files in {self.folder} are written anew: {trouble}")
        self.say("first start with this bundle: writing ONNX files into the cache (some seconds, once)")
        begin, self.fresh = time.perf_counter(), True
        kinds = ["fp32", "int8", *(["fp16"] if "onnx-cuda" in names else [])]
        self.store.build(self.folder, self.networks, self._torch_answers, kinds)
        self.say(f"ONNX files written in {time.perf_counter() - begin:.1f} s")

    def _torch_answers(self) -> dict[str, torch.Tensor]:
        return probe.answers(TorchRuntime(self.networks), self.config)

    def _checked(self, pick: Pick) -> Runtime | None:
        """The runtime of a pick, if it answers as torch does; else None, and why is said."""
        if pick.name == "torch":
            return eager(self.networks)
        try:
            found = self._made(pick)
            wanted = self.store.stored_answers(self.folder)
            trouble = probe.complaint(pick.name, probe.errors(probe.answers(found, self.config), wanted))
        except Exception as broken:  # ONNX Runtime raises classes of its own for files and graphs it cannot use
            trouble = f"{pick.name} cannot run here ({' '.join(str(broken).split())[:200]})"
        if trouble is None:
            return found
        self.say(f"{trouble}; it is not used")
        return None

    def _made(self, pick: Pick) -> Runtime:
        from engine.runtimes import cuda, onnx_cpu

        if pick.name == "torch-cuda":
            return cuda.TorchCuda(self.networks)
        files = self.store.files_for(self.folder, pick.name)
        opener = cuda.open_session if pick.name == "onnx-cuda" else onnx_cpu.open_session
        return onnx_cpu.OnnxRuntime(pick.name, files, self.networks.student, pick.threads, opener)

    def _race(self, names: tuple[str, ...], key: str) -> Runtime:
        """Measure what answers rightly, keep the fastest."""
        runtimes: dict[Pick, Runtime] = {}
        for name in names:
            for threads in choose.thread_counts() if name in ("onnx", "onnx-int8") else [torch.get_num_threads()]:
                found = self._checked(Pick(name, threads))
                if found is None:
                    break
                runtimes[Pick(name, threads)] = found
        if not runtimes and set(names) <= set(choose.ON_GPU):
            raise Unavailable("no runtime works on the CUDA device here; use --device cpu")
        if not runtimes:
            self.say("runtime torch takes its place")
            return eager(self.networks)
        best = choose.race({pick: choose.lap(found, self.config) for pick, found in runtimes.items()})
        times, sure = choose.judged(best)
        pick = choose.fastest(times)
        self.say(choose.because(pick, times) + ("" if sure else "; measured again when the machine is less busy"))
        self.store.write_pick(self.folder, key, [pick.name, pick.threads, sure])
        self.store.prune(self.folder)
        return runtimes[pick]
