// Plays takes by Web Audio: bars one after the other, each at its exact time, also while more of them are still rendered.
// One deck sounds at a time; a switch between A and B goes on at the same musical place.

import { heardTake, onChange, say, set, state, touch } from "./store.js";
import { barAt, frameAt, load, onBar } from "./takes.js";

const AHEAD_S = 0.3;
const TURN_MS = 60;
const FADE_S = 0.012;

let context = null;
let voice = null; // {gain, sources, take, segments, next: {frame, time}}
let resting = 0; // musical place when nothing plays
let timer = null;

/** A browser lets a page sound once somebody has pressed something. */
export function wake() {
  context ??= new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
  return context.state === "suspended" ? context.resume() : Promise.resolve();
}

/** Where the play head is, in bars of the take that is heard. */
export function position() {
  if (!voice) return resting;
  return barAt(voice.take, frameNow(voice));
}

function frameNow({ segments, take }) {
  const now = context.currentTime - (context.outputLatency || 0);
  let here = segments[0];
  for (const segment of segments) if (segment.time <= now) here = segment;
  if (!here) return frameAt(take, resting);
  return here.frame + Math.min(here.frames, Math.max(0, (now - here.time) * take.rate));
}

/** Call `callback` with each picture while something plays, and whenever the play head may have moved; returns its end. */
export function onFrame(callback) {
  let frame = null;
  const turn = () => {
    callback();
    frame = state.playing ? requestAnimationFrame(turn) : null;
  };
  const end = onChange(() => (frame === null ? turn() : callback()));
  turn();
  return () => {
    end();
    if (frame !== null) cancelAnimationFrame(frame);
  };
}

/** The bars that are played: the selection, or all. */
function span(take) {
  const { first, end } = state.selection || { first: 0, end: take.bars };
  return { first: Math.min(first, take.bars - 1), end: Math.min(end, take.bars) };
}

export async function play(from = null) {
  const take = heardTake();
  if (!take) return say("There is nothing to play yet: render a take first.");
  await wake();
  await load(take);
  const { first, end } = span(take);
  let bar = from ?? (resting < end - 1e-3 && (!state.selection || resting >= first) ? resting : first);
  if (bar >= end) bar = first;
  begin(take, bar);
  set({ playing: true });
}

function begin(take, bar) {
  hush();
  const gain = new GainNode(context, { gain: 0 });
  gain.connect(context.destination);
  const time = Math.ceil((context.currentTime + 0.02) * take.rate) / take.rate;
  gain.gain.setValueAtTime(0, time);
  gain.gain.linearRampToValueAtTime(1, time + FADE_S);
  voice = { gain, take, sources: new Set(), segments: [], next: { frame: frameAt(take, bar), time } };
  resting = bar;
  turn();
  timer ??= setInterval(turn, TURN_MS);
}

/** Let what sounds fade away. */
function hush() {
  if (!voice) return;
  const { gain, sources } = voice;
  const now = context.currentTime;
  gain.gain.cancelScheduledValues(now);
  gain.gain.setTargetAtTime(0, now, FADE_S / 3);
  for (const source of sources) source.stop(now + 4 * FADE_S);
  setTimeout(() => gain.disconnect(), 200);
  voice = null;
}

export function stop() {
  resting = position();
  hush();
  clearInterval(timer);
  timer = null;
  set({ playing: false });
}

export const toggle = () => (state.playing ? stop() : play());

/** Move the play head to a musical place. */
export function seek(bar) {
  const take = heardTake();
  resting = Math.max(0, take ? Math.min(bar, take.bars) : 0);
  if (state.playing && take) begin(take, resting);
  else touch();
}

/** Hear the other of A and B, at the same place. */
export async function hear(deck) {
  if (deck === "b" && !state.b) return say("Choose a take for B first: press B on a take.");
  const place = position();
  set({ heard: deck });
  const take = heardTake();
  if (take) await load(take);
  if (state.playing && take) begin(take, Math.min(place, take.bars - 1e-6));
}

/** Schedule what becomes due; come to an end where there is one. */
function turn() {
  if (!voice) return;
  const { take, next } = voice;
  while (voice && next.time < context.currentTime + AHEAD_S) {
    const { first, end } = span(take);
    const limit = end < take.bars ? frameAt(take, end) : Infinity;
    const whole = take.ending !== null;
    const complete = take.pieces.length > 0 && (end <= take.pieces.length || whole);
    const last = complete ? Math.min(limit, take.frames) : Infinity;
    if (next.frame >= last && complete) {
      if (state.loop) next.frame = frameAt(take, first);
      if (!state.loop || frameAt(take, first) >= last) return finish(next.time);
    }
    const piece = take.pieces.find((p) => p.first <= next.frame && next.frame < p.first + p.frames);
    if (!piece) {
      if (whole) return finish(next.time);
      next.time = Math.max(next.time, context.currentTime + 0.05); // the next bar is not there yet: wait for it
      return;
    }
    schedule(piece, Math.min(piece.first + piece.frames, last));
  }
}

function schedule(piece, end) {
  const { take, next, gain, sources, segments } = voice;
  const late = context.currentTime + 0.005;
  if (next.time < late) next.time = Math.ceil(late * take.rate) / take.rate;
  const frames = end - next.frame;
  const source = new AudioBufferSourceNode(context, { buffer: piece.buffer });
  source.connect(gain);
  source.start(next.time, (next.frame - piece.first) / take.rate, frames / take.rate);
  sources.add(source);
  source.onended = () => sources.delete(source);
  segments.push({ time: next.time, frame: next.frame, frames });
  if (segments.length > 12) segments.shift();
  next.frame = end;
  next.time = segments.at(-1).time + frames / take.rate;
}

function finish(time) {
  if (context.currentTime < time) return;
  stop();
  resting = state.selection ? state.selection.first : 0;
  touch();
}

/** A new take is heard as soon as the first bar to play is there, unless something plays. */
onBar((take) => {
  const from = Math.min(state.selection?.first ?? 0, take.bars - 1);
  if (take.pieces.length === from + 1 && state.arrival && !state.playing && state.a === take.id) {
    resting = from;
    play(from);
  }
});

/** Another take was chosen: go on with it at the same place. */
onChange((names) => {
  if (!["takes", "a", "b", "heard"].some((name) => names.has(name))) return;
  const take = heardTake();
  if (take) load(take);
  if (!voice || voice.take === take) return;
  if (!take) stop();
  else if (take.pieces.length) begin(take, Math.min(position(), take.bars - 1e-6));
});

/** Notes on a plain tone, to hear a melody that nobody has rendered. notes: beats in quarters. */
export async function sing(notes, tempo) {
  await wake();
  const begin = context.currentTime + 0.05;
  const quarter = 60 / parseFloat(tempo);
  for (const note of notes) {
    const tone = new OscillatorNode(context, { type: "triangle", frequency: 440 * 2 ** ((note.pitch - 69) / 12) });
    const gain = new GainNode(context, { gain: 0 });
    const [first, last] = [begin + note.beat * quarter, begin + (note.beat + note.length) * quarter];
    gain.gain.setValueAtTime(0, first);
    gain.gain.linearRampToValueAtTime(0.16, first + 0.008);
    gain.gain.setTargetAtTime(0.09, first + 0.01, 0.12);
    gain.gain.setTargetAtTime(0, Math.max(first + 0.02, last - 0.02), 0.02);
    tone.connect(gain).connect(context.destination);
    tone.start(first);
    tone.stop(last + 0.15);
  }
}
