// Waveform and spectrogram of a take, bar by bar: what is planned, what is rendered, what was played.

import { html } from "./vendor/htm-preact.js";
import { peaks, spectra, ROWS } from "./analysis.js";
import { Canvas, colour, grid, hint } from "./canvas.js";
import { barQuarters, beatQuarters } from "./time.js";

/** Hatched: asked for, and not there yet. */
function hatch(context, x, width, height) {
  context.save();
  context.beginPath();
  context.rect(x + 1, 0, width - 1, height);
  context.clip();
  context.strokeStyle = colour("hatch");
  context.lineWidth = 1;
  context.beginPath();
  for (let k = x - height; k < x + width; k += 7) {
    context.moveTo(k, height);
    context.lineTo(k + height, 0);
  }
  context.stroke();
  context.restore();
}

function waiting(context, axis, take, height) {
  for (let bar = take.pieces.length; bar < take.bars; bar++) {
    if (take.ending === null || take.loading) hatch(context, bar * axis.bar, axis.bar, height);
  }
  if (take.ending !== null) return;
  const x = Math.min(take.bars, Math.max(take.pieces.length, take.fraction * take.bars)) * axis.bar;
  context.fillStyle = colour("accent");
  context.globalAlpha = 0.16;
  context.fillRect(take.pieces.length * axis.bar, 0, x - take.pieces.length * axis.bar, height);
  context.globalAlpha = 1;
}

/** Something computed of a piece, kept with it until `key` (its width, say) is another one. */
function of(piece, name, key, work) {
  if (piece.cached?.[name]?.key !== key) piece.cached = { ...piece.cached, [name]: { key, found: work(key) } };
  return piece.cached[name].found;
}

export function Wave({ axis, draft, take, height, deck, id }) {
  function draw(context) {
    grid(context, axis, barQuarters(draft.meter), beatQuarters(draft.meter), height);
    if (!take) return hint(context, "What is rendered appears here, bar by bar", axis.width, height);
    waiting(context, axis, take, height);
    const loudest = Math.max(0.05, ...take.pieces.map((p) => of(p, "peak", 1, () => top(p.mono))));
    const scale = (height / 2 - 2) / Math.min(1, loudest * 1.06);
    for (const piece of take.pieces) {
      const columns = Math.max(1, Math.round(axis.bar));
      const found = of(piece, "peaks", columns, (n) => peaks(piece.mono, n));
      bar(context, found, columns, piece.bar * axis.bar, scale);
    }
  }

  function bar(context, found, columns, left, scale) {
    const middle = height / 2;
    context.fillStyle = colour(deck);
    for (const [index, alpha] of [[0, 0.45], [1, 1]]) {
      context.globalAlpha = alpha;
      for (let k = 0; k < columns; k++) {
        const [low, high, rms] = found.subarray(3 * k, 3 * k + 3);
        const [up, down] = index ? [rms, rms] : [high, -low];
        context.fillRect(left + k, middle - up * scale, 1, Math.max(index ? 0.5 : 1, (up + down) * scale));
      }
    }
    context.globalAlpha = 1;
  }

  const label = take ? `Waveform of take ${take.number ?? "under way"}: ${take.pieces.length} of ${take.bars} bars` : "No take yet";
  return html`<${Canvas} id=${id} data-bars=${take ? take.pieces.length : 0} width=${axis.width} height=${height} draw=${draw} role="img" aria-label=${label} />`;
}

const top = (mono) => mono.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

export function Spectrogram({ axis, draft, take, height }) {
  function draw(context) {
    if (take) {
      const map = ramp();
      for (const piece of take.pieces) {
        const columns = Math.max(1, Math.min(600, Math.round(axis.bar)));
        const found = of(piece, "spectra", columns, (n) => spectra(piece.mono, take.rate, n));
        const drawn = of(piece, "picture", `${columns} ${colour("heat-0")}`, () => picture(found, columns, map));
        context.drawImage(drawn, piece.bar * axis.bar, 0, axis.bar, height);
      }
      waiting(context, axis, take, height);
    }
    context.globalAlpha = 0.5;
    grid(context, axis, barQuarters(draft.meter), barQuarters(draft.meter), height);
    context.globalAlpha = 1;
  }
  const label = take ? `Spectrogram of take ${take.number ?? "under way"}, 40 Hz to 16 kHz` : "No take yet";
  return html`<${Canvas} id="spectrogram" width=${axis.width} height=${height} draw=${draw} role="img" aria-label=${label} />`;
}

function picture(found, columns, map) {
  const canvas = new OffscreenCanvas(columns, ROWS);
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, ROWS);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < ROWS; row++) {
      const at = 4 * ((ROWS - 1 - row) * columns + column);
      const value = found[column * ROWS + row] * 3;
      image.data.set([map[value], map[value + 1], map[value + 2], 255], at);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** 256 colours between the stops of the style sheet. */
function ramp() {
  const stops = [0, 1, 2, 3].map((k) => colour(`heat-${k}`).match(/[0-9a-f]{2}/gi).map((h) => parseInt(h, 16)));
  const out = new Uint8Array(768);
  for (let k = 0; k < 256; k++) {
    const place = (k / 255) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(place));
    for (let c = 0; c < 3; c++) out[3 * k + c] = stops[low][c] + (stops[low + 1][c] - stops[low][c]) * (place - low);
  }
  return out;
}
