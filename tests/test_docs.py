"""What the pages name is there: files, links, modules, commands with their options, make targets, variables.

History (docs/LOG.md, CHANGELOG.md) names what was there when it was written, and is left alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from bridge.cli import cli

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "plugin_host", "bridge", "engine/bundles", "benchmarks")
HISTORY = {ROOT / "docs" / "LOG.md"}
FOUND = [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.md")) if path not in HISTORY]
PAGES = [ROOT / "README.md", *(path for path in FOUND if "vendor" not in path.parts)]
SUFFIXES = (
    "py",
    "hpp",
    "cpp",
    "sh",
    "js",
    "html",
    "css",
    "md",
    "toml",
    "lua",
    "pd",
    "sc",
    "png",
    "jsonl",
    "flac",
    "mid",
)
MADE = {"manifest.json", "results.json", "report.html", "transcript.json", "played.mid", "files.json", "picks.json"}
"""Files that running makes; who names them says what makes them."""
FRONTS = {
    "engine/__init__.py", "engine/diffusion/__init__.py", "engine/models/__init__.py", "engine/render/__init__.py",
    "engine/runtimes/__init__.py", "engine/training/__init__.py", "engine/training/corpus/__init__.py",
    "bridge/__init__.py", "bridge/sync/__init__.py", "plugin_host/__init__.py",
}  # fmt: skip
"""Where somebody who opens a folder begins: their docstrings name the folder's modules."""
PACKAGES = ("engine", "bridge", "plugin_host", "benchmarks")
CONTEXT = click.Context(cli)
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(rf"^[\w.-]+(?:/[\w.-]+)*\.(?:{'|'.join(SUFFIXES)})$")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MODULE = re.compile(rf"^(?:python3? -m )?((?:{'|'.join(PACKAGES)})(?:\.[a-z_]\w*)+)")
VARIABLE = re.compile(r"\bATTACCA_[A-Z_]+\b")
TARGET = re.compile(r"^make ([a-z]+)\b")
PART = re.compile(r"^[a-z_]+(?:/[a-z_]+)+/?$")
ALONE = re.compile(r"^--[a-z][a-z-]+")


def pages() -> list[object]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


@cache
def tracked() -> tuple[str, ...]:
    """Files of the checkout, as /a/b.py, so that the end of a path can be asked for."""
    folders = [*PACKAGES, "docs", "tests", ".ci", "requirements"]
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return tuple(f"/{path.relative_to(ROOT)}" for path in [*found, *(p for p in ROOT.iterdir() if p.is_file())])


def code_of(page: Path) -> Iterator[str]:
    """What stands in backticks, and each line of an indented or fenced block."""
    text = page.read_text(encoding="utf-8")
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()
        else:
            yield from CODE.findall(line)


def commands_of(page: Path) -> Iterator[str]:
    """Each `attacca ...` of a page, without the remark in a column of its own; `a | b` are two of them."""
    for code in code_of(page):
        for part in re.split(r"\s{2,}|\s#\s|;\s", code.removeprefix(".venv/bin/")):
            if part.split(" ")[0] == "attacca":
                first, *others = part.split(" | ")
                yield first
                for other in others:
                    words = other.removeprefix("attacca ").split()
                    if words and words[0] in cli.entries:
                        yield f"attacca {' '.join(words)}"
                    elif words and words[0].startswith("--"):
                        yield f"{' '.join(first.split()[:2])} {other}"


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", pages())
def test_files_that_are_named_are_there(page: Path) -> None:
    """By their path, or by the end of it where the text says in which folder it speaks."""
    named = {code for code in code_of(page) if PATH.match(code) and Path(code).name not in MADE}
    sure = {name for name in named if "/" in name or Path(name).suffix in (".py", ".hpp", ".cpp", ".js", ".sh")}
    assert [name for name in sorted(sure) if not any(path.endswith(f"/{name}") for path in tracked())] == []


