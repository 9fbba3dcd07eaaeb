// The chord lane: one field a bar; empty ones go on with the chord before, or are left to the engine where all are empty.

import { html } from "./vendor/htm-preact.js";
import { plannedChords } from "./recall.js";
import { isLocked, putChords } from "./sheet.js";

export function Chords({ axis, draft, take }) {
  const planned = take ? plannedChords(take) : [];
  return html`<div class="chords" style=${{ width: `${axis.width}px` }}>
    ${Array.from(
      { length: draft.bars },
      (_, bar) => html`<input key=${bar} style=${{ width: `${axis.bar - 4}px` }} value=${draft.chords[bar] || ""} maxlength="60"
        placeholder=${planned[bar] || (bar ? "" : "free")} spellcheck=${false} autocomplete="off" readonly=${isLocked(draft, bar)}
        aria-label=${`Chords of bar ${bar + 1}`} title="As in Am, F7, C/E; two in a bar: Am F, or Am:3 F:1" oninput=${(e) => putChords(bar, e.target.value)} />`,
    )}
  </div>`;
}
