// Takes so far, newest first: choose, compare as A and B, use their settings again; and how fast the chosen one was.

import { html } from "./vendor/htm-preact.js";
import { measured } from "./adherence.js";
import { Edits } from "./edits.js";
import { recall } from "./recall.js";
import { set, setDraft, takeOf, useStore } from "./store.js";
import { forget } from "./takes.js";
import { Timing } from "./timing.js";

export function History() {
  const state = useStore("takes", "a", "b", "editing", "selection", "draft");
  const takes = [...state.takes].reverse();
  const chosen = takeOf(state.a);
  return html`<aside class="history" aria-label="Takes">
    <h2>Takes</h2>
    ${!takes.length && html`<p class="empty">What you render is kept here, with its seed, until the engine stops.</p>`}
    <ol>${takes.map((take) => html`<${Row} key=${take.id} take=${take} state=${state} />`)}</ol>
    <${Timing} take=${chosen} />
  </aside>`;
}

const words = (request) => (request.prompts || []).map((p) => p.text).join(" + ") || (request.kind === "continue" ? "" : "no prompt");

/** How it came from another take. */
function origin(take) {
  const r = take.request;
  const from = takeOf(take.origin)?.number;
  const span = r.bars === 1 ? `bar ${take.first + 1}` : `bars ${take.first + 1}–${take.first + r.bars}`;
  const of = from ? ` of take ${from}` : "";
  if (r.edit === "fill") return `${span}${of} filled`;
  if (r.edit === "vary") return `${span}${of} varied`;
  if (r.edit === "front") return `${r.bars} bars in front${of}`;
  if (r.edit === "loop") return "loop";
  if (r.under) return `part under ${span}${of}`;
  return r.kind === "continue" ? "continued" : "";
}

function Row({ take, state }) {
  const [isA, isB] = [state.a === take.id, state.b === take.id];
  const r = take.request;
  const seed = take.report?.seed;
  const facts = [`${take.bars} bars`, `${r.tempo}`, r.key || null].filter(Boolean).join(" · ");
  const ending = take.ending === null ? `${Math.round(100 * take.fraction)} %` : take.ending === "done" ? "" : take.ending;
  const follows = measured(take.report);
  const editing = state.editing === take.id;
  const came = origin(take);
  const edit = () => set(editing ? { editing: null } : { editing: take.id, a: take.id, heard: "a" });
  return html`<li class=${`take ${isA ? "a" : ""} ${isB ? "b" : ""}`}>
    <button class="choose" aria-pressed=${isA} onclick=${() => set({ a: take.id, heard: "a" })}>
      <span class="number">${take.number ?? "…"}${isA ? html`<sup>A</sup>` : ""}${isB ? html`<sup>B</sup>` : ""}</span>
      <span class="words">${[came, words(r)].filter(Boolean).join(" · ")}</span>
      <span class="facts">${facts}${ending && html` <em>${ending}</em>`}</span>
      ${follows.length > 0 && html`<span class="follows" title=${follows.map((m) => m.title).join("; ")}>${follows.map((m) => m.short).join(" · ")}</span>`}
    </button>
    ${take.ending !== null && html`<div class="acts">
      <button class="quiet deck" aria-pressed=${isB} title="Compare with A" onclick=${() => (isB ? set({ b: null, heard: "a" }) : set({ b: take.id }))}>B</button>
      ${seed !== undefined && html`<button class="quiet seed" title="Use this seed again" onclick=${() => setDraft({ seed: String(seed) })}>seed ${seed}</button>`}
      <button class="quiet edit" aria-expanded=${editing} title="Fill, vary, add a part, continue, loop (E)" onclick=${edit}>Edit</button>
      <button class="quiet" title="Put its settings into the request" onclick=${() => recall(take)}>Settings</button>
      <button class="quiet" aria-label=${`Let take ${take.number} go`} title="Let it go" onclick=${() => forget(take)}>×</button>
    </div>`}
    ${editing && take.barFrames?.length > 0 && html`<${Edits} take=${take} draft=${state.draft} selection=${state.selection} />`}
  </li>`;
}
