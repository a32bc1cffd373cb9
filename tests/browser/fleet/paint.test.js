// How soon something is seen: the page of a real master, over loopback, by the browser's own clock.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { pages } from '../lib/browser.js';
import { Fleet } from '../lib/fleet.js';

/** Loads of a round, each with an empty cache; the median counts. */
const LOADS = 7;
/** What other processes take is not the page's: the best of so many rounds counts. */
const ROUNDS = 4;
/** Milliseconds to the first paint, on a machine that has nothing else to do. */
const BUDGET = 300;
/** On one that is busy: so many times what a line of text takes. Two and a half to four times were seen, idle or busy. */
const TIMES_BARE = 5;

let fleet;
before(async () => (fleet = await Fleet.start({ workers: 0 })));
after(async () => fleet?.end());

/** @param {number[]} all */
const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];

/** Milliseconds from the navigation to the first paint, of a page that has been painted. */
const painted = (page) =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve(performance.getEntriesByName('first-contentful-paint')[0]?.startTime))));

/** The same of a line of text, which is what the browser and the machine take. */
async function bare(open) {
  const page = await open({ url: fleet.url, path: 'health' });
  await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
  const paint = await painted(page);
  await page.close();
  return paint;
}

/** The first paint, and the last file that the view needs. */
async function load(open) {
  // A context of its own, so nothing is cached.
  const page = await open({ url: fleet.url });
  await page.locator('[data-testid="start-new"]').waitFor();
  const paint = await painted(page);
  const files = await page.evaluate(() => {
    const assets = performance.getEntriesByType('resource').filter((one) => /\/assets\//.test(one.name));
    return Math.max(...assets.map((one) => one.responseEnd));
  });
  await page.close();
  return { paint, files };
}

pages('the first paint comes soon', async ({ t, open }) => {
  const rounds = [];
  const isSoon = () => rounds.some(({ paint, text }) => paint <= Math.max(BUDGET, TIMES_BARE * text));
  while (rounds.length < ROUNDS && !isSoon()) {
    const loads = [];
    const texts = [];
    for (let n = 0; n < LOADS; n += 1) {
      texts.push(await bare(open));
      loads.push(await load(open));
    }
    const paints = loads.map(({ paint }) => paint);
    const [paint, text, files] = [paints, texts, loads.map((one) => one.files)].map(median).map(Math.round);
    rounds.push({ paint, text });
    t.diagnostic(`${LOADS} loads: first contentful paint ${paint} ms (${Math.round(Math.min(...paints))} to ${Math.round(Math.max(...paints))}), all files ${files} ms; a line of text ${text} ms`);
  }
  assert.ok(isSoon(), `the first paint comes after ${rounds.map(({ paint, text }) => `${paint} ms, a line of text after ${text} ms`).join('; ')}`);
});
