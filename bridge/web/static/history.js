// Takes so far, newest first: choose, compare as A and B, use their settings again; and how fast the chosen one was.

import { html } from "./vendor/htm-preact.js";
import { set, setDraft, takeOf, useStore } from "./store.js";

import { forget, recall } from "./takes.js";
import { Timing } from "./timing.js";

export function History() {
  const state = useStore("takes", "a", "b");
  const takes = [...state.takes].reverse();
  const chosen = takeOf(state.a);
  return html`<aside class="history" aria-label="Takes">
    <h2>Takes</h2>
    ${!takes.length && html`<p class="empty">What you render is kept here, with its seed, until the engine stops.</p>`}
    <ol>${takes.map((take) => html`<${Row} key=${take.id} take=${take} state=${state} />`)}</ol>
    <${Timing} take=${chosen} />
  </aside>`;
}

const words = (request) => (request.prompts || []).map((p) => p.text).join(" + ") || (request.kind === "continue" ? "continued" : "no prompt");

function Row({ take, state }) {
  const [isA, isB] = [state.a === take.id, state.b === take.id];
  const r = take.request;
  const seed = take.report?.seed;
  const facts = [`${r.bars} bars`, `${r.tempo}`, r.key || null].filter(Boolean).join(" · ");
  const ending = take.ending === null ? `${Math.round(100 * take.fraction)} %` : take.ending === "done" ? "" : take.ending;
  return html`<li class=${`take ${isA ? "a" : ""} ${isB ? "b" : ""}`}>
    <button class="choose" aria-pressed=${isA} onclick=${() => set({ a: take.id, heard: "a" })}>
      <span class="number">${take.number ?? "…"}${isA ? html`<sup>A</sup>` : ""}${isB ? html`<sup>B</sup>` : ""}</span>
      <span class="words">${words(r)}</span>
      <span class="facts">${facts}${ending && html` <em>${ending}</em>`}</span>
    </button>
    ${take.ending !== null && html`<div class="acts">
      <button class="quiet deck" aria-pressed=${isB} title="Compare with A" onclick=${() => (isB ? set({ b: null, heard: "a" }) : set({ b: take.id }))}>B</button>
      ${seed !== undefined && html`<button class="quiet seed" title="Use this seed again" onclick=${() => setDraft({ seed: String(seed) })}>seed ${seed}</button>`}
      <button class="quiet" title="Put its settings into the request" onclick=${() => recall(take)}>Settings</button>
      <button class="quiet" aria-label=${`Let take ${take.number} go`} title="Let it go" onclick=${() => forget(take)}>×</button>
    </div>`}
  </li>`;
}

