// A child process whose words are read line by line, and which is ended by its own id.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const alive = new Set();
// Whatever ends the tests ends what they started.
process.on('exit', () => {
  for (const child of alive) child.signal('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

export class Child {
  /** @param {string} name @param {string} program @param {string[]} args @param {{cwd: string, env?: Record<string, string>}} options */
  constructor(name, program, args, { cwd, env = {} }) {
    this.name = name;
    this.said = '';
    this.listeners = new Set();
    // What directs these tests would be settings to the program.
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LOADHOST_')));
    this.child = spawn(program, args, { cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    alive.add(this);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        this.said += text;
        for (const listener of this.listeners) listener();
      });
    }
    this.ended = once(this.child, 'exit').then(([code, signal]) => {
      alive.delete(this);
      for (const listener of this.listeners) listener();
      return signal ?? code;
    });
    this.child.on('error', (error) => (this.said += `${error}\n`));
  }

  /** Waits until it has said what matches; the match. @param {RegExp} pattern @returns {Promise<RegExpExecArray>} */
  says(pattern, patience = 30_000) {
    return new Promise((resolve, reject) => {
      const settle = (act, value) => {
        this.listeners.delete(look);
        clearTimeout(timer);
        act(value);
      };
      const look = () => {
        const found = pattern.exec(this.said);
        if (found) settle(resolve, found);
        else if (this.child.exitCode !== null || this.child.signalCode !== null) settle(reject, new Error(`${this.name} ended before it said ${pattern}:\n${this.said}`));
      };
      const timer = setTimeout(() => settle(reject, new Error(`${this.name} did not say ${pattern} within ${patience} ms:\n${this.said}`)), patience);
      this.listeners.add(look);
      look();
    });
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
  }

  /** Asks it to end, and insists after a while. */
  async end(patience = 5_000) {
    this.signal('SIGTERM');
    const insist = setTimeout(() => this.signal('SIGKILL'), patience);
    const how = await this.ended;
    clearTimeout(insist);
    return how;
  }

  /** Ends it without asking. */
  async kill() {
    this.signal('SIGKILL');
    return this.ended;
  }
}
