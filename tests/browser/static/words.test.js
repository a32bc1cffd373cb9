// Every word of the page stands in one table, in both languages.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { files, ours, text } from '../lib/assets.js';
import { WORDS } from '../../../host/web/assets/words.js';
// Joins the words of views that are fetched later.
import '../../../host/web/assets/more.js';

const sources = files()
  .filter((file) => ours(file) && file.endsWith('.js') && file !== 'words.js' && file !== 'more.js')
  .map((file) => ({ file, source: text(file) }));

const names = (words) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);

test('every key has words in English and in Chinese', () => {
  for (const [key, pair] of Object.entries(WORDS)) {
    assert.equal(pair.length, 2, key);
    for (const words of pair) assert.ok(typeof words === 'string' && words.trim() !== '', key);
  }
});

test('both languages take the same arguments', () => {
  for (const [key, [en, zh]] of Object.entries(WORDS)) {
    assert.deepEqual([...new Set(names(zh))].sort(), [...new Set(names(en))].sort(), key);
  }
});

test('the English is without Chinese, and the Chinese is not a copy of the English', () => {
  const han = /\p{Script=Han}/u;
  // The switch names the other language in that language.
  const switches = new Set(['language_switch']);
  for (const [key, [en, zh]] of Object.entries(WORDS)) {
    if (switches.has(key)) continue;
    assert.doesNotMatch(en, han, key);
    // Names and units are the same everywhere: a word of four small letters and more is not.
    if (en === zh) assert.doesNotMatch(en.replace(/\{\w+\}/g, ''), /\b[a-z]{4,} [a-z]{4,}\b/, `${key} is not translated`);
  }
});

test('every key is used', () => {
  const prefixes = sources.flatMap(({ source }) => [...source.matchAll(/`([a-z][a-z0-9_]*_)\$\{/g)].map(([, prefix]) => prefix));
  const unused = Object.keys(WORDS).filter((key) => {
    const quoted = new RegExp(`['"\`]${key}['"\`]`);
    return !sources.some(({ source }) => quoted.test(source)) && !prefixes.some((prefix) => key.startsWith(prefix));
  });
  assert.deepEqual(unused, []);
});

test('no word stands outside of the table', () => {
  const found = [];
  for (const { file, source } of sources) {
    source.split('\n').forEach((line, n) => {
      const code = line.replace(/\/\/.*$/, '').replace(/\/\*.*?\*\//g, '');
      if (/\p{Script=Han}/u.test(code) && file !== 'format.js') found.push(`${file}:${n + 1}`);
      // Text between two tags of a template, or a label given as plain words.
      for (const [, words] of code.matchAll(/>([^<>${}`=&|]*[A-Za-z]{3,}[^<>${}`=&|]*)<\//g)) found.push(`${file}:${n + 1}: ${words.trim()}`);
      for (const [, words] of code.matchAll(/\b(?:aria-label|title|placeholder)="([^"$]*[a-z]{3,} [^"$]*)"/g)) found.push(`${file}:${n + 1}: ${words}`);
    });
  }
  assert.deepEqual(found, []);
});
