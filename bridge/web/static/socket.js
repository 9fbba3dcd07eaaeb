// The connection to the engine: texts {tag, body} both ways, audio as binary messages (bridge/web/messages.py).

import { say, set, state } from "./store.js";

const RETRY_MS = 1500;
const METRICS_MS = 2000;
const handlers = {};
const waiting = new Map(); // live commands by id
let socket = null;

/** Call `handler(body, samples)` for messages of a tag. */
export const on = (tag, handler) => (handlers[tag] = handler);

/** Send a message; false where nobody is there. */
export function send(tag, body = {}) {
  if (!socket || socket.readyState !== WebSocket.OPEN) {
    say("The engine does not answer: is attacca serve still running?", "error");
    return false;
  }
  socket.send(JSON.stringify({ tag, body }));
  return true;
}

/** Ask something of live sessions; what was wrong with it is said. */
export function command(body) {
  const id = `live-${crypto.randomUUID()}`;
  waiting.set(id, true);
  return send("live", { ...body, id });
}

export const isCommand = (id) => waiting.delete(id);

export function connect() {
  socket = new WebSocket(`ws://${location.host}/socket`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    set({ connected: true });
    send("info?");
    send("metrics?");
    send("subscribe", { on: true, live: true });
  };
  socket.onmessage = ({ data }) => (typeof data === "string" ? text(data) : binary(data));
  socket.onclose = () => {
    set({ connected: false, live: [] });
    handlers.closed?.();
    setTimeout(connect, RETRY_MS);
  };
}

function text(data) {
  const { tag, body } = JSON.parse(data);
  handlers[tag]?.(body);
}

function binary(data) {
  const length = new DataView(data).getUint32(0, true);
  const { tag, body } = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  handlers[tag]?.(body, new Float32Array(data, 4 + length));
}

on("info", (info) => set({ info }));
on("metrics", (metrics) => set({ metrics }));
setInterval(() => state.connected && !document.hidden && send("metrics?"), METRICS_MS);

/** Ask for the live sessions, often where there are any. */
let asked = 0;
setInterval(() => {
  asked += 1;
  if (state.connected && !document.hidden && (state.live.length || asked % 10 === 0)) send("live?", { traces: 0 });
}, 100);
