// The page's files as they lie in the checkout.
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join, relative } from 'node:path';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const ASSETS = join(ROOT, 'host/web/assets');

export const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html; charset=utf-8', '.svg': 'image/svg+xml' };

/** Every file below the assets, as paths relative to it. */
export function files() {
  return readdirSync(ASSETS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ASSETS, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** Those that a browser gets. */
export const served = () =>
  files().filter((file) => /\.(js|css|html|svg)$/.test(file));

export const read = (file) => readFileSync(join(ASSETS, file));
export const text = (file) => read(file).toString('utf8');
export const ours = (file) => !file.startsWith('vendor/');

/** What the server sends of it: our own files without comments on lines of their own, casts, and what lines begin with. */
export function sent(file) {
  if (!ours(file) || !/\.(js|css)$/.test(file)) return read(file);
  const code = text(file).replace(/^[ \t]*\/\*[\s\S]*?\*\/[ \t]*\n/gm, '').replace(/^[ \t]*\/\/.*\n/gm, '');
  return Buffer.from(code.replace(/^[ \t]+/gm, '').replace(/^\n/gm, '').replace(/\/\*\* @.*?\*\/ ?/g, ''));
}
