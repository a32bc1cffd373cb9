// What is vendored is what scripts/vendor-web.sh fetched, with its licence.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { files, ours, read, text } from '../lib/assets.js';

const recorded = text('vendor/VERSIONS')
  .split('\n')
  .filter((line) => line && !line.startsWith('#'))
  .map((line) => {
    const [digest, file, name, version, licence] = line.split(/\s+/);
    return { digest, file: `vendor/${file}`, name, version, licence };
  });

test('each vendored file has the digest that is recorded for it', () => {
  for (const { file, digest } of recorded) {
    const found = createHash('sha256').update(read(file)).digest('hex');
    assert.equal(found, digest, `${file} is not what was fetched: run scripts/vendor-web.sh`);
  }
});

test('no vendored file goes unrecorded', () => {
  const known = new Set([...recorded.map(({ file }) => file), 'vendor/VERSIONS']);
  assert.deepEqual(files().filter((file) => !ours(file) && !known.has(file)), []);
});

test('each vendored package brings a licence that lets it be passed on', () => {
  for (const name of new Set(recorded.map((entry) => entry.name))) {
    const licence = recorded.find((entry) => entry.name === name && entry.file.includes('/licences/'));
    assert.ok(licence, `${name} has no licence text`);
    assert.match(licence.licence, /^(MIT|Apache-2\.0)$/, name);
    assert.match(text(licence.file), /MIT License|Permission is hereby granted|Apache License/, name);
  }
});

test('modules import their neighbours by relative paths', () => {
  for (const file of files().filter((name) => name.endsWith('.js'))) {
    for (const [, target] of text(file).matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g)) {
      assert.match(target, /^\.\.?\//, `${file} imports ${target}`);
    }
  }
});
