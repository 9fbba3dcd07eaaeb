// Takes: what was asked for, the bars that came, how it ended; asking for new ones.

import { barQuarters } from "./time.js";
import { on, send, isCommand } from "./socket.js";
import { say, set, setDraft, state, takeOf, touch } from "./store.js";

const MOST_FRAMES = 48_000 * 60 * 12; // of sound in the page: half a gigabyte
const SEEDS = 1_000_000; // new seeds are short, so that they can be read out and typed
let arrived = () => {};

/** Call `callback(take)` with each bar that comes of a new take. */
export const onBar = (callback) => (arrived = callback);

function newTake(request, number = null) {
  return {
    id: request.id,
    number,
    request,
    bars: request.bars,
    rate: 48000,
    pieces: [], // {bar, first, frames, buffer, mono}
    frames: 0,
    fraction: 0,
    begun: performance.now(),
    ready: [], // seconds from the request to each bar
    report: null,
    ending: null, // null: under way
    loading: false,
  };
}

/** Frames at which bars begin, one more than there are bars. */
export const linesOf = (take) => [0, ...take.pieces.map((piece) => piece.first + piece.frames)];

/** Where a musical place (bars, with a fraction) lies, in frames; held at both ends. */
export function frameAt(take, bars) {
  const lines = linesOf(take);
  const bar = Math.min(Math.max(0, Math.floor(bars)), lines.length - 1);
  const next = lines[Math.min(bar + 1, lines.length - 1)];
  return Math.round(lines[bar] + Math.min(1, Math.max(0, bars - bar)) * (next - lines[bar]));
}

/** The musical place of a frame. */
export function barAt(take, frame) {
  const lines = linesOf(take);
  let bar = 0;
  while (bar < lines.length - 2 && lines[bar + 1] <= frame) bar += 1;
  return lines.length < 2 ? 0 : bar + (frame - lines[bar]) / (lines[bar + 1] - lines[bar]);
}

/** Seconds from the first sound to each bar line, in the music's own time. */
export function musicSeconds(take) {
  const bar = (barQuarters(take.request.meter) * 60) / parseFloat(take.request.tempo);
  const lines = linesOf(take);
  return Array.from({ length: take.bars + 1 }, (_, k) => (k < lines.length ? lines[k] / take.rate : k * bar));
}

function addPiece(take, first, samples, channels, rate) {
  const frames = samples.length / channels;
  const buffer = new AudioBuffer({ length: frames, numberOfChannels: channels, sampleRate: rate });
  const mono = new Float32Array(frames);
  for (let channel = 0; channel < channels; channel++) {
    const data = buffer.getChannelData(channel);
    for (let k = 0; k < frames; k++) {
      data[k] = samples[k * channels + channel];
      mono[k] += data[k] / channels;
    }
  }
  take.rate = rate;
  take.pieces.push({ bar: take.pieces.length, first, frames, buffer, mono });
  take.frames = first + frames;
}

/** A request as the draft says. */
export function requestOf(draft) {
  const body = { id: crypto.randomUUID(), kind: "generate", bars: draft.bars, tempo: String(draft.tempo), meter: draft.meter };
  const end = draft.bars * barQuarters(draft.meter);
  const prompts = draft.prompts.filter((p) => p.text.trim()).map((p) => ({ text: p.text.trim(), weight: p.weight }));
  const curve = draft.curve.filter((point) => point.beat <= end);
  const notes = draft.notes.filter((note) => note.beat < end);
  if (prompts.length) body.prompts = prompts;
  if (curve.length) body.intensity = curve;
  if (notes.length) body.melody = notes.map((n) => ({ ...n, length: Math.min(n.length, end - n.beat) }));
  if (draft.key.trim()) body.key = draft.key.trim();
  if (draft.parts.length) body.parts = draft.parts;
  body.seed = draft.seed === "" ? Math.floor(Math.random() * SEEDS) : Number(draft.seed);
  if (draft.guidance !== "") body.guidance = Number(draft.guidance);
  if (draft.deadline !== "") body.deadline_ms = Number(draft.deadline);
  if (draft.plan) body.plan = true;
  const chords = chordsOf(draft);
  if (chords) body.chords = chords;
  return body;
}

/** The cells of the chord lane as one text; an empty cell goes on with the chord before. */
export function chordsOf(draft) {
  const cells = Array.from({ length: draft.bars }, (_, k) => (draft.chords[k] || "").trim());
  if (!cells.some(Boolean)) return null;
  let before = false;
  const words = cells.map((cell) => {
    const word = cell || (before ? "%" : "N.C.");
    before = true;
    return word;
  });
  return words.join(" | ") + (words.length === 1 ? " |" : "");
}

/** Ask for a take as the draft says; `after`: it follows this take. */
export function render(after = null) {
  const request = requestOf(state.draft);
  if (after) request.kind = "continue";
  if (!send(after ? "continue" : "request", after ? { take: after.id, request } : request)) return;
  const take = newTake(request);
  take.after = after;
  set({ takes: [...state.takes, take], a: take.id, heard: "a", selection: null, message: null });
}

/** Take back everything that this page waits for. */
export function cancel() {
  for (const take of state.takes) if (!take.ending) send("cancel", { id: take.id });
}

export const underWay = () => state.takes.filter((take) => !take.ending);

