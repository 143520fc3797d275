// What `portcullis init` makes of its answers, what `portcullis test` reads, and what `npm run release`
// finds wrong with a package.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { unstable_readConfig as readConfig } from 'wrangler';
import {
  parseLimits,
  parseOrigins,
  parseServer,
  parseTokens,
} from '../../../tools/init/answers.mjs';
import { files, version } from '../../../tools/init/files.mjs';
import { exposedHeaders, missing, update } from '../../../tools/init/update.mjs';
import { judge } from '../../../tools/policy.mjs';
import { readRows } from '../../../tools/policy/rows.mjs';
import { PACKAGES } from '../../../tools/pack.mjs';
import { problemsOf, versionProblems } from '../../../tools/release.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { subject } from '../../../tools/trial.mjs';
import { useFolder } from '../../support/gate.mjs';

const ANSWERS = {
  name: 'chat',
  origins: ['https://app.example.com'],
  server: { url: 'wss://chat-origin.example.com' },
  tokens: { kind: 'secret' },
  limits: 'user',
};
const AUTH0 = {
  kind: 'keys',
  url: 'https://acme.eu.auth0.com/.well-known/jwks.json',
  issuer: 'https://acme.eu.auth0.com/',
  audience: 'https://chat.example.com',
};

describe('init', () => {
  const folder = useFolder();
  /** The configuration of these answers, as wrangler reads it. */
  function configuration(changes) {
    const path = join(folder, 'wrangler.toml');
    writeFileSync(path, files({ ...ANSWERS, ...changes })['wrangler.toml']);
    return { path, ...readConfig({ config: path }, { hideWarnings: true }) };
  }
  test('writes every binding and migration, and keeps tokens out of the logs', () => {
    const { path, ...written } = configuration();
    assert.deepEqual(missing(path), []);
    assert.equal(written.observability.logs.invocation_logs, false);
    assert.deepEqual(exposedHeaders(path), []);
    assert.deepEqual([written.workers_dev, written.preview_urls], [false, false]);
    assert.equal(
      written.compatibility_date,
      readConfig({ config: inRoot('wrangler.toml') }).compatibility_date,
    );
  });
  const rows = {
    'a key of one’s own': [{}, { UPSTREAM_URL: 'wss://chat-origin.example.com' }],
    'a provider': [
      { tokens: AUTH0 },
      { JWT_JWKS_URL: AUTH0.url, JWT_ISSUER: AUTH0.issuer, JWT_AUDIENCE: AUTH0.audience },
    ],
    'a provider without an audience': [
      { tokens: { kind: 'keys', url: AUTH0.url } },
      { JWT_AUDIENCE: 'any' },
    ],
    'no tokens': [{ tokens: { kind: 'off' }, limits: 'address' }, { AUTH: 'off' }],
    'no limits': [{ limits: 'off' }, { RATE_LIMIT_IP: 'off' }],
    'a Worker as the server': [{ server: { service: 'chat' } }, { UPSTREAM_SERVICE: 'SERVER' }],
    'any origin': [{ origins: ['*'] }, { ALLOWED_ORIGINS: '*' }],
    'subdomains and a text with quotes': [
      { origins: ['https://*.example.com'], tokens: { ...AUTH0, audience: 'a "chat"' } },
      { ALLOWED_ORIGINS: 'https://*.example.com', JWT_AUDIENCE: 'a "chat"' },
    ],
  };
  for (const [name, [changes, expected]] of Object.entries(rows)) {
    test(`of ${name} makes settings that the gate takes, and a policy that it keeps`, async () => {
      const { path, vars } = configuration(changes);
      for (const [setting, value] of Object.entries(expected)) assert.equal(vars[setting], value);
      const table = files({ ...ANSWERS, ...changes })['policy.test.json'];
      // What takes long is shown with the package.
      const rows = readRows(table, 'policy.test.json').filter(({ times }) => times === 1);
      const seen = [];
      await judge(await subject(path), rows, (row, lines) => seen.push([row.name, lines]));
      assert.deepEqual(
        seen,
        rows.map(({ name }) => [name, []]),
      );
    });
  }
  test('asks for a host that it is given', () => {
    const [route] = configuration({ host: 'chat.example.com' }).routes;
    assert.deepEqual({ ...route }, { pattern: 'chat.example.com', custom_domain: true });
  });
  test('makes a new secret each time, which only this machine has', () => {
    const secrets = [files(ANSWERS), files(ANSWERS)].map((all) => all['.dev.vars']);
    assert.notEqual(secrets[0], secrets[1]);
    assert.match(secrets[0], /^JWT_SECRET="base64:[A-Za-z0-9+/]{43}="$/m);
    assert.match(files(ANSWERS)['.gitignore'], /^\.dev\.vars\*$/m);
  });

  const wrong = [
    [() => parseOrigins('https://app.example.com/path'), /is not an origin/],
    [() => parseOrigins(' , '), /No origin is given/],
    [() => parseServer('chat.example.com:80'), /is not a server/],
    [() => parseTokens('http://id.example.com/jwks'), /is none of the answers/],
    [() => parseLimits('many'), /is none of the answers/],
    [() => parseLimits('user', { tokens: { kind: 'off' } }), /there are no users to count/],
  ];
  for (const [parse, message] of wrong) {
    test(`explains a wrong answer: ${message.source}`, () => assert.throws(parse, message));
  }
  test('says which flag is missing where nobody can be asked', () => {
    const args = [
      inRoot('tools/init.mjs'),
      join(folder, 'new'),
      '--origins',
      'https://app.example.com',
    ];
    const { status, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.equal(status, 1);
    assert.match(stderr, /--server is missing/);
  });
});

describe('init --update', () => {
  const folder = useFolder();
  const write = (name, text) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const HEAD = 'name = "own"\nmain = "gate.js"\ncompatibility_date = "2026-07-15"\n';
  test('adds to environments too, which inherit no bindings', async () => {
    const path = write('wrangler.toml', `${HEAD}\n[env.staging]\nname = "own-staging"\n`);
    await update(path);
    assert.deepEqual([missing(path), missing(path, 'staging')], [[], []]);
  });
  test('warns of logs that would hold tokens', () => {
    const path = write('wrangler.toml', `${HEAD}\n[observability]\nenabled = true\n`);
    assert.match(exposedHeaders(path)[0].message, /invocation logs are on/);
    assert.deepEqual(exposedHeaders(write('wrangler.toml', HEAD)), []);
  });
  test('keeps the migrations of a Worker’s own classes', async () => {
    const own = '[[migrations]]\ntag = "v1"\nnew_sqlite_classes = ["Room"]\n';
    const path = write('wrangler.toml', `${HEAD}\n${own}`);
    await update(path);
    const { migrations } = readConfig({ config: path }, { hideWarnings: true });
    assert.deepEqual(
      migrations.map(({ tag, new_sqlite_classes: classes }) => [tag, classes.length]),
      [
        ['v1', 1],
        ['v2', 4],
      ],
    );
  });
  test('leaves a file as it was that it can’t extend, and says what to add', async () => {
    const text = `${HEAD}durable_objects.bindings = [{ name = "Room", class_name = "Room" }]\n`;
    const path = write('wrangler.toml', text);
    await assert.rejects(update(path), /can't be extended at its end[^]*name = "LEDGER"/);
    assert.equal(readFileSync(path, 'utf8'), text);
    const json = write('wrangler.json', '{ "name": "own", "compatibility_date": "2026-07-15" }');
    await assert.rejects(update(json), /is not TOML[^]*name = "LEDGER"/);
  });
});

describe('policy.test.json', () => {
  const wrong = [
    ['{', /is not JSON/],
    ['[]', /is not an array with at least one row/],
    ['[1]', /row 1 is not an object/],
    ['[{"name":"a"}]', /row 1 has no expect: write "admitted", a reason/],
    [
      '[{"name":"a","expect":"admitted","orgin":"x"}]',
      /orgin is not a member; these are: name, path/,
    ],
    ['[{"name":"a","expect":"admitted","times":0}]', /times must be a number/],
    ['[{"name":"a","expect":{"cause":"x"}}]', /expect must be "admitted", a reason/],
  ];
  for (const [text, message] of wrong) {
    test(`explains what is wrong: ${text}`, () => {
      assert.throws(() => readRows(text, 'policy.test.json'), message);
    });
  }
});

describe('the test of a policy', () => {
  const folder = useFolder();
  /** What differs from the rows' expectations under these settings, by name. */
  async function differing(vars, rows) {
    const path = join(folder, 'wrangler.json');
    const settings = {
      ALLOWED_ORIGINS: 'https://app.example.com',
      UPSTREAM_URL: 'wss://chat.example.com',
      ...vars,
    };
    const { bindings, migrations } = project;
    const durable_objects = { bindings };
    const described = { name: 'gate', main: inRoot('build/main.js'), durable_objects, migrations };
    const compatibility_date = project.compatibility_date;
    writeFileSync(path, JSON.stringify({ ...described, compatibility_date, vars: settings }));
    const seen = {};
    await judge(await subject(path), readRows(JSON.stringify(rows), 'a file'), (row, lines) => {
      if (lines.length > 0) seen[row.name] = lines;
    });
    return seen;
  }
  const { durable_objects, migrations, compatibility_date } = readConfig({
    config: inRoot('wrangler.toml'),
  });
  const project = { bindings: durable_objects.bindings, migrations, compatibility_date };
  const admitted = (name, token) => ({ name, token, expect: 'admitted' });

  test('signs for every issuer, and answers for its keys', async () => {
    const ISSUERS = ['a', 'b'].map((name) => ({
      issuer: `https://${name}.example`,
      jwks_url: `https://${name}.example/jwks`,
      audience: name,
      algorithms: [name === 'a' ? 'EdDSA' : 'RS256'],
    }));
    const rows = [
      admitted('the first issuer', {}),
      admitted('the second', { iss: 'https://b.example' }),
      { name: 'no other', token: { iss: 'https://c.example' }, expect: 'token_invalid' },
    ];
    assert.deepEqual(await differing({ ISSUERS }, rows), {});
  });
  test('answers for the introspection of sessions', async () => {
    const vars = { SESSION_URL: 'https://id.example/introspect', JWT_AUDIENCE: 'chat' };
    const rows = [
      { name: 'a session', token: { sub: 'ada' }, expect: { outcome: 'admitted', subject: 'ada' } },
      { name: 'one for others', token: { aud: 'mail' }, expect: 'token_invalid' },
      { name: 'an unknown one', token: 'unknown-session', expect: 'token_invalid' },
    ];
    assert.deepEqual(await differing(vars, rows), {});
  });
  test('signs for routes with keys of their own', async () => {
    const ROUTES = [
      { path: '/partners/*', jwt_secret: '{secret:PARTNERS_KEY}', jwt_audience: 'partners' },
      {
        path: '/staff/{name}',
        jwt_jwks_url: 'https://staff.example/jwks',
        jwt_issuer: 'https://staff.example',
        token_sources: 'query:t',
      },
      { path: '/others', allowed_origins: 'https://others.example' },
    ];
    const vars = { JWT_JWKS_URL: 'https://id.example/jwks', JWT_AUDIENCE: 'chat', ROUTES };
    const on = (path, name, token = {}) => ({ ...admitted(name, token), path });
    const rows = [
      on('/partners/a/b', 'a partner'),
      on('/staff/ada', 'one of the staff'),
      on('/others', 'the others'),
      {
        name: 'no partner with another audience',
        path: '/partners/x',
        token: { aud: 'chat' },
        expect: { outcome: 'refused', reason: 'token_invalid', route: '/partners/*' },
      },
    ];
    assert.deepEqual(await differing(vars, rows), {});
  });
  test('says what differs, and why', async () => {
    const JWT_JWKS_URL = 'https://id.example/jwks';
    const rows = [{ name: 'wrong', origin: null, expect: { outcome: 'admitted', status: 403 } }];
    assert.deepEqual(await differing({ JWT_JWKS_URL, JWT_AUDIENCE: 'chat' }, rows), {
      wrong: ['outcome: expected "admitted", and it is "refused"', 'cause: no Origin header'],
    });
  });
  test('of settings that are wrong says what is wrong with them', async () => {
    const rows = [admitted('anything', {})];
    await assert.rejects(differing({ RATE_LIMIT_IP: 'often' }, rows), /RATE_LIMIT_IP: /);
  });
});

describe('a release', () => {
  const folder = useFolder();
  const good = {
    name: 'portcullis',
    folder,
    manifest: { version: version() },
    files: ['tools/a.mjs'],
    size: 1,
  };
  const problems = (changes, text = '') => {
    const files = changes.files ?? good.files;
    for (const name of files) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    return problemsOf([{ ...good, ...changes }]).join('\n');
  };
  test('of a sound package has no problem', () => assert.equal(problems({}), ''));
  test('finds folders of this machine, secrets, scripts, size and what is missing', () => {
    assert.match(problems({}, `at ${inRoot('src')}`), /a\.mjs names the folder/);
    assert.match(
      problems({}, "import { b } from './b.mjs';"),
      /imports tools\/b\.mjs, which is not/,
    );
    assert.match(problems({ files: ['.dev.vars'] }), /\.dev\.vars does not belong/);
    const scripts = { postinstall: 'node x' };
    assert.match(problems({ manifest: { ...good.manifest, scripts } }), /the script postinstall/);
    assert.match(problems({ size: 10 ** 7 }), /more than it may/);
  });
  test('has the version of the changelog', () => {
    const of = (text, isToBePublished = true) =>
      versionProblems('1.2.0', { text, isToBePublished });
    const head = '# Changelog\n\n## [Unreleased]\n\n';
    const section = '## [1.2.0] - 2026-11-26\n\n### Added\n';
    assert.deepEqual(of(head + section), []);
    assert.match(of(`${head}### Added\n\n- x\n\n${section}`).join(), /under \[Unreleased\]/);
    assert.match(of(head).join(), /no section ## \[1\.2\.0\]/);
    assert.deepEqual(of(head, false), []);
    assert.match(of(head + section.replace('1.2.0', '1.3.0'), false).join(), /1\.3\.0.*1\.2\.0/);
  });
});

describe('the workflow that publishes', () => {
  const workflow = readFileSync(inRoot('.github/workflows/publish.yml'), 'utf8');
  test('publishes what npm run release checked, with provenance and without a token', () => {
    const names = PACKAGES.map(
      (folder) => JSON.parse(readFileSync(inRoot(folder, 'package.json'), 'utf8')).name,
    );
    for (const name of names) {
      const line = workflow
        .split('\n')
        .find((one) => one.includes(`target/npm/${name}-`) && one.includes('publish '));
      assert.match(line, /npm@11\.\d+\.\d+ publish --provenance --access public/, name);
    }
    assert.match(workflow, /npm run release -- --publish\n/);
    assert.match(workflow, /id-token: write/);
    assert.doesNotMatch(workflow, /NODE_AUTH_TOKEN|NPM_TOKEN|secrets\./);
    assert.match(workflow, /needs: test/);
  });
  test('pins each action to a commit', () => {
    for (const [, version] of workflow.matchAll(/uses: \S+@(\S+)/g)) {
      assert.match(version, /^[0-9a-f]{40}$/);
    }
  });
});
