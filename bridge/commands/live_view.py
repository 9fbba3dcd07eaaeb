"""What `attacca live` shows: rows of bridge.live.watch as lines of text, or as a table that is drawn over itself.

*Threading*: one thread; it draws REFRESH_HZ times a second at most, whatever happens meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

REFRESH_HZ = 4
METER_CELLS = 8
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
NOBODY = "No plugin is loaded on this machine: put Attacca on a track of your host."
Row = dict[str, Any]


def line(row: Row) -> str:
    """One row in one line."""
    text = f"{row['instance']}: {row['state']}"
    if row["title"]:
        text += f", {row['title']!r}"
    if row["rate"]:
        text += f", {row['minutes']:.1f} min at {row['rate']} Hz"
    if "session" in row:
        text += f"; {transport(row)}"
    if "engine_pid" in row:
        text += f"; engine {row['engine_pid']}: {row['bars_ready']:.1f} bars ready, {row['renders']} renders"
        text += f", latency {1000 * row['latency_s']:.0f} ms"
    if "session" in row:
        text += f", first sound {latency(row)}; {misses(row)}"
        text += f"; played {notes(row)}" if row["notes"] else ""
        text += f"; {row['error']}" if row["error"] else ""
    if row["state"] == "stale":
        text += " (attacca live clean removes it)"
    return text


def transport(row: Row) -> str:
    """Where the play head is; bars and beats count from 1, as a host shows them."""
    if row["bar"] is None or row["beat"] is None or row["tempo"] is None:
        return "the host has not told its tempo yet: start its transport"
    rolls = "plays" if row["rolling"] else "stands at"
    return f"{rolls} {row['bar'] + 1}.{row['beat'] + 1:.1f}, {row['tempo']:g} in {row['meter']}"


def latency(row: Row) -> str:
    """From a render's begin to its first sound in the cache."""
    if not row["p50_s"]:
        return "not measured yet"
    return f"p50 {1000 * row['p50_s']:.0f} ms, p99 {1000 * row['p99_s']:.0f} ms"


def misses(row: Row) -> str:
    if not row["missed_frames"]:
        return "no miss"
    return f"{row['misses']} misses, {row['missed_frames']} frames"


def notes(row: Row) -> str:
    """The last notes by name, the newest last; C4 is 60."""
    return " ".join(f"{NAMES[note['pitch'] % 12]}{note['pitch'] // 12 - 1}" for note in row["notes"])


def meter(ready: float, wanted: int) -> str:
    """Bars that are ready, as a bar of cells against what is kept ahead."""
    cells = round(METER_CELLS * min(1.0, ready / wanted)) if wanted > 0 else 0
    return "#" * cells + "." * (METER_CELLS - cells) + f" {ready:.1f} of {wanted}"


def table(rows: list[Row]) -> RenderableType:
    """All rows as one table."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return Text(NOBODY)
    found = Table("session", "transport", "bars ready", "first sound", "misses", "last notes", "steered")
    for row in rows:
        name = Text(row["title"] or row["instance"])
        if "session" not in row:
            found.add_row(name, Text(_without_engine(row), style="yellow"), "", "", "", "", "")
            continue
        where = Text(row["error"] or transport(row), style="red" if row["error"] else "")
        if row["session"] != "ready":
            where.append(f" ({row['session']})", style="yellow")
        style = "red" if row["rolling"] and row["bars_ready"] < 1 else "green"
        found.add_row(
            name, where, Text(meter(row["bars_ready"], row["look_ahead_bars"]), style=style), latency(row),
            Text(misses(row), style="red" if row["missed_frames"] else ""), notes(row), steered(row),
        )  # fmt: skip
    return found


def steered(row: Row) -> str:
    """What MIDI controls have set."""
    return ", ".join(f"{target} {value:g}" for target, value in row["steered"].items())


def _without_engine(row: Row) -> str:
    if row["state"] == "stale":
        return "left by a host that crashed: attacca live clean removes it"
    if row["state"] == "live":
        return f"{row.get('bars_ready', 0):.1f} bars ready; its engine does not answer here (ATTACCA_ZMQ names it)"
    hint = ": attacca serve starts one" if row["state"] == "waits for an engine" else ""
    return f"{row['state']}{hint}"
