// The browser module where a platform lacks what browsers have.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { build } from 'esbuild';
import { inRoot } from '../../../tools/run.mjs';
import { echo, next, open } from '../../support/client.mjs';
import { useGate } from '../../support/gate.mjs';
import { mint, SECRET } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

/** As React Native is without polyfills: its URL can't read a WebSocket's, and signals know little. */
const REACT_NATIVE = `{
  setTimeout, clearTimeout, fetch,
  URL: class {
    constructor(url) { this.href = url.endsWith('/') ? url : url + '/'; }
    set protocol(value) { throw new Error('not implemented'); }
  },
  WebSocket: class extends WebSocket {
    constructor(url, protocols) {
      if (typeof url !== 'string') throw new Error('it takes a text alone');
      super(url, protocols);
    }
    addEventListener(type, listener) { super.addEventListener(type, listener); }
    set binaryType(type) { throw new Error('there are no Blobs'); }
  },
  AbortController: class {
    constructor() {
      this.own = new AbortController();
      // fetch takes no signal but a real one.
      this.signal = this.own.signal;
      for (const name of ['throwIfAborted', 'reason']) {
        Object.defineProperty(this.signal, name, { value: undefined });
      }
    }
    abort() { this.own.abort(); }
  },
}`;
/** All that the module may take from its platform, for it to take it from there alone. */
const NAMES = [
  ...['globalThis', 'window', 'self', 'document', 'location', 'navigator'],
  ...['EventTarget', 'Event', 'MessageEvent', 'CloseEvent', 'DOMException', 'Blob'],
  ...['URL', 'URLSearchParams', 'TextEncoder', 'atob', 'btoa', 'structuredClone', 'crypto'],
  ...['WebSocket', 'fetch', 'Headers', 'Request', 'AbortController', 'AbortSignal'],
  ...['setTimeout', 'clearTimeout', 'setInterval', 'queueMicrotask', 'performance'],
];

/** The module as one script, for a platform. */
async function bundle(platform) {
  const ofPlatform = (name) => [
    name,
    name === 'globalThis' ? 'thePlatform' : `thePlatform.${name}`,
  ];
  const { outputFiles } = await build({
    entryPoints: [inRoot('client/portcullis.js')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'module',
    define: platform && Object.fromEntries(NAMES.map(ofPlatform)),
  });
  return `const thePlatform = ${platform ?? 'globalThis'};\n${outputFiles[0].text}`;
}

/** Is refused, connects, does the same with tickets, and says what it saw. */
const SCRIPT = `
  const { PortcullisSocket } = module;
  const [gate, token] = process.argv.slice(1);
  const seen = [];
  const run = (options) => new Promise((resolve) => {
    const url = gate.replace('http', 'ws') + 'room?a=b';
    const socket = new PortcullisSocket(url, { firstDelay: 1, mostDelay: 8, ...options });
    const note = ({ type, reason, data }) => {
      seen.push([type, reason ?? data ?? ''].join(' ').trim());
      if (type !== 'message') return;
      socket.onclose = null;
      socket.close(1000, 'bye');
      resolve();
    };
    for (const type of ['open', 'message', 'refused', 'close']) socket['on' + type] = note;
    socket.addEventListener('open', () => socket.send('hello'), { once: true });
    const listener = { handleEvent({ type, target }) { seen.push([type, target === socket]); } };
    socket.addEventListener('close', listener, { once: true });
  });
  const getToken = ({ reason }) => (reason === 'refused' ? token : 'bad');
  await run({ getToken });
  await run({ getToken, handover: 'ticket' });
  try { new PortcullisSocket('ftp://a'); } catch ({ name }) { seen.push(name); }
  console.log(JSON.stringify(seen));
`;

describe('a connection that is lost', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { AUTH: 'required', JWT_SECRET: SECRET, ORIGIN_MISSING: 'allow' },
  });
  const Own = globalThis.WebSocket;
  after(() => (globalThis.WebSocket = Own));

  test('is followed by another where its code is 0, as in Deno', async () => {
    globalThis.WebSocket = class extends Own {
      addEventListener(type, listener, options) {
        const asInDeno = ({ code, reason, wasClean }) =>
          listener({ code: code === 1006 ? 0 : code, reason, wasClean });
        super.addEventListener(type, type === 'close' ? asInDeno : listener, options);
      }
    };
    const socket = open(gate);
    await next(socket, 'open');
    const [closed, again] = [next(socket, 'close'), next(socket, 'open')];
    for (const client of upstream.sockets.clients) client.terminate();
    const { code, wasClean, error } = await closed;
    assert.deepEqual([code, wasClean, error.name], [1006, false, 'NetworkError']);
    await again;
    assert.equal(await echo(socket, 'back'), 'back');
  });
});

describe('the browser module', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { AUTH: 'required', JWT_SECRET: SECRET, ORIGIN_MISSING: 'allow', RATE_LIMIT_IP: 'off' },
  });
  for (const [name, platform] of [
    ['Node', undefined],
    ['a platform that lacks what React Native lacks', REACT_NATIVE],
  ]) {
    test(`works on ${name}`, async () => {
      const args = ['--input-type=module', '-e', `${await bundle(platform)}${SCRIPT}`];
      const child = spawn(process.execPath, [...args, gate.url.href, mint()], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (data) => (said += data));
      assert.deepEqual(await once(child, 'close'), [0, null]);
      const round = [
        ...['refused token_invalid', 'close token_invalid', ['close', true]],
        ...['open', 'message hello'],
      ];
      assert.deepEqual(JSON.parse(said), [...round, ...round, 'SyntaxError']);
      assert.equal(upstream.seen.at(-1).url, '/room?a=b');
    });
  }
});
