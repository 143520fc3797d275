// npm run token: what it mints is admitted, and inspect says what the gate says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { importJWK, jwtVerify } from 'jose';
import { inRoot } from '../../../tools/run.mjs';
import { claimsOf, headerOf, makeKey, sign, signatureOf } from '../../support/keys.mjs';
import { mint, SECRET } from '../../support/tokens.mjs';

const run = (...args) =>
  new Promise((resolve) => {
    const script = inRoot('tools/token.mjs');
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });

const folder = mkdtempSync(join(tmpdir(), 'portcullis-token-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = (name, content) => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

async function minted(...args) {
  const { code, stdout, stderr } = await run(...args);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  return stdout.trim();
}

describe('minting', () => {
  test('says what the options say', async () => {
    const began = Math.floor(Date.now() / 1000);
    const token = await minted(
      ...['--key', SECRET, '--sub', 'alice', '--scope', 'a b', '--expires', '10m'],
      ...['--iss', 'https://id.example', '--aud', 'chat', '--aud', 'mail', '--kid', 'one'],
      ...['--claim', 'rooms=["kitchen"]', '--claim', 'role=admin', '--claim', 'level=7'],
    );
    assert.deepEqual(headerOf(token), { alg: 'HS256', typ: 'JWT', kid: 'one' });
    const { iat, exp, ...claims } = claimsOf(token);
    assert.deepEqual(claims, {
      iss: 'https://id.example',
      sub: 'alice',
      aud: ['chat', 'mail'],
      scope: 'a b',
      rooms: ['kitchen'],
      role: 'admin',
      level: 7,
    });
    assert.ok(iat >= began && exp === iat + 600);
    await jwtVerify(token, Buffer.from(SECRET), { audience: 'chat' });
  });

  const pem = (type, options) =>
    generateKeyPairSync(type, options).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const privateJwk = (alg) => {
    const { key, jwk } = makeKey(alg, 'k');
    return { ...key.export({ format: 'jwk' }), kid: jwk.kid };
  };
  const rows = [
    ['a secret in base64', () => `base64:${randomBytes(64).toString('base64')}`, 'HS256'],
    ['an oct JWK with alg', () => file('oct.json', makeKey('HS512').jwk), 'HS512'],
    ['a P-384 JWK', () => file('ec.json', privateJwk('ES384')), 'ES384', 'k'],
    ['an Ed25519 JWK', () => file('ed.jwk', privateJwk('EdDSA')), 'EdDSA', 'k'],
    ['an RSA PEM', () => file('rsa.pem', pem('rsa', { modulusLength: 2048 })), 'RS256'],
    ['a P-256 PEM', () => file('ec.pem', pem('ec', { namedCurve: 'P-256' })), 'ES256'],
  ];
  for (const [name, key, alg, kid] of rows) {
    test(`${name} signs with ${alg}`, async () => {
      const token = await minted('--key', key(), '--sub', 'alice');
      assert.deepEqual(headerOf(token), { alg, typ: 'JWT', ...(kid && { kid }) });
    });
  }
  test('--alg chooses among those of the key', async () => {
    const jwk = privateJwk('PS384');
    const token = await minted('--key', file('ps.json', jwk), '--alg', 'PS384');
    const { kty, n, e } = jwk;
    await jwtVerify(token, await importJWK({ kty, n, e }, 'PS384'));
  });

  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const weak = () => pem('rsa', { modulusLength: 1024 });
  const wrong = [
    [['--key', 'short'], '--key: as a secret it has 5 bytes, and HS256 takes 32 or more'],
    [['--key', 'missing/private.pem'], '--key: there is no file missing/private.pem.'],
    [['--key', 'base64:?'], '--key: what follows base64: is not standard base64 with padding.'],
    [
      ['--key', () => file('public.pem', publicKey.export({ type: 'spki', format: 'pem' }))],
      '--key: it is a public key; a private one signs.',
    ],
    [
      ['--key', () => file('public.json', publicKey.export({ format: 'jwk' }))],
      '--key: the JWK has no private part d; a private key signs.',
    ],
    [['--key', () => file('weak.pem', weak())], '--key: the RSA key has 1024 bits'],
    [['--key', () => file('set.json', { keys: [] })], '--key: the file is a set of keys'],
    [
      ['--key', () => file('key.json', privateKey.export({ format: 'jwk' })), '--alg', 'RS256'],
      '--alg is RS256: the key is for ES256.',
    ],
    [
      ['--key', SECRET, '--expires', '10'],
      '--expires is 10: write a duration such as 30s, 10m or 7d.',
    ],
    [['--key', SECRET, '--claim', 'role'], '--claim is role: write a name and a value'],
    [['--key', SECRET, '--claim', 'exp=1'], '--claim sets exp: that is what --expires is for.'],
    [['--key', SECRET, '--subject', 'x'], "Unknown option '--subject'."],
    [['--key', SECRET, 'alice'], '"alice" belongs to no option.'],
    [['inspect'], 'inspect takes one token, and 0 are given.'],
  ];
  for (const [args, message] of wrong) {
    test(`complains: ${message}`, async () => {
      const given = args.map((arg) => (typeof arg === 'function' ? arg() : arg));
      const { code, stdout, stderr } = await run(...given);
      assert.deepEqual([code, stdout], [1, '']);
      assert.ok(stderr.includes(`✗ ${message}`), stderr);
      assert.ok(!stderr.includes(SECRET) && !stderr.includes('    at '), stderr);
    });
  }
  test('--help tells all of it', async () => {
    const { code, stdout } = await run('--help');
    assert.equal(code, 0);
    for (const option of ['--key', '--scope', '--expires', '--claim', 'inspect', '--var']) {
      assert.ok(stdout.includes(option), option);
    }
  });
});

// Each row starts a gate of its own.
describe('inspecting', { concurrency: 2 }, () => {
  const settings = { JWT_SECRET: SECRET, AUTH: 'required' };
  const inspect = (token, vars = {}, ...args) =>
    run(
      ...['inspect', token, ...args],
      ...Object.entries({ ...settings, ...vars })
        .filter(([, value]) => value !== undefined)
        .flatMap((pair) => ['--var', pair.join(':')]),
    );
  const rooms = [{ path: '/rooms/{room}', claims: { rooms: { contains: '{room}' } } }];
  const ROUTES = JSON.stringify(
    rooms.map((route) => ({ ...route, upstream_url: 'wss://u.example' })),
  );
  const inRooms = { ROUTES, ALLOWED_ORIGINS: 'https://*.example.com' };
  const k = Buffer.from(SECRET).toString('base64url');
  const named = JSON.stringify({ keys: [{ kty: 'oct', kid: 'one', alg: 'HS256', k }] });
  const expired = mint({ exp: 1_700_000_000 });

  const rows = [
    [
      'an expired one',
      expired,
      {},
      [],
      1,
      ['✗ Refused', 'at the step token: token_expired', 'status 401', 'Cause: exp has passed'],
    ],
    [
      'a forged one',
      mint({}, { key: 'x'.repeat(40) }),
      {},
      [],
      1,
      ['token_invalid', 'Cause: the signature does not verify', 'Another key signed it'],
    ],
    [
      'a key that nobody has',
      mint({}, { header: { kid: 'other' } }),
      { JWT_SECRET: undefined, JWT_JWKS: named },
      [],
      1,
      ['Cause: no key for this alg and kid', 'Its header has alg "HS256" and has kid "other"'],
    ],
    [
      'one for another audience',
      mint({ aud: ['mail', 'news'] }),
      { JWT_AUDIENCE: 'chat' },
      [],
      1,
      ['Cause: aud is not in JWT_AUDIENCE', 'It has aud ["mail","news"]; one that JWT_AUDIENCE'],
    ],
    [
      'another type',
      mint(),
      { JWT_TYP: 'at+jwt' },
      [],
      1,
      ['Cause: typ is not in JWT_TYP', 'Its header has typ "JWT"; JWT_TYP lists'],
    ],
    [
      'a scope that it lacks',
      mint({ scope: 'rooms:read' }),
      { REQUIRED_SCOPES: 'rooms:read rooms:write' },
      [],
      1,
      [
        'at the step permission: insufficient_scope',
        'Cause: the token lacks the scope rooms:write',
        'the token has scope "rooms:read", has no scp, has no permissions',
      ],
    ],
    ['no token at all', 'abc', {}, [], 1, ['Cause: not three segments', 'Header    can’t be read']],
    [
      'a room it does not hold',
      mint({ rooms: ['hall'] }),
      inRooms,
      ['--path', '/rooms/kitchen'],
      1,
      [
        'on route /rooms/{room} at the step permission',
        'from https://app.example.com',
        'Cause: the claim rooms does not fit',
        'The token has rooms ["hall"], and the route’s claims ask for another value.',
      ],
    ],
    [
      'an origin that is not allowed',
      mint(),
      { ALLOWED_ORIGINS: 'https://a.example' },
      ['--origin', 'https://b.example'],
      1,
      ['origin_not_allowed', 'Not the token is at fault'],
    ],
    [
      'a cookie',
      mint(),
      { TOKEN_SOURCES: 'cookie:session' },
      [],
      0,
      ['as cookie:session', '✓ Admitted on route /* as alice.'],
    ],
    [
      'wrong settings',
      mint(),
      { JWT_LEEWAY: 'much' },
      [],
      1,
      ['misconfigured', 'JWT_LEEWAY: "much" is not a duration'],
    ],
    ['AUTH=off', mint(), { AUTH: 'off' }, [], 0, ['AUTH is off there, so nobody looked']],
  ];
  for (const [name, token, vars, args, code, parts] of rows) {
    test(`${name}: code ${code}`, async () => {
      const seen = await inspect(token, vars, ...args);
      for (const part of parts) assert.ok(seen.stdout.includes(part), seen.stdout + seen.stderr);
      assert.equal(seen.code, code);
      const all = seen.stdout + seen.stderr;
      assert.ok(!all.includes(SECRET), 'no secret');
      if (token.includes('.')) assert.ok(!all.includes(token.split('.')[2]), 'no signature');
    });
  }
  test('a token of a key pair, with header and claims shown', async () => {
    const key = makeKey('ES256', 'k');
    const token = await sign(key, { scope: 'a' });
    const jwks = JSON.stringify({ keys: [key.jwk] });
    const { code, stdout } = await inspect(token, { JWT_JWKS: jwks });
    assert.equal(code, 0, stdout);
    for (const part of ['"kid": "k"', '"scope": "a"', 'exp is 20', ', in 4 min']) {
      assert.ok(stdout.includes(part), stdout);
    }
    assert.ok(signatureOf(token).length === 64);
  });
});
