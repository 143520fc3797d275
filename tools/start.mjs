// npm start: the gate on workerd, a server behind it and a page to try it with. A change in the
// source rebuilds the gate and restarts it on the same port.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, watch } from 'node:fs';
import { dirname, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { inProject, isPackaged, ready } from './project.mjs';
import { entry, Failure, filesIn, inRoot, say, seconds } from './run.mjs';

const flags = {
  port: { type: 'string' },
  'playground-port': { type: 'string' },
};
// In the package nothing is built, and a change of the settings alone restarts the gate.
const watched = isPackaged
  ? ['wrangler.toml', 'wrangler.json', 'wrangler.jsonc']
  : ['Cargo.toml', 'Cargo.lock', 'wrangler.toml'];
const sourceFiles = () => (isPackaged ? [] : [...filesIn(inRoot('src'))]);

function readPort(name, text, otherwise) {
  if (text === undefined || text === '') return otherwise;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Failure(`${name} is ${text}: write a port, such as ${otherwise}.`);
}

function readPorts(args) {
  let given;
  try {
    given = parseArgs({ args, options: flags }).values;
  } catch (error) {
    throw new Failure(
      `${error.message}\nnpm start takes --port and --playground-port, behind \`--\`.`,
    );
  }
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

A change in ${isPackaged ? 'wrangler.toml' : 'src/, Cargo.toml, Cargo.lock or wrangler.toml'} restarts the gate. Ctrl-C ends all.
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
      await demo.restartGate();
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
    [inProject(), watch(inProject(), (_, name) => watched.includes(name) && soon())],
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
  const ports = readPorts(args);
  await ready();
  const { startDemo } = await import('../playground/demo.mjs');
  const demo = await startDemo({ ...ports, onDecision: report, onLine: logged });
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
