// npm start: the gate on workerd, a server behind it and a page to try it with. A change in the
// source rebuilds the gate and restarts it on the same port.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, watch } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { readCommandLine, typed } from './commands.mjs';
import { configuration, inProject, isPackaged, ready } from './project.mjs';
import { entry, Failure, filesIn, inRoot, say, seconds } from './run.mjs';

const HELP = `${typed('start')} [options]    runs the gate on this machine, with a playground

  --port <port>              of the gate; 8787 without it, or PORT
  --playground-port <port>   of the playground; 8788 without it, or PLAYGROUND_PORT

A port that is taken is replaced by the next free one; 0 takes any.`;

const flags = {
  port: { type: 'string' },
  'playground-port': { type: 'string' },
};
// In the package a change of the settings or of one's own scripts restarts the gate.
const watched = isPackaged
  ? ['wrangler.toml', 'wrangler.json', 'wrangler.jsonc']
  : ['Cargo.toml', 'Cargo.lock', 'wrangler.toml'];
const sourceFiles = () => (isPackaged ? [...ownSources(inProject())] : [...filesIn(inRoot('src'))]);

const SOURCE = /\.(m?[jt]s|[jt]sx)$/;
/** Whether a change of this file in the project's folder may restart the gate. */
const isWatched = (name) => watched.includes(name) || (isPackaged && SOURCE.test(name));

/** What a Worker of one's own may be made of: all files but those of packages and tools. */
function* ownSources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name === 'node_modules' || entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* ownSources(path);
    else if (SOURCE.test(entry.name)) yield path;
  }
}

/** The Worker of a folder of one's own, and whether the gate guards handlers in it. */
async function ownWorker() {
  if (!isPackaged) return undefined;
  const [{ subject }, { inspect }] = await Promise.all([
    import('./trial.mjs'),
    import('./check/inspection.mjs'),
  ]);
  const own = await subject(configuration());
  const { guarded } = await inspect(own);
  return { modules: own.modules, isGuarded: guarded };
}

function readPort(name, text, otherwise) {
  if (text === undefined || text === '') return otherwise;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Failure(`${name} is ${text}: write a port, such as ${otherwise}.`);
}

function readPorts(given) {
  const { PORT, PLAYGROUND_PORT } = process.env;
  return {
    gatePort: readPort('--port', given.port, readPort('PORT', PORT, 8787)),
    playgroundPort: readPort(
      '--playground-port',
      given['playground-port'],
      readPort('PLAYGROUND_PORT', PLAYGROUND_PORT, 8788),
    ),
  };
}

function explain({ gateUrl, playgroundUrl, origin, dashboardUrl, adminToken }, wanted) {
  const taken = (name, port, url) =>
    port !== 0 && port !== Number(new URL(url).port || 80)
      ? `Port ${port} is taken, so the ${name} has the next free one.\n`
      : '';
  say(`
${taken('gate', wanted.gatePort, gateUrl)}${taken('playground', wanted.playgroundPort, playgroundUrl)}\
Playground   ${playgroundUrl}
Gate         ${gateUrl}/
Dashboard    ${dashboardUrl} (token ${adminToken})

From a command line, with a token that lasts 15 minutes:
  token=$(curl -s -X POST ${playgroundUrl}token)
  npx wscat -c ${gateUrl}/ -o ${origin} -H "Authorization: Bearer $token"
Without -H, or with another origin behind -o, the gate refuses.

A change in ${isPackaged ? 'wrangler.toml or your scripts' : 'src/, Cargo.toml, Cargo.lock or wrangler.toml'} restarts the gate. Ctrl-C ends all.
`);
}

function report({ record }) {
  const { time, outcome, reason, cause, stage, origin } = record;
  const why = reason ? ` ${reason} at ${stage}: ${cause}` : ` for ${record.subject}`;
  say(`${time.slice(11, 19)}Z ${outcome}${why} (origin ${origin ?? 'none'})`);
}

const logged = ({ level, message }) =>
  level === 'log' ? say(message) : process.stderr.write(`${message}\n`);

/** What is built and run, by path, so that a file written without a change restarts nothing. */
function sources() {
  const files = [...sourceFiles(), ...watched.map((name) => inProject(name))];
  return new Map(
    files
      .filter((path) => existsSync(path))
      .map((path) => [
        relative(inProject(), path),
        createHash('sha256').update(readFileSync(path)).digest('hex'),
      ]),
  );
}

const difference = (before, after) =>
  [...new Set([...before.keys(), ...after.keys()])].filter(
    (path) => before.get(path) !== after.get(path),
  );

/** Rebuilds and restarts after each change; `stop` ends the watching. */
function keepUpToDate(demo) {
  let known = sources();
  let timer;
  let work = Promise.resolve();

  async function update() {
    watchFolders();
    const now = sources();
    const changed = difference(known, now);
    if (changed.length === 0) return;
    known = now;
    const began = performance.now();
    say(`\n${changed.join(', ')} changed.`);
    demo.tell('building');
    try {
      await ready();
      await demo.restartGate(await ownWorker());
      demo.tell('running');
      say(
        `✓ The gate runs with it on the same port (${seconds(began)}); open sockets were closed.\n`,
      );
    } catch (error) {
      process.stderr.write(`\n✗ ${error instanceof Failure ? error.message : error.stack}\n`);
      const answers = await fetch(demo.healthUrl).then(
        () => true,
        () => false,
      );
      demo.tell(answers ? 'failed' : 'down');
      say(
        answers
          ? `The gate from before keeps running (${seconds(began)}).\n`
          : 'The gate is down. The next change tries again.\n',
      );
    }
  }

  // An editor writes a file in several steps; a change during a build is seen after it.
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (work = work.then(update)), 100);
  };
  // Folder by folder: Node's recursive watching loses a file that an editor replaced by a new one.
  const watchers = new Map([
    [inProject(), watch(inProject(), (_, name) => isWatched(name) && soon())],
  ]);
  function watchFolders() {
    const found = new Set(sourceFiles().map((path) => dirname(path)));
    for (const [folder, watcher] of watchers) {
      if (folder === inProject() || found.has(folder)) continue;
      watcher.close();
      watchers.delete(folder);
    }
    for (const folder of found) {
      if (!watchers.has(folder)) watchers.set(folder, watch(folder, soon));
    }
  }
  watchFolders();
  return {
    stop() {
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}

/**
 * Resolves when the person at the terminal, or the system, wants it to end. Others who listen,
 * Miniflare among them, would end the process at once instead. A second signal, as when the
 * terminal and whoever started this both send one, changes nothing.
 */
const ended = () =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.removeAllListeners(signal);
      process.on(signal, resolve);
    }
  });

export async function main(args) {
  const read = readCommandLine(args, { command: typed('start'), help: HELP, options: flags });
  if (!read) return;
  const ports = readPorts(read.values);
  await ready();
  const { startDemo } = await import('../playground/demo.mjs');
  const demo = await startDemo({
    ...ports,
    own: await ownWorker(),
    onDecision: report,
    onLine: logged,
  });
  const updates = keepUpToDate(demo);
  explain(demo, ports);
  await ended();
  say('\nEnding …');
  updates.stop();
  // A build may be going on, and an ending that hangs would leave what Ctrl-C should end.
  setTimeout(() => process.exit(0), 5_000).unref();
  await demo.stop();
  process.exit(0);
}

await entry(import.meta.url, main);
