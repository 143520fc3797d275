// npm run deploy: the gate checks its own settings before anything is deployed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { inRoot } from '../../../tools/run.mjs';
import { secretSettings, standIn } from '../../../tools/secrets.mjs';
import { dryRun } from '../../support/deploy.mjs';
import { withGate } from '../../support/gate.mjs';

/** A dry run with these settings over those of wrangler.toml. */
const dryRunWith = (settings) =>
  dryRun(Object.entries(settings).flatMap(([name, value]) => ['--var', `${name}:${value}`]));

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
    const { code, output } = await dryRunWith(settings);
    assert.equal(code, 0, output);
  });
  test('takes a secret that the settings call for as set', async () => {
    const { code, output } = await dryRunWith({
      ...BASE,
      SESSION_URL: 'https://id.example.com/introspect',
    });
    assert.equal(code, 0, output);
  });
  test('says what is wrong, and not what its guess of the secrets causes', async () => {
    const { code, output } = await dryRunWith({
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
