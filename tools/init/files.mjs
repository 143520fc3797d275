// The files that `portcullis init` writes, made of the answers to its questions.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { compatibilityDate, objectsText } from '../objects.mjs';
import { isPackaged } from '../project.mjs';
import { inRoot } from '../run.mjs';
import { LIMITS } from './answers.mjs';

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
const readJson = (name) => JSON.parse(readFileSync(inRoot(name), 'utf8'));

/** This version of Portcullis. */
export const version = () =>
  isPackaged
    ? readJson('package.json').version
    : /^version = "(.*)"$/m.exec(readFileSync(inRoot('Cargo.toml'), 'utf8'))[1];

/** The version of wrangler that this one was tested with. */
const wranglerVersion = () =>
  isPackaged
    ? readJson('package.json').peerDependencies.wrangler.replace(/^\^/, '')
    : readJson('package.json').devDependencies.wrangler;

function vars({ origins, server, tokens, limits }) {
  return {
    ALLOWED_ORIGINS: origins.join(','),
    ...(server.url ? { UPSTREAM_URL: server.url } : { UPSTREAM_SERVICE: 'SERVER' }),
    ...(tokens.kind === 'off' && { AUTH: 'off' }),
    ...(tokens.url && { JWT_JWKS_URL: tokens.url }),
    ...(tokens.issuer && { JWT_ISSUER: tokens.issuer }),
    // The gate refuses a provider's keys without it: they also sign tokens for other services.
    ...(tokens.kind === 'keys' && { JWT_AUDIENCE: tokens.audience ?? 'any' }),
    ...LIMITS[limits].vars,
  };
}

// A basic string of TOML takes the escapes of JSON.
const assignments = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
    .join('\n');

const SCHEMA = 'docs/settings.schema.json';

function wranglerToml(answers) {
  const { name, host, server, tokens } = answers;
  const schema = existsSync(inRoot(SCHEMA)) ? `#:schema ./node_modules/portcullis/${SCHEMA}\n` : '';
  const route = `routes = [{ pattern = "${host ?? 'chat.example.com'}", custom_domain = true }]`;
  const service = `
# Your server, a Worker without an address of its own.
[[services]]
binding = "SERVER"
service = "${server.service}"
`;
  const secret = `# The key that tokens are signed with is a secret: npx wrangler secret put JWT_SECRET\n`;
  return `${schema}name = "${name}"
main = "gate.js"
compatibility_date = "${compatibilityDate()}"
# At *.workers.dev the rules of your zone, such as its firewall, would not apply.
workers_dev = false
preview_urls = false
# Where clients reach the gate.
${host ? route : `# ${route}`}

[vars]
${assignments(vars(answers))}
${tokens.kind === 'secret' ? secret : ''}
[observability]
enabled = true
# Invocation logs hold the header Sec-WebSocket-Protocol in full, and with it browsers' tokens.
logs.invocation_logs = false
${server.service ? service : ''}
${objectsText()}
`;
}

const GATE = `// The gate and its Durable Objects, as the package has them.
export * from 'portcullis/worker';
export { default } from 'portcullis/worker';
`;

// Cloudflare's deploy button shows these when it asks for values.
const DESCRIPTIONS = {
  ALLOWED_ORIGINS: { description: 'Origins whose pages may connect, separated by commas.' },
  UPSTREAM_URL: { description: 'Your WebSocket server, such as `wss://chat.example.com`.' },
  JWT_SECRET: { description: 'The key that signs your tokens: 32 bytes or more.' },
};

const packageJson = ({ name, spec, forButton }) =>
  json({
    name,
    private: true,
    type: 'module',
    scripts: {
      start: 'portcullis start',
      check: 'portcullis check',
      test: 'portcullis test',
      token: 'portcullis token',
      deploy: 'portcullis deploy',
    },
    dependencies: { portcullis: spec ?? version() },
    devDependencies: { wrangler: wranglerVersion() },
    engines: { node: '>=22' },
    ...(forButton && { cloudflare: { bindings: DESCRIPTIONS } }),
    // Nothing that is installed here needs a script of its own to work.
    allowScripts: { esbuild: false, fsevents: false, workerd: false },
  });

