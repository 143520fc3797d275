// One gate for a group of tests, and the ways to knock at it.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before } from 'node:test';
import { WebSocket } from 'ws';
import { describe as described, MODULES, NAME, startGate } from '../../tools/gate.mjs';
import { inRoot } from '../../tools/run.mjs';
import { exchange, requestBytes } from './http.mjs';
import { Log } from './log.mjs';

export const ORIGIN = 'https://app.example';

/** Settings under which no counter is asked, for tests of something else that knock very often. */
export const UNCOUNTED = { RATE_LIMIT_IP: 'off', KEY_REPLAY_WINDOW: 'off' };

// Past Miniflare's own Worker, which makes a GET of every upgrade and believes X-Forwarded-Proto.
const DIRECT = [{ host: '127.0.0.1', port: 0 }];

let addresses = 0;
/** An address that no test used before, so that none runs into another's limits. */
export function freshAddress() {
  addresses += 1;
  return `10.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`;
}

/** Headers of a client at this address. */
export const from = (address, more) => ({ 'CF-Connecting-IP': address, ...more });

export const freshKey = () => randomBytes(16).toString('base64');

let names = 0;
/** A name that no test used before: of a user, a session, a token. */
export const fresh = (kind) => `${kind}-${(names += 1)}`;

/** Headers as pairs: null removes one, an array repeats it. */
const inPairs = (headers) =>
  Object.entries(headers).flatMap(([name, value]) =>
    [value]
      .flat()
      .filter((one) => one !== null)
      .map((one) => [name, one]),
  );

/**
 * The headers of a good handshake as pairs. `changes` lays over it: null removes, an array
 * repeats. A new key and address each time.
 */
export const handshake = (changes) =>
  inPairs({
    Host: 'gate.example',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': freshKey(),
    Origin: ORIGIN,
    'CF-Connecting-IP': freshAddress(),
    ...changes,
  });

/**
 * A gate for the group of tests that calls this: it starts before them and is stopped after them,
 * and a test that fails shows its log. Origin ORIGIN is allowed, plain http too, AUTH is off; a
 * setting of undefined is left out. `twin` starts the same gate once more, in an isolate of its own
 * with the same objects. Options may be a function, for what is not known earlier.
 */
export function useGate(options = {}) {
  const gate = {};
  before(async () => {
    Object.assign(gate, await openGate(typeof options === 'function' ? await options() : options));
  });
  afterEach((t) => {
    if (!t.passed) t.diagnostic(`log of the gate:\n${gate.log}`);
  });
  after(() => gate.stop?.());
  return gate;
}

/** A folder for the group of tests that calls this; it is gone after them. */
export function useFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What `work` gives with a gate of these options, which is stopped then. */
export async function withGate(options, work) {
  const gate = await openGate(options);
  try {
    return await work(gate);
  } finally {
    await gate.stop();
  }
}

/** A further Worker for the options of `useGate`. */
export const worker = (name, script, more) => ({
  name,
  modules: true,
  script,
  compatibilityDate: '2026-07-15',
  ...more,
});

/** The gate as another Worker, with objects of the first: those bound in its place if given. */
function twinOf(boundInstead, bindings) {
  const { durableObjects, ...options } = described();
  const objects = Object.entries({ ...durableObjects, ...boundInstead });
  const ofTheFirst = objects.map(([name, object]) => [
    name,
    { className: object.className ?? object, scriptName: object.scriptName ?? NAME },
  ]);
  return {
    ...options,
    name: 'twin',
    modulesRoot: inRoot('build'),
    modules: MODULES,
    durableObjects: Object.fromEntries(ofTheFirst),
    unsafeDirectSockets: DIRECT,
    bindings,
  };
}

