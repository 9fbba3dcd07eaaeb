// A field under its name, and one whose text counts when it is left or Enter is pressed.

import { html, useState } from "./vendor/htm-preact.js";

export const Field = ({ label, title, children }) => html`<label class="field" title=${title}><span>${label}</span>${children}</label>`;

/** What is being typed stays while the page is drawn anew; put(text) once it is done. */
export function Typed({ value, put, ...rest }) {
  const [text, setText] = useState(null);
  const done = (event) => {
    put(event.target.value);
    setText(null);
  };
  return html`<input ...${rest} value=${text ?? value} oninput=${(e) => setText(e.target.value)} onchange=${done} />`;
}
