// Runs at module scope, before the first request: made-up requests pass through a gate with made-up
// settings, objects and a made-up server, so that V8 has compiled the path of an upgrade by then.
// Nothing of it is kept. Module scope has no randomness, timers or sockets.

const ORIGIN = 'https://app.example.com';
// Opens nothing but the made-up gate.
const SECRET = 'made up, and known to everybody: 0123456789';
const TOKEN =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJyZWhlYXJzYWwiLCJleHAiOjQxMDI0NDQ4MDB9.HGpUHwAlq9BO-v9zM1WiFSTz1ofls04PsmLqh5bvJKA';

let keys = 0;
/** A new key for each handshake, because a repeated key is refused. */
const freshKey = () => btoa(String((keys += 1)).padStart(16, '0'));

/** @param {Record<string, string>} headers */
const request = (headers) =>
  new Request('https://gate.example.com/chat?room=7', {
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      Origin: ORIGIN,
      'User-Agent': 'Mozilla/5.0',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': freshKey(),
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
      'Sec-WebSocket-Protocol': `bearer, ${TOKEN}, chat.v1`,
      'CF-Connecting-IP': '192.0.2.1',
      ...headers,
    },
  });

/**
 * How often the requests run. V8 compiles what runs often a second time, on other threads, and until
 * then requests take twice as long: see docs/costs.md.
 */
const ROUNDS = 40;

// Otherwise all rounds but the first ones would be refused.
const NEVER_REACHED = '1000000/1m';

const requests = () => [
  request({}),
  request({ Origin: 'https://other.example.com' }),
  request({ 'Sec-WebSocket-Protocol': `bearer, ${TOKEN}A, chat.v1` }),
];

/** The state of an object that stores nothing. */
const state = {
  storage: {
    kv: { list: () => [], put() {}, delete() {} },
    sql: { exec: () => ({ raw: () => [].values() }) },
    async setAlarm() {},
  },
  setWebSocketAutoResponse() {},
};

/**
 * Has one object answer under all names.
 * @param {{ fetch(request: Request): unknown }} object
 */
function namespaceOf(object) {
  /** @type {(url: string, init: RequestInit) => Promise<unknown>} */
  const fetch = async (url, init) => object.fetch(new Request(url, init));
  return { getByName: () => ({ fetch }) };
}

/** The progress of a rehearsal: how many upgrades there are, and how many reached the server. */
const progress = { upgrades: ROUNDS, forwarded: 0 };

/** A server that opens any socket. Module scope can't make a real socket. */
const server = {
  async fetch() {
    progress.forwarded += 1;
    return {
      status: 101,
      statusText: 'Switching Protocols',
      webSocket: {},
      headers: new Headers({ Upgrade: 'websocket', 'Sec-WebSocket-Protocol': 'chat.v1' }),
    };
  },
};

/**
 * Runs all requests. Most of them wait for promises, so that they end with the turn.
 * @param {import('./index.js').default['rehearse']} run
 * @param {Pick<typeof import('./index.js'), 'Ledger' | 'Registry'>} objects
 */
export function rehearse(run, { Ledger, Registry }) {
  const env = {
    ALLOWED_ORIGINS: ORIGIN,
    UPSTREAM_SERVICE: 'SERVER',
    JWT_SECRET: SECRET,
    RATE_LIMIT_IP: NEVER_REACHED,
    RATE_LIMIT_USER: NEVER_REACHED,
    SERVER: server,
    LEDGER: namespaceOf(new Ledger(state, {})),
    REGISTRY: namespaceOf(new Registry(state)),
  };
  run(Array.from({ length: ROUNDS }, requests).flat(), env, {
    waitUntil() {},
    passThroughOnException() {},
  });
  return progress;
}
