// What is asked for: prompts and their weights, bars, tempo, key and what else a request takes.

import { html } from "./vendor/htm-preact.js";
import { edit } from "./edits.js";
import { Field, Typed } from "./field.js";
import { More } from "./more.js";
import { wake } from "./player.js";
import { begin, letGo, PARTS } from "./sheet.js";
import { newPrompt, setDraft, state, takeOf, useStore } from "./store.js";
import { cancel, render, underWay } from "./takes.js";

const METERS = ["4/4", "3/4", "2/4", "5/4", "6/8", "7/8", "9/8", "12/8"];
const KEYS = ["C", "G", "D", "A", "E", "F", "Bb", "Eb", "Am", "Em", "Bm", "Dm", "Gm", "Cm", "F# dorian", "D mixolydian"];

export function Panel() {
  useStore("draft", "takes", "a", "info", "connected");
  const { draft } = state;
  const busy = underWay().length > 0;
  const chosen = takeOf(state.a);
  const can = chosen && chosen.ending && chosen.barFrames?.length;
  const ask = () => {
    wake();
    render();
  };
  return html`<form class="panel" aria-label="Request" novalidate onsubmit=${(e) => (e.preventDefault(), ask())}>
    <${Prompts} draft=${draft} styles=${state.info?.detail?.styles || []} />
    <div class="fields">
      <${Field} label="Bars"><${Typed} id="bars" type="number" min="1" max="256" required value=${draft.bars} put=${(text) => setDraft({ bars: Math.min(256, Math.max(1, Math.round(+text) || 4)) })} /><//>
      <${Field} label="Tempo"><${Typed} id="tempo" type="number" min="20" max="400" step="any" required value=${draft.tempo} put=${(text) => setDraft({ tempo: text || "120" })} /><//>
      <${Field} label="Meter"><select id="meter" value=${draft.meter} onchange=${(e) => setDraft({ meter: e.target.value })}>${METERS.map((m) => html`<option key=${m} value=${m}>${m}</option>`)}</select><//>
      <${Field} label="Key"><input id="key" list="keys" maxlength="32" placeholder=${draft.plan === "bars" ? "by the plan" : "free"} value=${draft.key} oninput=${(e) => setDraft({ key: e.target.value })} />
        <datalist id="keys">${KEYS.map((k) => html`<option key=${k} value=${k} />`)}</datalist><//>
    </div>
    <fieldset class="parts"><legend>Parts <small>none chosen: ${draft.plan === "bars" ? "by the plan" : "free"}</small></legend>
      ${PARTS.map((part) => html`<label key=${part} class="chip"><input type="checkbox" checked=${draft.parts.includes(part)}
        onchange=${(e) => setDraft({ parts: PARTS.filter((p) => (p === part ? e.target.checked : draft.parts.includes(p))) })} /><span>${part}</span></label>`)}
    </fieldset>
    <div class="fields">
      <${Field} label="Plan" title="Bar by bar what is played: chords, drums, melody"><select id="plan" value=${draft.plan} onchange=${(e) => choosePlan(e.target.value)}>
        ${PLANS.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select><//>
      <${Field} label="Seed"><input id="seed" inputmode="numeric" pattern="[0-9]*" maxlength="16" placeholder="new" value=${draft.seed} oninput=${(e) => setDraft({ seed: e.target.value.replace(/[^0-9]/g, "") })} /><//>
    </div>
    <${More} draft=${draft} />
    <div class="ask">
      ${busy
        ? html`<button type="button" id="cancel" class="primary stop" onclick=${cancel}>Cancel <kbd>Esc</kbd></button>`
        : html`<button type="submit" id="render" class="primary" disabled=${!state.connected}>${label(draft)} <kbd>R</kbd></button>`}
      <button type="button" id="continue" class="wide" disabled=${!can || busy || !state.connected} onclick=${() => edit("continue", chosen)}
        title="New bars that follow the chosen take">${can ? `Continue take ${chosen.number}` : "Continue a take"}</button>
    </div>
  </form>`;
}

const PLANS = [["", "none"], ["auto", "from the words"], ["first", "write one first"], ["bars", "bar by bar"]];

function choosePlan(plan) {
  if (plan === "bars") begin();
  else if (state.draft.plan === "bars") letGo(plan);
  else setDraft({ plan });
}

function label(draft) {
  if (draft.count > 1) return `Render ${draft.count} takes`;
  return draft.plan === "bars" ? "Render with this plan" : "Render";
}

function Prompts({ draft, styles }) {
  const put = (at, patch) => setDraft({ prompts: draft.prompts.map((p, k) => (k === at ? { ...p, ...patch } : p)) });
  return html`<fieldset class="prompts"><legend>Prompts</legend>
    ${draft.prompts.map((p, k) => html`<div class="prompt" key=${p.key}>
      <input class="words" list="styles" maxlength="1000" value=${p.text} aria-label=${`Prompt ${k + 1}`} oninput=${(e) => put(k, { text: e.target.value })}
        placeholder=${k ? "and a little of…" : "warm lo-fi keys, brushed drums"} />
      ${draft.prompts.length > 1 && html`<span class="weight">
        <input type="range" min="0" max="2" step="0.05" value=${p.weight} aria-label=${`Weight of prompt ${k + 1}`} oninput=${(e) => put(k, { weight: +e.target.value })} />
        <output>${p.weight.toFixed(2)}</output>
        <button type="button" class="quiet" aria-label=${`Remove prompt ${k + 1}`} onclick=${() => setDraft({ prompts: draft.prompts.filter((_, j) => j !== k) })}>×</button></span>`}
    </div>`)}
    <datalist id="styles">${styles.map((s) => html`<option key=${s} value=${s} />`)}</datalist>
    ${draft.prompts.length < 8 && html`<button type="button" class="quiet add" onclick=${() => setDraft({ prompts: [...draft.prompts, newPrompt()] })}>+ Mix in another</button>`}
  </fieldset>`;
}
