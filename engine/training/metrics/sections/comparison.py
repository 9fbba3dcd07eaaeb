"""One table: teacher, student, real clips and the sceptic's baselines over the same conditions and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engine.models.prompt import sentence_encoder
from engine.training.metrics import casting, exhibits, frechet, judging, scores, systems, voices
from engine.training.metrics import clips as C
from engine.training.metrics.bench import Bench
from engine.training.metrics.rows import kept
from engine.training.metrics.stats import shown
from engine.training.metrics.table import Table
from engine.training.metrics.voices import Rows

RESAMPLES = 200
SPREAD_CONDITIONS, SPREAD_SEEDS = 5, 8
SPREAD_SEED = 70_000
SPREAD = (*(systems.System("student", steps) for steps in systems.STUDENT_STEPS), systems.TEACHER)
JUDGED = {"kl": 2, "inception": 1, "style": 2, "text": 2}
HELD_OUT, CODED = "held-out clips", "held-out clips, through codec and vocoder"
COMPOSER, REPEATED = "composer in the same style, tempo and key", "last bars repeated"
RANDOM = "a random held-out clip"


def cast_systems(bench: Bench) -> list[systems.System]:
    """The student at 1, 2, 4, 8 steps; with a teacher also that one, at 50 steps and as many."""
    students = [systems.System("student", steps) for steps in systems.STUDENT_STEPS]
    return students + [systems.System("euler", n) for n in systems.TEACHER_STEPS if bench.teacher is not None]


def all_rows(cast: casting.Cast) -> dict[str, Rows]:
    """Every row of the table, real ones first; a random clip is the real ones in another order of songs."""
    found = {HELD_OUT: casting.real_rows(cast, "held-out"), CODED: casting.real_rows(cast, "coded")}
    for system in cast_systems(cast.bench):
        found[system.name] = casting.system_rows(cast, system)
    composed = casting.composed_rows(cast)
    if composed is not None:
        found[COMPOSER] = composed
    found[REPEATED] = casting.real_rows(cast, "repeated")
    order = strangers(C.groups_of(cast.asked))
    found[RANDOM] = {name: value[order] for name, value in found[HELD_OUT].items() if name != "audio"}
    return found


def strangers(groups: scores.Indices) -> scores.Indices:
    """For each clip the number of one from another song, half the songs away."""
    shift = len(groups) // 2
    order = (np.arange(len(groups)) + shift) % len(groups)
    clash = groups[order] == groups
    order[clash] = (order[clash] + shift // 2 + 1) % len(groups)
    return order


def spread_rows(cast: casting.Cast, system: systems.System) -> Rows:
    """A few conditions under eight seeds each, in that order."""
    conditions, count = cast.bench.scaled(SPREAD_CONDITIONS), cast.bench.scaled(SPREAD_SEEDS)
    picked = np.linspace(0, len(cast.given) - 1, conditions).round().astype(int)
    batches = [cast.given[i].map(lambda value: value[:1].expand(count, *value.shape[1:])) for i in picked]
    seeds = [[SPREAD_SEED + 100 * i + k for k in range(count)] for i in range(len(batches))]

    def make() -> Rows:
        parts = cast.pool.map(voices.describe_made, [system] * len(batches), batches, seeds)
        return voices.joined(list(cast.track(parts, f"seeds: {system.name}", len(batches))))

    return kept(cast.bench, ["seeds", cast.key, *casting.system_key(cast.bench, system)], make)


def spread(cast: casting.Cast, projection: frechet.Projection, real: float) -> dict[str, Any]:
    """Mean distance of eight seeds under one condition, over that of real clips of one style: by system."""
    found = {}
    for system in SPREAD:
        if system.kind == "student" or cast.bench.teacher is not None:
            data = projection(spread_rows(cast, system)["timbre"].astype(np.float64))
            each = [scores.mean_distance(part) / real for part in np.split(data, cast.bench.scaled(SPREAD_CONDITIONS))]
            found[system.name] = scores.clustered_mean(np.array(each), np.arange(len(each)))
    return found


def judged(rows: Rows, paired: Rows, labels: scores.Indices, groups: scores.Indices) -> dict[str, Any]:
    """KL from the paired real clips, inception score and style accuracy of one system."""
    real, made = paired["logp"].astype(np.float64), rows["logp"].astype(np.float64)
    return {
        "kl": scores.clustered_mean(scores.divergence(real, made), groups),
        "inception": scores.clustered(lambda picked: scores.inception_score(made[picked]), groups),
        "style": scores.clustered_mean(scores.right_style(made, labels), groups),
    }


def captions_of(cast: casting.Cast) -> scores.Array | None:
    """Unit vectors [n, 128] of the clips' captions in the joint space, None without one."""
    ears = voices.joint_of(cast.bench.ears)
    if ears is None:
        return None
    with torch.no_grad():
        placed = ears.text(sentence_encoder().embed([clip.caption for clip in cast.asked]))
    return np.asarray(placed.numpy(), np.float64)


def loud(rows: Rows, paired: Rows, groups: scores.Indices) -> dict[str, Any]:
    """Loudness less the paired real clip's, LU; clips that are silent on either side are left out."""
    difference = (rows["loudness"] - paired["loudness"])[:, 0].astype(np.float64)
    heard = np.minimum(rows["loudness"], paired["loudness"])[:, 0] > voices.SILENT_LUFS
    return scores.clustered_mean(difference[heard], groups[heard]) if heard.any() else {"mean": None}


def timings(bench: Bench, cast: casting.Cast) -> dict[str, Any]:
    """Wall milliseconds of every system, before any worker is busy."""
    student = bench.renderer.networks.student
    teacher = systems.load_teacher(bench.teacher, student) if bench.teacher is not None else None
    return {system.name: casting.wall_ms(bench, system, cast.given[0], teacher) for system in cast_systems(bench)}


