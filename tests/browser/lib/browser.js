// Pages in the distribution's Chromium. A test fails if anything goes wrong in one of its pages: an error, a warning, a
// breach of the content security policy, a request to another host.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { read, served, TYPES } from './assets.js';
import { chromium } from './deps.js';

/** The browser's own errands are off. */
const FLAGS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-extensions', '--force-color-profile=srgb'];
/** For one test, in milliseconds. */
const PATIENCE = 120_000;

let launched;
after(async () => (await launched)?.close());

/**
 * @typedef {{url: string, path?: string, lang?: 'en' | 'zh', theme?: 'light' | 'dark', width?: number, height?: number, allowed?: RegExp[], file?: string}} Wanted
 *   `allowed`: what this test means to provoke, such as a refused upload; `file`: opened from the disk instead
 */

/**
 * A test with pages, which are closed at its end.
 * @param {string} name
 * @param {(tools: {t: import('node:test').TestContext, open: (wanted: Wanted) => Promise<import('playwright-core').Page>}) => Promise<void>} body
 */
export function pages(name, body) {
  test(name, { timeout: PATIENCE }, async (t) => {
    const opened = [];
    try {
      await body({ t, open: async (wanted) => {
        const page = await openPage(wanted);
        opened.push(page);
        return page.page;
      } });
      for (const { wrong } of opened) assert.deepEqual(wrong(), [], 'what went wrong in the page');
    } catch (error) {
      for (const { page } of opened) await picture(page, `failed-${name}`).catch(() => {});
      throw error;
    } finally {
      for (const { context } of opened) {
        // A file of the checkout may still be on its way.
        await context.unrouteAll({ behavior: 'ignoreErrors' });
        await context.close();
      }
    }
  });
}

/** @param {Wanted} wanted */
async function openPage({ url, path = '', lang = 'en', theme = 'light', width = 1280, height = 900, allowed = [], file }) {
  launched ??= chromium.launch({ executablePath: process.env.LOADHOST_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
  const browser = await launched;
  const context = await browser.newContext({ viewport: { width, height }, locale: lang === 'zh' ? 'zh-CN' : 'en-GB', colorScheme: theme, reducedMotion: 'reduce' });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const faults = [];
  const { host } = new URL(url);
  page.on('pageerror', (error) => faults.push(`error: ${error.stack ?? error}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (!['data:', 'blob:', 'file:'].includes(asked.protocol) && asked.host !== host) faults.push(`a request left for ${request.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  if (process.env.LOADHOST_PAGE_FROM === 'checkout') await fromCheckout(context);
  await page.goto(file ? `file://${file}` : `${url}/${path}`);
  return { page, context, wrong: () => faults.filter((fault) => !allowed.some((pattern) => pattern.test(fault))) };
}

/** The page's files as they lie in the checkout, in the program's answers: for work on the page without a build. */
async function fromCheckout(context) {
  await context.route(/\/assets\/|\/(#.*)?$/, async (route) => {
    const path = new URL(route.request().url()).pathname;
    const name = path === '/' ? 'index.html' : path.slice(path.indexOf('/assets/') + 8);
    if (!served().includes(name)) return route.continue();
    const response = await route.fetch();
    return route.fulfill({ status: 200, headers: { ...response.headers(), 'content-encoding': 'identity' }, contentType: TYPES[extname(name)], body: read(name) });
  });
}

/** Keeps a picture where LOADHOST_SCREENSHOTS says, for people to look at. */
export async function picture(page, name, options = {}) {
  const folder = process.env.LOADHOST_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name.replace(/[^\w-]+/g, '-')}.png`), ...options });
}
