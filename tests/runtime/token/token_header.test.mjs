// What the header of a token asks for beside a signature: keys of its own, encryption, compression,
// another form. None of it is done, and nobody is asked for it.
import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { describe, test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { CompactEncrypt, CompactSign, FlattenedSign, GeneralSign } from 'jose';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { UNCOUNTED, useGate } from '../../support/gate.mjs';
import { internet, useServer } from '../../support/internet.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const SITE = 'https://id.example';
const EVIL = 'https://evil.example';
const bytes = (value) => Buffer.from(JSON.stringify(value));

/** In the query a token may be any text. */
async function outcome(gate, token) {
  const target = `/?token=${encodeURIComponent(token)}`;
  const answer = await gate.knock({}, { target });
  const { cause } = await gate.log.record(requestId(answer));
  return [reasonOf(answer), cause];
}

describe('a token', () => {
  const upstream = useUpstream();
  const [rsa, ed, mac] = [makeKey('RS256', 'rsa'), makeKey('EdDSA', 'ed'), makeKey('HS256', 'mac')];
  const server = useServer((request, response) =>
    response.end(JSON.stringify({ keys: [rsa.jwk, ed.jwk] })),
  );
  const asked = [];
  const evil = makeKey('EdDSA', 'ed');
  const other = useServer((request, response) => {
    asked.push(request.url);
    response.end(JSON.stringify({ keys: [evil.jwk] }));
  });
  const settings = {
    JWT_JWKS_URL: { JWT_JWKS_URL: `${SITE}/jwks`, JWT_AUDIENCE: 'any' },
    JWT_JWKS: { JWT_JWKS: JSON.stringify({ keys: [rsa.jwk, ed.jwk, mac.jwk] }) },
  };
  const claims = { sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600 };
  const spki = evil.public.export({ type: 'spki', format: 'der' }).toString('base64');

  for (const [name, vars] of Object.entries(settings)) {
    describe(`under ${name}`, () => {
      const gate = useGate(() => ({
        upstream,
        vars: { ...UNCOUNTED, AUTH: 'required', TOKEN_SOURCES: 'query:token', ...vars },
        ...internet({ [SITE]: server.url, [EVIL]: other.url }),
      }));

      const brought = {
        jwk: { jwk: evil.jwk },
        jku: { jku: `${EVIL}/jku` },
        x5u: { x5u: `${EVIL}/x5u` },
        x5c: { x5c: [spki] },
        x5t: { x5t: 'A'.repeat(27) },
        'x5t#S256': { 'x5t#S256': 'A'.repeat(43) },
        'all of them': { jwk: evil.jwk, jku: `${EVIL}/jku`, x5u: `${EVIL}/x5u`, x5c: [spki] },
        'a kid that is a URL': { kid: `${EVIL}/kid` },
      };
      test('brings no key along, and points to none', async () => {
        for (const [member, header] of Object.entries(brought)) {
          const cause = header.kid
            ? 'no key for this alg and kid'
            : 'the signature does not verify';
          const forged = await sign(evil, claims, header);
          assert.deepEqual(await outcome(gate, forged), ['token_invalid', cause], member);
          if (header.kid) continue;
          const genuine = await sign(ed, claims, header);
          assert.deepEqual(await outcome(gate, genuine), ['admitted', null], member);
        }
        assert.deepEqual(asked, []);
      });

      test('is not encrypted', async () => {
        const encrypt = (content, header, key) =>
          new CompactEncrypt(content)
            .setProtectedHeader({ enc: 'A256GCM', cty: 'JWT', ...header })
            .encrypt(key);
        const inner = Buffer.from(await sign(ed, claims));
        const secret = createSecretKey(mac.key.export());
        const tokens = await Promise.all([
          encrypt(inner, { alg: 'RSA-OAEP-256', kid: 'rsa' }, rsa.public),
          encrypt(bytes(claims), { alg: 'dir', kid: 'mac' }, secret),
          encrypt(inner, { alg: 'A256KW', kid: 'mac' }, secret),
        ]);
        for (const token of tokens) {
          assert.equal(token.split('.').length, 5);
          assert.deepEqual(await outcome(gate, token), ['token_invalid', 'not three segments']);
        }
      });

      test('is not compressed', async () => {
        const compact = (content, header) =>
          new CompactSign(content)
            .setProtectedHeader({ alg: 'EdDSA', kid: 'ed', ...header })
            .sign(ed.key);
        const plain = await compact(bytes(claims), { zip: 'DEF' });
        assert.deepEqual(await outcome(gate, plain), ['admitted', null]);
        const deflated = await compact(deflateRawSync(bytes(claims)), { zip: 'DEF' });
        const [reason, cause] = await outcome(gate, deflated);
        assert.equal(reason, 'token_invalid');
        assert.match(cause, /^payload: /);
      });

      test('stands in compact form alone', async () => {
        const header = { alg: 'EdDSA', kid: 'ed' };
        const flattened = await new FlattenedSign(bytes(claims))
          .setProtectedHeader(header)
          .sign(ed.key);
        const general = await new GeneralSign(bytes(claims))
          .addSignature(ed.key)
          .setProtectedHeader(header)
          .sign();
        const unprotected = await new FlattenedSign(bytes(claims))
          .setProtectedHeader(header)
          .setUnprotectedHeader({ jku: `${EVIL}/jku` })
          .sign(ed.key);
        for (const token of [flattened, general, unprotected]) {
          const seen = await outcome(gate, JSON.stringify(token));
          assert.deepEqual(seen, ['token_invalid', 'not three segments']);
        }
        const { payload, signature } = flattened;
        const compact = [flattened.protected, payload, signature].join('.');
        assert.deepEqual(await outcome(gate, compact), ['admitted', null]);
      });
    });
  }
});
