"""Tables of the papers' page."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks import pages
from benchmarks.papers.claims import CLAIMS, SPEEDS, WAITS, Claim, pair, verdict
from benchmarks.papers.lines import SAYINGS, VIEWS, Line, by_recipe, figure, in_table, missing, saying, seconds, systems


def millions(lines: Sequence[Line]) -> str:
    return f"{lines[0]['parameters'] / 1e6:.2f} M"


def steps_done(lines: Sequence[Line]) -> str:
    """Training steps of each seed."""
    return ", ".join(str(one["steps"]) for one in lines)


def sampling_table(lines: Iterable[Line], name: str) -> str:
    """All ways of sampling of a table's recipes."""
    rows = []
    for recipe, own in in_table(lines, name).items():
        for label, several in systems(own).items():
            found = [figure(several, view) for view in VIEWS]
            cells = ["failed" if one is None else one.text(2) for one in found]
            milliseconds = f"{1000 * seconds(several):.0f}"
            rows.append([f"`{recipe}`", label, str(several[0]["steps"]), *cells, milliseconds, millions(own),
                         steps_done(own)])  # fmt: skip
    return pages.table(("recipe", "sampling", "steps", *VIEWS.values(), "ms", "size", "trained steps"), rows)


def saying_table(lines: Iterable[Line], name: str) -> str:
    """What denoisers say: velocity error and SI-SNR improvement, as in MeLoDy's ablation."""
    rows = []
    for recipe, own in in_table(lines, name).items():
        found = [saying(own, key) for key in SAYINGS]
        if all(one is not None for one in found):
            cells = [one.text(3) for one in found if one is not None]
            rows.append([f"`{recipe}`", own[0]["says"], *cells, millions(own), steps_done(own)])
    return pages.table(("recipe", "what", *SAYINGS.values(), "size", "trained steps"), rows)


def claims_table(lines: Sequence[Line], name: str) -> str:
    """What is claimed of a table's systems, and whether our runs agree, view by view."""
    return "\n".join(
        text
        for views in (tuple(SAYINGS), tuple(VIEWS))
        if (text := pages.table(
            ("who", "says", *(f"{(SAYINGS | VIEWS)[view]}: ours" for view in views)),
            [[one.source, one.says, *(beside(one, view, lines) for view in views)]
             for one in CLAIMS if one.table == name and one.views == views],
        ))
    )  # fmt: skip


def beside(claim: Claim, view: str, lines: Sequence[Line]) -> str:
    """Both figures and the verdict."""
    both, said = pair(claim, view, lines), verdict(claim, view, lines)
    if both is None:
        return said
    digits = 3 if view in SAYINGS else 2
    return f"{both[0].text(digits)} against {both[1].text(digits)}: **{said}**"


def counted(lines: Sequence[Line]) -> str:
    """How many of all statements agree, in words."""
    found = Counter(verdict(one, view, lines) for one in CLAIMS for view in one.views)
    judged = sum(count for name, count in found.items() if name != WAITS)
    parts = ", ".join(f'{found[name]} "{name}"' for name in sorted(found) if name != WAITS)
    return (
        f"{len(CLAIMS)} statements, of the papers and ours, are held against the runs, each by two measures: "
        f"{judged} verdicts ({parts}), {found[WAITS]} wait for runs.\n"
        if judged
        else f"{len(CLAIMS)} statements wait for runs.\n"
    )


def speeds_table(lines: Sequence[Line]) -> str:
    """How much quicker few steps are, in the papers and here."""
    rows = []
    for one in SPEEDS:
        found = one.found(lines)
        rows.append([one.source, one.says, f"{one.times:.1f}", WAITS if found is None else f"{found:.1f}"])
    return pages.table(("who", "what", "times quicker in the paper", "times quicker here, without decoding"), rows)


def missing_line(lines: Sequence[Line], name: str) -> str:
    """Which recipes of a table are still to come."""
    found = missing(lines, name)
    return f"Not run: {', '.join(f'`{one}`' for one in found)}.\n" if found else ""


def runs_table(lines: Iterable[Line]) -> str:
    """What was trained, for how long."""
    rows = []
    for recipe, own in by_recipe(lines).items():
        budget = " ".join(f"{value:g} {unit}" for unit, value in own[0]["budget"].items())
        load = statistics.fmean(one["load"][0] for one in own if "load" in one) if "load" in own[0] else 0.0
        commits = ", ".join(dict.fromkeys(str(one.get("commit"))[:7] for one in own))
        rows.append([f"`{recipe}`", own[0]["says"], millions(own), ", ".join(str(one["seed"]) for one in own), budget,
                     steps_done(own), f"{load:.1f}", commits])  # fmt: skip
    return pages.table(("recipe", "what", "size", "seeds", "budget", "trained steps", "load", "commit"), rows)
