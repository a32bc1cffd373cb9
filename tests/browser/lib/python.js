// Programs of the Python environment that scripts/setup-web-tests.sh made.
import { execFile } from 'node:child_process';
import { join } from 'node:path';

/** Its exit code and what it said. @param {string} cwd @param {string} program @param {string[]} args @param {Record<string, string>} [env] */
export function python(cwd, program, args, env = {}) {
  const home = process.env.LOADHOST_WEB_PYTHON;
  if (!home) throw new Error('LOADHOST_WEB_PYTHON is not set: run these tests by scripts/web-tests.sh');
  return new Promise((resolve) => {
    execFile(join(home, program), args, { cwd, env: { ...process.env, ...env }, maxBuffer: 1 << 24, timeout: 240_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? 1) : 0, said: `${stdout}${stderr}` });
    });
  });
}
