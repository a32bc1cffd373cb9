// How soon something is seen: the page of a real master, over loopback, by the browser's own clock.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { pages } from '../lib/browser.js';
import { Fleet } from '../lib/fleet.js';

/** Loads with an empty cache; the median of them counts. */
const LOADS = 9;
/** Milliseconds to the first paint. */
const BUDGET = 300;

let fleet;
before(async () => (fleet = await Fleet.start({ workers: 0 })));
after(async () => fleet?.end());

/** @param {number[]} all */
const sorted = (all) => [...all].sort((a, b) => a - b);
/** @param {number[]} all */
const said = (all) => {
  const [low, middle, high] = [0, all.length >> 1, all.length - 1].map((at) => Math.round(sorted(all)[at]));
  return `${middle} ms (${low} to ${high})`;
};

pages('the first paint comes within 300 ms', async ({ t, open }) => {
  const painted = [];
  const shown = [];
  for (let n = 0; n < LOADS; n += 1) {
    // A context of its own, so nothing is cached.
    const page = await open({ url: fleet.url });
    await page.locator('[data-testid="start-new"]').waitFor();
    const found = await page.evaluate(
      () =>
        new Promise((resolve) => {
          // The view was put into the document before now; its paint has been, or comes with the next frame.
          requestAnimationFrame(() => {
            const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
            const files = performance.getEntriesByType('resource').filter((one) => /\/assets\//.test(one.name));
            resolve({ paint, complete: Math.max(...files.map((one) => one.responseEnd)) });
          });
        }),
    );
    painted.push(found.paint);
    shown.push(found.complete);
    await page.close();
  }
  t.diagnostic(`first contentful paint ${said(painted)}, all files there ${said(shown)}, median and range of ${LOADS} loads`);
  const median = sorted(painted)[LOADS >> 1];
  assert.ok(median <= BUDGET, `the first paint comes after ${said(painted)}`);
});
