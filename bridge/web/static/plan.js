// The plan lane: bar by bar what a plan says beside melody and chords. A take's plan is shown; the sheet is edited.

import { html } from "./vendor/htm-preact.js";
import { adopt, letGo, putBar, sheetOf } from "./sheet.js";
import { set, setDraft, state } from "./store.js";
import { render } from "./takes.js";
import { wake } from "./player.js";

/** The bars that the lane shows: the sheet's, else those of the take that is heard where it was planned; else none. */
export function shownPlan(draft, take) {
  if (draft.plan === "bars") return sheetOf(draft);
  if (!take?.report?.plan || !take.played?.length) return null;
  return take.played.map((bar) => ({ section: bar.section || "", key: bar.key || "", drums: bar.drums || "", density: bar.drum_density ?? "", locked: false }));
}

export function Plan({ axis, draft, take, bars, chosen }) {
  const at = Math.min(chosen ?? 0, bars.length - 1);
  const changed = (k, name) => (k === 0 || bars[k][name] !== bars[k - 1][name] ? bars[k][name] : "");
  const open = (k, byKeyboard) => {
    if (draft.plan !== "bars") adopt(take.played, take.request.meter);
    set({ planBar: k, planFocus: byKeyboard });
  };
  const go = (event, k) => {
    const to = Math.max(0, Math.min(bars.length - 1, k));
    event.currentTarget.parentElement.parentElement.querySelectorAll("button")[to].focus();
    if (chosen !== null) set({ planBar: to, planFocus: false });
  };
  const key = (k) => (event) => {
    if (event.key === "ArrowLeft") go(event, k - 1);
    else if (event.key === "ArrowRight") go(event, k + 1);
    else if (event.key === "Home") go(event, 0);
    else if (event.key === "End") go(event, bars.length - 1);
    else if (event.key.toLowerCase() === "l" && draft.plan === "bars") putBar(k, { locked: !bars[k].locked });
    else if (event.key === "Escape" && chosen !== null) set({ planBar: null });
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<ol class=${`plan ${draft.plan === "bars" ? "sheet" : ""}`} style=${{ width: `${axis.width}px` }}>
    ${bars.map((bar, k) => html`<li key=${k} style=${{ width: `${axis.bar}px` }}>
      <button type="button" class=${`cell ${bar.locked ? "locked" : ""}`} aria-pressed=${chosen === k} aria-label=${said(bar, k)} title=${said(bar, k)} tabindex=${k === at ? 0 : -1}
        onclick=${(e) => open(k, e.detail === 0)} onkeydown=${key(k)}>
        <span>${[changed(k, "section"), changed(k, "key")].filter(Boolean).join(" · ")}</span><span class="drums">${changed(k, "drums")}</span></button></li>`)}
  </ol>`;
}

const said = (bar, k) =>
  [`Bar ${k + 1}`, bar.section, bar.key, bar.drums && `drums ${bar.drums}`, bar.parts && `parts ${bar.parts.join(", ") || "none"}`, bar.level !== "" && bar.level !== undefined && `${bar.level} dB`, bar.locked && "locked"]
    .filter(Boolean)
    .join(", ");

/** What can be done with a plan as a whole, in the line above the lanes. */
export function PlanTools({ draft, take }) {
  if (draft.plan !== "bars") {
    return html`<span class="plan-tools">Take ${take.number} was planned
      <button type="button" class="quiet" id="adopt" onclick=${() => adopt(take.played, take.request.meter)}>Edit its plan</button></span>`;
  }
  const bars = sheetOf(draft);
  const locked = bars.filter((bar) => bar.locked).length;
  const all = locked === bars.length;
  return html`<span class="plan-tools">Plan of ${bars.length} bars, ${locked ? `${locked} locked` : "none locked"}
    <button type="button" class="quiet" id="rewrite" disabled=${all || !state.connected} title="Have all bars written anew that are not locked, and render"
      onclick=${() => (wake(), render({ rewrite: true }))}>Rewrite ${locked ? "the others" : "all"}</button>
    <button type="button" class="quiet" onclick=${() => setDraft({ sheet: bars.map((bar) => ({ ...bar, locked: !all })) })}>${all ? "Unlock all" : "Lock all"}</button>
    <button type="button" class="quiet" id="let-go" title="Go on without a plan" onclick=${() => letGo()}>Let it go</button></span>`;
}
