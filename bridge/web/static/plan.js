// The plan lane: bar by bar what a plan says beside melody and chords. Only where a take was planned.

import { html } from "./vendor/htm-preact.js";

const changed = (bars, k, name) => (k === 0 || bars[k][name] !== bars[k - 1][name] ? bars[k][name] : null);

export function Plan({ axis, take }) {
  const bars = take.report.plan.bars;
  const words = (bar, k) => [changed(bars, k, "section"), changed(bars, k, "key"), changed(bars, k, "drums") && `drums ${bar.drums}`].filter(Boolean).join(" · ");
  return html`<ol class="plan" style=${{ width: `${axis.width}px` }}>
    ${bars.map((bar, k) => html`<li key=${k} style=${{ width: `${axis.bar}px` }} title=${told(bar)}>${words(bar, k)}</li>`)}
  </ol>`;
}

const told = (bar) =>
  [
    bar.section,
    bar.key,
    bar.drums && `drums: ${bar.drums}, density ${bar.drum_density ?? 0}`,
    bar.parts && `parts: ${bar.parts.join(", ") || "none"}`,
    bar.intensity_db !== null && `${bar.intensity_db} dB`,
  ]
    .filter(Boolean)
    .join("\n");
