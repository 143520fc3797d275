// npm run deploy: the gate checks its own settings before anything is deployed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inRoot } from '../../../tools/run.mjs';
import { exposedSecret, secretSettings, standIn } from '../../../tools/secrets.mjs';
import { withGate } from '../../support/gate.mjs';

/** Resolves to the exit code and the output of a dry run with these settings. */
function dryRun(settings) {
  return deploy(Object.entries(settings).flatMap(([name, value]) => ['--var', `${name}:${value}`]));
}

async function deploy(options) {
  const args = [inRoot('tools/deploy.mjs'), '--dry-run', ...options];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => chunks.push(data));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, output: Buffer.concat(chunks).toString() };
}

/** The settings that the README has its readers write, in steps 1 and 2. */
function settingsOfReadme() {
  const section = readFileSync(inRoot('README.md'), 'utf8')
    .split(/^## /m)
    .find((one) => one.startsWith('Deploy it'));
  const blocks = [...section.matchAll(/```toml\n([^]*?)```/g)].map(([, block]) => block);
  const lines = blocks.join('').matchAll(/^ *([A-Z_]+) = "(.*)"$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
}

const BASE = {
  ALLOWED_ORIGINS: 'https://app.example.com',
  UPSTREAM_URL: 'wss://chat-origin.example.com',
};

describe('a stand-in for a secret that only Cloudflare knows', () => {
  test('has the form that its setting asks for', async () => {
    const secrets = secretSettings();
    assert.deepEqual(secrets.sort(), [
      'ADMIN_TOKEN',
      'ASSERTION_KEY',
      'JWT_SECRET',
      'SESSION_URL_AUTH',
    ]);
    const vars = Object.fromEntries(secrets.map((name) => [name, standIn(name)]));
    const SESSION_URL = 'https://id.example.com/introspect';
    await withGate({ vars: { ...BASE, ...vars, SESSION_URL, AUTH: 'required' } }, async (gate) => {
      const { status } = await gate.call('GET', '/_portcullis/health');
      assert.equal(status, 200, gate.log.toString());
    });
  });
});

describe('npm run deploy -- --dry-run', () => {
  test('passes with the steps of the README and nothing else', async () => {
    const settings = settingsOfReadme();
    assert.deepEqual(Object.keys(settings), [
      'ALLOWED_ORIGINS',
      'UPSTREAM_URL',
      'JWT_JWKS_URL',
      'JWT_ISSUER',
      'JWT_AUDIENCE',
    ]);
    const { code, output } = await dryRun(settings);
    assert.equal(code, 0, output);
  });
  test('takes a secret that the settings call for as set', async () => {
    const { code, output } = await dryRun({
      ...BASE,
      SESSION_URL: 'https://id.example.com/introspect',
    });
    assert.equal(code, 0, output);
  });
  test('says what is wrong, and not what its guess of the secrets causes', async () => {
    const { code, output } = await dryRun({
      ...BASE,
      UPSTREAM_URL: 'nowhere',
      JWT_JWKS_URL: 'https://id.example.com/jwks',
      JWT_AUDIENCE: 'chat',
    });
    assert.equal(code, 1);
    assert.match(output, /UPSTREAM_URL: /);
    assert.match(output, /Nothing was deployed/);
    assert.doesNotMatch(output, /JWT_/);
  });
});

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
    return await deploy(['--config', path, ...options]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const VARS = `[vars]
ALLOWED_ORIGINS = "https://app.example.com"
UPSTREAM_URL = "wss://chat-origin.example.com"
`;
const BY_URL = `${VARS}
JWT_JWKS_URL = "https://id.example.com/jwks"
JWT_AUDIENCE = "chat"
`;

describe('a sound wrangler.toml passes', () => {
  for (const [name, settings, options] of [
    ['a first deployment with a secret to come', VARS],
    ['keys by URL', BY_URL],
    [
      'sessions, with their credentials to come',
      `${BY_URL}SESSION_URL = "https://id.example.com/introspect"`,
    ],
    [
      'a route that refers to secrets',
      `${BY_URL}
[[vars.ROUTES]]
path = "/partners/*"
jwt_secret = "{secret:PARTNERS_KEY}"
assertion_key = "{secret:JWT_SIGNER_OF_PARTNERS}"
[[vars.ROUTES]]
path = "/sessions"
session_url = "https://id.example.com/introspect"
session_url_auth = "{secret:PROVIDER}"
`,
    ],
    [
      'a client certificate',
      `[[mtls_certificates]]
binding = "CLIENT"
certificate_id = "00000000-0000-4000-8000-000000000000"

${BY_URL}UPSTREAM_CERTIFICATE = "CLIENT"`,
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
    });
  }

  test('and its warnings are shown', async () => {
    const { code, output } = await withFile(`${BY_URL}MINE = "x"`);
    assert.equal(code, 0, output);
    assert.match(output, /MINE: it is not a setting of the gate/);
  });
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
