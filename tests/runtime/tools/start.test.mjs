// npm start as a whole: what it prints works, its key is written nowhere, and Ctrl-C leaves
// nothing behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { firstFree } from '../../../playground/server.mjs';
import { developmentKey, mint } from '../../../playground/token.mjs';
import { inRoot } from '../../../tools/run.mjs';

const PATIENCE = 60_000;

/** Starts it as a terminal would, as the head of a process group. */
function start({ gatePort, playgroundPort }) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-start-'));
  const child = spawn(process.execPath, [inRoot('tools/start.mjs')], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PORT: gatePort, PLAYGROUND_PORT: playgroundPort, TMPDIR: folder },
  });
  const exit = once(child, 'exit');
  let output = '';
  const ready = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready in time:\n${output}`)), PATIENCE);
    child.on('exit', () => reject(new Error(`it ended:\n${output}`)));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output += text;
        if (!output.includes('Ctrl-C ends all.')) return;
        clearTimeout(timer);
        const [, playground] = output.match(/^Playground +(http:\S+)$/m);
        const [, gate] = output.match(/^Gate +(ws:\S+)$/m);
        resolve({ playground: new URL(playground), gate: new URL(gate), output });
      });
    }
  });
  return {
    ready,
    folder,
    group: child.pid,
    /** Ctrl-C, which a terminal sends to the whole group; resolves to the exit code. */
    async interrupt() {
      process.kill(-child.pid, 'SIGINT');
      const [code, signal] = await exit;
      return code ?? signal;
    },
    cleanUp() {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // All ended, as they should have.
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Processes of a group that still run; one that has ended and waits to be reaped does not. */
function alive(group) {
  if (!existsSync('/proc/self/stat')) return [];
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, , owner] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(owner) === group && state !== 'Z';
    } catch {
      return false; // ended meanwhile
    }
  });
}

async function getToken(playground) {
  const response = await fetch(new URL('/token', playground), { method: 'POST' });
  assert.equal(response.status, 200);
  return response.text();
}

const open = (gate, playground, token) =>
  new WebSocket(gate, {
    origin: playground.origin,
    headers: { Authorization: `Bearer ${token}` },
  });

function* textFiles(folder) {
  const skipped = ['node_modules', 'target', '.toolchain', '.git'];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !skipped.includes(entry.name)) yield* textFiles(path);
    else if (entry.isFile() && statSync(path).size < 4_000_000) yield path;
  }
}

/** Whether a text holds the key that a token was signed with, in base64 of either kind or in hex. */
function holdsKeyOf(token, text) {
  const [signed, signature] = [token.slice(0, token.lastIndexOf('.')), token.split('.')[2]];
  const candidates = [
    ...[...text.matchAll(/(?<![\w+/-])[\w+/-]{43}(?![\w+/-])/g)].map(([run]) => [run, 'base64']),
    ...[...text.matchAll(/(?<![\da-f])[\da-f]{64}(?![\da-f])/gi)].map(([run]) => [run, 'hex']),
  ];
  return candidates.some(([run, encoding]) => {
    const key = Buffer.from(run, encoding);
    return createHmac('sha256', key).update(signed).digest('base64url') === signature;
  });
}

describe('npm start', () => {
  const started = [];
  let wanted;
  let first;
  let address;

  before(async () => {
    const gatePort = await firstFree(20_000 + (process.pid % 10_000));
    wanted = { gatePort, playgroundPort: await firstFree(gatePort + 1) };
    first = start(wanted);
    started.push(first);
    address = await first.ready;
  });
  after(() => {
    for (const one of started) one.cleanUp();
  });

  it('prints where the playground and the gate are', async () => {
    assert.equal(Number(address.gate.port), wanted.gatePort);
    assert.equal(Number(address.playground.port), wanted.playgroundPort);
    assert.doesNotMatch(address.output, /is taken/);
    const page = await fetch(address.playground);
    assert.match(await page.text(), /<title>Portcullis playground<\/title>/);
  });

  it('lets a client through with a token from the playground', async () => {
    const token = await getToken(address.playground);
    const socket = open(address.gate, address.playground, token);
    const [welcome] = await once(socket, 'message');
    assert.equal(JSON.parse(welcome).subject, 'ada');
    assert.equal(JSON.parse(welcome).headers.authorization, undefined);
    socket.send('hello');
    const [echo] = await once(socket, 'message');
    assert.equal(String(echo), 'hello');
    socket.close();
    await once(socket, 'close');
  });

  it('writes its key into no file', async () => {
    const key = developmentKey();
    const known = mint(key);
    for (const encoding of ['base64', 'base64url', 'hex']) {
      assert.ok(holdsKeyOf(known, `JWT_SECRET = "base64:${key.toString(encoding)}"`), encoding);
    }
    const token = await getToken(address.playground);
    const files = [...textFiles(inRoot()), ...textFiles(first.folder)];
    const holding = files.filter((path) => holdsKeyOf(token, readFileSync(path, 'latin1')));
    assert.deepEqual(holding, []);
  });

  it('takes the next ports where its own are taken, and makes another key', async () => {
    const second = start(wanted);
    started.push(second);
    const { gate, playground, output } = await second.ready;
    assert.match(output, new RegExp(`^Port ${wanted.gatePort} is taken, .*gate`, 'm'));
    assert.match(output, new RegExp(`^Port ${wanted.playgroundPort} is taken, .*playground`, 'm'));
    assert.ok(Number(gate.port) > wanted.gatePort);
    assert.ok(Number(playground.port) > wanted.playgroundPort);
    const foreign = open(gate, playground, await getToken(address.playground));
    const [, response] = await once(foreign, 'unexpected-response');
    response.resume();
    assert.equal(response.statusCode, 401);
    const own = open(gate, playground, await getToken(playground));
    await once(own, 'message');
    own.terminate();
    assert.equal(await second.interrupt(), 0);
  });

  it('ends with Ctrl-C, an open socket or not, and leaves nothing behind', async () => {
    const socket = open(address.gate, address.playground, await getToken(address.playground));
    await once(socket, 'message');
    const closed = once(socket, 'close');
    assert.equal(await first.interrupt(), 0);
    await closed;
    assert.deepEqual(alive(first.group), []);
    assert.deepEqual(readdirSync(first.folder), []);
    for (const { port, hostname } of [address.gate, address.playground]) {
      const [error] = await once(connect(port, hostname), 'error');
      assert.match(String(error.code), /ECONNREFUSED/);
    }
  });
});
