// When each bar was there, against when it is needed: by the music, if it begins with the first bar, and by a deadline.

import { html } from "./vendor/htm-preact.js";
import { measured } from "./adherence.js";
import { Canvas, colour } from "./canvas.js";
import { musicSeconds } from "./takes.js";
import { seconds } from "./time.js";

const WIDTH = 244;
const HEIGHT = 92;

export function Timing({ take }) {
  const told = take?.report;
  const ready = told ? told.bar_seconds : take?.ready || [];
  if (!take || !ready.length) return null;
  const bars = take.request.bars; // the new ones: those around them are there at once
  const lines = musicSeconds(take).slice(take.first);
  const needed = lines.map((s) => s - lines[0] + ready[0]);
  const deadline = take.request.deadline_ms ? take.request.deadline_ms / 1000 : null;
  const spare = Math.min(...ready.slice(1).map((s, k) => needed[k + 1] - s), Infinity);

  function draw(context) {
    const most = Math.max(needed[bars - 1] || 0, ...ready, deadline || 0) * 1.06 || 1;
    const x = (bar) => ((bar + 0.5) / bars) * (WIDTH - 8) + 4;
    const y = (s) => HEIGHT - 4 - (s / most) * (HEIGHT - 10);
    const wide = Math.max(2, Math.min(14, (WIDTH / bars) * 0.5));
    context.fillStyle = colour("grid");
    context.fillRect(0, HEIGHT - 4, WIDTH, 1);
    context.strokeStyle = colour("soft");
    context.lineWidth = 1.25;
    for (let bar = 0; bar < bars; bar++) {
      context.beginPath();
      context.moveTo(x(bar) - wide, y(needed[bar]));
      context.lineTo(x(bar) + wide, y(needed[bar]));
      context.stroke();
    }
    ready.forEach((s, bar) => {
      context.fillStyle = s > needed[bar] + 1e-3 || (deadline && s > deadline) ? colour("warn") : colour("accent");
      context.fillRect(x(bar) - wide / 2, y(s), wide, HEIGHT - 4 - y(s));
    });
    if (deadline) {
      context.fillStyle = colour("warn");
      context.fillRect(0, y(deadline), WIDTH, 1);
    }
  }

  const speed = told ? `${told.times_real_time.toFixed(told.times_real_time < 10 ? 1 : 0)}× real time` : "under way";
  const shortest = Number.isFinite(spare) ? (spare < 0 ? `${seconds(-spare)} late` : `${seconds(spare)} to spare`) : "";
  const label = `Bars ready after ${ready.map((s) => s.toFixed(2)).join(", ")} seconds; needed at ${needed.slice(0, bars).map((s) => s.toFixed(2)).join(", ")}.`;
  return html`<section class="timing" aria-label="Render time">
    <h2>Take ${take.number ?? ""} on time <small>${speed}</small></h2>
    <${Canvas} id="timing" width=${WIDTH} height=${HEIGHT} draw=${draw} role="img" aria-label=${label} />
    <dl>
      <dt><i class="key bar"></i>first bar</dt><dd>${seconds(ready[0])}</dd>
      <dt><i class="key line"></i>needed by the music</dt><dd>${shortest}</dd>
      ${deadline && html`<dt><i class="key limit"></i>deadline</dt><dd>${seconds(deadline)}</dd>`}
      ${told && html`<dt>all ${bars}${take.put ? " new" : ""} bars</dt><dd>${seconds(told.compute_seconds)}</dd>`}
      ${measured(told).map((m) => html`<dt key=${m.name} title=${m.title}>${m.name}</dt><dd>${m.value}</dd>`)}
    </dl>
  </section>`;
}
