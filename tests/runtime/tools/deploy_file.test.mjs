// npm run deploy with a wrangler.toml of one's own: which ones pass, and that no secret is in them.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inRoot } from '../../../tools/run.mjs';
import { exposedSecret, secretSettings } from '../../../tools/secrets.mjs';
import { dryRun } from '../../support/deploy.mjs';

/** Resolves to a dry run with this file in place of the project's wrangler.toml. */
async function withFile(settings, options = []) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-'));
  try {
    const project = readFileSync(inRoot('wrangler.toml'), 'utf8');
    const [head, ...tables] = project
      .replace('build/main.js', inRoot('build/main.js'))
      .split('\n\n');
    // Everything is built already.
    const kept = tables.filter((table) => !table.includes('[build]'));
    const path = join(directory, 'wrangler.toml');
    writeFileSync(path, [head, ...kept, settings].join('\n\n'));
    return await dryRun(['--config', path, ...options]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const VARS = `[vars]
ALLOWED_ORIGINS = "https://app.example.com"
UPSTREAM_URL = "wss://chat-origin.example.com"
`;

describe('a sound wrangler.toml passes', () => {
  for (const [name, settings, options] of [
    ['a first deployment with a secret to come', VARS],
    [
      'keys by URL, and secrets to come for sessions and routes, and a certificate',
      `[[mtls_certificates]]
binding = "CLIENT"
certificate_id = "00000000-0000-4000-8000-000000000000"

${VARS}
JWT_JWKS_URL = "https://id.example.com/jwks"
JWT_AUDIENCE = "chat"
UPSTREAM_CERTIFICATE = "CLIENT"
MINE = "x"
[[vars.ROUTES]]
path = "/partners/*"
jwt_secret = "{secret:PARTNERS_KEY}"
assertion_key = "{secret:JWT_SIGNER_OF_PARTNERS}"
[[vars.ROUTES]]
path = "/sessions"
session_url = "https://id.example.com/introspect"
session_url_auth = "{secret:PROVIDER}"
[[vars.ROUTES]]
path = "/others"
session_url = "https://id.example.com/introspect"
`,
    ],
    [
      'an environment',
      `${VARS}[env.staging]
durable_objects.bindings = [
  { name = "LEDGER", class_name = "Ledger" },
  { name = "ONE_TIME", class_name = "OneTime" },
  { name = "REGISTRY", class_name = "Registry" },
  { name = "ROUTE_QUOTA", class_name = "RouteQuota" },
]
[env.staging.vars]
ALLOWED_ORIGINS = "https://staging.example.com"
UPSTREAM_URL = "wss://staging.example.com"
`,
      ['--env', 'staging'],
    ],
  ]) {
    test(name, async () => {
      const { code, output } = await withFile(settings, options);
      assert.equal(code, 0, output);
      // Warnings are shown.
      assert.equal(/MINE: it is not a setting/.test(output), settings.includes('MINE'), output);
    });
  }
});

describe('a secret in wrangler.toml', () => {
  const symmetric = { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] };
  for (const [name, config, found] of [
    ...secretSettings().map((secret) => [
      `${secret} at the top`,
      { vars: { [secret]: 'x' } },
      new RegExp(`^${secret} is in wrangler.toml under \\[vars\\].*wrangler secret put ${secret}$`),
    ]),
    [
      'in an environment',
      { env: { live: { vars: { JWT_SECRET: 'x' } } } },
      /^JWT_SECRET .*under \[env\.live\.vars\]/,
    ],
    [
      'in a route',
      { vars: { ROUTES: [{ path: '/a' }, { path: '/b', jwt_secret: 'x' }] } },
      /^jwt_secret of the route \/b .*"\{secret:ROUTE_JWT_SECRET\}" in the route$/,
    ],
    [
      'in a route that is written as text',
      { vars: { ROUTES: '[{"path":"/b","assertion_key":"x"}]' } },
      /^assertion_key of the route \/b /,
    ],
    [
      'in a route of an environment',
      { env: { live: { vars: { ROUTES: [{ path: '/b', session_url_auth: 'x' }] } } } },
      /^session_url_auth of the route \/b .*env\.live/,
    ],
    ['a symmetric key of a set', { vars: { JWT_JWKS: symmetric } }, /^JWT_JWKS .*a secret key/],
    [
      'a symmetric key of a set as text',
      { vars: { JWT_JWKS: JSON.stringify(symmetric) } },
      /^JWT_JWKS .*a secret key/,
    ],
    [
      'a symmetric key of an issuer',
      { vars: { ISSUERS: [{ issuer: 'a', jwks: symmetric }] } },
      /^ISSUERS .*a secret key/,
    ],
  ]) {
    test(name, () => assert.match(exposedSecret('wrangler.toml', config) ?? '', found));
  }

  test('is not a reference, a public key or what is no setting', () => {
    const vars = {
      JWT_SECRET: '{secret:OTHER}',
      JWT_JWKS: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x' }] },
      API_KEY: 'x',
      ROUTES: [{ path: '/a', jwt_secret: '{secret:A}' }, 'nonsense', null],
    };
    assert.equal(exposedSecret('wrangler.toml', { vars }), undefined);
    assert.equal(exposedSecret('wrangler.toml', { vars: { ROUTES: 'nonsense' } }), undefined);
    assert.equal(exposedSecret('wrangler.toml', {}), undefined);
  });

  test('stops the deployment', async () => {
    const { code, output } = await withFile(
      `${VARS}JWT_SECRET = "a secret of thirty-two characters"`,
    );
    assert.equal(code, 1);
    assert.match(output, /JWT_SECRET is in wrangler\.toml under \[vars\]/);
    assert.doesNotMatch(output, /thirty-two/);
  });
});
