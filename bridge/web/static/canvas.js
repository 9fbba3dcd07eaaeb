// A canvas in a lane: sized to its place and its screen, drawn anew when what it shows or the colours change.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";

const MOST_PIXELS = 16000;
const dark = matchMedia("(prefers-color-scheme: dark)");
const contrast = matchMedia("(prefers-contrast: more)");

/** The colours of the style sheet by name, as they are now. */
let colours = null;
export function colour(name) {
  colours ??= getComputedStyle(document.documentElement);
  return colours.getPropertyValue(`--${name}`).trim();
}

/** A component that is drawn anew when light turns dark. */
export function useTheme() {
  const [, turn] = useState(0);
  useEffect(() => {
    const changed = () => {
      colours = null;
      turn((n) => n + 1);
    };
    for (const query of [dark, contrast]) query.addEventListener("change", changed);
    return () => [dark, contrast].forEach((query) => query.removeEventListener("change", changed));
  }, []);
}

/** draw(context, width, height) in CSS pixels. Further properties go to the canvas element. */
export function Canvas({ width, height, draw, ...rest }) {
  const ref = useRef();
  useTheme();
  useEffect(() => {
    const canvas = ref.current;
    const scale = Math.min(window.devicePixelRatio || 1, MOST_PIXELS / Math.max(1, width));
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  });
  return html`<canvas ref=${ref} style=${{ width: `${width}px`, height: `${height}px` }} ...${rest}></canvas>`;
}

/** Lines at bars, and fainter ones at beats. */
export function grid(context, axis, quarters, beat, height) {
  const steps = axis.bar > 60 ? Math.round(quarters / beat) : 1;
  for (let bar = 0; bar <= axis.bars; bar++) {
    for (let step = 0; step < steps; step++) {
      const x = Math.round((bar + step / steps) * axis.bar) + 0.5;
      if (x > axis.width) break;
      context.fillStyle = colour(step ? "grid-soft" : "grid");
      context.fillRect(x - 0.5, 0, 1, height);
    }
  }
}

/** What an empty lane is for. */
export function hint(context, text, width, height) {
  context.font = "12px system-ui";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = colour("faint");
  context.fillText(text, width / 2, height / 2);
  context.textAlign = "start";
}

/** Follow a pointer from where it went down until it goes up. move and up get (x, y) in the canvas. */
export function drag(event, move, up = () => {}) {
  const canvas = event.currentTarget;
  const at = (e) => {
    const box = canvas.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  };
  const moved = (e) => move(...at(e));
  const ended = (e) => {
    canvas.removeEventListener("pointermove", moved);
    canvas.removeEventListener("pointerup", ended);
    canvas.removeEventListener("pointercancel", ended);
    up(...at(e));
  };
  canvas.setPointerCapture(event.pointerId);
  canvas.addEventListener("pointermove", moved);
  canvas.addEventListener("pointerup", ended);
  canvas.addEventListener("pointercancel", ended);
  move(...at(event));
}
