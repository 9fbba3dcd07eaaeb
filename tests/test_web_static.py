"""The control page's files: all of them in the wheel, nothing from elsewhere, readable in light and dark."""

from __future__ import annotations

import hashlib
import importlib.resources
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "bridge" / "web" / "static"
FILES = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
HTM_PREACT = "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"
MOST_LINES = 300


def test_the_wheel_takes_all_of_it() -> None:
    """Hatchling takes all files of a package but those that are excluded or that git ignores."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        build = tomllib.load(file)["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    assert "bridge" in wheel["packages"]
    for options in (build, wheel):
        assert not {"exclude", "include", "only-include", "artifacts", "ignore-vcs"} & set(options)
    package = importlib.resources.files("bridge.web") / "static"
    assert len(FILES) > 40 and all(package.joinpath(name).is_file() for name in FILES)


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git checkout here")
def test_git_ignores_none_of_it() -> None:
    names = "\n".join(f"bridge/web/static/{name}" for name in FILES)
    command = ["git", "-C", str(ROOT), "check-ignore", "--no-index", "--stdin"]
    assert subprocess.run(command, input=names, capture_output=True, text=True, check=False).stdout == ""


def test_every_file_is_used_and_short() -> None:
    page = (STATIC / "index.html").read_text()
    scripts = {path.name: path.read_text() for path in STATIC.glob("*.js")}
    for name, text in scripts.items():
        assert name == "main.js" or any(f'"./{name}"' in other for other in scripts.values()), name
        assert text.startswith("// ") and len(text.splitlines()) <= MOST_LINES, name
    styles = [path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.css")]
    assert sorted(re.findall(r'href="/static/([^"]+\.css)"', page)) == sorted(styles)
    assert all(len((STATIC / name).read_text().splitlines()) <= 200 for name in styles)


def test_the_page_brings_everything_with_it_and_runs_nothing_inline() -> None:
    page = (STATIC / "index.html").read_text()
    assert (
        not re.search(r"<script(?![^>]*\bsrc=)", page)
        and "style=" not in page
        and " on" not in re.sub(r">[^<]*<", "><", page)
    )
    for path in STATIC.rglob("*"):
        if path.suffix not in (".js", ".css", ".html"):
            continue
        text = path.read_text()
        outside = [url for url in re.findall(r"https?://[^\s\"'`)]+", text) if "www.w3.org" not in url]
        assert outside == [], (path, outside)
        assert "eval(" not in text and "new Function" not in text, path
        for name in re.findall(r'from "(\./[^"]+)"', text):
            assert (path.parent / name).is_file(), (path, name)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_is_readable_in_light_and_dark() -> None:
    blocks = re.findall(r":root \{(.*?)\}", (STATIC / "style" / "colours.css").read_text(), re.S)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks[:2])
    assert luminance(light["page"]) > 0.8 and luminance(dark["page"]) < 0.02
    pairs = [
        (a, b)
        for a in ("ink", "soft", "faint", "accent", "second", "warn")
        for b in ("page", "panel", "raised", "track")
    ]
    for theme in (light, dark):
        for text, ground in [*pairs, ("on-accent", "accent"), ("on-accent", "second"), ("plan-text", "track")]:
            high, low = sorted((luminance(theme[text]), luminance(theme[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground, (high + 0.05) / (low + 0.05))


def test_vendored_files_are_as_released() -> None:
    vendor = STATIC / "vendor"
    digest = hashlib.sha256((vendor / "htm-preact.js").read_bytes()).hexdigest()
    assert digest == HTM_PREACT and digest in (vendor / "README.md").read_text()
    assert {path.name for path in vendor.iterdir()} == {"README.md", "LICENSE.htm", "LICENSE.preact", "htm-preact.js"}
