// What an open socket costs: CPU time of the workerd process for each message echoed, the memory
// of idle sockets, and of a reader that does not keep up.
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { build } from '../tools/build.mjs';
import { readCommandLine, typed } from '../tools/commands.mjs';
import { onNode22 } from '../tools/node22.mjs';
import { entry, inRoot, say } from '../tools/run.mjs';
import { setup } from '../tools/setup.mjs';
import { quartiles, startGate, startWorker } from './workers.mjs';

const HELP = `${typed('relay')} [options]    measures what an open socket costs

  --rounds <count>    in each every contender has a turn; 25 without it
  --seconds <length>  of a turn; 0.5 without it
  --slow <seconds>    of a slow reader; 60 without it`;

const ORIGIN = 'https://app.example';
const SOCKETS = 8;
/** So many messages of a socket are on their way at once. */
const AHEAD = 8;
const IDLE_SOCKETS = 2000;
const SLOW_BYTES_PER_SECOND = 100_000;

const LIMITS = {
  MAX_MESSAGE_BYTES: '1000000',
  MESSAGE_RATE: '10000/100ms',
  IDLE_TIMEOUT: '1h',
  MAX_LIFETIME: '1d',
};

const bare = (path) => (UPSTREAM) =>
  startWorker({
    modules: [inRoot('benches', 'contenders', 'relay.js')],
    compatibilityDate: '2026-07-15',
    vars: { UPSTREAM },
  }).then((worker) => ({ ...worker, url: new URL(path, worker.url) }));

const gate = (vars) => (url) =>
  startGate({
    ALLOWED_ORIGINS: ORIGIN,
    UPSTREAM_URL: url.replace('http', 'ws'),
    REQUIRE_TLS: 'false',
    AUTH: 'off',
    RATE_LIMIT_IP: 'off',
    KEY_REPLAY_WINDOW: 'off',
    ...vars,
  });

const CONTENDERS = {
  'Bare JavaScript, coupled': bare('/coupled'),
  'Portcullis, passthrough': gate({ RELAY: 'passthrough' }),
  'Bare JavaScript, relayed': bare('/relayed'),
  'Portcullis, inspect': gate({ RELAY: 'inspect' }),
  'Portcullis, inspect with all limits': gate(LIMITS),
};

const YARDSTICK = 'Bare JavaScript, relayed';

async function open(url) {
  const socket = new WebSocket(String(url).replace('http', 'ws'), {
    origin: ORIGIN,
    perMessageDeflate: false,
    maxPayload: 64 << 20,
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  return socket;
}

const openAll = async (url, count) => {
  const sockets = [];
  while (sockets.length < count) {
    const some = Math.min(50, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: some }, () => open(url)))));
  }
  return sockets;
};

/** CPU time per message and messages per second, of messages that are echoed for a time. */
async function turn({ url, cpu }, message, seconds) {
  const sockets = await openAll(url, SOCKETS);
  let count = 0;
  let isOver = false;
  const [began, before] = [performance.now(), cpu()];
  const ends = sockets.map((socket) => {
    socket.on('message', () => {
      count += 1;
      if (!isOver) socket.send(message);
    });
    for (let at = 0; at < AHEAD; at += 1) socket.send(message);
    return once(socket, 'close');
  });
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const [took, cost] = [performance.now() - began, cpu() - before];
  const counted = count;
  isOver = true;
  for (const socket of sockets) socket.terminate();
  await Promise.all(ends);
  return { cpu: cost / counted, rate: (counted / took) * 1000 };
}

const residentBytes = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

/** Opens many sockets that say nothing; resolves to bytes per socket. */
async function idle({ url, pid }) {
  // The first sockets pay for what the process needs anyway.
  const warm = await openAll(url, 100);
  const before = residentBytes(pid);
  const sockets = await openAll(url, IDLE_SOCKETS);
  const bytes = (residentBytes(pid) - before) / IDLE_SOCKETS;
  for (const socket of [...warm, ...sockets]) socket.terminate();
  return bytes;
}

/** Memory is measured in a process that nothing used before: what is freed is not given back. */
async function withFresh(start, url, use) {
  const worker = await start(url);
  try {
    return await use(worker);
  } finally {
    await worker.stop();
  }
}

