// What can be made of a take: bars that follow it or loop, bars made anew or varied, bars in front, a part under it.

import { html } from "./vendor/htm-preact.js";
import { wake } from "./player.js";
import { requestOf } from "./requests.js";
import { say, set, setDraft, state } from "./store.js";
import { ask } from "./takes.js";

/** The bars of a take that are selected in the ruler; null: none are. */
export function spanOf(take) {
  const there = take.barFrames?.length || 0;
  const { selection } = state;
  if (!selection || selection.first >= there) return null;
  return { first: selection.first, bars: Math.min(selection.end, there) - selection.first };
}

export const named = (span) => (span.bars === 1 ? `bar ${span.first + 1}` : `bars ${span.first + 1}–${span.first + span.bars}`);

/** Ask for an edit of a take: continue, fill, vary, accompany, front or loop. */
export function edit(kind, take) {
  if (!take?.barFrames?.length) return say("Choose a take that is rendered first.");
  const { draft } = state;
  const span = spanOf(take);
  if (kind === "fill" && !span) return say("Select the bars to fill in the ruler first: drag, or Shift and the arrows.");
  const { tempo, meter } = take.request;
  const where = kind === "vary" || kind === "accompany" || kind === "fill" ? span || { first: 0, bars: take.barFrames.length } : { first: 0, bars: draft.bars };
  const request = requestOf(draft, { ...where, tempo, meter });
  request.kind = "continue";
  if (kind === "fill" || kind === "vary") Object.assign(request, { edit: kind, at_bar: where.first });
  if (kind === "vary") request.strength = draft.varied;
  if (kind === "accompany") Object.assign(request, { under: true, at_bar: where.first });
  if (kind === "front" || kind === "loop") request.edit = kind;
  if (kind === "continue" && draft.form.trim()) request.form = draft.form.trim();
  if (kind === "continue" && draft.plan === "first") request.plan = true;
  wake();
  if (ask(request, { of: take }) && kind === "loop") set({ loop: true });
  return undefined;
}

/** The edits of a take, in its row. */
export function Edits({ take, draft, selection }) {
  const span = spanOf(take);
  const here = span ? named(span) : "all bars";
  const some = `${draft.bars} ${draft.bars === 1 ? "bar" : "bars"}`;
  const Do = ({ kind, off, children, title }) =>
    html`<button type="button" class="do" data-edit=${kind} disabled=${off} title=${title} onclick=${() => edit(kind, take)}>${children}</button>`;
  return html`<div class="edits" role="group" aria-label=${`Edit take ${take.number}`} data-selected=${selection ? "bars" : ""}>
    <p class="hint">${span ? `For ${here}, with the prompts and lanes as they are.` : "Select bars in the ruler, or edit all of them."}</p>
    ${Do({ kind: "fill", off: !span, title: "New bars from what lies before and after them (F)", children: span ? `Fill ${here}` : "Fill selected bars" })}
    ${Do({ kind: "vary", title: "A new take on these bars (V)", children: `Vary ${here}` })}
    <label class="far" title="From hardly to as a fill">how far
      <input type="range" min="0.125" max="1" step="0.125" value=${draft.varied} oninput=${(e) => setDraft({ varied: +e.target.value })} />
      <output>${Math.round(draft.varied * 100)} %</output></label>
    ${Do({ kind: "accompany", title: "A part that sounds under what is there; choose its parts on the left", children: `Add ${draft.parts.join(", ") || "a part"} under ${here}` })}
    ${Do({ kind: "continue", title: "New bars that follow it, as a take of their own", children: `Continue with ${some}` })}
    ${Do({ kind: "front", title: "New bars that lead into it", children: `Put ${some} in front` })}
    ${Do({ kind: "loop", title: "Bars like what follows it, the last of which leads into the first", children: `Make a loop of ${some}` })}
  </div>`;
}
