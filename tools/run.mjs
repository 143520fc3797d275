// Running other programs for the set-up and the build: progress while they
// work, their last words when they fail, and none left behind on Ctrl-C.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { setPriority } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const toolchain = join(root, '.toolchain');
export const inRoot = (...parts) => join(root, ...parts);
export const inToolchain = (...parts) => join(toolchain, ...parts);

/** An error whose message is written for the person at the terminal. */
export class Failure extends Error {}

/** @type {NodeJS.WriteStream} */
let talking = process.stdout;
export const say = (line) => talking.write(`${line}\n`);
/** For a program whose output is taken by another. */
export const sayOnStderr = () => (talking = process.stderr);
export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
export const sha256 = (...chunks) =>
  chunks
    .reduce((hash, chunk) => hash.update(chunk).update('\0'), createHash('sha256'))
    .digest('hex');
export const readText = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** All files below a folder, in an order that does not change. */
export function* filesIn(folder) {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else yield path;
  }
}

const running = new Set();
/** Ends every program that was started and still runs. */
export const endAll = () => {
  for (const child of running) child.kill('SIGTERM');
};
process.on('exit', endAll);
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  // Whoever runs a server (npm start) adds a listener of its own and stays in charge.
  process.on(signal, () => process.listenerCount(signal) === 1 && process.exit(code));
}

// What a progress line shows of a program's output: what cargo compiles, else
// the last line, without colours.
// eslint-disable-next-line no-control-regex -- escape sequences begin with one
const plain = (text) => text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '');
const lastWord = (text) =>
  plain(text)
    .match(/^ *(Compiling|Downloaded|Checking) .*$/gm)
    ?.pop()
    .trim() ??
  plain(text)
    .trimEnd()
    .split(/[\r\n]+/)
    .pop()
    .trim()
    .slice(0, 90);

// rustc's own words, which the tools that run it follow with many of their own.
const complaint = (output) =>
  output.match(/^error(\[E\d+\])?: [^]*?(?=^error: could not compile)/m)?.[0].trimEnd();

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {string} [hint]
 * @property {number} [timeout] milliseconds
 * @property {number} [niceness] with more than 0 other programs go first where there is too little CPU
 */

/**
 * Runs a program quietly; resolves to its output. While it works a line every
 * ten seconds shows the time and its last line. If it fails, the end of its
 * output and `hint` become the error.
 * @param {string} label
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<string>}
 */
export function run(
  label,
  command,
  args,
  { cwd = root, env = process.env, hint, timeout, niceness = 0 } = {},
) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = start(command, args, { cwd, env, niceness, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let late = false;
    const heartbeat = setInterval(() => {
      const last = lastWord(output.slice(-200_000));
      say(
        `  ${label}: ${Math.round((performance.now() - began) / 1000)} s${last ? ` · ${last}` : ''}`,
      );
    }, 10_000);
    const limit =
      timeout &&
      setTimeout(() => {
        late = true;
        child.kill('SIGTERM');
        setTimeout(() => child.kill('SIGKILL'), 3_000).unref();
      }, timeout);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output += text;
      });
    }
    const settle = (problem) => {
      clearInterval(heartbeat);
      clearTimeout(limit);
      running.delete(child);
      if (!problem) return resolve(output);
      const tail =
        complaint(plain(output)) ?? plain(output).trimEnd().split('\n').slice(-25).join('\n');
      const failure = new Failure(
        [`${label}: ${command} ${args[0] ?? ''} ${problem}.`, tail, hint]
          .filter(Boolean)
          .join('\n'),
      );
      reject(Object.assign(failure, { output }));
    };
    child.on('error', (/** @type {NodeJS.ErrnoException} */ error) =>
      settle(error.code === 'ENOENT' ? 'is not installed' : `could not start (${error.message})`),
    );
    child.on('close', (code, signal) => {
      if (late) settle(`did not finish within ${timeout / 1000} s`);
      else if (code !== 0) settle(signal ? `was ended by ${signal}` : `ended with code ${code}`);
      else settle();
    });
  });
}

/**
 * Runs a program on this terminal, as if typed; resolves to its exit code. `onMessage` gets what
 * a program of Node sends.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, onMessage?: (message: any) => void }} [options]
 * @returns {Promise<number>}
 */
export async function show(command, args, { onMessage, ...options } = {}) {
  const stdio = ['inherit', 'inherit', 'inherit', ...(onMessage ? ['ipc'] : [])];
  const child = start(command, args, { ...options, stdio });
  if (onMessage) child.on('message', onMessage);
  return ended(command, child);
}

/**
 * Runs a program without a word; resolves to its exit code and its output.
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export async function collect(command, args, options) {
  const child = start(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => (output += text));
  }
  const code = await ended(command, child);
  return { code, output };
}

function start(command, args, { cwd = root, env = process.env, niceness = 0, stdio }) {
  const child = spawn(command, args, { cwd, env, stdio });
  running.add(child);
  // A program that could not start has no number.
  if (niceness > 0 && child.pid !== undefined) setPriority(child.pid, niceness);
  return child;
}

/** Resolves to the exit code of a program that was started. */
const ended = (command, child) =>
  new Promise((resolve, reject) => {
    child.on('error', (error) => {
      running.delete(child);
      reject(new Failure(`${command} could not start: ${error.message}`));
    });
    child.on('close', (code) => {
      running.delete(child);
      resolve(code ?? 1);
    });
  });

/** A short question to a program: its trimmed answer, or undefined if it has none. */
export function ask(command, args, env = process.env, cwd = root) {
  const { status, stdout } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** One named step, announced and timed. */
export async function step(name, work) {
  const began = performance.now();
  say(`• ${name} …`);
  const result = await work();
  say(`✓ ${name} (${seconds(began)})`);
  return result;
}

let holding = false;

/**
 * One set-up or build at a time in this folder: `npm start` and `npm test` may
 * be started together. A lock whose owner is gone is taken over.
 */
export async function alone(work) {
  if (holding) return work();
  const lock = inToolchain('lock');
  mkdirSync(toolchain, { recursive: true });
  for (let told = false; ;) {
    try {
      const file = openSync(lock, 'wx');
      writeSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const owner = Number(readText(lock));
      if (owner && alive(owner)) {
        if (!told)
          say(
            `Waiting for another set-up or build in this folder (process ${owner}; if it is none, delete .toolchain/lock) …`,
          );
        told = true;
      } else if (owner || told) {
        rmSync(lock, { force: true });
        continue;
      } else {
        told = true; // just created, its number not yet written
      }
      await new Promise((done) => setTimeout(done, 500));
    }
  }
  holding = true;
  const release = () => {
    holding = false;
    rmSync(lock, { force: true });
  };
  process.once('exit', release);
  try {
    return await work();
  } finally {
    release();
    process.off('exit', release);
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs a command's `main`, and turns failures into a message and an exit code. */
export async function command(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    process.stderr.write(`\n✗ ${error instanceof Failure ? error.message : error.stack}\n`);
    process.exitCode = 1;
  }
}

/** Runs `main` with the arguments of the command line if `module` is what was started. */
export async function entry(module, main) {
  // npm starts a package's command through a symbolic link.
  const started = process.argv[1];
  if (!existsSync(started ?? '') || realpathSync(started) !== fileURLToPath(module)) return;
  await command(() => main(process.argv.slice(2)));
}
