// ISSUERS: several providers, real ones among them, and a key of one never validates a token of
// another.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { useGate } from '../../support/gate.mjs';
import { internet } from '../../support/internet.mjs';
import { altered, claimsOf, makeKey, sign } from '../../support/keys.mjs';
import { AUDIENCE, useProvider } from '../../support/provider.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const ONE = 'https://one.example';
const TWO = 'https://two.example';
const PARTNER = 'https://partner.example';

async function outcome(gate, token) {
  const answer = await gate.knock({ Authorization: `Bearer ${token}` });
  const { cause, subject } = await gate.log.record(requestId(answer));
  return [reasonOf(answer), cause ?? subject];
}
const invalid = (cause) => ['token_invalid', cause];

describe('two providers, and a partner with keys in the settings', () => {
  const upstream = useUpstream();
  const one = useProvider(ONE, 'RS256');
  const two = useProvider(TWO, 'RS256');
  const partner = makeKey('ES256', 'partner');
  const { alg, ...anyAlg } = makeKey('RS256', 'partner rsa').jwk;
  const gate = useGate(async () => {
    const [first, second] = await Promise.all([one.discover(), two.discover()]);
    const issuers = [
      { issuer: first.issuer, jwks_url: first.jwks_uri, audience: AUDIENCE },
      { issuer: second.issuer, jwks_url: second.jwks_uri, audience: [AUDIENCE, 'mail'] },
      {
        issuer: PARTNER,
        jwks: { keys: [partner.jwk, anyAlg] },
        algorithms: ['ES256', 'PS256'],
      },
    ];
    return {
      upstream,
      vars: { AUTH: 'required', ISSUERS: JSON.stringify(issuers) },
      ...internet({ [ONE]: one.url, [TWO]: two.url }),
    };
  });
  const own = (claims) => ({ iss: PARTNER, aud: 'anybody', ...claims });

  test('each has its own tokens accepted', async () => {
    assert.deepEqual(await outcome(gate, await one.token()), ['admitted', 'bot']);
    assert.deepEqual(await outcome(gate, await two.token()), ['admitted', 'bot']);
    assert.deepEqual(await outcome(gate, await sign(partner, own())), ['admitted', 'alice']);
    assert.deepEqual([one.fetches, two.fetches, alg], [1, 1, 'RS256']);
  });

  test('a rotation at one of them is no matter of the other', async () => {
    const before = two.fetches;
    one.rotate();
    assert.deepEqual(await outcome(gate, await one.token()), ['admitted', 'bot']);
    assert.deepEqual(await outcome(gate, await two.token()), ['admitted', 'bot']);
    assert.equal(two.fetches, before);
  });

  test('none signs for another, by kid, without kid, or under the other’s kid', async () => {
    const claims = { aud: AUDIENCE, sub: 'root' };
    const [kidOne, kidTwo] = [one.key().jwk.kid, two.key().jwk.kid];
    const signed = 'the signature does not verify';
    const rows = [
      ['one for two', sign(one.key(), { ...claims, iss: TWO }, { kid: kidTwo }), signed],
      ['two for one', sign(two.key(), { ...claims, iss: ONE }, { kid: kidOne }), signed],
      ['without kid', sign(one.key(), { ...claims, iss: TWO }, { kid: undefined }), signed],
      ['own kid', sign(one.key(), { ...claims, iss: TWO }), 'no key for this alg and kid'],
      ['partner for one', sign(partner, { ...claims, iss: ONE }), 'no key for this alg and kid'],
      ['one for partner', sign(one.key(), own()), 'no key for this alg and kid'],
    ];
    for (const [name, token, cause] of rows) {
      assert.deepEqual(await outcome(gate, await token), invalid(cause), name);
    }
    const token = await one.token();
    const renamed = altered(token, { payload: { ...claimsOf(token), iss: TWO } });
    assert.equal((await outcome(gate, renamed))[0], 'token_invalid');
  });

  test('nobody else is an issuer, and nobody is two', async () => {
    const stranger = 'iss names no trusted issuer';
    for (const iss of [
      undefined,
      null,
      '',
      7,
      [ONE],
      [ONE, TWO],
      { iss: ONE },
      `${ONE}/`,
      ONE.toUpperCase(),
      `${ONE} ${TWO}`,
      'https://three.example',
    ]) {
      const token = await sign(one.key(), { iss, aud: AUDIENCE });
      assert.deepEqual(await outcome(gate, token), invalid(stranger), JSON.stringify(iss));
    }
  });

  test('audience and algorithms are those of the issuer', async () => {
    const audience = invalid('aud is not in JWT_AUDIENCE');
    const mail = (provider, iss) => sign(provider.key(), { iss, aud: 'mail' });
    assert.deepEqual(await outcome(gate, await mail(one, ONE)), audience);
    assert.deepEqual(await outcome(gate, await mail(two, TWO)), ['admitted', 'alice']);
  });

  test('one that is down takes nobody else with it', async () => {
    await two.stop();
    assert.deepEqual(await outcome(gate, await one.token()), ['admitted', 'bot']);
    assert.deepEqual(await outcome(gate, await sign(partner, own())), ['admitted', 'alice']);
  });
});

describe('ISSUERS that make no sense', () => {
  const upstream = useUpstream();
  const entries = [
    { issuer: ONE },
    { issuer: ONE, jwks_url: 'http://one.example/jwks' },
    { issuer: TWO, jwks_url: `${TWO}/jwks`, algorithms: 'HS257' },
    { issuer: TWO, jwks_url: `${TWO}/jwks`, audiences: 'x' },
    { issuer: PARTNER, jwks_url: `${TWO}/jwks`, audience: 'any' },
    { issuer: PARTNER, jwks_url: `${TWO}/jwks`, audience: 'any' },
  ];
  const gate = useGate({
    upstream,
    vars: { AUTH: 'required', ISSUERS: JSON.stringify(entries), JWT_AUDIENCE: 'chat' },
  });
  test('are told all at once', async () => {
    assert.equal(reasonOf(await gate.knock()), 'misconfigured');
    const told = await gate.log.find(({ level, message }) => level === 'error' && message);
    for (const part of [
      'JWT_AUDIENCE: ISSUERS is set as well',
      'ISSUERS: entry 0: it takes jwks_url, jwks, or both',
      'ISSUERS: entry 1: jwks_url: it is not an https URL',
      'ISSUERS: entry 2: "HS257" is not an algorithm',
      'ISSUERS: entry 3: "audiences" is not a member of an issuer',
      `ISSUERS: issuer "${PARTNER}" stands twice`,
    ]) {
      assert.ok(told.includes(part), `${part}\n${told}`);
    }
  });
});
