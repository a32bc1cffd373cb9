import { html } from '../ui.js';
export function View() { return html`<p>login</p>`; }
