// What reaches a browser asks nobody else for anything, and runs nothing that is not a file of ours.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ours, served, text } from '../lib/assets.js';

test('nothing names another host', () => {
  // Names of namespaces are not fetched; a library's comment says where it comes from.
  const allowed = [/^http:\/\/www\.w3\.org\/(1999|2000|1998)\//, /^https:\/\/github\.com\/leeoniya\/uPlot/];
  // Of no moment to a browser: the base for URLs where there is no page, as in a test.
  const placeholder = /^http:\/\/localhost\//;
  for (const file of served()) {
    for (const [address] of text(file).matchAll(/\b(?:https?|wss?):\/\/[^\s"'`)<>]+/g)) {
      const fine = allowed.some((pattern) => pattern.test(address)) || (placeholder.test(address) && ours(file));
      assert.ok(fine, `${file} names ${address}`);
    }
  }
});

test('no script or style stands inside the document, as the content security policy forbids it', () => {
  const page = text('index.html');
  for (const [whole, attributes, body] of page.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/g)) {
    assert.match(attributes, /\bsrc="\.\//, whole);
    assert.equal(body.trim(), '', whole);
  }
  assert.doesNotMatch(page, /<style\b|\sstyle=|\son[a-z]+=|javascript:/i);
  for (const [, address] of page.matchAll(/\b(?:src|href)="([^"]*)"/g)) assert.match(address, /^\.\//, 'a relative address works below any base path');
});

test('nothing is run from text', () => {
  for (const file of served().filter((name) => name.endsWith('.js') && ours(name))) {
    assert.doesNotMatch(text(file), /\beval\(|new Function\(|dangerouslySetInnerHTML|\.innerHTML\s*=|insertAdjacentHTML|document\.write/, file);
  }
});

test('every file that a module or the document names is there', () => {
  const known = new Set(served());
  const missing = [];
  for (const file of known) {
    const folder = new URL(file, 'file:///');
    const targets = file.endsWith('.html')
      ? [...text(file).matchAll(/\b(?:src|href)="\.\/assets\/([^"]*)"/g)].map(([, name]) => name)
      : file.endsWith('.js') && ours(file)
        ? [...text(file).matchAll(/\b(?:from|import\()\s*'(\.[^']*)'/g)].filter(([, name]) => name.endsWith('.js')).map(([, name]) => new URL(name, folder).pathname.slice(1))
        : [];
    for (const target of targets) if (!known.has(target)) missing.push(`${file} → ${target}`);
  }
  assert.deepEqual(missing, []);
});
