// The fold of the request: what is asked for now and then. All of it is left to the engine unless it is set.

import { html } from "./vendor/htm-preact.js";
import { Field, Typed } from "./field.js";
import { STRENGTHS } from "./requests.js";
import { setDraft } from "./store.js";

const NAMES = { prompt: "Prompt", melody: "Melody", intensity: "Intensity", chords: "Chords", beat: "Beat", context: "What was before" };
const SET = ["form", "refine", "guidance", "deadline"];

export function More({ draft }) {
  const given = SET.filter((name) => draft[name] !== "").length + Object.keys(draft.strengths).length + (draft.count > 1);
  const toggled = ({ target }) => {
    if (target.open === draft.more) return;
    setDraft({ more: target.open });
    if (target.open) target.scrollIntoView({ block: "start" });
  };
  const number = (name) => (e) => setDraft({ [name]: e.target.value });
  return html`<details class="more" open=${draft.more} ontoggle=${toggled}>
    <summary>More${given ? html` <small>${given} set</small>` : ""}</summary>
    <div class="fields">
      <${Field} label="Takes at once"><${Typed} id="count" type="number" min="1" max="16" value=${draft.count} put=${(text) => setDraft({ count: Math.min(16, Math.max(1, Math.round(+text) || 1)) })} /><//>
      <${Field} label="Form" title="Sections by bars, as in AABA; followed by refining or a plan"><input id="form" maxlength="64" placeholder="AABA" spellcheck=${false} autocomplete="off" value=${draft.form} oninput=${number("form")} /><//>
      <${Field} label="Refine, s" title="Search for closer adherence for so many seconds"><input id="refine" type="number" min="0.1" max="600" step="any" placeholder="no" value=${draft.refine} oninput=${number("refine")} /><//>
      <${Field} label="Guidance"><input id="guidance" type="number" min="1" max="6" step="0.1" placeholder="as trained" value=${draft.guidance} oninput=${number("guidance")} /><//>
      <${Field} label="Deadline, ms"><input id="deadline" type="number" min="1" max="3600000" placeholder="none" value=${draft.deadline} oninput=${number("deadline")} /><//>
    </div>
    <fieldset class="strengths"><legend>How strongly each acts <small>0 to 4</small></legend>
      ${STRENGTHS.map((name) => html`<${Strength} key=${name} name=${name} draft=${draft} />`)}
    </fieldset>
  </details>`;
}

function Strength({ name, draft }) {
  const value = draft.strengths[name] ?? null;
  const put = (to) => {
    const { [name]: _, ...others } = draft.strengths;
    setDraft({ strengths: to === null ? others : { ...others, [name]: to } });
  };
  return html`<div class=${`strength ${value === null ? "unset" : ""}`}>
    <label for=${`strength-${name}`}>${NAMES[name]}</label>
    <input id=${`strength-${name}`} type="range" min="0" max="4" step="0.1" value=${value ?? 1} aria-valuetext=${value === null ? "as trained" : value.toFixed(1)}
      oninput=${(e) => put(+e.target.value)} />
    ${value === null ? html`<output>–</output>` : html`<button type="button" class="quiet" title="As trained" aria-label=${`${NAMES[name]} ${value.toFixed(1)}: set back`} onclick=${() => put(null)}>${value.toFixed(1)} ×</button>`}
  </div>`;
}
