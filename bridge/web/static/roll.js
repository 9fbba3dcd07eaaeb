// The piano roll: the melody of the draft, one voice, over what the take that is heard was planned with.

import { html, useRef, useState } from "./vendor/htm-preact.js";
import { Canvas, colour, drag, grid, hint } from "./canvas.js";
import { plannedNotes } from "./recall.js";
import { unlocked } from "./sheet.js";
import { setDraft } from "./store.js";
import { barQuarters, beatQuarters, clamp, isBlack, pitchName, place, snap } from "./time.js";

export const LOWEST = 48; // C3 to C7: what the model sings (engine.controls.melody.RANGE)
export const HIGHEST = 96;
const GRID = 0.25;
const EDGE_PX = 6;

/** The notes with one more, one voice: what it overlaps gives way. */
export function withNote(notes, note) {
  const end = note.beat + note.length;
  const others = notes
    .filter((n) => !(n.beat >= note.beat - 1e-6 && n.beat < end - 1e-6))
    .map((n) => (n.beat < note.beat && n.beat + n.length > note.beat ? { ...n, length: note.beat - n.beat } : n));
  return [...others, note].sort((a, b) => a.beat - b.beat);
}

const noteAt = (notes, beat, pitch) => notes.find((n) => n.pitch === pitch && n.beat <= beat + 1e-6 && beat < n.beat + n.length - 1e-6);

