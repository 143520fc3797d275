// npm run check: every mistake with its place, what is unwise, the policy by route, and one request
// on its way through the checks.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, after, describe, test } from 'node:test';
import { experimental_readRawConfig as readRawConfig } from 'wrangler';
import { startInspection } from '../../../tools/check/inspection.mjs';
import { placesIn } from '../../../tools/check/places.mjs';
import { configuration } from '../../../tools/project.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { standIn } from '../../../tools/secrets.mjs';
import { subject } from '../../../tools/trial.mjs';
import { useFolder } from '../../support/gate.mjs';

const run = (...args) =>
  new Promise((resolve) => {
    const script = inRoot('tools/check.mjs');
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    );
  });

/** The project's configuration, with these settings and without the command that builds it. */
function configurationWith(settings) {
  const [head, ...tables] = readFileSync(inRoot('wrangler.toml'), 'utf8')
    .replace('build/main.js', inRoot('build/main.js'))
    .split('\n\n');
  const kept = tables.filter((table) => !table.includes('[build]'));
  return [head, ...kept, settings].join('\n\n');
}

describe('npm run check', () => {
  const folder = useFolder();
  const write = (settings, name = 'wrangler.toml') => {
    const path = join(folder, name);
    const text = configurationWith(settings);
    writeFileSync(path, text);
    /** The line on which a text stands. */
    const line = (part) => text.split('\n').findIndex((one) => one.includes(part)) + 1;
    return { path, line };
  };

  test('names each of ten mistakes, with its line and what would be right', async () => {
    const { path, line } = write(`[vars]
ALLOWED_ORIGIN = "https://app.example.com"
ALLOWED_ORIGINS = "https://app.example.com/chat"
UPSTREAM_URL = "chat-origin.example.com"
JWT_JWKS_URL = "http://id.example.com/jwks"
JWT_AUD = "chat"
RATE_LIMIT_IP = "often"
JWT_SECRET = "a secret of thirty-two characters"
REQUIRE_TLS = "yes"

[[vars.ROUTES]]
path = "/rooms/{room}"
max_sockets_user = "many"
requires_scopes = "chat"
`);
    const { code, output } = await run('--config', path);
    assert.equal(code, 1, output);
    for (const [written, name, remedy] of [
      ['ALLOWED_ORIGIN =', 'ALLOWED_ORIGIN', /did you mean ALLOWED_ORIGINS/],
      ['ALLOWED_ORIGINS =', 'ALLOWED_ORIGINS', /./],
      ['UPSTREAM_URL', 'UPSTREAM_URL', /./],
      ['JWT_JWKS_URL', 'JWT_JWKS_URL', /https/],
      ['JWT_AUD =', 'JWT_AUD', /did you mean JWT_AUDIENCE/],
      ['RATE_LIMIT_IP', 'RATE_LIMIT_IP', /60\/1m/],
      ['REQUIRE_TLS', 'REQUIRE_TLS', /true/],
      ['max_sockets_user', 'ROUTES /rooms/{room} max_sockets_user', /./],
    ]) {
      const place = `wrangler.toml:${line(written)}: ${name}: `;
      const found = output.split('\n').find((one) => one.trim().startsWith(place));
      assert.ok(found, `${place}\n${output}`);
      assert.match(found.slice(place.length), remedy);
    }
    const secret = `wrangler.toml:${line('JWT_SECRET')}: JWT_SECRET is in wrangler.toml under [vars]`;
    assert.ok(output.includes(secret), output);
    const route = `wrangler.toml:${line('requires_scopes')}: ROUTES /rooms/{room}: "requires_scopes" is not`;
    assert.ok(output.includes(route), output);
    assert.doesNotMatch(output, /thirty-two/);
    const lines = [...output.matchAll(/^ {2}wrangler\.toml:(\d+): /gm)].map(([, at]) => Number(at));
    assert.deepEqual(
      lines,
      lines.toSorted((one, other) => one - other),
    );
  });

  test('takes secrets for set that the settings need, at a first deployment', async () => {
    const { path } = write(`[vars]
ALLOWED_ORIGINS = "https://app.example.com"
UPSTREAM_URL = "wss://chat-origin.example.com"
METRICS = true
`);
    const { code, output } = await run('--config', path);
    assert.equal(code, 0, output);
  });

  test('warns with the line of what is legal and unwise, and shows the policy by route', async () => {
    const { path, line } = write(`[vars]
ALLOWED_ORIGINS = "*"
UPSTREAM_URL = "ws://chat-origin.example.com"
UPSTREAM_PLAINTEXT = "true"
TOKEN_SOURCES = "header, query:t"
JWT_JWKS_URL = "https://id.example.com/jwks"
JWT_AUDIENCE = "any"
JWT_ISSUER = "https://a.example https://b.example"
PLAIN_HTTP = "proxy"
MINE = "x"

[[vars.ROUTES]]
path = "/lobby"
auth = "off"
rate_limit_ip = "off"
require_tls = "false"

[[vars.ROUTES]]
path = "/rooms/{room}"
required_scopes = "chat"
rate_limit_user = "5/1m"

[vars.ROUTES.claims]
rooms = { contains = "{room}" }
`);
    const text = readFileSync(path, 'utf8').replace('workers_dev = false', '');
    writeFileSync(path, text.replace('invocation_logs = false', 'invocation_logs = true'));
    const moved = (part) => line(part);
    const { code, output } = await run('--config', path);
    assert.equal(code, 0, output);
    const of = (name, written) => [`wrangler.toml:${moved(written)}: ${name}`, name];
    for (const [start, name] of [
      of('ALLOWED_ORIGINS: * lets', 'ALLOWED_ORIGINS'),
      of('UPSTREAM_PLAINTEXT: ', 'UPSTREAM_PLAINTEXT'),
      of('TOKEN_SOURCES: ', 'TOKEN_SOURCES'),
      of('JWT_AUDIENCE: any', 'JWT_AUDIENCE'),
      of('JWT_ISSUER: two issuers', 'JWT_ISSUER'),
      of('PLAIN_HTTP: proxy', 'PLAIN_HTTP'),
      of('MINE: it is not a setting', 'MINE'),
      of('ROUTES /lobby auth: off', 'auth ='),
      of('ROUTES /lobby rate_limit_ip: off', 'rate_limit_ip'),
      of('ROUTES /lobby require_tls: off', 'require_tls'),
      ['wrangler.toml: workers_dev: ', 'workers_dev'],
      [`wrangler.toml:${moved('[observability]')}: observability: invocation logs`, 'logs'],
    ]) {
      assert.ok(output.includes(`    ${start}`), `${name}: ${start}\n${output}`);
    }
    const table = output.slice(output.indexOf('route  '));
    const [lobby, rooms] = ['/lobby', '/rooms/{room}'].map((one) => table.indexOf(`\n${one} `));
    assert.ok(0 < lobby && lobby < rooms, table);
    assert.match(table.slice(lobby, rooms), /none needed/);
    for (const part of ['scope chat', 'rooms contains {room}', 'RATE_LIMIT_USER 5/1m']) {
      assert.ok(table.slice(rooms).includes(part), `${part}\n${table}`);
    }
  });

  describe('--explain', () => {
    const { path } = write(
      `[vars]
ALLOWED_ORIGINS = "https://app.example.com"
UPSTREAM_URL = "wss://chat-origin.example.com"
JWT_JWKS_URL = "https://id.example.com/jwks"
JWT_AUDIENCE = "chat"

[[vars.ROUTES]]
path = "/rooms/{room}"
claims = { rooms = { contains = "{room}" } }
`,
      'asked.toml',
    );
    const rows = [
      ['admits', ['GET /rooms/7', '{"rooms":["7"]}'], 0, /✓ 10 forward[^]*✓ admitted.* status 101/],
      [
        'names the check that decides',
        ['GET /rooms/7', '{"rooms":["8"]}'],
        1,
        /✓ {2}7 token +user-1, signed with ES256\n {2}✗ {2}8 permission +insufficient_scope: the claim rooms .*\n {4} 9 counters\n[^]*✗ Step 8, permission, decided: .* 403/,
      ],
      [
        'a page of another site',
        ['/rooms/7', '{}', '--origin', 'https://evil.example'],
        1,
        /✗ {2}5 origin +origin_not_allowed/,
      ],
      ['a path without a route', ['GET /other', '{}'], 1, /✗ {2}3 route +no_route/],
    ];
    for (const [name, [request, claims, ...more], expected, found] of rows) {
      test(name, async () => {
        const options = ['--explain', request, '--claims', claims, ...more];
        const { code, output } = await run('--config', path, ...options);
        assert.match(output, found);
        assert.equal(code, expected);
      });
    }
    test('says what is wrong with the question', async () => {
      assert.match((await run('--explain', 'rooms')).output, /write a method and a path/);
      assert.match((await run('--origin', 'x')).output, /write --explain/);
    });
  });
});

