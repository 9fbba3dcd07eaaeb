// Takes: what was asked for, the bars that came, how it ended; asking for new ones.

import { requestOf } from "./requests.js";
import { adopt } from "./sheet.js";
import { barQuarters } from "./time.js";
import { on, send, isCommand } from "./socket.js";
import { say, set, state, takeOf, touch } from "./store.js";

const MOST_FRAMES = 48_000 * 60 * 12; // of sound in the page: half a gigabyte
let arrived = () => {};

/** Call `callback(take)` with each bar that comes of a new take. */
export const onBar = (callback) => (arrived = callback);

const PUT = { fill: "inside", vary: "inside", front: "front" };

function newTake(request, of = null) {
  const put = PUT[request.edit] || (request.under ? "over" : null);
  return {
    id: request.id,
    number: null,
    request,
    origin: put && of ? of.id : null, // the take that was edited
    put, // where its new bars went
    bars: barsOf(request, put, of),
    first: put === "front" ? 0 : put ? request.at_bar : 0, // the first new bar; there are request.bars of them
    played: null, // what each bar plays, once it is told
    rate: 48000,
    pieces: [], // {bar, first, frames, buffer, mono}
    frames: 0,
    fraction: 0,
    begun: performance.now(),
    ready: [], // seconds from the request to each new bar
    report: null,
    ending: null, // null: under way
    loading: false,
  };
}

/** How many bars a take has when it is whole. */
function barsOf(request, put, of) {
  const there = of?.barFrames?.length || of?.bars;
  if (!put || !there) return request.bars;
  return put === "front" ? there + request.bars : there;
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

/** Ask for a take. of: the take that it comes from, which the engine keeps. */
export function ask(request, { of = null, chosen = true, rewrites = null } = {}) {
  if (!send(of ? "continue" : "request", of ? { take: of.id, request } : request)) return false;
  const take = newTake(request, of);
  take.rewrites = rewrites;
  const selection = take.put === "inside" || take.put === "over" ? state.selection : null;
  const shown = chosen ? { a: take.id, heard: "a", selection, message: null } : {};
  set({ takes: [...state.takes, take], ...shown });
  return true;
}

/** Ask for takes as the draft says; rewrite: bars of its plan that are not locked are written anew. */
export function render({ rewrite = false } = {}) {
  const { draft } = state;
  const request = requestOf(draft, { rewrite });
  if (draft.form.trim()) request.form = draft.form.trim();
  if (draft.plan === "first") request.plan = true;
  if (draft.plan === "auto") request.plan = "auto";
  for (let k = 0; k < (rewrite ? 1 : draft.count); k++) {
    const next = { ...request, id: crypto.randomUUID(), seed: request.seed + k };
    if (!ask(next, { chosen: k === 0, rewrites: rewrite ? draft.sheet : null })) return;
  }
}

/** Take back everything that this page waits for. */
export function cancel() {
  for (const take of state.takes) if (!take.ending) send("cancel", { id: take.id });
}

export const underWay = () => state.takes.filter((take) => !take.ending);

export function forget(take) {
  send("forget", { take: take.id });
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
  const bar = take.pieces.length - 1;
  if (bar >= take.first && bar < take.first + take.request.bars) take.ready.push((performance.now() - take.begun) / 1000);
  touch();
  arrived(take);
});

on("progress", ({ id, fraction }) => {
  const take = takeOf(id);
  if (!take) return;
  take.fraction = fraction;
  touch();
});

/** A take as the engine tells it. */
function tell(take, told) {
  const { number, rate, channels, bars, report, ending, origin, put } = told;
  return Object.assign(take, { number, rate, channels, bars, report, ending, origin, put, barFrames: told.bar_frames, played: told.played, first: told.first_new_bar });
}

on("take", (told) => {
  const take = tell(takeOf(told.request.id) || newTake(told.request), told);
  const others = state.takes.filter((other) => other !== take);
  set({ takes: [...others, take].sort((x, y) => (x.number ?? Infinity) - (y.number ?? Infinity)) });
  const written = take.rewrites && take.rewrites === state.draft.sheet && take.report?.plan;
  if (written) adopt(written.bars, take.request.meter, take.rewrites.map((bar) => bar.locked));
});

on("takes", ({ takes }) => {
  const known = takes.map((told) => tell(takeOf(told.request.id) || Object.assign(newTake(told.request), { begun: 0 }), told));
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
