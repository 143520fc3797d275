// From the tarballs, in an empty folder, with a PATH that has Node, npm and a shell alone: from
// `npm create portcullis` to an accepted socket, a refused one and a dry run of the deployment.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { before, describe, test } from 'node:test';
import { parseEnv } from 'node:util';
import { WebSocketServer } from 'ws';
import { TEMPLATE, template } from '../../../tools/init/template.mjs';
import { problemsOf } from '../../../tools/release.mjs';
import { find, NPM, ORIGIN, useMachine } from '../../support/machine.mjs';

const RUST = ['cargo', 'rustc', 'rustup', 'cc', 'git'];
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;

const bytesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);

// Each of its tests starts npm and programs that start others, one after the other.
describe('a machine with Node and npm alone', { timeout: 900_000 }, () => {
  const machine = useMachine();
  const { home, folder, bin, packages, start, run, printed, connect, stop } = machine;
  const [portcullis, creator] = packages;

  before(() => {
    for (const name of RUST) assert.ok(!existsSync(join(bin, name)), name);
  });

  test('the tarballs are small, name no folder of this machine and run no script', (t) => {
    assert.deepEqual(problemsOf(packages), []);
    for (const { name, size, unpackedSize, files } of packages) {
      t.diagnostic(
        `${name}: ${kilobytes(size)}, ${kilobytes(unpackedSize)} unpacked, ${files.length} files`,
      );
    }
  });
  test('create writes a folder, and npm installs it', async (t) => {
    const answers = {
      origins: ORIGIN,
      server: 'wss://chat-origin.example.com',
      tokens: 'secret',
      limits: 'user',
      package: portcullis.path,
    };
    const flags = Object.entries(answers).flatMap(([name, value]) => [`--${name}`, value]);
    const wanted = [portcullis.path, creator.path].flatMap((path) => ['--package', path]);
    const created = await run(
      'npm',
      ['exec', '--yes', ...NPM, ...wanted, '--', 'create-portcullis', 'gate', ...flags],
      home,
    );
    assert.equal(created.code, 0, created.output);
    const installed = await run('npm', ['install', ...NPM]);
    assert.equal(installed.code, 0, installed.output);
    const megabytes = (bytesIn(join(folder, 'node_modules')) / 1024 ** 2).toFixed(0);
    t.diagnostic(
      `create ${created.took.toFixed(1)} s, install ${installed.took.toFixed(1)} s, node_modules ${megabytes} MiB`,
    );
    assert.equal(statSync(join(folder, '.dev.vars')).mode & 0o077, 0);
  });
  test('create overwrites nothing', async () => {
    const answers = ['--origins', ORIGIN, '--server', 'chat', '--tokens', 'off', '--limits', 'off'];
    const { code, output } = await run('npx', ['portcullis', 'init', ...answers]);
    assert.equal(code, 1);
    assert.match(output, /wrangler\.toml is there already, and nothing was written/);
  });
  test('check finds the settings right, and says what is wrong', async (t) => {
    const { code, output, took } = await run('npm', ['run', 'check']);
    assert.equal(code, 0, output);
    assert.match(output, /✓ wrangler\.toml: [^]*✓ \.dev\.vars: /);
    t.diagnostic(`check ${took.toFixed(1)} s`);
    const wrong = await run('npx', ['portcullis', 'check', '--var', 'RATE_LIMIT_IP:often']);
    assert.equal(wrong.code, 1);
    assert.match(wrong.output, /RATE_LIMIT_IP: /);
  });
  test('test asks the gate what the policy promises', async (t) => {
    const { code, output, took } = await run('npm', ['test']);
    assert.equal(code, 0, output);
    assert.match(output, /✓ the 61st upgrade .*\n\n5 passed, 0 failed/);
    t.diagnostic(`test ${took.toFixed(1)} s`);
  });
  test('start accepts a socket with a token and refuses one without', async (t) => {
    const began = performance.now();
    const child = start('npm', ['start', '--', '--port', '0', '--playground-port', '0'], folder);
    const [, playground] = await printed(child, /^Playground +(\S+)$/m);
    const [, url] = await printed(child, /^Gate +(\S+)$/m);
    const token = await (await fetch(`${playground}token`, { method: 'POST' })).text();
    const origin = new URL(playground).origin;
    const socket = await connect(url, { Authorization: `Bearer ${token}` }, origin);
    t.diagnostic(`first accepted socket ${((performance.now() - began) / 1000).toFixed(1)} s`);
    const [greeting] = await once(socket, 'message');
    assert.equal(JSON.parse(greeting).subject, 'ada');
    socket.close();
    assert.equal(await connect(url, {}, origin), 401);
    await stop(child);
  });
  test('wrangler dev runs the gate with the settings of this machine', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    server.on('connection', (socket, { headers }) => socket.send(headers['portcullis-subject']));
    const path = join(folder, '.dev.vars');
    const written = readFileSync(path, 'utf8');
    writeFileSync(path, written.replace('127.0.0.1:8080', `127.0.0.1:${server.address().port}`));
    const minted = await run('npm', ['run', '-s', 'token', '--', '--sub', 'alice']);
    assert.equal(minted.code, 0, minted.output);
    const child = start('npx', ['wrangler', 'dev', '--port', '0', '--ip', '127.0.0.1'], folder);
    const [, url] = await printed(child, /Ready on http:(\S+)/);
    const socket = await connect(`ws:${url}`, { Authorization: `Bearer ${minted.output.trim()}` });
    const [text] = await once(socket, 'message');
    assert.equal(String(text), 'alice');
    socket.terminate();
    assert.equal(await connect(`ws:${url}`, {}), 401);
    await stop(child);
    server.close();
  });
  test('wrangler dev lists what is wrong with the settings at once, and after a change', async () => {
    const path = join(folder, '.dev.vars');
    const written = readFileSync(path, 'utf8');
    writeFileSync(path, `${written}\nRATE_LIMIT_IP="often"\n`);
    const child = start('npx', ['wrangler', 'dev', '--port', '0', '--ip', '127.0.0.1'], folder);
    await printed(child, /every request is refused[^]*RATE_LIMIT_IP: /);
    writeFileSync(path, `${written}\nIDLE_TIMEOUT="soon"\n`);
    // wrangler reads `.dev.vars` again when its own configuration changes.
    const own = join(folder, 'wrangler.toml');
    const before = readFileSync(own, 'utf8');
    writeFileSync(own, `${before}\n# Changed.\n`);
    await printed(child, /every request is refused[^]*IDLE_TIMEOUT: /);
    await stop(child);
    writeFileSync(path, written);
    writeFileSync(own, before);
  });
  test('deploy checks the settings and bundles the Worker', async (t) => {
    const { code, output, took } = await run('npm', ['run', 'deploy', '--', '--dry-run']);
    assert.equal(code, 0, output);
    const [upload] = output.match(/Total Upload: .*/) ?? [];
    assert.ok(upload, output);
    for (const name of ['LEDGER', 'ONE_TIME', 'REGISTRY', 'ROUTE_QUOTA']) {
      assert.match(output, new RegExp(`env\\.${name} `));
    }
    t.diagnostic(`deploy --dry-run ${took.toFixed(1)} s; ${upload}`);
  });
  test('check says what a new version needs, and init --update writes it', async () => {
    const path = join(folder, 'wrangler.toml');
    const whole = readFileSync(path, 'utf8');
    const [lost] = whole.match(/\[\[durable_objects\.bindings\]\]\nname = "REGISTRY"\n.*\n/);
    writeFileSync(path, whole.replace(lost, '').replace('"Registry", ', ''));
    const lacking = await run('npm', ['run', 'check']);
    assert.equal(lacking.code, 1);
    assert.match(lacking.output, /the Durable Object binding REGISTRY to the class Registry/);
    assert.match(lacking.output, /a migration with new_sqlite_classes for Registry/);
    const updated = await run('npx', ['portcullis', 'init', '--update']);
    assert.equal(updated.code, 0, updated.output);
    assert.match(readFileSync(path, 'utf8'), /tag = "v2"\nnew_sqlite_classes = \["Registry"\]\n$/);
    const again = await run('npm', ['run', 'check']);
    assert.equal(again.code, 0, again.output);
    const twice = await run('npx', ['portcullis', 'init', '--update']);
    assert.match(twice.output, /has every binding and migration/);
  });
  test('start needs no other Worker that the settings bind', async () => {
    const answers = ['--origins', ORIGIN, '--server', 'chat', '--tokens', 'off', '--limits', 'off'];
    const other = join(folder, 'other');
    const created = await run('npx', ['portcullis', 'init', 'other', ...answers]);
    assert.equal(created.code, 0, created.output);
    // What is installed above it is found from there.
    const ports = ['--port', '0', '--playground-port', '0'];
    const child = start('npx', ['portcullis', 'start', ...ports], other);
    const [, playground] = await printed(child, /^Playground +(\S+)$/m);
    const [, url] = await printed(child, /^Gate +(\S+)$/m);
    assert.equal(await connect(url, {}, new URL(playground).origin), 401);
    await stop(child);
    const { code, output } = await run('npx', ['portcullis', 'test'], other);
    assert.equal(code, 0, output);
  });
  test('the types are found by both names', () => {
    rmSync(join(folder, '.wrangler'), { recursive: true, force: true });
    const script = join(folder, 'use.mts');
    writeFileSync(
      script,
      `import gate, { guard, Ledger } from 'portcullis/worker';
       import { PortcullisSocket } from 'portcullis/client';
       export { gate, Ledger, PortcullisSocket };
       export default guard({ fetch: () => new Response() });
       // @ts-expect-error -- there is no fetch
       guard({});`,
    );
    const tsc = find('tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--lib', 'es2022,dom'];
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, script], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout);
  });
});

describe('the template of the deploy button', () => {
  const files = Object.entries(template());
  test('is what init writes', () => {
    const found = readdirSync(TEMPLATE, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .map(({ parentPath, name }) => relative(TEMPLATE, join(parentPath, name)));
    assert.deepEqual(found.sort(), files.map(([name]) => name).sort());
    for (const [name, content] of files) {
      const hint = `${name}: run node tools/init/template.mjs`;
      assert.equal(readFileSync(join(TEMPLATE, name), 'utf8'), content, hint);
    }
  });
  test('holds no secret, and no value that would pass for one', () => {
    const example = readFileSync(join(TEMPLATE, '.dev.vars.example'), 'utf8');
    const { JWT_SECRET, ...others } = parseEnv(example);
    assert.ok(JWT_SECRET.length < 32);
    assert.deepEqual(others, {});
    assert.ok(!existsSync(join(TEMPLATE, '.dev.vars')));
  });
});