export function forget(take) {
  send("forget", { take: take.id });
}

/** The draft as this take was asked for. */
export function recall(take) {
  const r = take.request;
  setDraft({
    prompts: (r.prompts?.length ? r.prompts : [{ text: "", weight: 1 }]).map((p, k) => ({ key: `${take.id}-${k}`, text: p.text, weight: p.weight })),
    bars: r.bars,
    tempo: r.tempo,
    meter: r.meter,
    key: r.key || "",
    seed: take.report ? String(take.report.seed) : "",
    parts: r.parts || [],
    guidance: r.guidance ?? "",
    plan: r.plan === true,
    curve: r.intensity || [],
    notes: r.melody || [],
    chords: r.chords ? r.chords.split("|").map((cell) => cell.trim().replace(/^%$/, "")).slice(0, r.bars) : [],
  });
}

/** The notes that a take was planned with: its plan's, else those that were asked for. */
export function plannedNotes(take) {
  const quarters = barQuarters(take.request.meter);
  const bars = take.report?.plan?.bars;
  if (!bars) return take.request.melody || [];
  return bars.flatMap((bar, k) => (bar.melody || []).map((note) => ({ ...note, beat: note.beat + k * quarters })));
}

/** The chords of each bar as a take was planned with, as texts. */
export function plannedChords(take) {
  const bars = take.report?.plan?.bars;
  if (bars) return bars.map((bar) => (bar.chords || []).map((chord) => chord.name).join(" "));
  return (take.request.chords || "").split("|").map((cell) => cell.trim().replace(/^%$/, ""));
}

/** Fetch the sound of a take from the shelf, once. */
export async function load(take) {
  if (take.pieces.length || take.loading || !take.ending) return;
  take.loading = true;
  const answer = await fetch(`/takes/${encodeURIComponent(take.id)}/audio.f32`);
  if (!answer.ok) return say(await answer.text(), "error");
  const samples = new Float32Array(await answer.arrayBuffer());
  let first = 0;
  for (const frames of take.barFrames) {
    const end = first + frames;
    addPiece(take, first, samples.subarray(first * take.channels, end * take.channels), take.channels, take.rate);
    first = end;
  }
  take.loading = false;
  trim();
  touch();
}

/** Keep the sound of what is compared, and of others as long as there is room; the shelf has it all. */
function trim() {
  let room = MOST_FRAMES;
  for (const take of [...state.takes].reverse()) {
    room -= take.pieces.at(-1) ? take.frames : 0;
    const needed = take.ending === null || take.id === state.a || take.id === state.b;
    if (room < 0 && !needed) Object.assign(take, { pieces: [], levels: null });
  }
}

// ---- what the engine says ------------------------------------------------------------------

on("audio", (header, samples) => {
  const take = takeOf(header.id);
  if (!take) return;
  addPiece(take, header.first_frame, samples, header.channels, header.rate);
  take.ready.push((performance.now() - take.begun) / 1000);
  touch();
  arrived(take);
});

on("progress", ({ id, fraction }) => {
  const take = takeOf(id);
  if (!take) return;
  take.fraction = fraction;
  touch();
});

on("take", (told) => {
  const take = takeOf(told.request.id) || newTake(told.request);
  Object.assign(take, { number: told.number, barFrames: told.bar_frames, channels: told.channels, rate: told.rate });
  Object.assign(take, { report: told.report, ending: told.ending, bars: told.request.bars });
  const others = state.takes.filter((other) => other !== take);
  set({ takes: [...others, take].sort((x, y) => (x.number ?? Infinity) - (y.number ?? Infinity)) });
});

on("takes", ({ takes }) => {
  const known = takes.map((told) => takeOf(told.request.id) || Object.assign(newTake(told.request), { begun: 0 }));
  takes.forEach((told, k) => {
    Object.assign(known[k], { number: told.number, barFrames: told.bar_frames, channels: told.channels, rate: told.rate });
    Object.assign(known[k], { report: told.report, ending: told.ending });
  });
  const last = known.at(-1)?.id ?? null;
  set({ takes: known, a: known.some((t) => t.id === state.a) ? state.a : last, b: known.some((t) => t.id === state.b) ? state.b : null });
});

on("forget", ({ take: id }) => drop(id));

on("done", (report) => {
  const take = takeOf(report.id);
  if (!take) return;
  take.report = report;
  take.ending = "done";
  trim();
  if (report.remarks.length) say(report.remarks.join(" "));
  touch();
});

on("failed", ({ id, ending, text }) => {
  if (isCommand(id) || !takeOf(id)) return say(text, "error");
  const take = takeOf(id);
  take.ending = ending;
  if (!take.pieces.length) drop(id);
  say(ending === "cancelled" ? "Cancelled." : text, ending === "cancelled" ? "note" : "error");
});

on("live-done", ({ id }) => isCommand(id));

on("closed", () => {
  for (const take of underWay()) {
    take.ending = "failed";
    if (!take.pieces.length) drop(take.id);
  }
});

function drop(id) {
  const takes = state.takes.filter((take) => take.id !== id);
  const last = takes.at(-1)?.id ?? null;
  set({ takes, a: state.a === id ? last : state.a, b: state.b === id ? null : state.b, heard: state.b === id ? "a" : state.heard });
}
