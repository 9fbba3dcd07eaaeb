// When each bar was there, against when it is needed: by the music, if it begins with the first bar, and by a deadline.

import { html } from "./vendor/htm-preact.js";
import { Canvas, colour } from "./canvas.js";
import { musicSeconds } from "./takes.js";
import { seconds } from "./time.js";

const WIDTH = 244;
const HEIGHT = 92;

export function Timing({ take }) {
  const told = take?.report;
  const ready = told ? told.bar_seconds : take?.ready || [];
  if (!take || !ready.length) return null;
  const needed = musicSeconds(take).map((s) => s + ready[0]);
  const deadline = take.request.deadline_ms ? take.request.deadline_ms / 1000 : null;
  const spare = Math.min(...ready.slice(1).map((s, k) => needed[k + 1] - s), Infinity);

  function draw(context) {
    const most = Math.max(needed[take.bars - 1] || 0, ...ready, deadline || 0) * 1.06 || 1;
    const x = (bar) => ((bar + 0.5) / take.bars) * (WIDTH - 8) + 4;
    const y = (s) => HEIGHT - 4 - (s / most) * (HEIGHT - 10);
    const wide = Math.max(2, Math.min(14, (WIDTH / take.bars) * 0.5));
    context.fillStyle = colour("grid");
    context.fillRect(0, HEIGHT - 4, WIDTH, 1);
    context.strokeStyle = colour("soft");
    context.lineWidth = 1.25;
    for (let bar = 0; bar < take.bars; bar++) {
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
  const label = `Bars ready after ${ready.map((s) => s.toFixed(2)).join(", ")} seconds; needed at ${needed.slice(0, take.bars).map((s) => s.toFixed(2)).join(", ")}.`;
  const follows = Object.entries(told?.adherence || {}).filter(([, value]) => value !== null);
  return html`<section class="timing" aria-label="Render time">
    <h2>Take ${take.number ?? ""} on time <small>${speed}</small></h2>
    <${Canvas} id="timing" width=${WIDTH} height=${HEIGHT} draw=${draw} role="img" aria-label=${label} />
    <dl>
      <dt><i class="key bar"></i>first bar</dt><dd>${seconds(ready[0])}</dd>
      <dt><i class="key line"></i>needed by the music</dt><dd>${shortest}</dd>
      ${deadline && html`<dt><i class="key limit"></i>deadline</dt><dd>${seconds(deadline)}</dd>`}
      ${told && html`<dt>all ${take.bars} bars</dt><dd>${seconds(told.compute_seconds)}</dd>`}
      ${follows.map(([name, value]) => html`<dt key=${name}>${NAMES[name] || name}</dt><dd>${UNITS[name] ? UNITS[name](value) : value.toFixed(2)}</dd>`)}
    </dl>
  </section>`;
}

const NAMES = { intensity_error_db: "off the curve", melody_accuracy: "melody heard", text_similarity: "like the prompt" };
const UNITS = { intensity_error_db: (v) => `${v.toFixed(1)} dB`, melody_accuracy: (v) => `${Math.round(100 * v)} %` };
