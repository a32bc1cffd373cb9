// `?perf` in the address shows what a tick costs.
import { html, useEffect, useState } from '../ui.js';
import { costs, live } from '../store.js';

const on = new URLSearchParams(location.search).has('perf') || location.hash.includes('perf');

/** @returns {import('../types').View} */
export function Perf() {
  const [, redraw] = useState(0);
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => redraw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  if (!on) return null;
  const sorted = [...costs].sort((a, b) => a - b);
  const heap = /** @type {any} */ (performance).memory?.usedJSHeapSize;
  const text = [
    `tick ${(costs[costs.length - 1] ?? 0).toFixed(1)} ms`, `p95 ${(sorted[Math.floor(sorted.length * 0.95)] ?? 0).toFixed(1)}`,
    `points ${live.points.length}`, heap ? `heap ${(heap / 1e6).toFixed(1)} MB` : '',
  ];
  return html`<output class="perf" data-testid="perf">${text.join(' · ')}</output>`;
}