def measure(bench: Bench) -> dict[str, Any]:
    judge = judging.ready(bench)
    with voices.crew(bench) as pool:
        cast = casting.cast(bench, pool)
        walls = timings(bench, cast)
        reference, rows = casting.real_rows(cast, "reference"), all_rows(cast)
        groups = C.groups_of(cast.asked)
        baseline = systems.TEACHER.name if bench.teacher is not None else HELD_OUT
        results: dict[str, Any] = {"rows": {name: {} for name in rows}, "baseline": baseline, "clips": len(groups)}
        for space in ("timbre", "embedding") if judge is not None else ("timbre",):
            real = reference[space].astype(np.float64)
            projection = frechet.Projection.fit(real)
            moved = {name: projection(value[space].astype(np.float64)) for name, value in rows.items()}
            compared = frechet.compare(moved, projection(real), groups, baseline, RESAMPLES, 0)
            for name, entry in compared.items():
                results["rows"][name][space] = entry
            if space == "timbre":
                styles = [clip.style for clip in cast.asked]
                real_distance = scores.style_distance(moved[HELD_OUT], styles, groups)
                seeds = spread(cast, projection, real_distance)
        captions = captions_of(cast)
    results["listen"] = exhibits.lay_out(rows, casting.listed(cast), (COMPOSER,), bench.out)
    labels = judging.labels_of(bench, [clip.style for clip in cast.asked]) if judge is not None else None
    for name, value in rows.items():
        entry, paired = results["rows"][name], rows[HELD_OUT] if name != HELD_OUT else reference
        entry["loudness"] = loud(value, paired, groups)
        if labels is not None:
            entry |= judged(value, paired, labels, groups)
        if captions is not None:
            entry["text"] = scores.clustered_mean((value["joint"] * captions).sum(axis=1), groups)
        entry |= {"seeds": seeds[name]} if name in seeds else {}
        entry |= {"wall": walls[name]} if name in walls else {}
    return results | {
        "songs": len(set(groups.tolist())), "seconds_a_clip": round(C.SECONDS, 3),
        "guidance": [bench.renderer.networks.student.config.guidance, systems.GUIDANCE],
        "dimensions": int(projection.basis.shape[1]),
        "threads": torch.get_num_threads(), "teacher": bench.teacher is not None, "judge": judge is not None,
        "joint": captions is not None,
        "real_distance": round(real_distance, 4),
    }  # fmt: skip


def _scales(guidance: Any) -> str:
    """Of the student and the teacher; results of older runs have one number for both."""
    if not isinstance(guidance, list) or guidance[0] == guidance[-1]:
        return f"{guidance[0] if isinstance(guidance, list) else guidance:g}"
    return f"{guidance[0]:g} for the student and {guidance[1]:g} for the teacher"


def _distance(entry: dict[str, Any] | None, ratio: bool) -> str:
    if entry is None:
        return "-"
    (low, high), (ratio_low, ratio_high) = entry["interval"], entry["ratio interval"]
    share = f" x{entry['ratio']:.2f} [{ratio_low:.2f}, {ratio_high:.2f}]" if ratio else ""
    return f"{entry['distance']:.1f} [{low:.1f}, {high:.1f}]{share}"


def table(results: dict[str, Any]) -> Table:
    rows = []
    for name, r in results["rows"].items():
        ratio = results["teacher"] and name != results["baseline"]
        wall = r.get("wall")
        rows.append([
            name, _distance(r["timbre"], ratio), _distance(r.get("embedding"), ratio),
            *(shown(r.get(key, {}), digits) for key, digits in JUDGED.items()),
            shown(r.get("seeds", {}), 2), shown(r["loudness"], 1),
            f"{wall['network'] + wall['decoding']:.0f} ({wall['network']:.0f})" if wall else "-",
        ])  # fmt: skip
    remarks = [
        f"{results['clips']} clips of {results['seconds_a_clip']:.1f} s a row, conditions from {results['songs']}"
        " held-out songs (caption, beat, intensity, tempo, parts; no context, no melody), the same noise for all"
        f" systems; guidance {_scales(results['guidance'])}, teacher by Euler steps in bf16.",
        f"Distance to as many clips from the other halves of the same songs, in {results['dimensions']} principal"
        " directions. Timbre:"
        " statistics of MFCC, chroma and contrast, which no training of ours saw. Judge: hidden layer of the style"
        " judge, trained here on the training split's real clips; no training of the product saw it either.",
        f"After x: times {results['baseline']}'s distance, intervals by bootstrap over songs, paired."
        if results["teacher"]
        else "No teacher checkpoint was given: its rows are left out (--teacher).",
        "KL from the real clip of the same conditions (held-out clips: from another clip of their song); style: the"
        " judge names the caption's song's style; loudness: less the same real clip's.",
        f"Seeds: mean distance (timbre) of {SPREAD_SEEDS} seeds under one condition, over that of real clips of one"
        f" style from two songs; {SPREAD_CONDITIONS} conditions.",
        f"Wall time of one clip alone on {results['threads']} threads, fp32, decoding included (network alone).",
    ]
    remarks.append(
        "Text: cosine of clip and caption in the bundle's joint space, which the product itself listens with."
        if results["joint"]
        else "No bundle here has a joint space of text and sound: text similarity is left out."
    )
    if not results["judge"]:
        remarks.append(judging.MISSING)
    header = [
        "", "Frechet distance, timbre", "Frechet distance, judge", "KL", "inception score", "right style", "text",
        "seeds' spread", "loudness, LU", "wall, ms",
    ]  # fmt: skip
    return Table("Systems side by side", header, rows, remarks)
