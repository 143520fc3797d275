// A recipe of docs/recipes through the gate, under exactly its settings.
import { once } from 'node:events';
import { afterEach, test } from 'node:test';
import { unstable_readConfig as readConfig } from 'wrangler';
import { WebSocket as Socket } from 'ws';
import { inRoot } from '../../tools/run.mjs';
import { assertRefused } from './answers.mjs';
import { useExample } from './example.mjs';
import { useGate } from './gate.mjs';
import { internet, useServer } from './internet.mjs';
import { makeKey, sign } from './keys.mjs';
import { bearer, mint } from './tokens.mjs';

export const APP = 'https://app.example.com';
const PROVIDER = 'https://id.example.com';
const SERVER = 'https://chat-origin.example.com';
const AUDIENCE = 'https://chat.example.com';
export const DEADLINE = 20_000;

// A page has it from its browser, which names the page's origin.
globalThis.WebSocket = class extends Socket {
  constructor(url, protocols) {
    super(url, protocols, { origin: APP });
  }
};
/** The client of a recipe. */
export const client = (name) => import(inRoot('examples', name, 'client.mjs'));
/** What comes with the next event of this type. */
export const next = async (emitter, type) => {
  const [value] = await once(emitter, type, { signal: AbortSignal.timeout(DEADLINE) });
  return value;
};

const endings = new Set();
/** What a test leaves open, and how it is closed: a client that reconnects would keep this process. */
export const closing = (what, end) => {
  endings.add(() => end(what));
  return what;
};
afterEach(async () => {
  await Promise.all([...endings].map((end) => end()));
  endings.clear();
});

/** The next text that `onMessage` of a recipe gets; call `next` before what brings it about. */
export function heard() {
  const texts = new EventTarget();
  return {
    onMessage: (text) => texts.dispatchEvent(new MessageEvent('text', { data: text })),
    next: async () => (await next(texts, 'text')).data,
  };
}

/**
 * The gate with a recipe's settings and their provider, or with JWT_SECRET among `secrets` for a recipe
 * that names none; `options` may be a function.
 */
export function useRecipe(name, options) {
  const key = makeKey('ES256', 'id-1');
  const provider = useServer((request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ keys: [key.jwk] }));
  });
  const { vars } = readConfig({ config: inRoot('examples', name, 'settings.toml') });
  const gate = useGate(async () => {
    const { hosts, workers = [], secrets, ...more } = await options();
    const world = internet({ [PROVIDER]: provider.url, ...hosts });
    return {
      ...more,
      // Only what `useGate` sets for http and slow machines is added.
      vars: { AUTH: undefined, ...vars, ...secrets },
      gate: { ...world.gate, ...more.gate },
      workers: [...world.workers, ...workers],
    };
  });
  return Object.assign(gate, {
    token: async (sub) => (vars.JWT_JWKS_URL ? sign(key, { aud: AUDIENCE, sub }) : mint({ sub })),
    socketUrl: (path = '/') => new URL(path, gate.url).href.replace('http', 'ws'),
  });
}

/** What holds for every recipe. */
export function testDoor(gate, target) {
  testStrangers(gate, target);
  test('refuses tokens without a user', async () => {
    const nameless = bearer(await gate.token(undefined), { Origin: APP });
    assertRefused(await gate.knock(nameless, { target }), 'token_invalid');
  });
}

/** What holds for those that admit tokens without a user. */
export function testStrangers(gate, target) {
  test('refuses who has no token, and pages of others', async () => {
    assertRefused(await gate.knock({ Origin: APP }, { target }), 'token_missing');
    assertRefused(
      await gate.knock({ Origin: 'https://evil.example' }, { target }),
      'origin_not_allowed',
    );
  });
}

/** The gate with the settings of a recipe whose server runs in Node. */
export function useNodeRecipe(name, secrets) {
  const server = useExample(name);
  return useRecipe(name, () => ({ hosts: { [SERVER]: server.url }, secrets }));
}
