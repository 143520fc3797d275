// npm run deploy: the gate checks its own settings before anything is deployed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { standIn } from '../../../tools/check.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { withGate } from '../../support/gate.mjs';

/** Resolves to the exit code and the output of a dry run with these settings. */
async function dryRun(settings) {
  const vars = Object.entries(settings).flatMap(([name, value]) => ['--var', `${name}:${value}`]);
  const args = [inRoot('tools/deploy.mjs'), '--dry-run', ...vars];
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

const SECRETS = ['JWT_SECRET', 'SESSION_URL_AUTH', 'ASSERTION_KEY', 'ADMIN_TOKEN'];
const BASE = {
  ALLOWED_ORIGINS: 'https://app.example.com',
  UPSTREAM_URL: 'wss://chat-origin.example.com',
};

describe('a stand-in for a secret that only Cloudflare knows', () => {
  test('has the form that its setting asks for', async () => {
    const vars = Object.fromEntries(SECRETS.map((name) => [name, standIn(name)]));
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
    });
    assert.equal(code, 1);
    assert.match(output, /UPSTREAM_URL: /);
    assert.match(output, /Nothing was deployed/);
    assert.doesNotMatch(output, /JWT_/);
  });
});
