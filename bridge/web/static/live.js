// Live sessions: what a plugin's timeline holds around its play head: played, committed, planned.

import { html, useState } from "./vendor/htm-preact.js";
import { Canvas, colour } from "./canvas.js";
import { command, on } from "./socket.js";
import { set, useStore } from "./store.js";
import { seconds } from "./time.js";

const BLOCK = 1024; // frames a column of what is kept
const KEPT_BLOCKS = 48000 * 60 / BLOCK;
const HEIGHT = 54;
const heard = new Map(); // instance -> {generation, peaks: Map of block -> peak}

on("live-status", ({ sessions }) => {
  for (const instance of heard.keys()) if (!sessions.some((s) => s.instance === instance)) heard.delete(instance);
  set({ live: sessions });
});

on("live-audio", (header, samples) => {
  let kept = heard.get(header.instance);
  if (!kept || kept.generation !== header.generation) heard.set(header.instance, (kept = { generation: header.generation, peaks: new Map() }));
  for (let frame = 0; frame < header.frames; frame++) {
    const block = Math.floor((header.first_frame + frame) / BLOCK);
    const first = frame === 0 || (header.first_frame + frame) % BLOCK === 0;
    const top = Math.max(Math.abs(samples[2 * frame]), Math.abs(samples[2 * frame + 1]));
    kept.peaks.set(block, Math.max(first ? 0 : kept.peaks.get(block) || 0, top));
  }
  while (kept.peaks.size > KEPT_BLOCKS) kept.peaks.delete(kept.peaks.keys().next().value);
});

// The plugin whose window opened this page: its instance is the address' fragment.
const opener = () => decodeURIComponent(location.hash.slice(1));

export function Live() {
  const { live } = useStore("live");
  if (!live.length) return null;
  const first = [...live].sort((a, b) => (b.instance === opener()) - (a.instance === opener()));
  return html`<section class="live" aria-label="Live sessions">${first.map((s) => html`<${Session} key=${s.instance} s=${s} />`)}</section>`;
}

const TEXT = { waiting: "waits for the host", ready: "ready", held: "held", silent: "silent" };

function Session({ s }) {
  const [width, setWidth] = useState(600);
  const barFrames = s.tempo && s.meter ? (s.rate * 60 * 4 * Number(s.meter.split("/")[0])) / Number(s.meter.split("/")[1]) / s.tempo : s.rate * 2;
  const first = s.frame - 1.5 * barFrames;
  const end = s.frame + Math.max(4, s.look_ahead_bars + 1.5) * barFrames;
  const x = (frame) => ((frame - first) / (end - first)) * width;

  function draw(context) {
    const peaks = heard.get(s.instance)?.peaks || new Map();
    for (const [from, to, name] of [[first, s.frame, "live-played"], [s.frame, s.committed_frame, "live-committed"], [s.committed_frame, s.ready_until_frame, "live-planned"]]) {
      context.fillStyle = colour(name);
      context.fillRect(x(from), 0, Math.max(0, x(to) - x(from)), HEIGHT);
    }
    for (const line of s.bar_lines || []) {
      context.fillStyle = colour("grid");
      context.fillRect(Math.round(x(line)), 0, 1, HEIGHT);
    }
    for (let block = Math.floor(first / BLOCK); block * BLOCK < end; block++) {
      const peak = Math.min(1, peaks.get(block) || 0);
      const at = block * BLOCK;
      context.fillStyle = at < s.frame ? colour("faint") : at < s.committed_frame ? colour("accent") : colour("second");
      context.fillRect(x(at), HEIGHT / 2 - peak * (HEIGHT / 2 - 2), Math.max(1, x(at + BLOCK) - x(at) - 0.3), Math.max(1, peak * (HEIGHT - 4)));
    }
    context.fillStyle = colour("ink");
    context.fillRect(x(s.frame) - 0.75, 0, 1.5, HEIGHT);
  }

  const facts = [
    s.bar === null ? null : `bar ${s.bar + 1}`,
    s.tempo ? `${Number(s.tempo.toFixed(2))} in ${s.meter}` : null,
    `${s.bars_ready.toFixed(1)} bars ready`,
    `latency ${seconds(s.latency_s)}`,
    `${s.renders} renders`,
    s.misses ? `${s.misses} misses` : null,
  ].filter(Boolean);
  const measure = (node) => node && node.clientWidth && node.clientWidth !== width && setWidth(node.clientWidth);
  return html`<article class=${s.instance === opener() ? "session opener" : "session"}>
    <div class="told"><h2>${s.title || "Live"}</h2><small>${TEXT[s.state]} · ${facts.join(" · ")}</small>${s.error && html`<small class="wrong">${s.error}</small>`}
      <span class="acts">
        ${s.state === "held"
          ? html`<button class="quiet" onclick=${() => command({ action: "release", instance: s.instance })}>Release</button>`
          : html`<button class="quiet" onclick=${() => command({ action: "hold", instance: s.instance, bars: 1 })}>Hold a bar</button>`}
        <button class="quiet" onclick=${() => command({ action: "continue", instance: s.instance })}>Continue the track</button>
        <button class="quiet" onclick=${() => command({ action: "panic", instance: s.instance })}>Panic</button>
      </span></div>
    <div class="strip" ref=${measure}><${Canvas} width=${width} height=${HEIGHT} draw=${draw} role="img"
      aria-label=${`Timeline of ${s.title || s.instance}: ${facts.join(", ")}`} /></div>
    <div class="legend" aria-hidden="true"><i class="played"></i>played <i class="committed"></i>committed <i class="planned"></i>planned</div>
  </article>`;
}
