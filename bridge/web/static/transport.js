// The bar at the bottom: play, loop, A and B, where the play head is, and what can be downloaded.

import { html, useEffect, useRef } from "./vendor/htm-preact.js";
import { hear, onFrame, position, seek, toggle } from "./player.js";
import { plannedNotes } from "./recall.js";
import { heardTake, set, useStore } from "./store.js";
import { barQuarters, beatQuarters } from "./time.js";

/** The address of a file of the take that is heard, over the selected bars. */
export function fileOf(take, kind, selection) {
  const there = take.barFrames?.length ?? take.pieces.length;
  const { first, end } = selection || { first: 0, end: there };
  const range = `?first=${Math.min(first, Math.max(0, there - 1))}&bars=${Math.max(1, Math.min(end, there) - first)}`;
  return `/takes/${encodeURIComponent(take.id)}/${kind}${selection ? range : ""}`;
}

export function Transport() {
  const state = useStore("takes", "a", "b", "heard", "selection", "loop", "arrival", "playing");
  const take = heardTake();
  const done = take && take.ending !== null && (take.barFrames?.length || 0) > 0;
  const { selection } = state;
  const bars = selection ? (selection.end - selection.first === 1 ? `bar ${selection.first + 1}` : `bars ${selection.first + 1}–${selection.end}`) : "all bars";
  const midi = done && plannedNotes(take).length > 0;
  return html`<footer class="transport" aria-label="Transport">
    <div class="group">
      <button id="play" class="round" aria-label=${state.playing ? "Pause" : "Play"} title="Space" onclick=${toggle} disabled=${!take}><${Icon} path=${state.playing ? "M6 4h4v16H6zM14 4h4v16h-4z" : "M7 4l13 8-13 8z"} /></button>
      <button class="icon" aria-label="To the start" title="Home" onclick=${() => seek(selection ? selection.first : 0)} disabled=${!take}><${Icon} path="M5 4h3v16H5zM20 4v16L9 12z" /></button>
      <button class="icon toggle" aria-pressed=${state.loop} title="L" onclick=${() => set({ loop: !state.loop })}>Loop</button>
      <button class="icon toggle" aria-pressed=${state.arrival} title="A new take sounds as soon as its first bar is there" onclick=${() => set({ arrival: !state.arrival })}>Play on arrival</button>
    </div>
    <${Clock} take=${take} />
    <div class="group ab" role="group" aria-label="Compare">
      <button class="icon deck-a" aria-pressed=${state.heard === "a"} title="X switches" onclick=${() => hear("a")}>A</button>
      <button class="icon deck-b" aria-pressed=${state.heard === "b"} disabled=${!state.b} title="X switches" onclick=${() => hear("b")}>B</button>
    </div>
    <div class="group files">
      <span class="what">${take ? `Take ${take.number ?? "…"}, ${bars}` : ""}</span>
      <${File} id="wav" on=${done} href=${done ? fileOf(take, "audio.wav", selection) : null} hint="D">WAV<//>
      ${done && take.put === "over" && html`<${File} id="part" on=${done} href=${`/takes/${encodeURIComponent(take.id)}/part.wav`} hint="The part alone">Part<//>`}
      <${File} id="midi" on=${midi} href=${midi ? fileOf(take, "melody.mid", selection) : null} hint="M">Melody<//>
      <${File} id="plan-midi" on=${done} href=${done ? fileOf(take, "plan.mid", selection) : null}>Plan<//>
    </div>
  </footer>`;
}

const Icon = ({ path }) => html`<svg viewBox="0 0 24 24" width="16" height="16" fill="currentColor" aria-hidden="true"><path d=${path} /></svg>`;

const File = ({ id, on, href, hint, children }) =>
  on
    ? html`<a id=${id} class="icon" href=${href} download title=${hint}>↓ ${children}</a>`
    : html`<span id=${id} class="icon off" aria-disabled="true">↓ ${children}</span>`;

function Clock({ take }) {
  const ref = useRef();
  const here = useRef(take);
  here.current = take;
  useEffect(() => onFrame(() => {
      const meter = here.current?.request.meter || "4/4";
      const at = position();
      const beats = barQuarters(meter) / beatQuarters(meter);
      const bar = Math.floor(at + 1e-6);
      const text = `${bar + 1}.${Math.floor((at - bar) * beats + 1e-4) + 1}`;
      if (ref.current.textContent !== text) ref.current.textContent = text;
    }), []);
  return html`<div class="clock" id="clock" ref=${ref} aria-label="Bar and beat"></div>`;
}