def test_parts_that_the_architecture_names_are_there() -> None:
    """`live/follow` is a module, `engine/horizon/` a folder."""
    named = {code.rstrip("/") for code in code_of(ROOT / "docs" / "architecture.md") if PART.match(code)}
    paths = "\n".join(tracked())
    assert [name for name in sorted(named) if not re.search(rf"/{name}(\.py$|/)", paths, re.MULTILINE)] == []


@pytest.mark.parametrize("page", pages())
def test_modules_that_are_named_are_there(page: Path) -> None:
    missing = []
    for code in code_of(page):
        found = MODULE.match(code)
        if found and not is_there(found[1]):
            missing.append(found[1])
    assert missing == []


def is_there(name: str) -> bool:
    """Whether `name` is a module or a package, or a word of the module that its parent is."""
    folder = ROOT / name.replace(".", "/")
    if folder.is_dir() or folder.with_suffix(".py").is_file():
        return True
    module, _, member = name.rpartition(".")
    sources = [
        path for path in (ROOT / f"{module.replace('.', '/')}.py", folder.parent / "__init__.py") if path.is_file()
    ]
    return any(re.search(rf"\b{member}\b", path.read_text(encoding="utf-8")) for path in sources)


def test_every_module_says_what_it_is_and_a_package_names_modules_of_its_own() -> None:
    silent, wrong = [], []
    for path in (path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if not said:
            silent.append(str(path.relative_to(ROOT)))
        elif str(path.relative_to(ROOT)) in FRONTS:
            named = {word for word in CODE.findall(said) if re.fullmatch(r"[a-z_]+", word)}
            found = {inner.stem for inner in path.parent.iterdir()}
            wrong += [f"{path.parent.relative_to(ROOT)}: {word}" for word in sorted(named - found)]
    assert (silent, wrong) == ([], [])


@pytest.mark.parametrize("page", pages())
def test_commands_and_options_that_are_named_exist(page: Path) -> None:
    assert [wrong for command in commands_of(page) if (wrong := wrong_in(command))] == []


def wrong_in(text: str) -> str:
    """What the command line would not know of `attacca ...`; empty where it knows all."""
    command: click.Command = cli
    words = text.replace("[", " ").replace("]", " ").split()[1:]
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        name = words.pop(0).rstrip(",.:;")
        inner = command.get_command(CONTEXT, name)
        if inner is None:
            takes_words = any(isinstance(param, click.Argument) for param in command.params)
            return "" if takes_words or name.isupper() or name == "..." else f"{text}: there is no {name}"
        command = inner
    known = {option for param in command.params for option in [*param.opts, *param.secondary_opts]} | {"--help", "-h"}
    options = {re.split(r"[=,.:;)]", word)[0] for word in words if re.match(r"--?[a-z]", word)}
    return "" if options <= known else f"{text}: there is no {sorted(options - known)}"


def test_the_check_of_commands_can_fail() -> None:
    assert wrong_in("attacca sing") and wrong_in("attacca generate --volume 11") and wrong_in("attacca live wash")
    assert not wrong_in("attacca generate --prompt house -o x.wav") and not wrong_in("attacca live clean")


@cache
def all_options() -> str:
    """The text in which an option of any of our programs must stand."""
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.suffix in (".py", ".sh", ".cpp")]
    return "\n".join(path.read_text(encoding="utf-8") for path in sources)


@pytest.mark.parametrize("page", pages())
def test_options_that_stand_alone_exist(page: Path) -> None:
    named = {found[0] for code in code_of(page) if (found := ALONE.match(code))}
    assert [name for name in sorted(named) if not re.search(rf"[\"/ ]{name}[\"/ ]", all_options())] == []


@pytest.mark.parametrize("page", pages())
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {found[1] for code in code_of(page) if (found := TARGET.match(code))}
    assert named - targets == set()


def test_variables_that_are_named_are_read() -> None:
    named = {name for page in PAGES for name in VARIABLE.findall(page.read_text(encoding="utf-8"))}
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.suffix in (".py", ".hpp", ".sh")]
    read = {name for path in sources for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert named - read == set()
