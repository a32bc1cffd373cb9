// A stage for the page: its files under the server's policy, and a live stream that a test writes. For what a real
// fleet cannot show in a test's time: an hour of data, thousands of names, hostile ones. All else runs on lib/fleet.js.
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { files, read, TYPES } from './assets.js';

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export const COLUMNS = ['t', 'span', 'users', 'users_wanted', 'rate_wanted', 'rps', 'fps', 'response_p50', 'response_p95', 'response_p99', 'service_p50', 'service_p95', 'service_p99', 'dropped', 'start_lag_p99', 'cpu', 'counted', 'saturated'];

/** One second of a run, with values by which it is known again. */
export const point = (t) => [t, 1, 50, 50, null, 1000 + (t % 60), t % 7, 20 + (t % 5), 80 + (t % 11), 160 + (t % 13), 10, 40, 90, 0, 1.5, 0.4, 1, 0];

const times = (ms) => ({ count: 1000, min: ms / 4, mean: ms, p50: ms, p66: ms, p75: ms, p80: ms, p90: ms * 2, p95: ms * 3, p98: ms * 4, p99: ms * 5, p99_9: ms * 6, p99_99: ms * 7, max: ms * 8 });

export const row = (method, name, n) => ({
  method, name, requests: 1000 + n, failures: n % 9, rps: 10.5, fps: 0.5, current_rps: 11.25, current_fps: 0.25, response_time_ms: times(20 + (n % 50)), service_time_ms: times(10 + (n % 50)),
  current_response_time_ms: times(30 + (n % 50)), current_service_time_ms: times(15 + (n % 50)),
  mean_body_bytes: 2048, bytes_sent: 1e6, bytes_received: 2e6, statuses: { 200: 990, 500: 10 },
});

/** A run that goes on, with so many names. @param {number} names */
export function doc(names, change = {}) {
  const rows = Object.fromEntries(Array.from({ length: names }, (_, n) => [`GET /item/${n}`, row('GET', `/item/${n}`, n)]));
  const run = {
    run: '01STAGE', scenario: 'checkout', scenario_version: '1.2.0', module: 'a'.repeat(64), target: 'http://shop.test', params: {}, seed: 7, state: 'running', phase: '', started_at: '2026-01-01T00:00:00Z',
    elapsed_seconds: 10, length_seconds: 7200, remaining_seconds: 7190, workers: 2, workers_lost: 0, losses: [], unserved: 0, users: 50, users_by_type: { Buyer: 50 }, users_wanted: 50, rate_wanted: null,
    counted_from_seconds: 0, counted_seconds: 10, load_seconds: 10, total: row('', 'Aggregated', 5), window: { seconds: 10, rps: 1000, fps: 3, iterations_per_second: 100, dropped_per_second: 0, response_time_ms: times(20), service_time_ms: times(10) },
    rows, rows_omitted: 0, tasks: {}, checks: {}, groups: {}, metrics: {}, errors: {}, errors_omitted: 0, thresholds: {}, counters: { arrivals: 0, dropped_arrivals: 0, interrupted: 0, crashed_users: 0, capped: {} },
    collection: { merged: 10, duplicates: 0, missing: 0 }, generator: { cpu: 0.4, cpu_peak: 0.5, loop_lag_p99_ms: 0.2, start_lag_p99_ms: 1, saturated: null, saturated_seconds: 0, first_reason: null }, shared: { rows: {}, numbers: {}, counters: {}, meetings: {} }, notes: [], ended: null,
    ...change,
  };
  const short = { run: run.run, scenario: run.scenario, scenario_version: run.scenario_version, state: run.state, started_at: run.started_at, elapsed_seconds: run.elapsed_seconds, users: 50, rps: 1000, failure_ratio: 0.003, p95_ms: 60, passed: null, ended: null, note: '', tags: [] };
  const worker = (worker, n) => ({ worker, release: '0.1.0', tags: { zone: `z${n}` }, capacity: 1000, shards: 2, users: 25, cpu: 0.4, memory_bytes: 1e8, liveness: 'alive', silent_seconds: 0.2, state: 'running', run: run.run, share: 0.5, draining: false, name_clash: false });
  return { fleet: { at: '2026-01-01T00:00:10Z', master: 'm-1', leader: 'm-1', term: 1, trouble: null, masters: [], workers: { 'w-1': worker('w-1', 1), 'w-2': worker('w-2', 2) } }, runs: { [run.run]: short }, run };
}

export class Stage {
  /** @param {() => {event: string, id: string, data: any}} first the event that a page gets when it comes */
  constructor(first) {
    this.first = first;
    this.pages = new Set();
    /** Files that were asked for. */
    this.asked = [];
    this.server = createServer((request, response) => this.answer(request, response));
  }

  /** Opens it until the end of the test. @param {import('node:test').TestContext} t */
  async open(t) {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    t.after(() => this.close());
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, 'http://stage').pathname);
    const file = path === '/' ? 'index.html' : path.startsWith('/assets/') ? path.slice(8) : null;
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('x-content-type-options', 'nosniff');
    if (file && files().includes(file)) {
      this.asked.push(file);
      response.setHeader('content-type', TYPES[extname(file)] ?? 'text/plain');
      return response.end(read(file));
    }
    if (path === '/api/v1/live') {
      response.setHeader('content-type', 'text/event-stream');
      this.pages.add(response);
      response.on('close', () => this.pages.delete(response));
      return this.write(response, this.first());
    }
    response.setHeader('content-type', 'application/json');
    if (path === '/api/v1/session') return response.end(JSON.stringify({ user: null, role: 'admin', login_required: false, version: '0.1.0', cluster: 'default', single_run: false }));
    response.statusCode = 404;
    return response.end(JSON.stringify({ code: 'not-found', message: `nothing is at ${path}`, hint: 'a stage has no API' }));
  }

  write(response, { event, id, data }) {
    response.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Says this to every page. */
  say(event) {
    for (const response of this.pages) this.write(response, event);
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