export async function openGate({ vars = {}, upstream, gate: own, twin, ...options } = {}) {
  const log = new Log();
  const settings = {
    ALLOWED_ORIGINS: ORIGIN,
    REQUIRE_TLS: 'false',
    AUTH: 'off',
    // The clocks of the tests and of the gate are one, and nobody waits for ten seconds more.
    JWT_LEEWAY: '0s',
    // A busy machine is no failure of the limiter, nor of the server.
    LIMITER_TIMEOUT: '30s',
    UPSTREAM_TIMEOUT: '30s',
    ...(upstream && { UPSTREAM_URL: upstream.url }),
    ...vars,
  };
  const isSet = ([, value]) => value !== undefined;
  const set = Object.fromEntries(Object.entries(settings).filter(isSet));
  const gate = await startGate({
    onLine: log.add,
    ...options,
    gate: { unsafeDirectSockets: DIRECT, ...own },
    workers: [...(options.workers ?? []), ...(twin ? [twinOf(own?.durableObjects, set)] : [])],
    vars: set,
  });
  const direct = await gate.miniflare.unsafeGetDirectURL(NAME);
  const sockets = new Set();
  const stop = async () => {
    for (const socket of sockets) (socket.destroy ?? socket.terminate).call(socket);
    await gate.stop();
  };

  /** Sends a request as it is written; `to`: a URL in place of the gate's own. */
  const send = async ({ to = gate.url, ...request }) => {
    const response = await exchange(to, requestBytes(request));
    if (response?.socket) sockets.add(response.socket);
    return response;
  };
  /** Sends a handshake, changed as `handshake` says. */
  const knock = (changes, request = {}) => send({ ...request, headers: handshake(changes) });
  /** Sends a request that is no upgrade, from a new address; `headers` lays over its own. */
  const call = (method, target, { headers, body = '', to } = {}) => {
    const all = {
      Host: 'gate.example',
      'CF-Connecting-IP': freshAddress(),
      'Content-Length': String(Buffer.byteLength(body)),
      ...headers,
    };
    return send({ method, target, headers: inPairs(all), body, to });
  };

  /**
   * A real client: resolves to its open socket, whose `answer` is the 101's headers, or to what
   * the gate answered in place of it, as `exchange` has it.
   */
  const connect = ({ target = '/', protocols = [], headers = {}, ...more } = {}) =>
    new Promise((resolve, reject) => {
      const { Host, Upgrade, Connection, ...given } = Object.fromEntries(handshake(headers));
      delete given['Sec-WebSocket-Version'];
      delete given['Sec-WebSocket-Key'];
      const { Origin: origin, ...rest } = given;
      const url = new URL(target, gate.url);
      url.protocol = url.protocol.replace('http', 'ws');
      const socket = new WebSocket(url, protocols, {
        origin,
        headers: rest,
        rejectUnauthorized: false,
        ...more,
      });
      sockets.add(socket);
      let answer;
      socket.once('upgrade', (response) => {
        answer = pairs(response.rawHeaders);
      });
      socket.once('open', () => resolve(Object.assign(socket, { answer })));
      socket.once('unexpected-response', async (request, response) => {
        const chunks = await response.toArray();
        const body = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode, headers: pairs(response.rawHeaders), body });
      });
      socket.once('error', reject);
    });

  return {
    url: gate.url,
    direct,
    /** Where both isolates are reached, if there is a twin. */
    both: twin && [direct, await gate.miniflare.unsafeGetDirectURL('twin')],
    miniflare: gate.miniflare,
    log,
    send,
    knock,
    call,
    connect,
    stop,
  };
}

const pairs = (raw) =>
  Array.from({ length: raw.length / 2 }, (_, at) => [raw[2 * at].toLowerCase(), raw[2 * at + 1]]);

/** Sends a message and resolves to the next one that comes. */
export async function ask(socket, message) {
  const answer = once(socket, 'message');
  socket.send(message);
  const [data, binary] = await answer;
  return binary ? data : data.toString();
}

/** Does something so many times, one after the other. */
export async function repeat(count, work) {
  for (let at = 0; at < count; at += 1) await work(at);
}
