"""live: what plugins and engines of this machine share, from their files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bridge.commands.common import json_option, print_line

if TYPE_CHECKING:
    from bridge.timeline.structs import CacheInfo


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def live(context: click.Context, as_json: bool) -> None:
    """Lists the timeline caches of plugins on this machine and what engines say in them."""
    if context.invoked_subcommand is not None:
        return
    from bridge.timeline.cache import discover

    rows = [_row(info) for info in discover()]
    if as_json:
        print_line({"caches": rows})
        return
    if not rows:
        click.echo("No plugin is loaded on this machine: put Attacca on a track of your host.")
    for row in rows:
        click.echo(_line(row))


@live.command()
@json_option
def clean(as_json: bool) -> None:
    """Removes the caches that crashed hosts left behind."""
    from bridge.timeline.cache import reclaim

    removed = reclaim()
    if as_json:
        print_line({"removed": [info.instance for info in removed]})
    else:
        size = sum(info.bytes for info in removed) / 2**20
        click.echo(f"{len(removed)} stale caches removed, {size:.0f} MiB.")


def _row(info: CacheInfo) -> dict[str, Any]:
    from bridge.live.peek import peek

    row: dict[str, Any] = {
        "instance": info.instance,
        "state": _state(info),
        "title": info.title,
        "rate": info.rate,
        "minutes": round(info.minutes, 2),
        "bytes": info.bytes,
        "layout": info.version,
    }
    status = peek(info.path)
    if status is not None and info.engine_attached:
        row |= {
            "engine_pid": status.pid,
            "bars_ready": round(status.bars_ready, 3),
            "latency_s": round(status.latency_s, 4),
            "renders": status.renders,
            "committed_frame": status.committed_frame,
            "ready_until_frame": status.ready_until_frame,
        }
    return row


def _state(info: CacheInfo) -> str:
    if not info.creator_alive:
        return "stale"
    if not info.whole:
        return "in the making"
    return "live" if info.engine_attached else "waits for an engine"


def _line(row: dict[str, Any]) -> str:
    text = f"{row['instance']}: {row['state']}"
    if row["title"]:
        text += f", {row['title']!r}"
    if row["rate"]:
        text += f", {row['minutes']:.1f} min at {row['rate']} Hz"
    if "engine_pid" in row:
        text += f"; engine {row['engine_pid']}: {row['bars_ready']:.1f} bars ready, {row['renders']} renders"
        text += f", latency {1000 * row['latency_s']:.0f} ms"
    if row["state"] == "stale":
        text += " (attacca live clean removes it)"
    return text
