// Workers under measurement: each in a workerd process of its own, without Miniflare's Workers
// before and behind it, whose CPU time is read.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, MODULES } from '../tools/gate.mjs';
import { Failure, inRoot } from '../tools/run.mjs';
import workerd from 'workerd';

/** Objects store here, so that no disk is measured: fsync would be most of what they cost. */
const MEMORY = '/dev/shm';

// Each Worker that runs has to be ended with this process.
process.setMaxListeners(0);

/** The Worker's modules, variables and Durable Object classes as workerd's configuration. */
function configuration({ modules, compatibilityDate, vars = {}, objects = {} }, storage) {
  const text = JSON.stringify;
  const module = (path) => {
    const kind = path.endsWith('.wasm') ? 'wasm' : 'esModule';
    const name = text(basename(path));
    return `(name = ${name}, ${kind} = embed ${name})`;
  };
  const binding = ([name, value]) =>
    typeof value === 'string'
      ? `(name = ${text(name)}, text = ${text(value)})`
      : `(name = ${text(name)}, json = ${text(text(value))})`;
  const namespace = ([name, className]) =>
    `(name = ${text(name)}, durableObjectNamespace = ${text(className)})`;
  const className = (name) =>
    `(className = ${text(name)}, uniqueKey = ${text(name)}, enableSql = true)`;
  const bindings = [
    ...Object.entries(vars).map(binding),
    ...Object.entries(objects).map(namespace),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "network", network = (allow = ["public", "private"])),
    (name = "storage", disk = (path = ${text(storage)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (cfBlobHeader = "CF-Blob"), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [${modules.map(module).join(', ')}],
  compatibilityDate = ${text(compatibilityDate)},
  bindings = [${bindings.join(', ')}],
  durableObjectNamespaces = [${Object.values(objects).map(className).join(', ')}],
  durableObjectStorage = (localDisk = "storage"),
  globalOutbound = "network",
);
`;
}

/**
 * Starts workerd with one Worker: `modules` are paths, the main one first, `vars` its variables,
 * `objects` its Durable Object classes by their bindings. Resolves to its `url`, `pid`, `cpu`, the CPU
 * time that all its threads have taken so far in µs, and `stop`.
 */
export async function startWorker(worker, more = []) {
  const folder = mkdtempSync(join(MEMORY, 'portcullis-bench-'));
  const [file, storage] = [join(folder, 'config.capnp'), join(folder, 'storage')];
  mkdirSync(storage);
  for (const path of worker.modules) copyFileSync(path, join(folder, basename(path)));
  writeFileSync(file, configuration(worker, storage));
  const child = spawn(workerd.default, ['serve', file, '--control-fd=3', ...more], {
    stdio: ['ignore', process.env.SHOW ? 'inherit' : 'ignore', 'inherit', 'pipe'],
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const end = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  // When this is interrupted, neither the process nor what it keeps in memory is left behind.
  process.once('exit', end);
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    process.off('exit', end);
    end();
  };
  for await (const line of createInterface(child.stdio[3])) {
    const { event, port } = JSON.parse(line);
    if (event === 'listen') {
      const url = new URL(`http://127.0.0.1:${port}`);
      return { url, pid: child.pid, cpu: () => cpuOf(child.pid), stop };
    }
  }
  await stop();
  throw new Failure('workerd ended before it listened.');
}

/** Refuses a quick build, whose cost says nothing of the shipped one. */
export function checkBuilt() {
  const { isQuick } = JSON.parse(readFileSync(inRoot('build', 'size.json'), 'utf8'));
  if (isQuick)
    throw new Failure('This build is unoptimised. Run npm run build without QUICK_BUILD.');
}

/** The built gate with wrangler.toml's objects and these variables. */
export function startGate(vars, more) {
  checkBuilt();
  const { compatibilityDate, durableObjects, bindings } = describe();
  const objects = Object.entries(durableObjects).map(([name, { className }]) => [name, className]);
  return startWorker(
    {
      modules: MODULES.map(({ path }) => path),
      compatibilityDate,
      vars: { ...bindings, ...vars },
      objects: Object.fromEntries(objects),
    },
    more,
  );
}

// To the nanosecond, where /proc/<pid>/stat counts in ticks of 10 ms.
function cpuOf(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = (thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return threads.reduce((sum, thread) => sum + nanoseconds(thread), 0) / 1000;
}

/**
 * Sends so many requests, eight at a time; resolves to the CPU time that the Worker took for each,
 * in µs.
 */
export async function cpuOfRequests({ cpu }, count, request) {
  const before = cpu();
  let left = count;
  const client = async () => {
    while (left > 0) {
      left -= 1;
      await request();
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  return (cpu() - before) / count;
}

/** The median, and between what half of the values lie. */
export function quartiles(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (part) => sorted[Math.round((sorted.length - 1) * part)];
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}
