// A gate to ask: it runs with the given settings, a stub stands behind it, and each request is
// answered with what the gate recorded.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { describe, startGate } from './gate.mjs';
import { knock } from './knock.mjs';
import { isPackaged, wrangler } from './project.mjs';
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

/** A Worker's modules, the main one first, as wrangler bundles them for a configuration. */
export function bundle(path, environment) {
  const modulesRoot = mkdtempSync(join(tmpdir(), 'portcullis-'));
  const remove = () => rmSync(modulesRoot, { recursive: true, force: true });
  process.once('exit', remove);
  const args = [wrangler(), 'deploy', '--dry-run', '--outdir', modulesRoot, '--config', path];
  const work = run('wrangler', process.execPath, [...args, '--env', environment ?? ''], {
    cwd: dirname(path),
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
  // In this repository the Worker is built, and not bundled.
  const modules = isPackaged ? await bundle(resolve(path), environment) : undefined;
  return { path, environment, described, modules };
}

/**
 * Starts the gate of a subject. Resolves to `ask`, which sends a request as `knock` takes it and
 * resolves to its `status` and `record`; `remarks`, what else the gate logged; and `stop`.
 */
export async function startTrial({ path, environment, described, modules }, { vars, outside }) {
  const remarks = [];
  const records = new Map();
  /** The record of a request, which may be written before or after its answer. */
  const recordOf = (id) => {
    if (!records.has(id)) records.set(id, Promise.withResolvers());
    return records.get(id);
  };
  const gate = await startGate({
    path,
    environment,
    vars,
    ...(modules && { modules }),
    ...withStub(described, { outside, isBundled: Boolean(modules) }),
    onLine({ message }) {
      if (!message.startsWith('{"time"')) {
        remarks.push(message);
        return;
      }
      const record = JSON.parse(message);
      if (record.outcome !== 'closed') recordOf(record.request_id).resolve(record);
    },
  });
  async function ask(request) {
    const { status, id } = await knock(gate.url, request);
    const recorded = recordOf(id);
    const late = setTimeout(() => recorded.resolve(), PATIENCE);
    const record = await recorded.promise;
    clearTimeout(late);
    records.delete(id);
    if (!record) throw new Failure('The gate recorded nothing within a minute.');
    return { status, record };
  }
  const routes = new Map();
  return {
    remarks,
    ask,
    stop: () => gate.stop(),
    /** The pattern of the route that a path leads to, undefined for none. */
    async routeOf(path) {
      if (!routes.has(path)) {
        // Refused for its handshake before anything is counted, but behind the choice of the route.
        const { record } = await ask({
          path,
          headers: { 'Sec-WebSocket-Key': undefined },
          address: '198.19.255.255',
        });
        routes.set(path, record.route ?? undefined);
      }
      return routes.get(path);
    },
  };
}