function devVars({ server, tokens }) {
  const secret = `base64:${randomBytes(32).toString('base64')}`;
  return [
    '# Settings of this machine, over those of wrangler.toml: for npx wrangler dev and npm run check.',
    '# Never commit this file.',
    'REQUIRE_TLS="false"',
    ...(server.url ? ['UPSTREAM_URL="ws://127.0.0.1:8080"'] : []),
    ...(tokens.kind === 'secret' ? [`JWT_SECRET="${secret}"`] : []),
    '',
  ].join('\n');
}

const GITIGNORE = `node_modules/
.wrangler/
.dev.vars*
!.dev.vars.example
`;

// What the button asks for as secrets. The value is too short to be taken for a key by mistake.
const DEV_VARS_EXAMPLE = 'JWT_SECRET="32 bytes or more"\n';

/** What everybody wants to know of a policy, to begin with. */
function policyTest({ origins, tokens, limits }) {
  const [origin] = origins;
  const page =
    origin === '*' ? {} : { origin: origin.replace('//*.', '//app.').replace(/:\*$/, ':8080') };
  const rows = [{ name: 'a page of ours opens a socket', ...page, expect: 'admitted' }];
  if (origin !== '*') {
    rows.push({
      name: 'a page of another site does not',
      origin: 'https://attacker.example',
      expect: 'origin_not_allowed',
    });
  }
  if (tokens.kind !== 'off') {
    rows.push(
      { name: 'without a token it is refused', token: null, expect: 'token_missing' },
      { name: 'an expired token is refused', token: { exp: '-10m' }, expect: 'token_expired' },
    );
  }
  if (tokens.audience) {
    rows.push({
      name: 'a token for another audience is refused',
      token: { aud: 'https://another.example' },
      expect: 'token_invalid',
    });
  }
  if (limits !== 'off') {
    rows.push({
      name: 'the 61st upgrade of an address within a minute is refused',
      address: '192.0.2.61',
      token: null,
      times: 61,
      expect: 'rate_limited',
    });
  }
  return json(rows);
}

const WORKFLOW = `name: gate
on:
  push:
    branches: [main]
  pull_request:

permissions:
  contents: read

jobs:
  check:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-node@v5
        with:
          node-version: 22
      - run: npm install --no-audit --no-fund
      - run: npm run check
      - run: npm test

  deploy:
    needs: check
    if: github.event_name == 'push'
    runs-on: ubuntu-24.04
    concurrency: deploy
    env:
      CLOUDFLARE_API_TOKEN: \${{ secrets.CLOUDFLARE_API_TOKEN }}
      CLOUDFLARE_ACCOUNT_ID: \${{ secrets.CLOUDFLARE_ACCOUNT_ID }}
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-node@v5
        with:
          node-version: 22
      - run: npm install --no-audit --no-fund
      - run: npm run deploy
`;

const readme = ({ name }) => `# ${name}

A [Portcullis](https://www.npmjs.com/package/portcullis) gate in front of our WebSocket server.

    npm install
    npm start          # the gate on this machine, with a playground in the browser
    npm test           # asks the gate what policy.test.json expects
    npm run check      # are the settings in wrangler.toml right?
    npm run deploy     # checks, then deploys; a push to main does so too

To upgrade: \`npm install portcullis@latest\`, \`npx portcullis init --update\`, \`npm test\`, \`npm run deploy\`.
`;

/** The files, by path. `forButton`: for Cloudflare's deploy button, which makes no secret. */
export function files(answers) {
  return {
    'wrangler.toml': wranglerToml(answers),
    'gate.js': GATE,
    'package.json': packageJson(answers),
    'policy.test.json': policyTest(answers),
    'README.md': readme(answers),
    ...(answers.forButton
      ? { '.dev.vars.example': DEV_VARS_EXAMPLE }
      : { '.dev.vars': devVars(answers) }),
    '.gitignore': GITIGNORE,
    '.github/workflows/gate.yml': WORKFLOW,
  };
}
