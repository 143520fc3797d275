// Each page of docs/providers: its settings admit a token of the shape that it shows, signed with a
// key of the tests, and refuse one for another audience, of another issuer, or of another key.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import { SignJWT } from 'jose';
import { inRoot } from '../../../tools/run.mjs';
import { ADMIN_TOKEN, done } from '../../support/admin.mjs';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { certificate } from '../../support/certificate.mjs';
import { UNCOUNTED, useGate } from '../../support/gate.mjs';
import { internet, useServer } from '../../support/internet.mjs';
import { makeKey } from '../../support/keys.mjs';
import { now } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const FOLDER = inRoot('docs/providers');

/** The settings and the token that a page shows. */
function read(file) {
  const text = readFileSync(`${FOLDER}/${file}`, 'utf8');
  const [, toml] = /```toml\n([^]*?)```/.exec(text);
  const [, json] = /```json\n([^]*?)```/.exec(text);
  const lines = toml.trim().split('\n');
  const settings = lines.map((line) => {
    const [, name, , value] = /^([A-Z_]+) = (["'])(.*)\2$/.exec(line) ?? assert.fail(line);
    return [name, value];
  });
  return { settings: Object.fromEntries(settings), ...JSON.parse(json) };
}

/** A JWK as most providers publish it. */
const published = ({ jwk }) => ({ ...jwk, use: 'sig' });
const jwks = (key) => ({ keys: [published(key)] });

/**
 * What a page says of its token: `subject` and `session`, and the claims of a token for another
 * audience, which is refused with `reason`. `keySet`: what the key URL answers. `others`: further
 * tokens that are admitted, by the claims that differ.
 */
const PAGES = {
  auth0: {
    subject: 'auth0|65a1b2c3d4e5f6a7b8c9d0e1',
    elsewhere: { aud: ['https://mail.example.com', 'https://tenant.eu.auth0.com/userinfo'] },
  },
  'cloudflare-access': {
    subject: '7335d417-61da-459d-899c-0a01c76a2f94',
    elsewhere: { aud: ['0'.repeat(64)] },
    keySet: (key) => ({
      ...jwks(key),
      public_cert: { kid: key.jwk.kid, cert: certificate(key) },
      public_certs: [{ kid: key.jwk.kid, cert: certificate(key) }],
    }),
    others: {
      'a service token': {
        claims: {
          sub: '',
          common_name: 'e367826f93b8d71185e03fe518aff3b4.access',
          email: undefined,
        },
        subject: 'e367826f93b8d71185e03fe518aff3b4.access',
      },
    },
  },
  clerk: {
    subject: 'user_2abcDEFghiJKL',
    session: 'sess_2abcDEFghiJKL',
    elsewhere: { azp: 'https://elsewhere.example' },
    reason: 'insufficient_scope',
  },
  cognito: {
    subject: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    session: 'bbbbbbbb-cccc-dddd-eeee-ffffffffffff',
    elsewhere: { client_id: '9another87654321' },
    reason: 'insufficient_scope',
  },
  'entra-id': {
    subject: '12121212-3434-5656-7878-909090909090',
    session: '00aa00aa-bb11-cc22-dd33-44ee44ee44ee',
    elsewhere: { aud: '00000003-0000-0000-c000-000000000000' },
    // Entra's keys name no algorithm, and have a member of their own.
    keySet: (key) => {
      const { alg, ...jwk } = published(key);
      return { keys: [{ ...jwk, x5t: jwk.kid, x5c: ['MIIC'], issuer: 'https://login.example' }] };
    },
  },
  firebase: {
    subject: 'ZkTe8m5dPqRsTuVwXyZ0',
    elsewhere: { aud: 'another-project' },
    keySet: (key) => ({
      [key.jwk.kid]: certificate(key),
      'an older one': certificate(makeKey('RS256')),
    }),
  },
  keycloak: {
    subject: 'f1e2d3c4-b5a6-4798-8899-aabbccddeeff',
    session: '01234567-89ab-cdef-0123-456789abcdef',
    elsewhere: { aud: 'account' },
    keySet: (key) => ({
      keys: [
        { ...makeKey('RS256', 'enc').jwk, alg: 'RSA-OAEP', use: 'enc' },
        { ...published(key), x5c: ['MIIC'], x5t: 'AAAA', 'x5t#S256': 'AAAA' },
      ],
    }),
  },
  okta: {
    subject: '00u4okwzo3ivU7iL10h8',
    elsewhere: { aud: 'https://example.okta.com' },
    others: {
      'a service’s token, which has no uid': {
        claims: { uid: undefined, sub: '0oabucvyc38HLL1ef0h7' },
        subject: '0oabucvyc38HLL1ef0h7',
      },
    },
  },
  supabase: {
    subject: '123e4567-e89b-12d3-a456-426614174000',
    session: 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee',
    elsewhere: { aud: 'anon' },
  },
};

test('each page of docs/providers is tested', () => {
  const pages = readdirSync(FOLDER).map((file) => basename(file, '.md'));
  assert.deepEqual(pages.sort(), Object.keys(PAGES).sort());
});

for (const [name, page] of Object.entries(PAGES)) {
  describe(`docs/providers/${name}.md`, () => {
    const { settings, header, payload } = read(`${name}.md`);
    const key = makeKey(header.alg, header.kid);
    const stranger = makeKey(header.alg, header.kid);
    const url = new URL(settings.JWT_JWKS_URL);
    const upstream = useUpstream();
    const provider = useServer((request, response) => {
      const isKeySet = request.url === url.pathname + url.search;
      response.statusCode = isKeySet ? 200 : 404;
      response.end(JSON.stringify((page.keySet ?? jwks)(key)));
    });
    const gate = useGate(() => ({
      upstream,
      vars: { ...UNCOUNTED, ...settings, AUTH: 'required', RELAY: 'inspect', ADMIN_TOKEN },
      ...internet({ [url.origin]: provider.url }),
    }));

    /** A token of the page's shape, issued now. */
    const token = (changes = {}, by = key) => {
      const shift = now() - payload.iat;
      const moved = ['iat', 'nbf', 'exp'].filter((claim) => claim in payload);
      const times = Object.fromEntries(moved.map((claim) => [claim, payload[claim] + shift]));
      const claims = { ...payload, ...times, ...changes };
      return new SignJWT(claims).setProtectedHeader(header).sign(by.key);
    };

    /** Shows a token where the page's settings look for it, as a page of an application does. */
    const show = (shown) => {
      const cookie = /cookie:([\w-]+)/.exec(settings.TOKEN_SOURCES ?? '')?.[1];
      const header = /header:([\w-]+)/.exec(settings.TOKEN_SOURCES ?? '')?.[1];
      return cookie
        ? gate.connect({
            headers: { ...(header && { [header]: shown }), Cookie: `other=1; ${cookie}=${shown}` },
          })
        : gate.connect({ protocols: ['bearer', shown] });
    };

    const admitted = { 'a user’s token': page, ...page.others };
    for (const [kind, { claims, subject, session = null }] of Object.entries(admitted)) {
      test(`admits ${kind}, and knows whose it is`, async () => {
        const socket = await show(await token(claims));
        assert.ok(socket.answer, `${socket.body}\n${gate.log}`);
        const { sockets } = await done(gate, 'GET', `sockets?sub=${encodeURIComponent(subject)}`);
        assert.deepEqual(
          sockets.map(({ sub, sid }) => [sub, sid]),
          [[subject, session]],
        );
      });
    }

    const refusals = {
      'for another audience': [page.elsewhere, key, page.reason ?? 'token_invalid'],
      'of another issuer': [{ iss: 'https://elsewhere.example' }, key, 'token_invalid'],
      'of another key': [{}, stranger, 'token_invalid'],
      'that has expired': [{ exp: now() - 60 }, key, 'token_expired'],
    };
    for (const [kind, [changes, by, reason]] of Object.entries(refusals)) {
      test(`refuses a token ${kind}`, async () => {
        const answer = await show(await token(changes, by));
        assert.ok(!answer.answer, 'refused');
        const { cause } = await gate.log.record(requestId({ headers: answer.headers }));
        assert.equal(reasonOf(answer), reason, cause);
      });
    }
  });
}
