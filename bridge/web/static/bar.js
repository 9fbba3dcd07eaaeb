// One bar of the sheet, under the plan lane.

import { html, useEffect, useRef } from "./vendor/htm-preact.js";
import { DRUMS, PARTS, putBar, putChords, sheetOf } from "./sheet.js";
import { set, state } from "./store.js";

const DENSITIES = [["", "open"], ["0", "sparse"], ["1", "some"], ["2", "full"], ["3", "busy"]];

export function Bar({ draft, at, width }) {
  const bar = sheetOf(draft)[at];
  const form = useRef();
  useEffect(() => {
    if (state.planFocus) form.current.querySelector("input:not([disabled]), button")?.focus();
  }, [at]);
  const put = (name) => (e) => putBar(at, { [name]: e.target.value });
  const move = (by) => set({ planBar: at + by });
  const close = () => {
    set({ planBar: null });
    document.querySelectorAll(".plan .cell")[at]?.focus();
  };
  const key = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  };
  const off = bar.locked;
  return html`<section class="sheet-bar" ref=${form} style=${{ width: `${width}px` }} aria-label=${`Plan of bar ${at + 1}`} onkeydown=${key}>
    <div class="line">
      <${Small} label="Section"><input id="bar-section" maxlength="32" placeholder="open" disabled=${off} value=${bar.section} oninput=${put("section")} /><//>
      <${Small} label="Key"><input id="bar-key" list="keys" maxlength="32" placeholder="open" disabled=${off} value=${bar.key} oninput=${put("key")} /><//>
      <${Small} label="Chords" wide><input id="bar-chords" maxlength="60" placeholder=${at ? "as before" : "open"} spellcheck=${false} autocomplete="off" disabled=${off} value=${draft.chords[at] || ""} oninput=${(e) => putChords(at, e.target.value)} /><//>
      <${Small} label="Drums"><select id="bar-drums" disabled=${off} value=${bar.drums} onchange=${put("drums")}>
        ${["", ...DRUMS].map((name) => html`<option key=${name} value=${name}>${name || "open"}</option>`)}</select><//>
      <${Small} label="Density"><select id="bar-density" disabled=${off} value=${String(bar.density)} onchange=${put("density")}>
        ${DENSITIES.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select><//>
      <${Small} label="Level, dB"><input id="bar-level" type="number" min="-60" max="6" step="any" placeholder="open" disabled=${off} value=${bar.level} oninput=${put("level")} /><//>
      <${Small} label="Without notes"><select id="bar-rest" disabled=${off} value=${bar.rest ? "rest" : ""} onchange=${(e) => putBar(at, { rest: e.target.value === "rest" })}>
        <option value="">open</option><option value="rest">rest</option></select><//>
    </div>
    <div class="line">
      <strong>Bar ${at + 1}</strong>
      <button type="button" class="quiet" aria-label="The bar before" disabled=${at === 0} onclick=${() => move(-1)}>‹</button>
      <button type="button" class="quiet" aria-label="The next bar" disabled=${at >= draft.bars - 1} onclick=${() => move(1)}>›</button>
      <span class="parts" role="group" aria-label="Who plays">${PARTS.map((part) => html`<label key=${part} class="chip"><input type="checkbox" disabled=${off} checked=${bar.parts?.includes(part) ?? false}
        onchange=${(e) => putBar(at, { parts: chosen(bar.parts, part, e.target.checked) })} /><span>${part}</span></label>`)}
        <small>${bar.parts ? "" : "free"}</small></span>
      <span class="grow"></span>
      <button type="button" id="lock" class="toggle" aria-pressed=${bar.locked} title="A locked bar stays as it is (L)" onclick=${() => putBar(at, { locked: !bar.locked })}>${bar.locked ? "Locked" : "Lock"}</button>
      <button type="button" class="quiet" aria-label="Close" onclick=${close}>×</button>
    </div>
  </section>`;
}

/** The parts with one more or less; none: it is free who plays. */
function chosen(parts, part, on) {
  const found = PARTS.filter((name) => (name === part ? on : parts?.includes(name)));
  return found.length ? found : null;
}

const Small = ({ label, wide, children }) => html`<label class=${`field ${wide ? "wide" : ""}`}><span>${label}</span>${children}</label>`;
