// A gate to ask: it runs with the given settings, a stub stands behind it, and each request is
// answered with what the gate recorded.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { describe, startGate } from './gate.mjs';
import { knock } from './knock.mjs';
import { inProject, isPackaged } from './project.mjs';
import { Failure, run } from './run.mjs';
import { withStub } from './stub.mjs';

const PATIENCE = 60_000;
const TYPES = {
  '.js': 'ESModule',
  '.mjs': 'ESModule',
  '.wasm': 'CompiledWasm',
  '.txt': 'Text',
  '.html': 'Text',
  '.sql': 'Text',
  '.bin': 'Data',
};

/** The path of wrangler's command. */
export const wrangler = () =>
  join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin/wrangler.js');

/** The Worker of a folder of one's own, bundled by wrangler; undefined in this repository. */
function bundle(path, environment) {
  if (!isPackaged) return undefined;
  const modulesRoot = mkdtempSync(join(tmpdir(), 'portcullis-'));
  const remove = () => rmSync(modulesRoot, { recursive: true, force: true });
  process.once('exit', remove);
  const args = [wrangler(), 'deploy', '--dry-run', '--outdir', modulesRoot, '--config', path];
  const work = run('wrangler', process.execPath, [...args, '--env', environment ?? ''], {
    cwd: inProject(),
  });
  return work.then(() => {
    const files = readdirSync(modulesRoot).filter((name) => TYPES[extname(name)]);
    const isMain = (name) => ['.js', '.mjs'].includes(extname(name));
    files.sort((a, b) => isMain(b) - isMain(a));
    const modules = files.map((name) => ({
      type: TYPES[extname(name)],
      path: join(modulesRoot, name),
    }));
    return { modulesRoot, modules };
  });
}

/**
 * What a trial runs: the configuration at `path` for one of its environments, and the Worker that
 * it is for.
 */
export async function subject(path, environment) {
  const described = describe(environment, path);
  return { path, environment, described, modules: await bundle(path, environment) };
}

/**
 * Starts the gate of a subject. Resolves to `ask`, which sends a request as `knock` takes it and
 * resolves to its `status` and `record`; `remarks`, what else the gate logged; and `stop`.
 */
export async function startTrial({ path, environment, described, modules }, { vars, outside }) {
  const remarks = [];
  const waiting = [];
  const gate = await startGate({
    path,
    environment,
    vars,
    ...(modules && { modules }),
    ...withStub(described, { outside, isBundled: Boolean(modules) }),
    onLine({ message }) {
      if (message.startsWith('{"time"')) waiting.shift()?.(JSON.parse(message));
      else remarks.push(message);
    },
  });
  return {
    remarks,
    stop: () => gate.stop(),
    async ask(request) {
      const recorded = Promise.withResolvers();
      waiting.push(recorded.resolve);
      const late = setTimeout(() => recorded.resolve(), PATIENCE);
      const [status, record] = await Promise.all([knock(gate.url, request), recorded.promise]);
      clearTimeout(late);
      if (!record) throw new Failure('The gate recorded nothing within a minute.');
      return { status, record };
    },
  };
}