describe('the place of a setting', () => {
  const toml = placesIn(
    `name = "x" # [a]
[vars]
A = "1"
"B" = [ "x",
  "y" ]
R = { a = 1,
 b = "c" }
[[vars.ROUTES]]
path = "/a"
[[vars.ROUTES]]
path = '/b'
[vars.ROUTES.claims]
x = 1
[env.staging]
vars = { A = "3", ROUTES = [ { path = "/c" },
 { path = "/d", rate = 1.5 } ] }
[env.live.vars]
A = 2026-07-15T00:00:00
Z="z"
`,
    'wrangler.toml',
  );
  const json = placesIn(
    `{ // a comment
  "vars": {
    "A": "{}", /* another */
    "ROUTES": [{ "path": "/a",
      "rate": 1 }, {
      "path": "/b"
    }]
  },
  "env": { "live": { "vars": { "A": true } } }
}`,
    'wrangler.jsonc',
  );
  for (const [name, places, path, line] of [
    ['a variable', toml, ['vars', 'A'], 3],
    ['one in quotes', toml, ['vars', 'B'], 4],
    ['a member of an inline table', toml, ['vars', 'R', 'b'], 7],
    ['a route', toml, ['vars', 'ROUTES', '1', 'path'], 11],
    ['a table in a route', toml, ['vars', 'ROUTES', '1', 'claims', 'x'], 13],
    ['a route in an array', toml, ['env', 'staging', 'vars', 'ROUTES', '1', 'rate'], 16],
    ['a variable of an environment', toml, ['env', 'live', 'vars', 'Z'], 19],
    ['what is not there', toml, ['vars', 'Z'], undefined],
    ['a variable in JSON', json, ['vars', 'A'], 3],
    ['a route in JSON', json, ['vars', 'ROUTES', '1', 'path'], 6],
    ['an environment in JSON', json, ['env', 'live', 'vars', 'A'], 9],
  ]) {
    test(`is found: ${name}`, () => assert.equal(places.at(...path), line));
  }
});

