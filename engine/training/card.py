"""The model card of a trained bundle, written from what the run measured; nothing in it is typed by hand."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from engine.models import features as F
from engine.training import data, devices
from engine.training.corpus import soundfonts
from engine.training.levelling import Decoding
from engine.training.workshop import Workshop

Row = dict[str, Any]
HOURS_ENOUGH = 5.0
STUDENT_STEPS_ENOUGH, TEACHER_STEPS_ENOUGH, CODEC_L1_ENOUGH_DB = 2000, 5000, 2.5


def hours_of(files: list[Path]) -> float:
    return float(sum(data.metadata(path)["frames"] for path in files)) / F.RATE_HZ / 3600.0


def sources(files: list[Path]) -> list[str]:
    """What a corpus was made from, with licences: SoundFonts and synthesisers by share, or "your own sounds"."""
    fonts: Counter[str] = Counter()
    synths = 0
    for path in files:
        facts = data.metadata(path)
        fonts.update({facts["soundfont"]} if facts.get("soundfont") else {"sounds of your own"})
        synths += bool(facts.get("synths"))
    licences = {font.name: font.licence for font in soundfonts.KNOWN}
    said = [
        f"{name} ({licences.get(name, 'yours to clear')}) in {count} excerpts" for name, count in fonts.most_common()
    ]
    return [*said, f"Attacca's own synthesiser in {synths} excerpts"] if synths else said


def leg_of(shop: Workshop, start: dict[str, Any] | None) -> Row:
    """This run as one leg: budget, hardware, and what each stage took and made since the last leg."""
    rows = {row.pop("stage"): row for row in shop.summary()}
    return {
        "ended": time.strftime("%Y-%m-%d", time.gmtime()),
        "budget_minutes": round(shop.ledger.budget_s / 60.0, 1),
        "hardware": devices.describe(shop.device),
        "songs": len(shop.files()),
        "hours": round(hours_of(shop.files()), 2),
        "seed": shop.seed,
        "runs": shop.ledger.leg,
        "from": start and start.get("name"),
        "stages": rows,
    }


def legs_of(shop: Workshop, start: dict[str, Any] | None) -> list[Row]:
    """The legs of the bundle that this run started from, and this run. A record without legs counts as one."""
    earlier: list[Row] = []
    if start is not None:
        record = start.get("training", {})
        one = {"stages": {name: {"minutes": spent} for name, spent in record.get("minutes", {}).items()}}
        earlier = record.get("legs") or [{**one, "from": None}]
    return [*earlier, leg_of(shop, start)]


def minutes_of(legs: list[Row]) -> dict[str, float]:
    """Minutes of each stage over all legs."""
    total: dict[str, float] = {}
    for leg in legs:
        for name, row in leg["stages"].items():
            total[name] = round(total.get(name, 0.0) + float(row["minutes"]), 2)
    return total


def table(legs: list[Row]) -> list[str]:
    """One line a stage and leg."""
    lines = ["| leg | stage | minutes | steps | samples or songs | a second |", "| --- | --- | --- | --- | --- | --- |"]
    for index, leg in enumerate(legs, 1):
        for name, row in leg["stages"].items():
            count = row.get("samples", row.get("songs"))
            cells = [row.get("steps"), count, row.get("per_second")]
            shown = " | ".join("-" if cell is None else f"{cell:g}" for cell in cells)
            lines.append(f"| {index} | {name} | {row['minutes']:.2f} | {shown} |")
    return lines


def weaknesses(legs: list[Row], learned: Row, decoding: Decoding, evaluated: bool = False) -> list[str]:
    """What the figures say against this bundle."""
    steps: Counter[str] = Counter()
    for leg in legs:
        steps.update({name: int(row.get("steps") or 0) for name, row in leg["stages"].items()})
    hours, smoothed = legs[-1].get("hours", 0.0), learned.get("codec", {}).get("l1_smoothed_db")
    found = []
    if hours < HOURS_ENOUGH:
        found.append(f"{hours:.1f} h of music are little: expect it to repeat what it has heard, and few timbres")
    if smoothed is not None and smoothed > CODEC_L1_ENOUGH_DB:
        found.append(
            f"the codec's smoothed error of {smoothed:.1f} dB is above {CODEC_L1_ENOUGH_DB:g}: sound is blurred"
        )
    if steps["teacher"] and steps["teacher"] < TEACHER_STEPS_ENOUGH:
        found.append(f"the teacher had {steps['teacher']} steps: conditions are followed loosely, intensity last")
    if steps["student"] and steps["student"] < STUDENT_STEPS_ENOUGH:
        found.append(f"the student had {steps['student']} steps: few-step quality is below the teacher's")
    if decoding.lag_samples:
        found.append(
            f"attacks leave the decoder {1000 * decoding.lag_samples / F.RATE_HZ:.1f} ms late, taken back in playing"
        )
    elif decoding.interval_ms is None:
        found.append(f"only {decoding.onsets} attacks were heard at export: its lag is not known and not taken back")
    if not evaluated:
        found.append("no evaluation ran in the budget: how good it is was not measured (`attacca evaluate`)")
    return found


def _kept(leg: Row) -> str:
    """What a leg took over untouched from the bundle that it started from."""
    parts = (("codec and vocoder", "polish"), ("prompt head", "prompt"), ("listener", "joint"))
    kept = [part for part, stage in parts if stage not in leg["stages"]]
    return f"; its own are: {', '.join(kept)}" if kept else ""


def write(name: str, shop: Workshop, styles: tuple[str, ...], legs: list[Row], learned: Row, decoding: Decoding) -> str:
    """The card's text, up to the evaluation that `export.describe` adds."""
    files = shop.files()
    own = shop.source is not None
    made = "sounds of your own" if own else "music composed and rendered by Attacca's own corpus builder"
    loss, coded = learned.get("teacher_validation_loss"), learned.get("codec") or {}
    lines = [
        f"# {name}", "",
        f"A few-step music model for exact bars, trained on {made}" + ("." if own else "; no recording was used."), "",
        f"- Data: {len(files)} excerpts for training, {hours_of(files):.1f} h, {len(shop.held_out())} held out",
        *(f"- Sound: {line}" for line in sources(files)),
        f"- Budget: {shop.ledger.budget_s / 60:g} minutes, {shop.ledger.spent_s() / 60:.1f} spent at export",
        f"- Seed: {shop.seed}",
        f"- Hardware: {devices.describe(shop.device)}",
    ]  # fmt: skip
    if legs[-1].get("from"):
        lines.append(f"- Started from {legs[-1]['from']}{_kept(legs[-1])}")
    if loss is not None:
        lines.append(f"- Held-out velocity error of the teacher: {loss:.4f}")
    if coded:
        lines.append("- Codec, held out: " + ", ".join(f"{key} {value:.2f}" for key, value in coded.items()))
    lines += [
        f"- Decoding: {decoding.makeup_db:+.2f} dB and {decoding.lag_samples} samples are made up for"
        f" ({decoding.clips} clips, {decoding.onsets} attacks); up to {100 * decoding.noise_width:.0f} % of the noise's"
        " power is a channel's own",
        "- Licence: Apache-2.0 (weights and audio made with them)" if not own else "- Licence: as your sounds allow",
        "", f"Styles: {', '.join(styles)}.", "", "## Training, all legs", "", *table(legs), "",
    ]  # fmt: skip
    return "\n".join(lines)
