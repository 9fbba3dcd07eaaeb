// The middle of the page: a ruler of bars and, under it, the lanes that share its time.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { Bar } from "./bar.js";
import { Chords } from "./chords.js";
import { Curve } from "./curve.js";
import { onFrame, position, sing } from "./player.js";
import { Plan, PlanTools, shownPlan } from "./plan.js";
import { plannedNotes } from "./recall.js";
import { Keys, HIGHEST, LOWEST, Roll } from "./roll.js";
import { Ruler } from "./ruler.js";
import { Spectrogram, Wave } from "./sound.js";
import { isLocked, unlocked } from "./sheet.js";
import { heardTake, setDraft, takeOf, useStore } from "./store.js";
import { axis as axisOf, clamp } from "./time.js";

const GUTTER = 108;
const GAPS = 96; // what lies between the lanes
const HEIGHTS = { ruler: 26, wave: 92, other: 46, heat: 110, curve: 104, chords: 38, plan: 40, bar: 96 };

export function Score() {
  const state = useStore("draft", "takes", "a", "b", "heard", "selection", "planBar", "connected");
  const ref = useRef();
  const [size, setSize] = useState({ width: 800, height: 640 });
  const [middle, setMiddle] = useState(70); // the pitch in the middle of the roll
  useEffect(() => {
    const watcher = new ResizeObserver(([entry]) => setSize({ width: entry.contentRect.width, height: entry.contentRect.height }));
    watcher.observe(ref.current);
    return () => watcher.disconnect();
  }, []);
  const take = heardTake();
  const [a, b] = [takeOf(state.a), takeOf(state.b)];
  const { draft } = state;
  const axis = axisOf(draft, [a, b], Math.max(200, size.width - GUTTER - 14));
  const plan = shownPlan(draft, take);
  const edited = draft.plan === "bars" && state.planBar !== null && state.planBar < draft.bars ? state.planBar : null;
  const taken = HEIGHTS.ruler + HEIGHTS.wave + (b ? HEIGHTS.other : 0) + HEIGHTS.heat + HEIGHTS.curve + HEIGHTS.chords + (plan ? HEIGHTS.plan + 6 : 0) + (edited !== null ? HEIGHTS.bar + 6 : 0);
  const roll = clamp(Math.floor(size.height - taken - GAPS - (b ? 6 : 0)), 150, 420);
  const rows = Math.floor(roll / 9);
  const from = clamp(Math.round(middle - rows / 2), LOWEST, Math.max(LOWEST, HIGHEST - rows + 1));
  const setLow = (low) => setMiddle(low + rows / 2);
  const shared = { axis, draft, take };
  const known = take && plannedNotes(take).length > 0;
  const wheel = (event) => {
    if (!event.shiftKey && Math.abs(event.deltaY) > Math.abs(event.deltaX)) setLow(clamp(from - Math.sign(event.deltaY) * 2, LOWEST, HIGHEST - rows + 1));
  };
  return html`<main class="score" ref=${ref} aria-label="Score">
    <div class="lanes">
      <${Head} axis=${axis} sound=${HEIGHTS.ruler + HEIGHTS.wave + (b ? HEIGHTS.other + 6 : 0) + HEIGHTS.heat + 12} />
      <${Lane} name="" height=${HEIGHTS.ruler}><${Ruler} ...${shared} height=${HEIGHTS.ruler} /><//>
      <${Lane} name=${b ? "Take A" : "Sound"} height=${HEIGHTS.wave} note=${legend(a)}>
        <${Wave} id="wave" axis=${axis} draft=${draft} take=${a} deck="accent" height=${HEIGHTS.wave} /><//>
      ${b && html`<${Lane} name="Take B" height=${HEIGHTS.other}><${Wave} id="wave-b" axis=${axis} draft=${draft} take=${b} deck="second" height=${HEIGHTS.other} /><//>`}
      <${Lane} name="Spectrum" height=${HEIGHTS.heat} note="40 Hz to 16 kHz"><${Spectrogram} ...${shared} height=${HEIGHTS.heat} /><//>
      <div class="rule" style=${{ width: `${size.width - 14}px` }}><span>What to play</span>${plan && html`<${PlanTools} draft=${draft} take=${take} />`}</div>
      <${Lane} name="Intensity" height=${HEIGHTS.curve} note=${take && take.pieces.length ? "dashed: as rendered" : "0 to −48 dB"} tools=${html`<${Clear} what="the curve" shown=${draft.curve.length} clear=${() => setDraft({ curve: [] })} />`}>
        <${Curve} ...${shared} height=${HEIGHTS.curve} /><//>
      ${plan && html`<${Lane} name="Plan" height=${HEIGHTS.plan} note=${draft.plan === "bars" ? "click a bar" : "as rendered"}>
        <${Plan} axis=${axis} draft=${draft} take=${take} bars=${plan} chosen=${edited} /><//>`}
      ${edited !== null && html`<${Bar} draft=${draft} at=${edited} width=${size.width - 28} />`}
      <${Lane} name="Chords" height=${HEIGHTS.chords} tools=${html`<${Clear} what="the chords" shown=${draft.chords.some(Boolean)} clear=${() => setDraft({ chords: draft.chords.map((text, k) => (isLocked(draft, k) ? text : "")) })} />`}>
        <${Chords} ...${shared} /><//>
      <${Lane} name="Melody" height=${roll} keys=${html`<${Keys} height=${roll} low=${from} />`}
        tools=${html`<button class="quiet" disabled=${!draft.notes.length} onclick=${() => sing(draft.notes, draft.tempo)} title="Hear the melody on a plain tone">Hear</button>
          ${known && html`<button class="quiet" onclick=${() => setDraft({ notes: unlocked(draft, plannedNotes(take)) })} title="Take the melody of this take over">Adopt</button>`}
          <${Clear} what="the melody" shown=${draft.notes.length} clear=${() => setDraft({ notes: unlocked(draft, []) })} />`}>
        <div onwheel=${wheel}><${Roll} ...${shared} height=${roll} low=${from} setLow=${setLow} /></div><//>
    </div>
  </main>`;
}

function legend(take) {
  if (!take) return "";
  if (take.ending === null) return `${take.pieces.length} of ${take.bars} bars`;
  return take.ending === "done" ? `${take.bars} bars` : `${take.ending} after ${take.pieces.length}`;
}

function Lane({ name, note, tools, keys, height, children }) {
  return html`<section class="lane" aria-label=${name || "Bars"} style=${{ height: `${height}px` }}>
    <div class="gutter">
      <div class="names"><h2>${name}</h2>${note && html`<small>${note}</small>`}${tools && html`<div class="tools">${tools}</div>`}</div>
      ${keys}
    </div>
    <div class="track">${children}</div>
  </section>`;
}

const Clear = ({ what, shown, clear }) => shown ? html`<button class="quiet" onclick=${clear} aria-label="Clear ${what}">Clear</button>` : null;

/** The play head: one line over all lanes, moved without drawing anything anew. */
function Head({ axis, sound }) {
  const ref = useRef();
  const past = useRef();
  const here = useRef(axis);
  here.current = axis;
  useEffect(() => onFrame(() => {
      const at = position();
      ref.current.style.transform = `translateX(${GUTTER + at * here.current.bar}px)`;
      past.current.style.transform = `translateX(${GUTTER}px) scaleX(${at * here.current.bar})`;
      ref.current.dataset.bar = at.toFixed(3);
    }), []);
  return html`<div class="past" ref=${past} style=${{ height: `${sound}px` }} aria-hidden="true"></div><div class="head" id="head" ref=${ref} aria-hidden="true"></div>`;
}