export function Roll({ axis, draft, take, height, low, setLow }) {
  const quarters = barQuarters(draft.meter);
  const end = draft.bars * quarters;
  const rows = Math.floor(height / 9);
  const row = height / rows;
  const [cursor, setCursor] = useState({ beat: 0, pitch: 67 });
  const [focused, setFocused] = useState(false);
  const live = useRef(null);
  const x = (beat) => (beat / quarters) * axis.bar;
  const y = (pitch) => height - (pitch - low + 1) * row;
  const beatOf = (px) => clamp((px / axis.bar) * quarters, 0, end - GRID);
  const pitchOf = (py) => clamp(low + Math.floor((height - py) / row), LOWEST, HIGHEST);
  const tell = (text) => (live.current.textContent = text);
  const keep = (notes) => setDraft({ notes: unlocked(draft, notes) });
  const remove = (note) => keep(draft.notes.filter((n) => n !== note));

  function down(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const [beat, pitch] = [beatOf(px), pitchOf(py)];
    const found = noteAt(draft.notes, beat, pitch);
    if (event.button === 2 || event.altKey) return found && remove(found);
    if (event.button !== 0) return undefined;
    const others = draft.notes.filter((n) => n !== found);
    const start = found || { pitch, beat: Math.floor(beat / GRID) * GRID, length: beatQuarters(draft.meter) / 2, velocity: 100 };
    const sizing = !found || px > x(start.beat + start.length) - EDGE_PX;
    const held = beat - start.beat;
    const fitted = (n) => ({ ...n, length: Math.min(n.length, end - n.beat) });
    const move = (mx, my) => {
      const to = clamp((mx / axis.bar) * quarters, 0, end);
      const length = Math.max(GRID, snap(to - start.beat, GRID));
      if (sizing && !found && Math.abs(mx - px) < 4) keep(withNote(others, fitted(start)));
      else if (sizing) keep(withNote(others, fitted({ ...start, length })));
      else keep(withNote(others, fitted({ ...start, pitch: pitchOf(my), beat: clamp(snap(to - held, GRID), 0, end - GRID) })));
    };
    setCursor({ beat: start.beat, pitch });
    drag(event, move);
    return undefined;
  }

  function key(event) {
    const here = noteAt(draft.notes, cursor.beat, cursor.pitch);
    const to = (beat, pitch) => {
      const next = { beat: clamp(beat, 0, end - GRID), pitch: clamp(pitch, LOWEST, HIGHEST) };
      setCursor(next);
      if (next.pitch < low) setLow(Math.max(LOWEST, next.pitch - 2));
      if (next.pitch >= low + rows) setLow(Math.min(HIGHEST - rows + 1, next.pitch - rows + 3));
      tell(`${pitchName(next.pitch)} at ${place(next.beat, draft.meter)}${noteAt(draft.notes, next.beat, next.pitch) ? ", note" : ""}`);
    };
    const resize = (by) => here && keep(withNote(draft.notes.filter((n) => n !== here), { ...here, length: clamp(here.length + by, GRID, end - here.beat) }));
    const grown = event.shiftKey;
    if (event.key === "ArrowLeft") grown ? resize(-GRID) : to(cursor.beat - GRID, cursor.pitch);
    else if (event.key === "ArrowRight") grown ? resize(GRID) : to(cursor.beat + GRID, cursor.pitch);
    else if (event.key === "ArrowUp") to(cursor.beat, cursor.pitch + (grown ? 12 : 1));
    else if (event.key === "ArrowDown") to(cursor.beat, cursor.pitch - (grown ? 12 : 1));
    else if (event.key === "Home") to(0, cursor.pitch);
    else if (event.key === "End") to(end, cursor.pitch);
    else if (event.key === "PageUp") to(cursor.beat + quarters, cursor.pitch);
    else if (event.key === "PageDown") to(cursor.beat - quarters, cursor.pitch);
    else if (event.key === "Enter" && here) remove(here);
    else if (event.key === "Enter") {
      keep(withNote(draft.notes, { pitch: cursor.pitch, beat: cursor.beat, length: Math.min(beatQuarters(draft.meter), end - cursor.beat), velocity: 100 }));
      tell(`Note ${pitchName(cursor.pitch)} at ${place(cursor.beat, draft.meter)}`);
    } else if ((event.key === "Delete" || event.key === "Backspace") && here) remove(here);
    else return;
    event.preventDefault();
  }

  function draw(context) {
    for (let pitch = low; pitch < low + rows; pitch++) {
      if (!isBlack(pitch)) continue;
      context.fillStyle = colour("black-key");
      context.fillRect(0, y(pitch), axis.width, row);
    }
    grid(context, axis, quarters, beatQuarters(draft.meter), height);
    for (let pitch = low; pitch < low + rows; pitch++) {
      if (pitch % 12 === 0) context.fillStyle = colour("grid"), context.fillRect(0, Math.round(y(pitch) + row) - 0.5, axis.width, 1);
    }
    const ghosts = take ? plannedNotes(take) : [];
    context.strokeStyle = colour("plan");
    context.lineWidth = 1.2;
    for (const n of ghosts) box(context, n, () => context.stroke());
    if (!draft.notes.length && !ghosts.length && !focused) hint(context, "Draw a melody, or leave it open", x(end), height);
    context.fillStyle = colour("accent");
    for (const n of draft.notes) {
      if (n.beat < end) box(context, { ...n, length: Math.min(n.length, end - n.beat) }, () => context.fill());
    }
    if (axis.bars > draft.bars) {
      context.fillStyle = colour("outside");
      context.fillRect(x(end), 0, axis.width - x(end), height);
    }
    if (focused) {
      context.strokeStyle = colour("focus");
      context.lineWidth = 1.5;
      context.strokeRect(x(cursor.beat), y(cursor.pitch), x(GRID), row);
    }
  }

  function box(context, note, paint) {
    context.beginPath();
    context.roundRect(x(note.beat) + 0.5, y(note.pitch) + 0.5, Math.max(3, x(note.length) - 1.5), row - 1, 2);
    paint();
  }

  return html`<${Canvas}
      id="roll" class="draws" width=${axis.width} height=${height} draw=${draw} tabindex="0" role="application"
      aria-label="Melody. Arrow keys move the cursor; enter sets or removes a note; shift with left and right changes its length, with up and down moves by octaves."
      onpointerdown=${down} onkeydown=${key} oncontextmenu=${(e) => e.preventDefault()}
      onfocus=${() => setFocused(true)} onblur=${() => setFocused(false)} />
    <span class="hidden" aria-live="polite" ref=${live}></span>`;
}

/** The keys beside the roll. */
export function Keys({ height, low }) {
  const rows = Math.floor(height / 9);
  const row = height / rows;
  const draw = (context, width) => {
    context.font = "10px system-ui";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (let pitch = low; pitch < low + rows; pitch++) {
      const y = height - (pitch - low + 1) * row;
      context.fillStyle = isBlack(pitch) ? colour("key-black") : colour("key-white");
      context.fillRect(width - (isBlack(pitch) ? 15 : 20), y + 0.5, isBlack(pitch) ? 15 : 20, row - 1);
      context.fillStyle = colour("faint");
      if (pitch % 12 === 0) context.fillText(pitchName(pitch), width - 24, y + row / 2);
    }
  };
  return html`<${Canvas} width=${52} height=${height} draw=${draw} aria-hidden="true" />`;
}
