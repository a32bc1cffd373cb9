// The logic of the live stream, without a page: patches, events in pieces, points that come late.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { EventParser, LiveState, MAX_LOGS, MAX_POINTS, mergePatch, PointStore } from '../../../host/web/assets/live.js';

/** The examples of RFC 7396, appendix A: target, patch, result. */
const EXAMPLES = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
];

test('patches merge as RFC 7396 has it', () => {
  for (const [target, patch, result] of EXAMPLES) {
    assert.deepEqual(mergePatch(JSON.parse(target), JSON.parse(patch)), JSON.parse(result), `${target} + ${patch}`);
  }
});

test('what a patch does not touch keeps its identity, and the old document stays as it was', () => {
  const old = { run: { rows: { a: { n: 1 }, b: { n: 2 } } }, fleet: {} };
  const next = mergePatch(old, { run: { rows: { a: { n: 3 } } } });
  assert.equal(next.run.rows.b, old.run.rows.b);
  assert.equal(next.fleet, old.fleet);
  assert.equal(old.run.rows.a.n, 1);
});

test('a row with the name of a prototype is no way into all objects', () => {
  const next = mergePatch({}, JSON.parse('{"rows":{"__proto__":{"polluted":1},"constructor":{"n":1}}}'));
  assert.equal({}.polluted, undefined);
  assert.equal(next.rows.polluted, undefined);
  assert.deepEqual(next.rows.constructor, { n: 1 });
});

const parse = (pieces) => {
  const events = [];
  const parser = new EventParser((event) => events.push(event));
  for (const piece of pieces) parser.push(piece);
  return events;
};

test('events are the same however the stream is cut', () => {
  const stream = ': hello\n\nevent: snapshot\nid: 1-1\ndata: {"a":\ndata: 1}\n\n\r\nevent: delta\r\nid: 1-2\r\ndata:{}\r\n\r\n: still here\n\ndata\n\n';
  const whole = parse([stream]);
  assert.deepEqual(whole.slice(0, 2), [
    { event: 'snapshot', id: '1-1', data: '{"a":\n1}' },
    { event: 'delta', id: '1-2', data: '{}' },
  ]);
  for (let size = 1; size < 7; size += 1) {
    const pieces = stream.match(new RegExp(`[^]{1,${size}}`, 'g'));
    assert.deepEqual(parse(pieces), whole, `in pieces of ${size}`);
  }
});

const columns = ['t', 'span', 'rps', 'dropped', 'response_p99'];
const store = (rows) => {
  const points = new PointStore();
  points.reset(columns, rows);
  return points;
};

test('a second that comes again replaces the first, one that comes late is put in its place', () => {
  const points = store([[1, 1, 10, 0, 5], [3, 1, 30, 0, 5]]);
  points.upsert([[3, 1, 31, 1, 6], [2, 1, 20, 0, null], [4, 1, 40, 0, 7]]);
  assert.deepEqual(points.columns.t, [1, 2, 3, 4]);
  assert.deepEqual(points.columns.rps, [10, 20, 31, 40]);
  assert.deepEqual(points.columns.response_p99, [5, null, 6, 7]);
});

test('columns that this page does not know do no harm, and those it misses are empty', () => {
  const points = new PointStore();
  points.reset(['t', 'new_thing', 'saturated'], [[1, { deep: true }, true]]);
  assert.deepEqual(points.columns, { t: [1], new_thing: [null], saturated: [1] });
});

test('a day of points stays bounded, in order, and loses neither drops nor peaks', () => {
  const points = store([]);
  for (let t = 1; t <= 86_400; t += 1) points.upsert([[t, 1, 100, 1, t === 4_000 ? 9_000 : 10]]);
  assert.ok(points.length <= MAX_POINTS, `${points.length}`);
  const { t, span, dropped, response_p99: p99, rps } = points.columns;
  assert.ok(t.every((second, i) => i === 0 || second > t[i - 1]));
  assert.equal(span.reduce((sum, n) => sum + n, 0), 86_400);
  assert.equal(dropped.reduce((sum, n) => sum + n, 0), 86_400);
  assert.equal(Math.max(...p99), 9_000);
  assert.ok(rps.every((n) => n === 100));
  assert.equal(t.at(-1), 86_400);
});

const snapshot = { event: 'snapshot', id: '7-1', data: { doc: { run: { run: 'A', state: 'running' } }, points: { columns: ['t', 'rps'], rows: [[1, 5]] }, logs: [{ n: 1 }] } };

test('a snapshot and its deltas make one state', () => {
  const live = new LiveState();
  assert.ok(!live.apply({ event: 'delta', id: '7-9', data: { patch: {} } }), 'a delta without a snapshot is of no use');
  assert.equal(live.lastId, '');
  assert.ok(live.apply(snapshot));
  assert.ok(live.apply({ event: 'delta', id: '7-2', data: { patch: { run: { state: 'done' } }, points: [[2, 6]], logs: [{ n: 2 }] } }));
  assert.deepEqual(live.doc, { run: { run: 'A', state: 'done' } });
  assert.deepEqual(live.points.columns, { t: [1, 2], rps: [5, 6] });
  assert.equal(live.lastId, '7-2');
  assert.ok(!live.apply({ event: 'news', id: '7-3', data: {} }), 'an event of a newer server');
  assert.equal(live.lastId, '7-2');
});

test('another run begins with its own points and log', () => {
  const live = new LiveState();
  live.apply(snapshot);
  live.apply({ event: 'delta', id: '8-1', data: { patch: { run: { run: 'B' } }, points: [[1, 50]], logs: [{ n: 9 }], reset: true } });
  assert.deepEqual(live.points.columns, { t: [1], rps: [50] });
  assert.deepEqual(live.logs, [{ n: 9 }]);
});

test('the log stays bounded', () => {
  const live = new LiveState();
  live.apply(snapshot);
  for (let n = 0; n < 30; n += 1) live.apply({ event: 'delta', id: `7-${n}`, data: { logs: Array.from({ length: 100 }, (_, i) => ({ n: n * 100 + i })) } });
  assert.equal(live.logs.length, MAX_LOGS);
  assert.equal(live.logs.at(-1).n, 2_999);
});
