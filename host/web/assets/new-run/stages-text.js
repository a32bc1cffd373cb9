// Stages as people write them: `10s->100, 1m->100`.

/** @typedef {{duration: string, target: string}} Stage */

/** @param {Stage[]} stages @param {boolean} [rates] values are per second @returns {string} */
export function stagesText(stages, rates) {
  return stages.map(({ duration, target }) => `${duration.trim() || '0s'}->${target.trim() || '0'}${rates && /^[\d.]+$/.test(target.trim()) ? '/s' : ''}`).join(', ');
}

/** @param {string} text @returns {Stage[]} */
export function stagesOf(text) {
  return text.split(',').map((part) => part.split('->')).filter((parts) => parts.length === 2).map(([duration = '', target = '']) => ({ duration: duration.trim(), target: target.trim() }));
}
