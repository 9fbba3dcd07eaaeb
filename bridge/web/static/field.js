// A field under its name.

import { html } from "./vendor/htm-preact.js";

export const Field = ({ label, title, children }) => html`<label class="field" title=${title}><span>${label}</span>${children}</label>`;
