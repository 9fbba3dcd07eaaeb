"""Is anything copied? The nearest training clip of every generated one, beside what held-out real clips show."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engine.models.codec import LATENT_HOP
from engine.training import data
from engine.training.metrics import casting, judge, judging, scores, systems, voices
from engine.training.metrics import clips as C
from engine.training.metrics.bench import Bench
from engine.training.metrics.rows import kept, sound_key
from engine.training.metrics.sections.comparison import CODED, COMPOSER, HELD_OUT
from engine.training.metrics.stats import shown
from engine.training.metrics.table import Table
from engine.training.metrics.voices import Rows

LEVELS = (0.90, 0.95)
CONTROLS = 48
CONTROL = "training clips, through codec and vocoder"


@torch.no_grad()
def known_clips(bench: Bench, model: judge.Judge) -> Rows:
    """Embeddings [n, 128] of all training clips, half overlapping, and the song of each [n, 1]."""

    def make() -> Rows:
        shelf = judging.shelf_of(bench)
        found, songs = [], []
        for number, view in enumerate(bench.track(shelf.views, "novelty: training clips")):
            cut = judge.pieces(torch.from_numpy(view.astype(np.float32)))
            found.append(model(judge.statistics(cut))[0].numpy())
            songs += [number] * len(cut)
        return {"embedding": np.concatenate(found), "song": np.array(songs, np.float32)[:, None]}

    return kept(bench, ["known"], make)


def control_rows(cast: casting.Cast) -> Rows:
    """Training clips through the bundle's codec and vocoder: what a copy would look like."""
    files = judging.training_songs(cast.bench)
    picked = [files[i] for i in np.linspace(0, len(files) - 1, min(CONTROLS, len(files))).round().astype(int)]
    places = [_middle(path) for path in picked]

    def make() -> Rows:
        batches = [places[first : first + 8] for first in range(0, len(places), 8)]
        parts = cast.pool.map(voices.describe_coded, batches)
        return voices.joined(list(cast.track(parts, "novelty: copies", len(batches))))

    own = sound_key(cast.bench)
    return kept(cast.bench, ["copies", [str(path.name) for path in picked], own], make)


def _middle(path: Any) -> C.Place:
    first = (data.metadata(path)["frames"] // LATENT_HOP - C.WINDOW) // 2 * LATENT_HOP
    return path, first, first + C.SAMPLES


def measure(bench: Bench) -> dict[str, Any]:
    model = judging.ready(bench)
    if model is None:
        return {"missing": judging.MISSING}
    known = known_clips(bench, model)
    with voices.crew(bench) as pool:
        cast = casting.cast(bench, pool)
        groups = C.groups_of(cast.asked)
        rows = {HELD_OUT: casting.real_rows(cast, "held-out"), CODED: casting.real_rows(cast, "coded")}
        made = [systems.System("student", 1), systems.System("student", 4)]
        made += [systems.TEACHER] if bench.teacher is not None else []
        rows |= {system.name: casting.system_rows(cast, system) for system in made}
        composed = casting.composed_rows(cast)
        rows |= {COMPOSER: composed} if composed is not None else {}
        copies = control_rows(cast)
    space = known["embedding"].astype(np.float64)
    centre = space.mean(axis=0)
    results: dict[str, Any] = {"rows": {}, "known": len(space), "clips": len(groups)}
    for name, entry in (rows | {CONTROL: copies}).items():
        cosine, _ = scores.nearest(entry["embedding"].astype(np.float64), space, centre)
        own = groups if name != CONTROL else np.arange(len(cosine))
        results["rows"][name] = {
            "nearest": scores.clustered_mean(cosine, own),
            **{f"over {level:.2f}": scores.clustered_mean((cosine > level).astype(float), own) for level in LEVELS},
            "largest": round(float(cosine.max()), 4),
        }
    return results


def table(results: dict[str, Any]) -> Table:
    header = ["", "mean cosine to the nearest", *(f"share over {level:.2f}" for level in LEVELS), "largest"]
    if "missing" in results:
        return Table("Novelty", header, [], [results["missing"]])
    rows = [
        [name, shown(r["nearest"], 3), *(shown(r[f"over {level:.2f}"], 2) for level in LEVELS), f"{r['largest']:.3f}"]
        for name, r in results["rows"].items()
    ]
    remarks = [
        f"Nearest of {results['known']} training clips of {C.SECONDS:.1f} s (half overlapping) by cosine in the judge's"
        " hidden layer, the training clips' mean taken off both sides.",
        "The judge sorts by style, so that clips of one style lie close: a share says something only beside the"
        " held-out clips', and the last row shows what a copy would score.",
    ]
    return Table("Novelty", header, rows, remarks)
