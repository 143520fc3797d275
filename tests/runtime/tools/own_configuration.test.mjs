// Tests, benchmarks and the playground run in a repository whose wrangler.toml is in production use.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { missing } from '../../../tools/init/update.mjs';
import { OWN_CONFIGURATION } from '../../../tools/project.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { useFolder } from '../../support/gate.mjs';

// Settings that would refuse whatever a test sends, and bindings that nobody has here.
const PRODUCTION = `name = "live"
main = "build/main.js"
compatibility_date = "2026-07-15"

[vars]
ALLOWED_ORIGINS = "https://live.example.com"
UPSTREAM_SERVICE = "CHAT"
JWT_JWKS_URL = "https://id.example.com/jwks"
JWT_AUDIENCE = "live"
REQUIRED_SCOPES = "live"
RATE_LIMIT_IP = "1/1d"
NO_SUCH_SETTING = "x"
JWT_AUD = "a mistake"

[[vars.ROUTES]]
path = "/live/*"

[[services]]
binding = "CHAT"
service = "a-worker-of-production"
`;

describe('a repository whose wrangler.toml is in production use', () => {
  const folder = useFolder();
  before(() => {
    // This repository but for that file.
    for (const name of readdirSync(inRoot()).filter((one) => one !== 'wrangler.toml')) {
      symlinkSync(inRoot(name), join(folder, name));
    }
    writeFileSync(join(folder, 'wrangler.toml'), PRODUCTION);
  });
  /** Runs Node there, as if the links were the files. */
  async function node(...args) {
    const options = ['--preserve-symlinks', '--preserve-symlinks-main', ...args];
    // What a runner of tests tells the tests that it runs is not for those within.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, options, { cwd: folder, env });
    const chunks = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => chunks.push(data));
    const [code] = await once(child, 'close');
    return { code, output: Buffer.concat(chunks).toString() };
  }

  test('passes tests', async () => {
    const { code, output } = await node('--test', 'tests/runtime/checks/origins.test.mjs');
    assert.equal(code, 0, output);
    assert.match(output, /fail 0/);
  });
  test('measures the gate without those settings', async () => {
    const script = `
      import { describe } from './tools/gate.mjs';
      import { configuration } from './tools/project.mjs';
      const ofBenchmarks = describe();
      const deployed = describe(undefined, configuration());
      console.log(JSON.stringify([ofBenchmarks.bindings ?? {}, deployed.bindings.JWT_AUDIENCE]));`;
    const { output } = await node('--input-type=module', '-e', script);
    assert.deepEqual(JSON.parse(output.trim().split('\n').at(-1)), [{}, 'live']);
  });
  test('shows the playground', async () => {
    const script = `
      import { startDemo } from './playground/demo.mjs';
      const demo = await startDemo();
      const { status } = await fetch(demo.healthUrl);
      console.log(status);
      await demo.stop();`;
    const { output } = await node('--input-type=module', '-e', script);
    assert.equal(output.trim().split('\n').at(-1), '200', output);
  });
});

describe('the configuration of this repository', () => {
  test('binds what the gate’s own does', () => {
    assert.deepEqual(missing(inRoot('wrangler.toml')), []);
    assert.deepEqual(missing(OWN_CONFIGURATION), []);
  });
});
