// Icons: strokes on a grid of 16, drawn in the colour of the text.
import { html } from './ui.js';

const PATHS = {
  plus: 'M8 3v10M3 8h10',
  close: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.5l3.2 3.2L13 5',
  warn: 'M8 2.2l6.2 11H1.8zM8 6.5v3M8 11.4v.2',
  fault: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 5v3.6M8 10.9v.2',
  info: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 7.2V11M8 4.9v.2',
  play: 'M5 3.2l7.4 4.8L5 12.8z',
  stop: 'M4 4h8v8H4z',
  tune: 'M3 4.5h5.5M11.5 4.5H13M10 3v3M3 11.5h1.5M7.5 11.5H13M6 10v3',
  reset: 'M3.2 6.2A5.2 5.2 0 1 1 2.8 9M3 2.8v3.6h3.6',
  upload: 'M8 10.5V2.8M4.8 5.8L8 2.6l3.2 3.2M2.6 10.5v2.7h10.8v-2.7',
  download: 'M8 2.5v7.7M4.8 7.2L8 10.4l3.2-3.2M2.6 13.2h10.8',
  copy: 'M5.5 5.5h7.7v7.7H5.5zM10.5 5.2V2.8H2.8v7.7h2.4',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10',
  filter: 'M2.5 3.2h11L9.3 8.4v4.2l-2.6-1.4V8.4z',
  up: 'M4 9.8l4-4 4 4',
  down: 'M4 6.2l4 4 4-4',
  right: 'M6.2 4l4 4-4 4',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1.2v1.6M8 13.2v1.6M1.2 8h1.6M13.2 8h1.6M3.2 3.2l1.1 1.1M11.7 11.7l1.1 1.1M12.8 3.2l-1.1 1.1M4.3 11.7l-1.1 1.1',
  moon: 'M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6z',
  half: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 2v12M8 5h5M8 8h6M8 11h5',
  globe: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM2 8h12M8 2c4 3.8 4 8.2 0 12M8 2c-4 3.8-4 8.2 0 12',
  keys: 'M1.8 4h12.4v8H1.8zM4.4 6.7h.2M7.2 6.7h.2M10 6.7h.2M4.8 9.4h6.4',
  user: 'M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8zM2.8 13.4c.6-2.4 2.6-3.6 5.2-3.6s4.6 1.2 5.2 3.6',
  trash: 'M3 4.5h10M6 4.3V2.6h4v1.7M4.4 4.6l.6 8.6h6l.6-8.6',
  compare: 'M2.5 12.5l3.2-5 2.6 2.6 5-6.6M2.5 9.5l3-2 3 4 5-3.5',
  worker: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM4.8 5h.2M4.8 11h.2',
  runs: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  edit: 'M3 13l.6-2.8 7.3-7.3 2.2 2.2-7.3 7.3zM9.6 4.2l2.2 2.2',
  file: 'M4 1.8h5.2L12.4 5v9.2H4zM9 2v3.2h3.2',
  data: 'M8 2c3 0 5 .9 5 2s-2 2-5 2-5-.9-5-2 2-2 5-2zM3 4v8c0 1.1 2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2 2 5 2s5-.9 5-2',
  lock: 'M4 7h8v6.2H4zM5.4 7V5a2.6 2.6 0 0 1 5.2 0v2',
  link: 'M6.5 9.5l3-3M7.2 4.6l1.4-1.4a2.9 2.9 0 0 1 4.1 4.1l-1.4 1.4M8.8 11.4l-1.4 1.4a2.9 2.9 0 0 1-4.1-4.1l1.4-1.4',
};

/** @typedef {keyof typeof PATHS} IconName */

/**
 * @param {{name: IconName, size?: number, label?: string}} props without a label it is decoration
 * @returns {import('./types').View}
 */
export function Icon({ name, size = 16, label }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 16 16" fill="none" stroke="currentColor"
    stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" role=${label ? 'img' : 'presentation'}
    aria-label=${label} aria-hidden=${label ? undefined : 'true'}><path d=${PATHS[name]} /></svg>`;
}

/** @returns {import('./types').View} */
export function Logo() {
  return html`<svg class="logo" width="24" height="24" viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="7" fill="var(--accent)" />
    <path d="M5 24h4.5L16 10h11" fill="none" stroke="var(--accent-ink)" stroke-width="3.2" stroke-linecap="round" stroke-linejoin="round" />
    <circle cx="26.5" cy="10" r="2.6" fill="#f4b860" /></svg>`;
}
