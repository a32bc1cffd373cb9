// The load over time, as the server plans it.
import { html } from '../ui.js';
import { t } from '../i18n.js';
import { clock, short, span } from '../format.js';

const WIDTH = 360;
const HEIGHT = 150;
const LEFT = 40;
const BOTTOM = 20;

/** @param {{plan: import('../types').Planned | null}} props @returns {import('../types').View} */
export function Curve({ plan }) {
  const curve = plan?.curve;
  if (!curve?.points?.length) return html`<div class="curve none" data-testid="curve-none">${t('curve_none')}</div>`;
  const points = curve.points;
  const end = Math.max(1, points[points.length - 1]?.[0] ?? 1);
  const high = Math.max(1e-9, ...points.map(([, value]) => value));
  const x = (/** @type {number} */ second) => LEFT + (second / end) * (WIDTH - LEFT - 8);
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - (value / (high * 1.08)) * (HEIGHT - BOTTOM - 8);
  const line = points.map(([second, value], n) => `${n ? 'L' : 'M'}${x(second).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const unit = curve.unit === 'users' ? t('unit_users') : t('unit_per_second');
  const what = t('curve_is', { high: short(high), unit, time: curve.open_ended ? t('open_ended') : span(end) });
  return html`<figure class="curve" data-testid="curve"><svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${what}>
      ${[0, 0.5, 1].map((part) => html`<line class="grid" x1=${LEFT} x2=${WIDTH - 8} y1=${y(high * part)} y2=${y(high * part)} /><text x=${LEFT - 6} y=${y(high * part) + 4} text-anchor="end">${short(high * part)}</text>`)}
      ${[0, 0.5, 1].map((part) => html`<text x=${x(end * part)} y=${HEIGHT - 5} text-anchor=${part ? (part === 1 ? 'end' : 'middle') : 'start'}>${part === 1 && curve.open_ended ? '∞' : clock(end * part)}</text>`)}
      <path class="area" d=${`${line}L${x(end).toFixed(1)} ${y(0)}L${x(points[0]?.[0] ?? 0).toFixed(1)} ${y(0)}Z`} /><path class="line" d=${line} /></svg>
    <figcaption class="muted small">${what}</figcaption></figure>`;
}
