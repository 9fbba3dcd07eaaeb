// The ruler: bars of the draft and the take; a drag selects bars, a click moves the play head.

import { html, useState } from "./vendor/htm-preact.js";
import { Canvas, colour, drag } from "./canvas.js";
import { position, seek } from "./player.js";
import { set, state } from "./store.js";
import { clamp } from "./time.js";

export function Ruler({ axis, draft, take, height }) {
  const [edge, setEdge] = useState(null);
  const selection = state.selection;
  const select = (a, b) => set({ selection: { first: Math.min(a, b), end: Math.max(a, b) + 1 } });

  function down(event) {
    if (event.button !== 0) return;
    let begin = null;
    let moved = false;
    drag(
      event,
      (px) => {
        const bar = clamp(Math.floor(px / axis.bar), 0, axis.bars - 1);
        begin ??= { bar, px };
        moved ||= Math.abs(px - begin.px) > 5;
        if (moved) select(begin.bar, bar);
      },
      (px) => {
        if (moved) return;
        set({ selection: null });
        seek(clamp(px / axis.bar, 0, axis.bars));
      },
    );
  }

  function key(event) {
    const last = axis.bars - 1;
    const here = selection ? (edge ?? selection.end - 1) : clamp(Math.floor(position()), 0, last);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.shiftKey) {
      const anchor = selection ? (here === selection.first ? selection.end - 1 : selection.first) : here;
      const to = clamp(selection ? here + step : here, 0, last);
      select(anchor, to);
      setEdge(to);
    } else if (step) {
      set({ selection: null });
      seek(clamp(Math.floor(position() + 1e-6) + step, 0, last));
    } else if (event.key === "Home") seek(0);
    else if (event.key === "Escape" && selection) {
      set({ selection: null });
      event.stopPropagation();
    } else return;
    event.preventDefault();
  }

  function draw(context) {
    if (selection) {
      context.fillStyle = colour("selected");
      context.fillRect(selection.first * axis.bar, 0, (selection.end - selection.first) * axis.bar, height);
    }
    const every = Math.max(1, 2 ** Math.ceil(Math.log2(28 / axis.bar)));
    context.font = "11px system-ui";
    context.textBaseline = "middle";
    for (let bar = 0; bar < axis.bars; bar++) {
      context.fillStyle = colour("grid");
      context.fillRect(Math.round(bar * axis.bar), height - 8, 1, 8);
      context.fillStyle = bar < Math.max(draft.bars, 0) ? colour("soft") : colour("faint");
      if (bar % every === 0) context.fillText(String(bar + 1), Math.round(bar * axis.bar) + 5, height / 2 + 1);
    }
    if (!take) return;
    context.fillStyle = colour("accent");
    context.fillRect(0, height - 2, take.pieces.length * axis.bar, 2);
  }

  const said = selection ? `bars ${selection.first + 1} to ${selection.end} selected` : "all bars";
  return html`<${Canvas} id="ruler" class="draws" width=${axis.width} height=${height} draw=${draw} tabindex="0" role="application"
    aria-label=${`Bars: ${said}. Left and right move the play head; with shift they select; escape selects all.`} onpointerdown=${down} onkeydown=${key} />`;
}
