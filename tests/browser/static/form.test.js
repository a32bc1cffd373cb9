// What the form stands for, without a page: settings, what is remembered, which workers an expression takes.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { firstValues, settingsOf, stagesOf, stagesText, withoutSecrets } from '../../../host/web/assets/new-run/values.js';
import { placement } from '../../../host/web/assets/new-run/placement.js';

const parameter = (name, more = {}) => ({ name, kind: 'string', default: null, help: '', secret: false, ...more });
const scenario = {
  digest: 'd', name: 'shop', version: '1', user_types: [], thresholds: [], data_sets: ['users'], hosts: [], has_load_shape: false, faults: [],
  parameters: [parameter('tenant'), parameter('password', { secret: true })],
  settings: [['users', '200'], ['spawn-rate', '20'], ['run-time', '10m']],
};
const setting = (key, kind, more = {}) => ({ key, flag: key, group: '', kind, help: '', default: null, secret: false, choices: [], placeholder: '', ...more });
const table = [setting('users', 'integer'), setting('headers', 'list'), setting('limits', 'map'), setting('bearer', 'text', { secret: true }), setting('timeout', 'duration')];

test('the form begins with what the scenario proposes', () => {
  const values = firstValues(scenario);
  assert.equal(values.model, 'users');
  assert.deepEqual(settingsOf(values, table), { users: 200, 'spawn-rate': '20', 'run-time': '10m' });
});

test('settings of another load model are left out, and empty fields too', () => {
  const values = { ...firstValues(scenario), model: 'stages', stages: stagesOf('10s->100, 1m->100') };
  values.plain = { ...values.plain, rate: '100/s', timeout: ' ', host: ' http://localhost/ ' };
  assert.deepEqual(settingsOf(values, table), { 'run-time': '10m', host: 'http://localhost/', stages: '10s->100, 1m->100' });
});

test('lists, maps, switches, weights, parameters and data take the form of the file', () => {
  const values = firstValues(scenario);
  values.plain = { users: '5', headers: 'a: 1\n\nb: 2', limits: 'memory_bytes=1MiB' };
  values.on = { poisson: true, insecure: true };
  values.thresholds = ['checks > 99%', ' '];
  values.params = { tenant: 'acme', password: '' };
  values.types = { Shopper: '3', Admin: ':5' };
  values.data = { users: { file: 'abc', order: 'queue' }, others: { file: '' } };
  assert.deepEqual(settingsOf(values, table), {
    users: 5, headers: ['a: 1', 'b: 2'], limits: { memory_bytes: '1MiB' }, insecure: true, thresholds: ['checks > 99%'], params: { tenant: 'acme' },
    'user-types': { Shopper: 3, Admin: ':5' }, data: { users: { file: 'abc', order: 'queue' } },
  });
});

test('rates get their unit where nobody wrote one', () => {
  assert.equal(stagesText([{ duration: '10s', target: '100' }, { duration: '', target: '600/m' }], true), '10s->100/s, 0s->600/m');
});

test('nothing secret is remembered', () => {
  const values = firstValues(scenario);
  values.params = { tenant: 'acme', password: 'hunter2' };
  values.plain = { users: '5', bearer: 'token', headers: 'authorization: token' };
  const kept = JSON.stringify(withoutSecrets(values, scenario, table));
  assert.doesNotMatch(kept, /hunter2|token/);
  assert.match(kept, /acme/);
});

test('expressions over tags take the workers that the program takes', () => {
  const eu = { region: 'eu', type: 'large' };
  for (const [text, taken] of [
    ['', true], ['region=eu', true], ['region=us', false], ['region!=us', true], ['zone!=a', true], ['type', true], ['gpu', false], ['!gpu', true],
    ['region=us || type=large && region=eu', true], ['(region=us || region=eu) && !(type=small || gpu)', true], ['region="eu"', true], ['!region=eu', false],
  ]) {
    assert.equal(placement(text)?.(eu), taken, text);
  }
  for (const text of ['region=', '=eu', 'region=eu &&', '(region=eu', 'region=eu)', 'a b', '&&', '!']) assert.equal(placement(text), null, text);
});
