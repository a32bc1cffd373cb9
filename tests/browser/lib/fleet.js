// A real fleet on free ports: nats-server, masters, workers and the demo shop that they load.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './process.js';
import { eventually } from './wait.js';

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const target = process.env.CARGO_TARGET_DIR ?? join(cache, 'loadhost/target');
export const LOADHOST = process.env.LOADHOST_BIN ?? join(target, 'debug/loadhost');
const GUESTS = process.env.LOADHOST_GUESTS ?? join(target, 'guests/wasm32-wasip2/release');

/** Where a compiled scenario lies. @param {string} name */
export function scenario(name) {
  const file = join(GUESTS, `${name}.wasm`);
  if (!existsSync(file)) throw new Error(`${file} is missing: run \`make guests\``);
  return file;
}

/** @param {string} name */
export const component = (name) => readFileSync(scenario(name));

function natsServer() {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin'];
  const found = folders.map((folder) => join(folder, 'nats-server')).find((file) => existsSync(file));
  if (!found) throw new Error('nats-server is missing: apt-get install nats-server');
  return found;
}

/** A port that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** One address for several masters, as a proxy gives it: a connection goes to the first that answers. */
class Front {
  constructor(targets) {
    this.targets = targets;
    this.sockets = new Set();
    this.server = createServer((socket) => this.join(socket, [...this.targets()]));
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  join(socket, left) {
    const next = left.shift();
    if (!next) return socket.destroy();
    const { hostname, port } = new URL(next);
    const other = createConnection({ host: hostname, port: Number(port) });
    let joined = false;
    for (const one of [socket, other]) this.sockets.add(one), one.once('close', () => this.sockets.delete(one));
    other.once('connect', () => {
      joined = true;
      socket.pipe(other).pipe(socket);
    });
    other.on('error', () => (joined ? socket.destroy() : this.join(socket, left)));
    other.on('close', () => joined && socket.destroy());
    socket.on('error', () => other.destroy());
    socket.on('close', () => other.destroy());
    return undefined;
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

export class Fleet {
  /**
   * @param {{masters?: number, workers?: number, masterArgs?: string[], shopArgs?: string[]}} [options]
   */
  static async start({ masters = 1, workers = 1, masterArgs = [], shopArgs = ['--delay', '3ms', '--jitter', '4ms'] } = {}) {
    const fleet = new Fleet();
    try {
      await fleet.begin({ masters, workers, masterArgs, shopArgs });
      return fleet;
    } catch (error) {
      await fleet.end();
      throw error;
    }
  }

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'loadhost-web-'));
    /** @type {Child[]} */
    this.children = [];
    /** @type {Child[]} */
    this.masters = [];
    /** @type {string[]} */
    this.urls = [];
    /** @type {Child[]} */
    this.workers = [];
  }

  async begin({ masters, workers, masterArgs, shopArgs }) {
    const port = await freePort();
    this.nats = `nats://127.0.0.1:${port}`;
    const broker = this.run('nats-server', natsServer(), ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(this.folder, 'nats')]);
    const shop = this.loadhost('demo-shop', ['demo-shop', '--listen', '127.0.0.1:0', ...shopArgs]);
    this.shop = (await shop.says(/http:\/\/127\.0\.0\.1:\d+/))[0];
    await broker.says(/Server is ready/);
    for (let n = 0; n < masters; n += 1) await this.addMaster(masterArgs);
    for (let n = 0; n < workers; n += 1) this.addWorker(`worker-${n + 1}`);
    await Promise.all(this.workers.map((worker) => worker.says(/joined/)));
    this.front = new Front(() => this.urls);
    await this.front.listen();
  }

  async addMaster(args) {
    const master = this.loadhost(`master ${this.masters.length + 1}`, ['master', '--nats', this.nats, '--listen', '127.0.0.1:0', ...args]);
    this.masters.push(master);
    this.urls.push((await master.says(/https?:\/\/(?:127\.0\.0\.1|localhost):\d+/))[0]);
    await master.says(/leading \(term|standing by/);
  }

  addWorker(id) {
    this.workers.push(this.loadhost(id, ['worker', '--nats', this.nats, '--id', id, '--listen', '127.0.0.1:0']));
  }

  run(name, program, args) {
    const child = new Child(name, program, args, { cwd: this.folder });
    this.children.push(child);
    return child;
  }

  loadhost(name, args) {
    return this.run(name, LOADHOST, args);
  }

  /** A file for the fleet's processes. @returns {string} its path */
  file(name, content, mode = 0o600) {
    const path = join(this.folder, name);
    writeFileSync(path, content, { mode });
    return path;
  }

  /** The page of the first master. */
  get url() {
    return this.urls[0];
  }

  /** Asks the API; the answer, whatever its status. */
  async api(method, path, body, headers = {}) {
    const json = body !== undefined && !(body instanceof Uint8Array);
    const type = json ? 'application/json' : 'application/wasm';
    const response = await fetch(`${this.url}/api/v1/${path}`, {
      method,
      headers: { ...(method === 'GET' ? {} : { 'content-type': type }), ...headers },
      ...(method === 'GET' || body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text && /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text };
  }

  /** Waits until a run is over. @param {string} run */
  over(run) {
    return eventually(`the end of run ${run}`, async () => (await this.api('GET', `runs/${run}`)).body.state === 'finished', 60_000);
  }

  /** What the masters and workers said, for a test that failed. */
  log() {
    return this.children.map((child) => `--- ${child.name}\n${child.said}`).join('\n');
  }

  async end() {
    this.front?.close();
    await Promise.all(this.children.reverse().map((child) => child.end()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
