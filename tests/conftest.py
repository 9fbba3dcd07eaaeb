"""Shared by all tests: no test talks to an engine that happens to run on this machine."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from bridge.timeline.cache import EngineSide, PluginSide
from engine.types import Renderer

if TYPE_CHECKING:
    from tests.jack_server import JackServer
    from tests.web_client import Place
    from tests.web_pages import OnPage

ROOT = Path(__file__).resolve().parent.parent
LOOP = ROOT / "bridge" / "samples" / "loop_mika.flac"
NOBODY = "tcp://127.0.0.1:9"

settings.register_profile("attacca", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("attacca")
os.environ["ATTACCA_ZMQ"] = NOBODY
os.environ["ATTACCA_RUNTIME"] = "torch"  # no test but those of the runtimes writes ONNX files
os.environ["XDG_CONFIG_HOME"] = f"{tempfile.gettempdir()}/attacca-tests-config-{os.getpid()}"  # nobody's own settings
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: its children would ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)


@pytest.fixture
def loop_path() -> Path:
    """The shipped recorded loop: 44.1 kHz stereo, 8.000 s, 4 bars of 4/4 at 120 bpm."""
    return LOOP


@pytest.fixture(scope="session")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """The real renderer on small untrained networks."""
    from engine.render.load import load_renderer
    from tests.tiny_bundle import make_bundle

    folder = tmp_path_factory.mktemp("tiny")
    make_bundle(folder)
    return load_renderer(folder, "cpu")


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    """The plugin's core, built once."""
    from tests.plugin_helpers import core_library

    return core_library()


@pytest.fixture
def pair(library: ctypes.CDLL) -> Iterator[tuple[object, EngineSide]]:
    """A plugin's core and the engine side of its cache: 4/4 at 120, silence where nothing is rendered."""
    from tests.plugin_helpers import FOUR, core_with_engine

    with core_with_engine(library) as (core, engine):
        engine.publish_map(FOUR.segments())
        core.set(fallback=2)
        yield core, engine


@pytest.fixture
def jack_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    """A JACK server for sound and MIDI of this process and of what it starts; PERIOD of the test module, else 128."""
    from tests.jack_server import JackServer, jack_or_skip

    jack_or_skip()
    period = getattr(request.module, "PERIOD", 128)
    with JackServer.or_skip(f"attacca-{request.path.stem.removeprefix('test_')}-{os.getpid()}", period) as server:
        for key, value in server.variables.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("MIDO_BACKEND", "mido.backends.rtmidi/UNIX_JACK")
        yield server


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A fake engine with the control page, for a browser; a bar takes it the test module's BAR_S."""
    from tests.browser import chromium
    from tests.web_client import web_engine

    chromium()
    with web_engine("--fake-seconds-per-bar", str(request.module.BAR_S)) as place:
        yield place


@pytest.fixture(scope="module")
def on_page(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnPage]:
    """Opens the page of the module's `place` and works on it."""
    from tests.web_pages import pages

    with pages(place, tmp_path_factory.mktemp("browser")) as on_page:
        yield on_page


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of shared memory of its own."""
    from tests.timeline_helpers import shm_folder

    with shm_folder() as path:
        yield path


@pytest.fixture
def plugin(folder: Path) -> Iterator[PluginSide]:
    """The plugin's side of a small timeline cache."""
    from tests.timeline_helpers import small_cache

    side = small_cache(folder)
    yield side
    side.close()


@pytest.fixture
def engine(plugin: PluginSide) -> Iterator[EngineSide]:
    """The engine's side of the same cache, a map published."""
    from tests.timeline_helpers import FOUR_FOUR

    side = EngineSide.attach(plugin.path)
    side.publish_map([FOUR_FOUR])
    yield side
    side.close()