/** A client that reads slowly while the server sends what it can. */
async function slowReader({ url, pid }, server, seconds) {
  const before = residentBytes(pid);
  const other = once(server, 'connection');
  const client = await open(url);
  const [sender] = await other;
  const message = Buffer.alloc(16_384, 'portcullis');
  let peak = before;
  let code;
  client.on('close', (seen) => (code ??= seen));
  client.pause();
  let ended;
  sender.on('close', (seen) => (ended ??= seen));
  const until = performance.now() + seconds * 1000;
  let sent = 0;
  let read = 0;
  while (performance.now() < until) {
    while (sender.readyState === WebSocket.OPEN && sender.bufferedAmount < 1 << 20) {
      sender.send(message);
      sent += message.length;
    }
    const chunk = client._socket?.read(SLOW_BYTES_PER_SECOND / 50);
    read += chunk?.length ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 20));
    peak = Math.max(peak, residentBytes(pid));
  }
  const after = residentBytes(pid);
  client.terminate();
  sender.terminate();
  return { sent, read, added: peak - before, after: after - before, ended };
}

async function measure({ rounds, seconds, slow: slowSeconds }) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 64 << 20 });
  await once(server, 'listening');
  let echoes = true;
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, binary) => echoes && socket.send(data, { binary }));
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  const workers = {};
  try {
    say(`${IDLE_SOCKETS} idle sockets: memory of each`);
    for (const [name, start] of Object.entries(CONTENDERS)) {
      const bytes = await withFresh(start, url, idle);
      say(`  ${name.padEnd(38)} ${(bytes / 1024).toFixed(1)} KiB`);
    }
    for (const [name, start] of Object.entries(CONTENDERS)) workers[name] = await start(url);
    for (const [title, message] of [
      ['64 bytes', Buffer.alloc(64, 1)],
      ['16 KiB', Buffer.alloc(16_384, 1)],
      ['64 bytes of text', 'a'.repeat(64)],
      ['16 KiB of text', 'a'.repeat(16_384)],
    ]) {
      const turns = Object.fromEntries(Object.keys(workers).map((name) => [name, []]));
      for (let round = -1; round < rounds; round += 1) {
        for (const [name, worker] of Object.entries(workers)) {
          const result = await turn(worker, message, seconds);
          if (round >= 0) turns[name].push(result);
        }
      }
      say(`\n${title}, echoed: messages per second; CPU per message, and as a multiple of`);
      say(`the same round's of the ${YARDSTICK} one; half of the rounds lie between the bounds`);
      for (const [name, all] of Object.entries(turns)) {
        const { median: rate } = quartiles(all.map((one) => one.rate));
        const { median: cpu } = quartiles(all.map((one) => one.cpu));
        const ratios = all.map((one, round) => one.cpu / turns[YARDSTICK][round].cpu);
        const { median, low, high } = quartiles(ratios);
        say(
          `  ${name.padEnd(38)} ${rate.toFixed(0)}/s, ${cpu.toFixed(1)} µs, ${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`,
        );
      }
    }
    echoes = false;
    say(
      `\nA fast sender and a slow reader for ${slowSeconds} s: memory at its peak, and at the end`,
    );
    const read = (worker) => slowReader(worker, server, slowSeconds);
    for (const [name, start] of Object.entries(CONTENDERS)) {
      const slow = await withFresh(start, url, read);
      const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
      say(
        `  ${name.padEnd(38)} +${mib(slow.added)}, +${mib(slow.after)}; sent ${mib(slow.sent)}, read ${mib(slow.read)}, closed with ${slow.ended ?? 'nothing'}`,
      );
    }
  } finally {
    for (const worker of Object.values(workers)) await worker.stop();
    for (const client of server.clients) client.terminate();
    server.close();
  }
}

await entry(import.meta.url, async (args) => {
  const text = { type: 'string' };
  const options = { rounds: text, seconds: text, slow: text };
  const given = readCommandLine(args, { command: typed('relay'), help: HELP, options });
  if (!given) return;
  const { rounds = 25, seconds = 0.5, slow = 60 } = given.values;
  await onNode22(await setup());
  await build({ isQuick: false });
  await measure({ rounds: Number(rounds), seconds: Number(seconds), slow: Number(slow) });
});
