// The whole demonstration: a server, the gate in front of it, and the playground page. For
// npm start and for the tests. Needs Node 22 and a build.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, NAME, startGate } from '../tools/gate.mjs';
import { configuration, isPackaged } from '../tools/project.mjs';
import { inRoot } from '../tools/run.mjs';
import { withStub } from '../tools/stub.mjs';
import { readDecisions } from './decisions.mjs';
import { firstFree, hasDocs, startServer } from './server.mjs';
import { AUDIENCE, developmentKey, ISSUER } from './token.mjs';
import { startUpstream } from './upstream.mjs';

/** Every setting that the page relies on, so that wrangler.toml can be about a real deployment. */
function settings({ key, origin, upstream, adminToken }) {
  return {
    ALLOWED_ORIGINS: origin,
    ORIGIN_MISSING: 'reject',
    UPSTREAM_URL: upstream.url,
    UPSTREAM_SERVICE: undefined,
    UPSTREAM_OBJECT: undefined,
    UPSTREAM_CERTIFICATE: undefined,
    ROUTES: JSON.stringify([{ path: '/close', reject_with: 'close' }, { path: '/*' }]),
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
    // The dashboard shows live sockets only where they are inspected.
    RELAY: 'inspect',
    CLOSE_ON_EXPIRY: 'true',
    ADMIN_TOKEN: adminToken,
    METRICS: 'true',
    PLAIN_HTTP: 'reject',
  };
}

/** Limits and checks that are off where nobody sets them. */
const OPTIONAL = [
  'REQUIRED_SCOPES',
  'JWT_REPLAY',
  'RATE_LIMIT_USER',
  'RATE_LIMIT_ROUTE',
  'MAX_SOCKETS_IP',
  'MAX_SOCKETS_USER',
  'BAN_AFTER',
  'MAX_MESSAGE_BYTES',
  'MESSAGE_RATE',
  'IDLE_TIMEOUT',
  'MAX_LIFETIME',
  'ASSERTION_KEY',
  'SESSION_URL',
];

/** The settings as the page shows them: those that are set, without secrets, and what is off. */
function explained(vars) {
  const isSecret = (name) => name === 'JWT_SECRET' || name === 'ADMIN_TOKEN';
  const set = Object.entries(vars).filter(([, value]) => value !== undefined);
  const isSet = (name) => set.some(([known, value]) => known === name && value !== 'off');
  return {
    active: Object.fromEntries(set.map(([name, value]) => [name, isSecret(name) ? 'set' : value])),
    off: {
      settings: OPTIONAL.filter((name) => !isSet(name)),
      stages: {
        ...(!isSet('REQUIRED_SCOPES') && { permission: 'off: no scopes are required' }),
      },
    },
  };
}

/** How the gate's log begins to list what is wrong with the settings. */
const BROKEN = /^portcullis: every request is refused until these settings are right:\n/;

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
  const adminToken = randomBytes(24).toString('base64url');
  const running = [];
  const stop = async () => {
    for (const part of running.splice(0).reverse()) await part.stop();
  };
  try {
    const upstream = await startUpstream();
    running.push(upstream);
    const playground = await startServer({ port: playgroundPort, key, adminToken });
    running.push(playground);
    const decided = (decision) => {
      playground.tell('decision', decision);
      onDecision?.(decision);
    };
    const settled = (own) => ({
      ...settings({ key, origin: playground.origin, upstream, adminToken }),
      ...guarding(own),
      ...vars,
    });
    const shown = settled(own);
    let gateUrl = '';
    const tell = (state, words) => {
      const about = {
        url: gateUrl,
        state,
        words,
        dashboard: `${gateUrl.replace('ws', 'http')}/_portcullis/admin/`,
        docs: hasDocs,
        ...explained(shown),
      };
      playground.tell('gate', about, { keep: true });
    };
    const logged = ({ level, message }) => {
      if (BROKEN.test(message)) {
        tell('misconfigured', message.replace(BROKEN, ''));
      }
      onLine?.({ level, message });
    };
    const gate = await startGate({
      path: path(),
      port: gatePort && (await firstFree(gatePort, playground.port)),
      vars: shown,
      ...worker(own),
      front: {
        name: 'witness',
        modules: true,
        script: readFileSync(inRoot('playground/witness.js'), 'utf8'),
        serviceBindings: { GATE: NAME },
      },
      onLine: readDecisions(decided, logged),
    });
    running.push(gate);
    gateUrl = `ws://${gate.url.host}`;
    playground.allowConnectionsTo(gateUrl);
    const healthUrl = new URL('/_portcullis/health', gate.url);
    // The first request makes the gate read its settings.
    const health = await fetch(healthUrl);
    if (health.ok) tell('running');
    return {
      playgroundUrl: `${playground.origin}/`,
      origin: playground.origin,
      gateUrl,
      healthUrl,
      dashboardUrl: new URL('/_portcullis/admin/', gate.url).href,
      adminToken,
      tell,
      restartGate: (changed) => gate.setOptions({ vars: settled(changed), ...worker(changed) }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
