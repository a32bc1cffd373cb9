// The API against its own description, on a real master: whatever is asked, it answers with a status and a type that are described,
// and never with an error of its own.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ROOT } from '../lib/assets.js';
import { component, Fleet } from '../lib/fleet.js';
import { python } from '../lib/python.js';

/** Draws the same requests each time; LOADHOST_API_SEED draws others. */
const SEED = process.env.LOADHOST_API_SEED ?? '4';
/** Of each operation and phase. */
const EXAMPLES = process.env.LOADHOST_API_EXAMPLES ?? '10';
const CHECKS = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';

let fleet;
let known;
before(async () => {
  fleet = await Fleet.start({ workers: 1 });
  const uploaded = await fleet.api('POST', 'scenarios?name=checkout.wasm', component('checkout'));
  assert.equal(uploaded.status, 201, JSON.stringify(uploaded.body));
  const started = await fleet.api('POST', 'runs', { scenario: uploaded.body.digest, settings: { host: fleet.shop, users: 2 } });
  assert.equal(started.status, 201, JSON.stringify(started.body));
  known = { run: started.body.run, baseline: started.body.run, digest: uploaded.body.digest, worker: 'worker-1' };
});
after(async () => fleet?.end());

/** @param {import('node:test').TestContext} t @param {string} config @param {string} phases */
async function fuzz(t, config, phases) {
  t.diagnostic(`LOADHOST_API_SEED=${SEED}`);
  const file = fleet.file('schemathesis.toml', config);
  const { code, said } = await python(fleet.folder, 'st', [
    '--config-file', file, 'run', `${fleet.url}/api/v1/openapi.json`, '--checks', CHECKS, '--phases', phases, '--max-examples', EXAMPLES, '--seed', SEED, '--request-timeout', '20',
    '--generation-database', 'none', '--no-color', '--continue-on-failure', '--warnings', 'off',
    // A stream has no end that a fuzzer could wait for.
    '--exclude-path-regex', '/live$',
  ], { SCHEMATHESIS_HOOKS: join(ROOT, 'tests/browser/fleet/api_hooks.py') });
  assert.equal(code, 0, `${said}\n${fleet.log()}`);
  const [, cases] = /Test cases:\s+([\d,]+) generated/.exec(said) ?? [];
  t.diagnostic(`${cases} requests`);
  assert.ok(Number(cases?.replace(',', '')) > 200, said);
  const { status, body } = await fleet.api('GET', 'runs');
  assert.equal(status, 200, 'the master is there as before');
  return body.runs;
}

test('of what is there: a run, a scenario, a worker', { timeout: 300_000 }, async (t) => {
  await fuzz(t, `[parameters]\n${Object.entries(known).map(([name, value]) => `"path.${name}" = "${value}"`).join('\n')}\n`, 'coverage,fuzzing');
});

test('of whatever comes to mind', { timeout: 300_000 }, async (t) => {
  await fuzz(t, '', 'coverage,fuzzing');
});