/** The blocks of TOML in README and docs, by the page and the line; not those that cut a key short. */
function examples() {
  const pages = ['README.md', 'package/README.md', 'client/README.md'].concat(
    readdirSync(inRoot('docs'), { recursive: true })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  );
  const all = pages.flatMap((page) => {
    const text = readFileSync(inRoot(page), 'utf8');
    return [...text.matchAll(/^( *)```toml\n([^]*?)^ *```/gm)].map(
      ({ 1: indent, 2: block, index }) => ({
        name: `${page}:${text.slice(0, index).split('\n').length}`,
        toml: block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      }),
    );
  });
  return all.filter(({ toml }) => !toml.includes('…'));
}

describe('every example of the documentation', () => {
  const folder = useFolder();
  let inspection;
  before(async () => {
    inspection = await startInspection(await subject(configuration()));
  });
  after(() => inspection.stop());

  const has = (vars, names) =>
    names.some((name) => name in vars) ||
    (Array.isArray(vars.ROUTES) &&
      vars.ROUTES.every((route) => names.some((name) => name.toLowerCase() in route)));
  /** What an example leaves to others: origins, a server, keys, and what it binds. */
  function completed(vars, bound) {
    const keys = ['JWT_SECRET', 'JWT_JWKS', 'JWT_JWKS_URL', 'ISSUERS', 'SESSION_URL'];
    const servers = ['UPSTREAM_URL', 'UPSTREAM_SERVICE', 'UPSTREAM_OBJECT'];
    const secrets = [...JSON.stringify(vars).matchAll(/\{secret:(\w+)\}/g)].map(([, name]) => name);
    return {
      ...(!('ALLOWED_ORIGINS' in vars) && { ALLOWED_ORIGINS: 'https://app.example.com' }),
      ...(!has(vars, servers) && { UPSTREAM_URL: 'wss://chat.example.com' }),
      ...(!has(vars, keys) && vars.AUTH !== 'off' && { JWT_SECRET: standIn('JWT_SECRET') }),
      ...(JSON.stringify(vars).toUpperCase().includes('SESSION_URL') && {
        SESSION_URL_AUTH: standIn('SESSION_URL_AUTH'),
      }),
      ...(JSON.stringify(vars).toUpperCase().includes('JWT_JWKS_URL') &&
        !JSON.stringify(vars).toUpperCase().includes('JWT_AUDIENCE') && { JWT_AUDIENCE: 'chat' }),
      ...(/METRICS|ADMIN_ACCESS/.test(JSON.stringify(vars)) && {
        ADMIN_TOKEN: standIn('ADMIN_TOKEN'),
      }),
      ...Object.fromEntries(secrets.map((name) => [name, standIn('JWT_SECRET')])),
      ...bound,
      ...vars,
    };
  }

  for (const { name, toml } of examples()) {
    test(`is right: ${name}`, async () => {
      const path = join(folder, 'wrangler.toml');
      // Settings alone stand for what belongs under [vars].
      const isBare = /^[A-Z][A-Z_]+ = /m.test(toml) && !/^\[/m.test(toml.split(/^[A-Z]/m)[0]);
      writeFileSync(path, isBare ? `[vars]\n${toml}` : toml);
      const { rawConfig } = readRawConfig({ config: path });
      const environments = [rawConfig, ...Object.values(rawConfig.env ?? {})];
      for (const vars of environments.map((one) => one.vars).filter(Boolean)) {
        const { errors } = await inspection.ask(completed(vars, {}));
        // What an example binds is not bound here.
        const wrong = errors.filter(({ problem }) => !/binding/.test(problem));
        assert.deepEqual(wrong, []);
      }
    });
  }
});
