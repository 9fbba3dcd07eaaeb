// The intensity lane: a curve drawn by hand over the draft's bars, and how loud the take that is heard really is.

import { html, useRef, useState } from "./vendor/htm-preact.js";
import { levels } from "./analysis.js";
import { Canvas, colour, drag, grid, hint } from "./canvas.js";
import { curveAt, simplified } from "./points.js";
import { setDraft } from "./store.js";
import { barQuarters, beatQuarters, clamp, place, snap } from "./time.js";

const TOP_DB = 0;
const BOTTOM_DB = -48;
const GRID_BEATS = 0.25;

/** The points with a level at a beat, in the place of what is nearer than half a grid step. */
const withPoint = (points, beat, db) =>
  [...points.filter((p) => Math.abs(p.beat - beat) >= GRID_BEATS / 2), { beat, db: Math.round(db * 10) / 10 }].sort(
    (p, q) => p.beat - q.beat,
  );

export function Curve({ axis, draft, take, height }) {
  const quarters = barQuarters(draft.meter);
  const end = draft.bars * quarters;
  const [cursor, setCursor] = useState(0);
  const [focused, setFocused] = useState(false);
  const stroke = useRef(null);
  const live = useRef(null);
  const x = (beat) => (beat / quarters) * axis.bar;
  const y = (db) => ((TOP_DB - clamp(db, BOTTOM_DB, TOP_DB)) / (TOP_DB - BOTTOM_DB)) * (height - 8) + 4;
  const dbAt = (py) => clamp(TOP_DB - ((py - 4) / (height - 8)) * (TOP_DB - BOTTOM_DB), BOTTOM_DB, TOP_DB);
  const tell = (text) => (live.current.textContent = text);

  function down(event) {
    if (event.button !== 0) return;
    stroke.current = { points: draft.curve.filter((p) => p.beat <= end), drawn: [], last: null };
    const move = (px, py) => {
      const s = stroke.current;
      const beat = clamp(snap((px / axis.bar) * quarters, GRID_BEATS), 0, end);
      const db = dbAt(py);
      const from = s.last || { beat, db };
      const steps = Math.max(1, Math.round(Math.abs(beat - from.beat) / GRID_BEATS));
      for (let k = 0; k <= steps; k++) {
        const b = from.beat + ((beat - from.beat) * k) / steps;
        s.drawn = withPoint(s.drawn, b, from.db + ((db - from.db) * k) / steps);
      }
      s.last = { beat, db };
      const [low, high] = [s.drawn[0].beat, s.drawn.at(-1).beat];
      setDraft({ curve: [...s.points.filter((p) => p.beat < low), ...s.drawn, ...s.points.filter((p) => p.beat > high)] });
      setCursor(beat);
    };
    const up = () => {
      const s = stroke.current;
      const [low, high] = [s.drawn[0].beat, s.drawn.at(-1).beat];
      const drawn = simplified(s.drawn);
      setDraft({ curve: [...s.points.filter((p) => p.beat < low), ...drawn, ...s.points.filter((p) => p.beat > high)] });
      tell(`Curve with ${drawn.length} points drawn.`);
    };
    drag(event, move, up);
  }

  function key(event) {
    const beat = beatQuarters(draft.meter);
    const step = event.shiftKey ? quarters : beat;
    const db = curveAt(draft.curve, cursor) ?? -18;
    const to = (b) => {
      const at = clamp(b, 0, end);
      setCursor(at);
      const there = curveAt(draft.curve, at);
      tell(`Bar ${place(at, draft.meter)}: ${there === null ? "no curve" : `${there.toFixed(1)} dB`}`);
    };
    const level = (value) => {
      const at = clamp(value, BOTTOM_DB, TOP_DB);
      setDraft({ curve: withPoint(draft.curve, cursor, at) });
      tell(`Bar ${place(cursor, draft.meter)}: ${at.toFixed(1)} dB`);
    };
    if (event.key === "ArrowLeft") to(cursor - step);
    else if (event.key === "ArrowRight") to(cursor + step);
    else if (event.key === "Home") to(0);
    else if (event.key === "End") to(end);
    else if (event.key === "ArrowUp") level(db + (event.shiftKey ? 3 : 1));
    else if (event.key === "ArrowDown") level(db - (event.shiftKey ? 3 : 1));
    else if (event.key === "Enter") level(db);
    else if (event.key === "Delete" || event.key === "Backspace") {
      setDraft({ curve: draft.curve.filter((p) => Math.abs(p.beat - cursor) > GRID_BEATS / 2) });
      tell("Point removed.");
    } else return;
    event.preventDefault();
  }

  function draw(context) {
    grid(context, axis, quarters, beatQuarters(draft.meter), height);
    context.font = "10px system-ui";
    context.fillStyle = colour("faint");
    for (const db of [-12, -24, -36]) {
      context.fillStyle = colour("grid-soft");
      context.fillRect(0, Math.round(y(db)), axis.width, 1);
    }
    measured(context);
    const points = draft.curve.filter((p) => p.beat <= end);
    if (!points.length && !focused) hint(context, "Draw how loud it should become", Math.min(x(end), axis.width), height);
    if (points.length) {
      const path = [[0, points[0].db], ...points.map((p) => [x(p.beat), p.db]), [x(end), points.at(-1).db]];
      context.beginPath();
      path.forEach(([px, db], k) => (k ? context.lineTo(px, y(db)) : context.moveTo(px, y(db))));
      context.strokeStyle = colour("accent");
      context.lineWidth = 2;
      context.stroke();
      context.lineTo(x(end), height);
      context.lineTo(0, height);
      context.globalAlpha = 0.1;
      context.fillStyle = colour("accent");
      context.fill();
      context.globalAlpha = 1;
      for (const p of points) {
        context.beginPath();
        context.arc(x(p.beat), y(p.db), 2.6, 0, 7);
        context.fill();
      }
    }
    if (axis.bars > draft.bars) {
      context.fillStyle = colour("outside");
      context.fillRect(x(end), 0, axis.width - x(end), height);
    }
    if (focused) {
      context.fillStyle = colour("focus");
      context.fillRect(x(cursor) - 0.75, 0, 1.5, height);
      const db = curveAt(draft.curve, cursor);
      if (db !== null) context.fillRect(x(cursor) - 4, y(db) - 4, 8, 8);
    }
  }

  function measured(context) {
    const shown = take && levelsOf(take, 12);
    if (!shown || !shown.length) return;
    context.beginPath();
    shown.forEach((db, k) => {
      const px = ((k + 0.5) / 12) * axis.bar;
      if (k) context.lineTo(px, y(db));
      else context.moveTo(px, y(db));
    });
    context.strokeStyle = colour("faint");
    context.lineWidth = 1.25;
    context.setLineDash([3, 3]);
    context.stroke();
    context.setLineDash([]);
  }

  return html`<${Canvas}
      id="curve" class="draws" width=${axis.width} height=${height} draw=${draw} tabindex="0" role="application"
      aria-label="Intensity curve. Left and right move the cursor by beats, with shift by bars; up and down change the level; delete removes a point."
      onpointerdown=${down} onkeydown=${key} onfocus=${() => setFocused(true)} onblur=${() => setFocused(false)} />
    <span class="hidden" aria-live="polite" ref=${live}></span>`;
}

/** Levels of a take in dBFS at `steps` places of each bar that is there; kept until more bars come. */
function levelsOf(take, steps) {
  if (!take.pieces.length) return null;
  if (take.levels?.bars === take.pieces.length) return take.levels.found;
  const length = take.frames;
  const channels = Array.from({ length: take.pieces[0].buffer.numberOfChannels }, (_, channel) => {
    const whole = new Float32Array(length);
    for (const piece of take.pieces) whole.set(piece.buffer.getChannelData(channel), piece.first);
    return whole;
  });
  const places = take.pieces.flatMap((p) => Array.from({ length: steps }, (_, k) => p.first + ((k + 0.5) * p.frames) / steps));
  take.levels = { bars: take.pieces.length, found: levels(channels, take.rate, places) };
  return take.levels.found;
}
