"""Does a prompt lead to its style, also in words that no training saw? As a live render makes it, and planned first."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.training.metrics import clips as C
from engine.training.metrics import judging, scores, voices
from engine.training.metrics.bench import FIRST_SEED, Bench, Song
from engine.training.metrics.phrasings import UNSEEN, seen
from engine.training.metrics.rows import kept, sound_key
from engine.training.metrics.sections.beat import whole_bars
from engine.training.metrics.stats import shown
from engine.training.metrics.table import Table
from engine.types import PromptPart, Request

A_STYLE = 4
SECONDS = 6.0
KINDS = ("seen", "unseen")
PLANNED = "{}, planned first"


def style_songs(bench: Bench) -> dict[str, Song]:
    """One held-out song for each style that the bundle knows and the prompts name."""
    known = set(bench.renderer.source.styles)
    found: dict[str, Song] = {}
    for song in bench.songs:
        if song.facts["style"] in known & UNSEEN.keys():
            found.setdefault(song.facts["style"], song)
    return dict(sorted(found.items()))


def kinds(bench: Bench) -> list[tuple[str, str, bool]]:
    """(name, kind of phrasings, whether a plan is written first): planned ones where the bundle has a planner."""
    named = [(kind, kind, False) for kind in KINDS]
    return named + [(PLANNED.format(kind), kind, True) for kind in KINDS if bench.renderer.planning.file.exists()]


def requests(bench: Bench, kind: str, planned: bool = False) -> list[tuple[str, Request]]:
    """(style, request) for `A_STYLE` phrasings of each style, in a held-out song's tempo and meter."""
    found: list[tuple[str, Request]] = []
    for style, song in style_songs(bench).items():
        texts = UNSEEN[style] if kind == "unseen" else tuple(seen(style, A_STYLE))
        for index, text in enumerate(texts[: min(A_STYLE, bench.scaled(A_STYLE))]):
            bars = whole_bars(song.tempo_map, SECONDS)
            request = Request(
                id=f"{kind}-{len(found)}", kind="generate", bars=bars, tempo=song.facts["tempo"], meter=song.meter,
                seed=FIRST_SEED + index, prompts=(PromptPart(text=text),), plan="auto" if planned else False,
            )  # fmt: skip
            found.append((style, request))
    return found


def named(bench: Bench, texts: list[str], styles: list[str]) -> scores.Array:
    """1 where the prompt head alone names the style of a text [n]."""
    order = list(bench.renderer.source.styles)
    vectors = C.prompts_of(bench, texts)[:, : len(order)]
    return np.array([order[i] == s for i, s in zip(vectors.argmax(axis=1).tolist(), styles, strict=True)], np.float64)


def measure(bench: Bench) -> dict[str, Any]:
    judge = judging.ready(bench)
    if judge is None:
        return {"missing": judging.MISSING}
    results: dict[str, Any] = {"rows": {}, "styles": len(style_songs(bench))}
    if not results["styles"]:
        return {"missing": "No held-out song has a style that this bundle names: prompts cannot be judged."}
    by_style: dict[str, dict[str, float]] = {}
    with voices.crew(bench) as pool:
        for name, kind, planned in kinds(bench):
            asked = requests(bench, kind, planned)
            styles, texts = [style for style, _ in asked], [request.prompts[0].text for _, request in asked]
            about = ["text", name, texts, [str(request) for _, request in asked], sound_key(bench)]

            def make(asked: list[tuple[str, Request]] = asked, name: str = name) -> voices.Rows:
                parts = pool.map(voices.describe_rendered, [request for _, request in asked])
                return voices.joined(list(bench.track(parts, f"text: {name}", len(asked))))

            logp = kept(bench, about, make)["logp"].astype(np.float64)
            right = scores.right_style(logp, judging.labels_of(bench, styles))
            groups = np.unique(styles, return_inverse=True)[1].astype(np.int64)
            results["rows"][name] = {
                "style": scores.clustered_mean(right, groups),
                "head": scores.clustered_mean(named(bench, texts, styles), groups),
            }
            by_style[name] = {s: float(right[groups == i].mean()) for i, s in enumerate(sorted(set(styles)))}
    ceiling = C.windows_of(bench.songs, max(8, bench.clips))[0]
    labels = judging.labels_of(bench, [clip.style for clip in ceiling])
    logp = judging.hear_stored(judge, ceiling)["logp"].astype(np.float64)
    own = scores.clustered_mean(scores.right_style(logp, labels), C.groups_of(ceiling))
    results["rows"]["held-out"] = {"style": own, "head": {"mean": None}}
    gap = [by_style["seen"][s] - by_style["unseen"][s] for s in by_style["seen"]]
    results["gap"] = scores.clustered_mean(np.array(gap), np.arange(len(gap)))
    return results | {"by_style": by_style}


def table(results: dict[str, Any]) -> Table:
    title, header = "Prompts and styles", ["", "right style by the judge", "right style by the prompt head alone", "n"]
    if "missing" in results:
        return Table(title, header, [], [results["missing"]])
    names = {
        "held-out": "held-out clips (ceiling of the judge)", "seen": "phrasings that training saw",
        "unseen": "phrasings in other words",
    }  # fmt: skip
    names |= {PLANNED.format(kind): PLANNED.format(names[kind]) for kind in KINDS}
    rows = []
    for kind, name in names.items():
        if kind not in results["rows"]:
            continue
        row = results["rows"][kind]
        rows.append([name, shown(row["style"], 2), shown(row["head"], 2), str(row["style"]["n"])])
    seen_, unseen = results["by_style"]["seen"], results["by_style"]["unseen"]
    both = {style: (share + unseen[style]) / 2 for style, share in seen_.items()}
    weak = ", ".join(f"{s} {share:.2f}" for s, share in sorted(both.items(), key=lambda pair: pair[1])[:6])
    low, high = results["gap"]["interval"]
    remarks = [
        f"Seen less unseen: {100 * results['gap']['mean']:+.0f} points [{100 * low:+.0f}, {100 * high:+.0f}]; targets:"
        " 0.80, and within 10 points.",
        f"{results['styles']} styles, up to {A_STYLE} phrasings of each kind, 6 s rendered as a user would get them, in"
        " the tempo and meter of a held-out song of the style and with nothing else given. Intervals over styles.",
        "Planned first: `attacca generate --plan auto`, a plan of the bundle's planner where words alone are told.",
        f"Weakest: {weak}.",
    ]
    return Table(title, header, rows, remarks)
