"""The figures to reach, beside what was found: one table at the head of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.training.metrics.stats import shown
from engine.training.metrics.table import Table

STUDENT, BEAT_SHARE = "student, {} step{}", 0.85
CLICKS = ("timing", "bands", "click, above 2 kHz", "rows")


@dataclass(frozen=True)
class Figure:
    """A target: where its summary lies in a record's sections, and the range (low, high) that reaches it.

    real: where the same measure of held-out recordings lies, which no model can be asked to beat.
    """

    name: str
    path: tuple[str, ...]
    low: float = float("-inf")
    high: float = float("inf")
    digits: int = 2
    real: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        if self.low == float("-inf"):
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high == float("inf") else f"{self.low:g} to {self.high:g}"


def _steps(count: int) -> str:
    return STUDENT.format(count, "s" if count > 1 else "")


FIGURES = (
    Figure("codec: log-mel error over 5 frames, dB", ("codec", "rows", "both", "log_mel_smoothed_db"), high=2.5),
    Figure("codec: onset flux correlation", ("codec", "rows", "both", "onset_flux_correlation"), low=0.9),
    Figure("codec: loudness, LU", ("codec", "rows", "both", "loudness_lu"), -0.5, 0.5),
    *(
        Figure(f"{_steps(n)}: {space} distance over the teacher's", ("comparison", "rows", _steps(n), key), 0, most)
        for n, most in ((4, 1.1), (2, 1.2), (1, 1.5))
        for space, key in (("timbre", "timbre"), ("judge", "embedding"))
    ),
    *(
        Figure(f"{_steps(n)}: {space} distance over its rival's", ("solvers", "passes", str(n), key, _steps(n)), 0, 1)
        for n in (1, 2)
        for space, key in (("timbre", "timbre"), ("judge", "embedding"))
    ),
    Figure("onsets above 2 kHz, p50, ms", (*CLICKS, "model", "p50_ms"), high=5.0,
           real=(*CLICKS, "held-out", "p50_ms")),
    Figure("onsets above 2 kHz, p95, ms", (*CLICKS, "model", "p95_ms"), high=15.0,
           real=(*CLICKS, "held-out", "p95_ms")),
    Figure("bass within 20 cents of key or chord", ("bass", "rows", "model", "in_key"), low=0.9,
           real=("bass", "rows", "held-out", "in_key")),
    Figure("key agreement", ("keys", "keys", "model", "key"), low=0.9, real=("keys", "keys", "held-out", "key")),
    Figure("melody accuracy by the probe", ("control", "melody", "probe", "model"), low=0.9,
           real=("control", "melody", "probe", "held-out")),
    Figure("melody accuracy by chroma", ("control", "melody", "accuracy", "model"), low=0.75,
           real=("control", "melody", "accuracy", "held-out")),
    Figure("intensity MSE, dB^2", ("control", "intensity", "mse_db2", "model"), high=3.0,
           real=("control", "intensity", "mse_db2", "held-out")),
    Figure("continuations nearest to their own context", ("belonging", "rows", "model", "nearest"), low=0.8,
           real=("belonging", "rows", "the song itself", "nearest")),
    Figure("seams: spectrum within 3 dB, share", ("seams", "within_target", "model"), low=0.8,
           real=("seams", "within_target", "the song itself")),
    Figure("right style from phrasings that were seen", ("text", "rows", "seen", "style"), low=0.8,
           real=("text", "rows", "held-out", "style")),
    Figure("right style from other words", ("text", "rows", "unseen", "style"), low=0.8,
           real=("text", "rows", "held-out", "style")),
    Figure("right style, planned first, seen", ("text", "rows", "seen, planned first", "style"), low=0.8),
    Figure("right style, planned first, other words", ("text", "rows", "unseen, planned first", "style"), low=0.8),
    Figure("seen less unseen", ("text", "gap"), -0.1, 0.1),
)  # fmt: skip


def found(sections: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    """The summary at a path, a compared row as that of its ratio; None where it was not measured."""
    at: Any = sections
    for key in path:
        if not isinstance(at, dict) or key not in at:
            return None
        at = at[key]
    if isinstance(at, float):
        return {"mean": at}
    if at is None:
        return None
    if "ratio" in at:
        return {"mean": at["ratio"], "interval": at["ratio interval"]}
    return at if at.get("mean") is not None else None


def verdict(figure: Figure, entry: dict[str, Any]) -> str:
    """yes, no, or in doubt where the interval holds the border; a figure without an interval is its own."""
    low, high = entry.get("interval", (entry["mean"],) * 2)
    if figure.low <= low and high <= figure.high:
        return "yes"
    return "in doubt" if figure.low <= entry["mean"] <= figure.high else "no"


def extra(sections: dict[str, Any]) -> list[list[str]]:
    """Targets that are set against held-out clips: beats and novelty."""
    rows = []
    beats = sections.get("beat", {}).get("rows", {})
    if "held-out" in beats:
        share = beats["model"]["f"]["mean"] / max(beats["held-out"]["f"]["mean"], 1e-9)
        reached = "yes" if share >= BEAT_SHARE else "no"
        rows.append(["Beat-F over held-out clips' own", f"{share:.2f}", "1", f"at least {BEAT_SHARE:g}", reached])
    turns = sections.get("timing", {}).get("downbeats", {})
    if turns.get("model", {}).get("mean") is not None:
        model, real = turns["model"], turns["held-out"]
        reached = "yes" if model["mean"] >= real["interval"][0] else "no"
        low = f"at least {real['interval'][0]:.2f} (held-out clips' interval)"
        rows.append(["downbeats right, by an ear", shown(model, 2), shown(real, 2), low, reached])
    novel = sections.get("novelty", {}).get("rows", {})
    real, made = novel.get("held-out clips"), novel.get(_steps(4))
    if real and made:
        most = real["over 0.95"]["interval"][1]
        share = made["over 0.95"]["mean"]
        cells = [shown(made["over 0.95"]), shown(real["over 0.95"]), f"at most {most:.3f}"]
        cells.append("yes" if share <= most else "no")
        rows.append(["novelty: nearest training clip over 0.95, share", *cells])
    return rows


def _said(entry: dict[str, Any] | None, digits: int) -> str:
    if entry is None:
        return "-"
    return shown(entry, digits) if "interval" in entry else f"{entry['mean']:.{digits}f}"


def table(record: dict[str, Any]) -> Table | None:
    """All targets that were measured; None if none was."""
    sections = record["sections"]
    rows = []
    for figure in FIGURES:
        entry = found(sections, figure.path)
        if entry is not None and not ("over the teacher" in figure.name and not sections["comparison"]["teacher"]):
            real = found(sections, figure.real) if figure.real else None
            cells = [_said(entry, figure.digits), _said(real, figure.digits)]
            rows.append([figure.name, *cells, figure.target, verdict(figure, entry)])
    rows += extra(sections)
    if not rows:
        return None
    remark = (
        "Yes: the whole interval reaches the target; in doubt: the mean does. Held-out clips: what the same measure"
        " finds in real recordings, which bounds what can be asked of a model. Swing and texture: their own tables."
    )
    return Table("Figures to reach", ["", "found", "held-out clips", "target", "reached"], rows, [remark])
