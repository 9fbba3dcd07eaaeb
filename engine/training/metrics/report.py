"""One self-contained page: tables, plots, clips to be heard and seen. Nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import platform
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.training.metrics.exhibits import FOLDER
from engine.training.metrics.table import Table

PACKAGES = ("torch", "numpy", "scipy", "librosa", "safetensors")
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1c1c1c; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 13px }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #e4e4e4; vertical-align: top }
th { background: #f4f4f4; position: sticky; left: 0 } td:first-child { font-weight: 600; min-width: 11rem }
ul { color: #555; font-size: 13px } img { max-width: 100% } audio { width: 15rem; height: 2rem; display: block }
.clips td { padding: .2rem .4rem } .clips img { width: 15rem; display: block } code { background: #f4f4f4; padding: .1rem .3rem }
nav a { margin-right: 1rem }
"""  # noqa: E501


@dataclass(frozen=True)
class Page:
    """A bundle's results: its folder and what results.json holds."""

    out: Path
    record: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.record["about"]["label"])


def uri(path: Path, kind: str) -> str:
    """A file as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def versions() -> dict[str, str]:
    """Of Python, the machine and what the measures lean on."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "-"
    return found


def clips_html(page: Page) -> str:
    """The kept clips, a line a system; empty if none were kept."""
    listed = page.record["sections"].get("comparison", {}).get("listen")
    if not listed or not listed["shown"]:
        return ""
    head = "".join(
        f"<th>{escape(c['style'])}, {escape(str(c['tempo']))} bpm, {escape(c['meter'])}<br>{escape(c['caption'])}</th>"
        for c in listed["clips"]
    )
    body = ""
    for name, stems in listed["shown"].items():
        cells = "".join(f"<td>{_clip(page.out / FOLDER, stem)}</td>" for stem in stems)
        body += f"<tr><td>{escape(name)}</td>{cells}</tr>\n"
    return (
        f"<h2>Listen: {escape(page.name)}</h2>\n<p>Same conditions down each column; white: bar lines.</p>"
        f"<div class=wide><table class=clips><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _clip(folder: Path, stem: str) -> str:
    sound, picture = folder / f"{stem}.ogg", folder / f"{stem}.png"
    if not (sound.is_file() and picture.is_file()):
        return ""
    return (
        f'<img alt="spectrogram" src="{uri(picture, "image/png")}">'
        f'<audio controls preload="none" src="{uri(sound, "audio/ogg")}"></audio>'
    )


def plots_html(pages: list[Page], section: str) -> str:
    """The picture of a section, for each bundle that has one."""
    found = [(page.name, page.out / f"{section}.png") for page in pages]
    return "".join(
        f'<p>{escape(name)}</p><img alt="{escape(section)}" src="{uri(path, "image/png")}">'
        for name, path in found
        if path.is_file()
    )


def build(pages: list[Page], tables: dict[str, Table], commands: list[str]) -> str:
    """The whole page. tables: section name to its table, bundles side by side already."""
    about = pages[0].record["about"]
    title = " against ".join(page.name for page in pages)
    links = "".join(f'<a href="#{name}">{escape(table.title)}</a>' for name, table in tables.items())
    parts = [
        f"<h1>{escape(title)}: evaluation</h1>",
        f"<p>{about['songs']} held-out songs, {about['clips']} clips. Intervals are 95 % bootstraps.</p>",
        f"<nav>{links}<a href='#clips'>Listen</a></nav>",
    ]
    for name, table in tables.items():
        spent = ", ".join(
            f"{page.record['sections'][name]['seconds']:.0f} s on {page.record['sections'][name]['threads']} threads"
            for page in pages
            if name in page.record["sections"]
        )
        parts.append(f'<section id="{name}">{table.html()}{plots_html(pages, name)}<p>{spent}</p></section>')
    parts.append("<section id='clips'>" + "".join(clips_html(page) for page in pages) + "</section>")
    parts.append("<h2>How this was made</h2><ul>" + "".join(f"<li><code>{escape(c)}</code></li>" for c in commands))
    parts += [f"<li>{escape(name)} {escape(number)}</li>" for name, number in versions().items()]
    parts.append("</ul>")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )
