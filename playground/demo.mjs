// The whole demonstration: a server, the gate in front of it, and the playground page. For
// npm start and for the tests. Needs Node 22 and a build.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, NAME, startGate } from '../tools/gate.mjs';
import { inRoot } from '../tools/run.mjs';
import { withStub } from '../tools/stub.mjs';
import { readDecisions } from './decisions.mjs';
import { firstFree, startServer } from './server.mjs';
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
    // The dashboard shows live sockets only where they are inspected.
    RELAY: 'inspect',
    ADMIN_TOKEN: adminToken,
    METRICS: 'true',
    PLAIN_HTTP: 'reject',
  };
}

/** In place of other Workers that wrangler.toml binds: the demo has a server of its own. */
function others() {
  const { services, workers, gate } = withStub(describe());
  return { services, workers, gate: { durableObjects: gate.durableObjects } };
}

/**
 * Starts all three. `gatePort` and `playgroundPort`: the ports to try first, 0 for any. `vars`:
 * settings over the demo's own. `onDecision` and `onLine` get what the gate decides and what
 * else it logs. Resolves to where things are, `tell` to inform open pages of the gate,
 * `restartGate`, and `stop`.
 * @param {{
 *   gatePort?: number,
 *   playgroundPort?: number,
 *   vars?: Record<string, unknown>,
 *   onDecision?: (decision: any) => void,
 *   onLine?: (line: any) => void,
 * }} [options]
 */
export async function startDemo({
  gatePort = 0,
  playgroundPort = 0,
  vars,
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
    const gate = await startGate({
      port: gatePort && (await firstFree(gatePort, playground.port)),
      vars: { ...settings({ key, origin: playground.origin, upstream, adminToken }), ...vars },
      ...others(),
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
      dashboardUrl: new URL('/_portcullis/admin/', gate.url).href,
      adminToken,
      tell,
      restartGate: () => gate.setOptions(others()),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
