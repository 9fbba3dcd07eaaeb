"""ONNX Runtime is imported in one place, which keeps it from writing an identifier and from sending reports."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("engine", "bridge", "plugin_host", "benchmarks")
HOME = ROOT / "engine" / "runtimes" / "ort.py"


def imports_it(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if any(name.split(".")[0] == "onnxruntime" for name in names):
            return True
    return False


def test_one_module_alone_imports_it() -> None:
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in paths if imports_it(path)] == [HOME]


def left_behind(home: Path, code: str) -> list[str]:
    """What `code` leaves in an empty home. The variables by which the library knows a CI machine are taken away."""
    pytest.importorskip("onnxruntime", reason="pip install 'attacca-engine[cpu]'")
    home.mkdir()
    gone = ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    env = {name: value for name, value in os.environ.items() if name not in gone} | {"HOME": str(home)}
    subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, check=True, timeout=120)
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_it_leaves_nothing_in_the_home_of_who_loads_it(tmp_path: Path) -> None:
    assert left_behind(tmp_path / "home", "from engine.runtimes.ort import onnxruntime") == []
    code = "import os; from engine.runtimes.ort import onnxruntime; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    assert left_behind(tmp_path / "other", code) == []
