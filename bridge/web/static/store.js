// What the page knows, in one place, and who wants to hear when it changes.

import { useEffect, useState } from "./vendor/htm-preact.js";

const KEPT = "attacca.draft";
let lastKey = 0;

export const newPrompt = (text = "", weight = 1) => ({ key: ++lastKey, text, weight });

export const EMPTY = {
  prompts: [newPrompt("")],
  bars: 4,
  tempo: "120",
  meter: "4/4",
  key: "",
  seed: "",
  parts: [],
  guidance: "",
  deadline: "",
  refine: "", // seconds
  form: "",
  count: 1, // takes at once
  strengths: {}, // by name, from 0 to 4; those that are not there are as trained
  varied: 0.5, // how far a variation goes
  more: false, // the fold is open
  plan: "", // "auto", "first": the engine writes one; "bars": the sheet is played
  sheet: [], // bars of a plan, see sheet.js
  before: null, // what the lanes held before the sheet
  curve: [], // [{beat, db}] by beat
  notes: [], // [{pitch, beat, length, velocity}] by beat, one voice
  chords: [], // a text for each bar
};

export const state = {
  connected: false,
  info: null,
  metrics: null,
  draft: kept(),
  takes: [], // see takes.js; oldest first
  a: null,
  b: null,
  heard: "a",
  selection: null, // {first, end} bars, or null: all
  loop: false,
  arrival: true, // play a take as soon as its first bar is there
  playing: false,
  live: [],
  planBar: null, // the bar of the sheet that is edited
  planFocus: false, // the keyboard goes into its fields
  editing: null, // the take whose edits are shown
  message: null, // {kind, text}
  help: false,
};

const listeners = new Set();
let changed = null; // names of what changed and has not been told

/** Change the state; whoever listens hears of it once, soon. */
export function set(patch) {
  Object.assign(state, patch);
  if ("draft" in patch) keep();
  const waiting = changed !== null;
  changed = new Set([...(changed || []), ...Object.keys(patch)]);
  if (waiting) return;
  queueMicrotask(() => {
    const names = changed;
    changed = null;
    for (const listener of [...listeners]) listener(names);
  });
}

/** Something inside of a take has changed. */
export const touch = () => set({ takes: state.takes });

export const setDraft = (patch) => set({ draft: { ...state.draft, ...patch } });
export const say = (text, kind = "note") => set({ message: text ? { text, kind } : null });

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The state, and a component that is drawn anew when one of these names changes. */
export function useStore(...names) {
  const [, turn] = useState(0);
  useEffect(() => onChange((found) => names.some((name) => found.has(name)) && turn((n) => n + 1)), []);
  return state;
}

export const takeOf = (id) => state.takes.find((take) => take.id === id) || null;
export const heardTake = () => takeOf(state.heard === "b" && state.b ? state.b : state.a);

function keep() {
  try {
    localStorage.setItem(KEPT, JSON.stringify(state.draft));
  } catch {
    // a browser that keeps nothing
  }
}

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) || "{}");
    const draft = { ...EMPTY, ...found };
    if (typeof draft.plan !== "string") draft.plan = draft.plan ? "first" : "";
    draft.prompts = draft.prompts.map((p) => newPrompt(p.text, p.weight));
    return draft;
  } catch {
    return { ...EMPTY };
  }
}
