// The whole demonstration: a server, the gate in front of it, and the playground page. For
// npm start and for the tests. Needs Node 22 and a build.
import { readFileSync } from 'node:fs';
import { describe, NAME, startGate } from '../tools/gate.mjs';
import { configuration, isPackaged } from '../tools/project.mjs';
import { inRoot } from '../tools/run.mjs';
import { withStub } from '../tools/stub.mjs';
import { readDecisions } from './decisions.mjs';
import { firstFree, startServer } from './server.mjs';
import { AUDIENCE, developmentKey, ISSUER } from './token.mjs';
import { startUpstream } from './upstream.mjs';

/** Every setting that the page relies on, so that wrangler.toml can be about a real deployment. */
function settings({ key, origin, upstream }) {
  return {
    ALLOWED_ORIGINS: origin,
    ORIGIN_MISSING: 'reject',
    UPSTREAM_URL: upstream.url,
    UPSTREAM_SERVICE: undefined,
    UPSTREAM_OBJECT: undefined,
    UPSTREAM_CERTIFICATE: undefined,
    ROUTES: undefined,
    REQUIRE_TLS: 'false',
    AUTH: 'required',
    TOKEN_SOURCES: 'header,subprotocol',
    JWT_SECRET: `base64:${key.toString('base64')}`,
    JWT_JWKS: undefined,
    JWT_JWKS_URL: undefined,
    ISSUERS: undefined,
    SESSION_URL: undefined,
    JWT_TYP: undefined,
    JWT_REPLAY: undefined,
    REQUIRED_SCOPES: undefined,
    JWT_ALGORITHMS: 'HS256',
    JWT_ISSUER: ISSUER,
    JWT_AUDIENCE: AUDIENCE,
    RATE_LIMIT_IP: '20/30s',
    PLAIN_HTTP: 'reject',
  };
}

/** In a folder of one's own its configuration counts; this repository's is about a deployment. */
const path = () => (isPackaged ? configuration() : undefined);

/**
 * The Worker that runs, with a stub in place of the other Workers that wrangler.toml binds. `own`:
 * one in place of the gate as built.
 */
function worker(own) {
  const isBundled = own?.modules !== undefined;
  const { services, workers, gate } = withStub(describe(undefined, path()), { isBundled });
  return {
    ...(isBundled && { modules: own.modules }),
    services,
    workers,
    gate: { durableObjects: gate.durableObjects },
  };
}

/** What else holds where the gate guards handlers: these are the server, and show their pages. */
const guarding = (own) =>
  own?.isGuarded
    ? {
        UPSTREAM_URL: undefined,
        PLAIN_HTTP: describe(undefined, path()).bindings?.PLAIN_HTTP ?? 'reject',
      }
    : {};

/**
 * Starts all three. `gatePort` and `playgroundPort`: the ports to try first, 0 for any. `vars`:
 * settings over the demo's own. `own`: a Worker that has the gate in it. `onDecision` and `onLine` get what the gate decides and what
 * else it logs. Resolves to where things are, `tell` to inform open pages of the gate,
 * `restartGate`, and `stop`.
 * @param {{
 *   gatePort?: number,
 *   playgroundPort?: number,
 *   vars?: Record<string, unknown>,
 *   own?: { modules?: any, isGuarded: boolean },
 *   onDecision?: (decision: any) => void,
 *   onLine?: (line: any) => void,
 * }} [options]
 */
export async function startDemo({
  gatePort = 0,
  playgroundPort = 0,
  vars,
  own,
  onDecision,
  onLine,
} = {}) {
  const key = developmentKey();
  const running = [];
  const stop = async () => {
    for (const part of running.splice(0).reverse()) await part.stop();
  };
  try {
    const upstream = await startUpstream();
    running.push(upstream);
    const playground = await startServer({ port: playgroundPort, key });
    running.push(playground);
    const decided = (decision) => {
      playground.tell('decision', decision);
      onDecision?.(decision);
    };
    const settled = (own) => ({
      ...settings({ key, origin: playground.origin, upstream }),
      ...guarding(own),
      ...vars,
    });
    const gate = await startGate({
      path: path(),
      port: gatePort && (await firstFree(gatePort, playground.port)),
      vars: settled(own),
      ...worker(own),
      front: {
        name: 'witness',
        modules: true,
        script: readFileSync(inRoot('playground/witness.js'), 'utf8'),
        serviceBindings: { GATE: NAME },
      },
      onLine: readDecisions(decided, onLine ?? (() => {})),
    });
    running.push(gate);
    const gateUrl = `ws://${gate.url.host}`;
    const tell = (state, words) =>
      playground.tell('gate', { url: gateUrl, state, words }, { keep: true });
    playground.allowConnectionsTo(gateUrl);
    tell('running');
    return {
      playgroundUrl: `${playground.origin}/`,
      origin: playground.origin,
      gateUrl,
      healthUrl: new URL('/_portcullis/health', gate.url),
      tell,
      restartGate: (changed) => gate.setOptions({ vars: settled(changed), ...worker(changed) }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
