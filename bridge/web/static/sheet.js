// The sheet: a plan that is edited bar by bar. Its chords and melody stand in the lanes of these names, the rest here.

import { set, setDraft, state } from "./store.js";
import { barQuarters } from "./time.js";

export const DRUMS = ["none", "cymbals", "kick", "four", "half", "back", "break", "fill"];
export const PARTS = ["drums", "bass", "chords", "lead", "other"];
// rest: a bar without notes is a rest, not left open; locked: it cannot be edited, and stays when others are rewritten
export const OPEN = { section: "", key: "", drums: "", density: "", parts: null, level: "", rest: false, locked: false };

/** The sheet over the draft's bars: what it lacks is open. */
export const sheetOf = (draft) => Array.from({ length: draft.bars }, (_, k) => draft.sheet[k] || OPEN);

/** Take a plan over, bar by bar; locks: of bars that were locked before. bars: as the engine tells them. */
export function adopt(bars, meter, locks = []) {
  const quarters = barQuarters(meter);
  const before = state.draft.plan === "bars" ? state.draft.before : kept(state.draft);
  setDraft({
    before,
    bars: bars.length,
    meter,
    key: "",
    parts: [],
    plan: "bars",
    sheet: bars.map((bar, k) => ({ ...barOf(bar), locked: locks[k] ?? false })),
    notes: notesOf(bars, quarters),
    chords: bars.map((bar) => textOf(bar.chords || [], quarters)),
  });
}

/** Begin a plan with what the lanes hold. */
export function begin() {
  setDraft({ before: kept(state.draft), plan: "bars", sheet: sheetOf({ ...state.draft, sheet: [] }) });
}

/** Go on without a plan, with the lanes as they were before it. */
export function letGo(plan = "") {
  set({ planBar: null });
  setDraft({ ...(state.draft.before || {}), before: null, plan, sheet: [] });
}

const kept = ({ notes, chords, key, parts }) => ({ notes, chords, key, parts });

export function putBar(at, patch) {
  setDraft({ sheet: sheetOf(state.draft).map((bar, k) => (k === at ? { ...bar, ...patch } : bar)) });
}

export function putChords(at, text) {
  const { draft } = state;
  const chords = Array.from({ length: Math.max(draft.bars, draft.chords.length) }, (_, k) => draft.chords[k] || "");
  chords[at] = text;
  setDraft({ chords });
}

export const isLocked = (draft, bar) => draft.plan === "bars" && Boolean(draft.sheet[bar]?.locked);

/** Notes as they were in locked bars, and as they are wanted in all others. */
export function unlocked(draft, notes) {
  const quarters = barQuarters(draft.meter);
  const stays = (note) => isLocked(draft, Math.floor(note.beat / quarters + 1e-6));
  return [...notes.filter((n) => !stays(n)), ...draft.notes.filter(stays)].sort((a, b) => a.beat - b.beat);
}

const barOf = (bar) => ({
  section: bar.section || "",
  key: bar.key || "",
  drums: bar.drums || "",
  density: bar.drum_density ?? "",
  parts: bar.parts || null,
  level: bar.intensity_db ?? "",
  rest: bar.melody !== null && bar.melody !== undefined,
});

/** All notes of a plan's bars, with beats from the first line. */
export const notesOf = (bars, quarters) =>
  bars.flatMap((bar, k) => (bar.melody || []).map((note) => ({ ...note, beat: note.beat + k * quarters })));

/** A plan's chords in a bar as a text: "Am F" where they share it alike, else "Am:3 F:1". */
export function textOf(chords, quarters) {
  if (!chords.length) return "";
  const all = chords[0].beat > 0 ? [{ beat: 0, name: "N.C." }, ...chords] : chords;
  const lengths = all.map((chord, k) => (all[k + 1]?.beat ?? quarters) - chord.beat);
  const alike = lengths.every((length) => Math.abs(length - quarters / all.length) < 1e-3);
  return all.map(({ name }, k) => (alike ? name : `${name}:${Number(lengths[k].toFixed(3))}`)).join(" ");
}

/** The chords of such a text, with the beats at which they begin; "%" goes on with `before`. */
export function chordsIn(text, quarters, before = "N.C.") {
  const words = text.split(/[\s,]+/).filter(Boolean).map((word) => word.split(":"));
  const timed = words.reduce((sum, [, length]) => sum + (Number(length) || 0), 0);
  const share = (quarters - timed) / Math.max(1, words.filter(([, length]) => !length).length);
  let beat = 0;
  return words.map(([word, length]) => {
    const chord = { beat: Number(beat.toFixed(6)), name: word === "%" ? before : word };
    before = chord.name;
    beat += Number(length) || share;
    return chord;
  });
}

/** A plan as the protocol has it, of `bars` bars from `first` on; rewrite: bars that are not locked are to be written. */
export function planOf(draft, { first = 0, bars = draft.bars, meter = draft.meter, rewrite = false } = {}) {
  const quarters = barQuarters(meter);
  const sheet = sheetOf({ ...draft, bars: first + bars });
  let before = null;
  const planned = sheet.map((bar, k) => {
    const text = (draft.chords[k] || "").trim();
    const chords = text ? chordsIn(text, quarters, before || "N.C.") : before && [{ beat: 0, name: before }];
    before = chords?.at(-1).name ?? null;
    return rewrite && !bar.locked ? {} : told(bar, chords, notesIn(draft.notes, k * quarters, quarters, (first + bars) * quarters));
  });
  return { bars: planned.slice(first), meter, fill: rewrite };
}

function told(bar, chords, melody) {
  const found = {};
  if (bar.section.trim()) found.section = bar.section.trim();
  if (bar.key.trim()) found.key = bar.key.trim();
  if (chords) found.chords = chords;
  if (melody.length || bar.rest) found.melody = melody;
  if (bar.drums) found.drums = bar.drums;
  if (bar.density !== "") found.drum_density = Number(bar.density);
  if (bar.parts) found.parts = bar.parts;
  if (bar.level !== "") found.intensity_db = Number(bar.level);
  return found;
}

const notesIn = (notes, line, quarters, end) =>
  notes
    .filter((n) => n.beat >= line - 1e-6 && n.beat < line + quarters - 1e-6)
    .map((n) => ({ ...n, beat: Math.max(0, n.beat - line), length: Math.min(n.length, end - n.beat) }));
