// The page: header, request, score, takes, live sessions, transport; and its shortcuts.

import { html, render as mount } from "./vendor/htm-preact.js";
import { edit } from "./edits.js";
import { History } from "./history.js";
import { Live } from "./live.js";
import { Panel } from "./panel.js";
import { hear, position, seek, toggle, wake } from "./player.js";
import { Score } from "./score.js";
import { connect } from "./socket.js";
import { say, set, setDraft, state, takeOf, useStore } from "./store.js";
import { cancel, render, underWay } from "./takes.js";
import { seconds } from "./time.js";
import { Transport } from "./transport.js";

const SHORTCUTS = [
  ["Space", "Play or pause"],
  ["R, or Ctrl Enter anywhere", "Render a take"],
  ["Esc", "Cancel what is rendered"],
  ["X", "Switch between A and B"],
  ["L", "Loop"],
  ["Home", "To the start"],
  ["[ and ]", "Previous, next take"],
  ["E", "Edits of the chosen take"],
  ["F, V", "Fill, vary the selected bars"],
  ["P", "To the plan; Enter edits a bar, L locks it"],
  ["D, M", "Download WAV, melody"],
  ["?", "Shortcuts"],
  ["Tab", "Through all fields; the lanes say what their keys do"],
];

function App() {
  return html`<${Header} />
    <div class="body"><${Panel} /><div class="middle"><${Live} /><${Score} /></div><${History} /></div>
    <${Transport} />
    <${Said} />`;
}

function Said() {
  const { message, help } = useStore("message", "help");
  return html`<div class=${`message ${message?.kind || ""}`} role=${message?.kind === "error" ? "alert" : "status"} id="message">
      ${message && html`<span>${message.text}</span><button class="quiet" aria-label="Close" onclick=${() => say(null)}>×</button>`}</div>
    ${help && html`<${Help} />`}`;
}

function Header() {
  const { info, metrics, connected } = useStore("info", "metrics", "connected");
  const first = metrics?.first_bar_seconds;
  return html`<header>
    <h1>Attacca</h1>
    <span class=${`dot ${connected ? "on" : ""}`} aria-hidden="true"></span>
    <span class="state" role="status">${connected ? (info ? `${info.bundle} on ${info.runtime}` : "connected") : "no engine answers"}</span>
    <span class="grow"></span>
    ${first?.count > 0 && html`<span class="figures" title="Over the engine's last ${first.count} renders">first bar <b>${seconds(first.p50)}</b> typical, <b>${seconds(first.p99)}</b> slowest in a hundred</span>`}
    <button class="icon" aria-label="Shortcuts" onclick=${() => set({ help: true })}>Shortcuts <kbd>?</kbd></button>
  </header>`;
}

function Help() {
  const close = () => set({ help: false });
  const open = (node) => node && !node.open && node.showModal();
  return html`<dialog class="help" ref=${open} onclose=${close} aria-label="Shortcuts">
    <h2>Shortcuts</h2>
    <dl>${SHORTCUTS.map(([keys, what]) => html`<dt key=${keys}><kbd>${keys}</kbd></dt><dd>${what}</dd>`)}</dl>
    <button class="primary" onclick=${close}>Close</button>
  </dialog>`;
}

function other(step) {
  const at = state.takes.findIndex((take) => take.id === state.a);
  const next = state.takes[at + step];
  if (next) set({ a: next.id, heard: "a" });
}

/** Do it where it can be done; else tell how it could. */
const press = (found, act, otherwise) => (found ? act(found) : say(otherwise));
const NO_TAKE = "There is no take yet: R renders one.";
const NO_PLAN = "There is no plan here: choose one under Plan, on the left.";
const link = (name) => document.querySelector(`a#${name}`);

const KEYS = {
  " ": () => press(state.takes.length, () => toggle(), NO_TAKE),
  r: () => (wake(), underWay().length || render()),
  Escape: () => (state.help ? set({ help: false }) : cancel()),
  x: () => hear(state.heard === "a" ? "b" : "a"),
  l: () => set({ loop: !state.loop }),
  Home: () => seek(0),
  "[": () => other(-1),
  "]": () => other(1),
  e: () => press(state.a, (a) => set({ editing: state.editing === a ? null : a }), NO_TAKE),
  f: () => underWay().length || edit("fill", takeOf(state.a)),
  v: () => underWay().length || edit("vary", takeOf(state.a)),
  p: () => press(document.querySelector(".plan .cell[tabindex='0']"), (cell) => cell.focus(), NO_PLAN),
  d: () => press(link("wav"), (file) => file.click(), NO_TAKE),
  m: () => press(link("midi"), (file) => file.click(), link("wav") ? "This take was told no melody: the plan can be downloaded." : NO_TAKE),
  "?": () => set({ help: true }),
};

addEventListener("keydown", (event) => {
  const field = event.target.closest?.("input, select, textarea, dialog");
  if (event.ctrlKey && event.key === "Enter") return event.preventDefault(), void KEYS.r();
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (field && event.key !== "Escape") return;
  if (event.key === " " && event.target.closest?.("button, a")) return;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

mount(html`<${App} />`, document.getElementById("app"));
connect();

globalThis.attacca = { state, set, setDraft, position }; // for whoever looks in with the console
