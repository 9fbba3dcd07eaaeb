// From a take back to the draft: as it was asked for, and the notes and chords that it was planned with.

import { adopt, notesOf, textOf } from "./sheet.js";
import { set, setDraft } from "./store.js";
import { barQuarters } from "./time.js";

/** The draft as this take was asked for. What an edit was told of its bars stays with it. */
export function recall(take) {
  const r = take.request;
  const targets = take.put ? {} : { bars: r.bars, form: r.form || "", curve: r.intensity || [], notes: r.melody || [], chords: chordsAsked(take), plan: PLANS.get(r.plan) ?? "", sheet: [], before: null };
  set({ planBar: null });
  setDraft({
    prompts: (r.prompts?.length ? r.prompts : [{ text: "", weight: 1 }]).map((p, k) => ({ key: `${take.id}-${k}`, text: p.text, weight: p.weight })),
    tempo: r.tempo,
    meter: r.meter,
    key: r.key || "",
    seed: take.report ? String(take.report.seed) : "",
    parts: r.parts || [],
    guidance: r.guidance ?? "",
    refine: /^[\d.]+s$/.test(r.refine || "") ? r.refine.slice(0, -1) : "",
    strengths: Object.fromEntries(Object.entries(r.strengths || {}).filter(([, value]) => value !== null)),
    ...targets,
  });
  if (!take.put && r.plan?.bars) adopt(r.plan.bars, r.meter);
}

const PLANS = new Map([[true, "first"], ["auto", "auto"]]);
const chordsAsked = (take) => (take.request.chords ? plannedChords(take) : []);
const cellsOf = (r) => (r.chords ? r.chords.split("|").map((cell) => cell.trim().replace(/^%$/, "")).slice(0, r.bars) : []);

/** The notes that a take was planned with: its plan's, else those that were asked for. */
export function plannedNotes(take) {
  return take.played ? notesOf(take.played, barQuarters(take.request.meter)) : take.put ? [] : take.request.melody || [];
}

/** The chords of each bar as a take was planned with, as texts. */
export function plannedChords(take) {
  if (take.played) return take.played.map((bar) => textOf(bar.chords || [], barQuarters(take.request.meter)));
  return take.put ? [] : cellsOf(take.request);
}
