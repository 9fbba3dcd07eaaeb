"""Lines of `benchmarks.host` and `benchmarks.performance` as Markdown. Pure functions: the same line, the same text."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.pages import Section, table
from benchmarks.targets import Line

NEEDS: Final = {"host": ("safety", "played", "edited"), "performance": ("followed", "not_followed", "chance")}
"""What a line of today's form has."""


def host(line: Line) -> str:
    """What was played while the engine rendered, what edits did, what the safety stage let through."""
    played, edited, fed = line["played"], line["edited"], line["safety"]
    feeds = {kind: row for kind, row in fed.items() if kind != "offsets"}
    report, loudest = played["host"], max(row["true_peak_db"] for row in feeds.values())
    runs = table(
        ("run", "frames played", "missed", "underruns", "times periods were lost", "equal to the cache", "unequal"),
        [
            [f"{played['minutes']:g} minutes, {played['background_renders']} bars rendered beside it",
             *counts(report), str(played["exact_periods"]), str(played["unequal_periods"])],
            [f"{edited['edits']} edits of the chain; sharpest bend {edited['sharpest']:g} of the tone's own",
             *counts(edited["host"]), "-", "-"],
        ],
    )  # fmt: skip
    safety = table(
        ("the safety stage is fed", "not finite after it", "true peak, dBTP", "normal sound after, ms"),
        [
            [kind, str(row["bad_samples"]), f"{row['true_peak_db']:g}", f"{row['normal_after_ms']:g}"]
            for kind, row in feeds.items()
        ],
    )
    said = (
        f"`jackd -R -d dummy`, {report['block_frames']} frames a period at {report['rate']} Hz, through an effect that "
        f"looks 20 ms ahead ({report['latency_frames']} frames in all, compensated). Each feed at {fed['offsets']} "
        f"offsets of a block; the worst is shown, {loudest:g} dBTP at most.\n"
    )
    return f"{said}\n{runs}\n{safety}\n{asked(line)}"


def counts(report: dict[str, Any]) -> list[str]:
    return [str(report[name]) for name in ("played_frames", "missed_frames", "underruns", "skips")]


def performance(line: Line) -> str:
    """How well the next bars follow what was played in."""
    rows = [[
        str(line["notes"]), str(line["bars"]), f"{line['followed']:.2f}", f"{line['not_followed']:.2f}",
        f"{line['chance']:.2f}", f"{line['next_bar']:.2f}", str(line["stuck"]), str(line["missed_frames"]),
    ]]  # fmt: skip
    headings = (
        "notes", "bars", "melody accuracy", "notes guide nothing", "against other bars", "answered by the next bar",
        "keys stuck", "frames missed",
    )  # fmt: skip
    said = f"The shipped performance at {line['tempo']:g} bpm over JACK MIDI, {line['steps']} steps a bar.\n"
    return f"{said}\n{table(headings, rows)}\n{asked(line)}"


def asked(line: Line) -> str:
    """What was asked for and is not so; else that all is."""
    missed = [name.replace("_", " ") for name, so in line["asked_for"].items() if not so]
    return f"Not so: {', '.join(missed)}.\n" if missed else "All that is asked for is so.\n"


SECTIONS: Final[dict[str, tuple[str, Section, dict[str, Any]]]] = {
    "host": ("The host on JACK", host, {}),
    "performance": ("A performance played in", performance, {}),
}
"""As `pages.SECTIONS`."""
