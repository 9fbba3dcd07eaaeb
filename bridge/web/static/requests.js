// From the draft to a request: over all of its bars, or over those that an edit makes anew.

import { curveAt } from "./points.js";
import { planOf } from "./sheet.js";
import { barQuarters } from "./time.js";

const SEEDS = 1_000_000; // new seeds are short, so that they can be read out and typed
export const STRENGTHS = ["prompt", "melody", "intensity", "chords", "beat", "context"];

/**
 * A request as the draft says. first, bars: the stretch of the draft that counts; tempo and meter: of a take that is
 * edited; rewrite: only locked bars of the plan stay.
 */
export function requestOf(draft, { first = 0, bars = draft.bars, tempo = draft.tempo, meter = draft.meter, rewrite = false } = {}) {
  const body = { id: crypto.randomUUID(), kind: "generate", bars, tempo: String(tempo), meter };
  const quarters = barQuarters(meter);
  const [begin, end] = [first * quarters, (first + bars) * quarters];
  const prompts = draft.prompts.filter((p) => p.text.trim()).map((p) => ({ text: p.text.trim(), weight: p.weight }));
  if (prompts.length) body.prompts = prompts;
  const curve = curveOf(draft.curve, begin, end);
  if (curve.length) body.intensity = curve;
  if (draft.key.trim()) body.key = draft.key.trim();
  if (draft.parts.length) body.parts = draft.parts;
  body.seed = draft.seed === "" || rewrite ? Math.floor(Math.random() * SEEDS) : Number(draft.seed);
  if (draft.guidance !== "") body.guidance = Number(draft.guidance);
  if (draft.deadline !== "") body.deadline_ms = Number(draft.deadline);
  if (draft.refine !== "") body.refine = `${draft.refine}s`;
  const strengths = Object.entries(draft.strengths).filter(([name, value]) => STRENGTHS.includes(name) && value !== null);
  if (strengths.length) body.strengths = Object.fromEntries(strengths);
  if (draft.plan === "bars") body.plan = planOf(draft, { first, bars, meter, rewrite });
  else targets(body, draft, first, bars, begin, end);
  return body;
}

/** Melody and chords as targets of their own: where no plan holds them. */
function targets(body, draft, first, bars, begin, end) {
  const notes = draft.notes.filter((note) => note.beat >= begin && note.beat < end);
  if (notes.length) body.melody = notes.map((n) => ({ ...n, beat: n.beat - begin, length: Math.min(n.length, end - n.beat) }));
  const chords = chordsOf(draft, first, bars);
  if (chords) body.chords = chords;
}

/** The points of a curve from `begin` to `end`, counted from there; its course is held at both. */
function curveOf(points, begin, end) {
  const inside = points.filter((p) => p.beat >= begin && p.beat <= end).map((p) => ({ ...p, beat: p.beat - begin }));
  if (!points.length) return [];
  const early = points.some((p) => p.beat < begin) && inside[0]?.beat !== 0;
  const late = points.some((p) => p.beat > end) && inside.at(-1)?.beat !== end - begin;
  if (early) inside.unshift({ beat: 0, db: curveAt(points, begin) });
  if (late && inside.at(-1)?.beat !== end - begin) inside.push({ beat: end - begin, db: curveAt(points, end) });
  return inside;
}

/** The cells of the chord lane as one text; an empty cell goes on with the chord before. Null: all are open. */
export function chordsOf(draft, first = 0, bars = draft.bars) {
  const cells = Array.from({ length: first + bars }, (_, k) => (draft.chords[k] || "").trim());
  const names = cells.slice(0, first).flatMap((cell) => cell.split(/[\s,]+/)).filter((word) => word && word !== "%");
  let before = (names.at(-1) || "").split(":")[0];
  const here = cells.slice(first);
  if (!here.some(Boolean) && !before) return null;
  const words = here.map((cell, k) => {
    const word = cell || (k === 0 || !before ? before || "N.C." : "%");
    before = before || cell || word;
    return word;
  });
  return words.join(" | ") + (words.length === 1 ? " |" : "");
}
