// The gate in front of a real OpenID provider: its tokens are accepted, its keys are fetched once,
// and it may rotate them while sockets are open and more are being opened.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADMITTED, outcome, reasonOf, requestId } from '../../support/answers.mjs';
import { ask, useGate } from '../../support/gate.mjs';
import { internet } from '../../support/internet.mjs';
import { altered, claimsOf, headerOf, makeKey, sign } from '../../support/keys.mjs';
import { AUDIENCE, ELSEWHERE, useProvider } from '../../support/provider.mjs';
import { bearer } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';
import { values } from '../../support/http.mjs';

const ISSUER = 'https://id.example';

/** A gate that trusts the provider as its own metadata describes it. */
const trusting = (provider, upstream, vars) =>
  useGate(async () => {
    const { issuer, jwks_uri } = await provider.discover();
    return {
      upstream,
      vars: {
        AUTH: 'required',
        JWT_JWKS_URL: jwks_uri,
        JWT_ISSUER: issuer,
        JWT_AUDIENCE: AUDIENCE,
        JWT_TYP: 'at+jwt',
        ...vars,
      },
      ...internet({ [ISSUER]: provider.url }),
    };
  });

for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA']) {
  describe(`a provider that signs with ${alg}`, () => {
    const upstream = useUpstream();
    const provider = useProvider(ISSUER, alg);
    const gate = trusting(provider, upstream);
    test('has its tokens accepted, and the upstream learns whom they name', async () => {
      const token = await provider.token('rooms:read rooms:write');
      assert.deepEqual(
        [headerOf(token).alg, headerOf(token).typ, claimsOf(token).aud],
        [alg, 'at+jwt', AUDIENCE],
      );
      const answer = await gate.knock(bearer(token));
      assert.equal(reasonOf(answer), 'admitted');
      const { headers } = upstream.sent(requestId(answer));
      assert.deepEqual(values(headers, 'portcullis-subject'), ['bot']);
      assert.deepEqual(values(headers, 'portcullis-scopes'), ['rooms:read rooms:write']);
    });
    test('does not vouch for what was changed', async () => {
      const token = await provider.token();
      const claims = { ...claimsOf(token), sub: 'root' };
      assert.deepEqual(await outcome(gate, altered(token, { payload: claims })), [
        'token_invalid',
        'the signature does not verify',
      ]);
      assert.equal(provider.fetches, 1);
    });
  });
}

describe('what a token of the provider must say', () => {
  const upstream = useUpstream();
  const provider = useProvider(ISSUER);
  for (const [setting, value, cause] of [
    ['JWT_AUDIENCE', 'https://mail.example', 'aud is not in JWT_AUDIENCE'],
    ['JWT_ISSUER', 'https://id.example.evil', 'iss is not in JWT_ISSUER'],
    ['JWT_TYP', 'JWT', 'typ is not in JWT_TYP'],
    ['JWT_ALGORITHMS', 'ES256', 'no key for this alg and kid'],
  ]) {
    describe(`${setting}=${value}`, () => {
      const gate = trusting(provider, upstream, { [setting]: value });
      test('refuses it', async () => {
        const refused = ['token_invalid', cause];
        assert.deepEqual(await outcome(gate, await provider.token()), refused);
      });
    });
  }
});

describe('a user who signs in by a code with PKCE', () => {
  const upstream = useUpstream();
  const provider = useProvider(ISSUER, 'ES256');
  const wishes = { user: 'alice', scope: 'openid rooms:read', resource: AUDIENCE };
  const forAccess = trusting(provider, upstream);
  // The audience of an ID token is the client, and it has no type.
  const forIdentity = trusting(provider, upstream, { JWT_AUDIENCE: 'app', JWT_TYP: undefined });

  test('opens a socket with the access token, and the upstream learns who it is', async () => {
    const { access_token: token, token_type } = await provider.signIn(wishes);
    assert.equal(token_type, 'Bearer');
    const { sub, aud, client_id, scope } = claimsOf(token);
    assert.deepEqual([sub, aud, client_id, scope], ['alice', AUDIENCE, 'app', 'rooms:read']);

    const socket = await forAccess.connect({ protocols: ['bearer', token] });
    assert.equal(await ask(socket, 'hello'), 'hello');
    const { headers } = upstream.sent(requestId({ headers: socket.answer }));
    assert.deepEqual(values(headers, 'portcullis-subject'), ['alice']);
    assert.deepEqual(values(headers, 'portcullis-scopes'), ['rooms:read']);
  });

  test('is refused with an access token for somebody else', async () => {
    const { access_token: token } = await provider.signIn({ ...wishes, resource: ELSEWHERE });
    assert.equal(claimsOf(token).aud, ELSEWHERE);
    const refused = ['token_invalid', 'aud is not in JWT_AUDIENCE'];
    assert.deepEqual(await outcome(forAccess, token), refused);
  });

  test('has an ID token accepted where its audience is, and nowhere else', async () => {
    const { id_token: token, access_token, nonce } = await provider.signIn(wishes);
    assert.deepEqual([claimsOf(token).aud, claimsOf(token).nonce], ['app', nonce]);
    assert.deepEqual(await outcome(forIdentity, token), ADMITTED);
    const type = ['token_invalid', 'typ is not in JWT_TYP'];
    assert.deepEqual(await outcome(forAccess, token), type);
    const audience = ['token_invalid', 'aud is not in JWT_AUDIENCE'];
    assert.deepEqual(await outcome(forIdentity, access_token), audience);
  });

  test('gets no token for a code that another page started', async () => {
    const change = { code_verifier: 'x'.repeat(43) };
    const { error, access_token } = await provider.signIn({ ...wishes, change });
    assert.deepEqual([error, access_token], ['invalid_grant', undefined]);
  });
});

describe('the key set', () => {
  const upstream = useUpstream();
  const provider = useProvider(ISSUER);
  const gate = trusting(provider, upstream);
  test('is fetched once for many first upgrades at once', async () => {
    const token = await provider.token();
    const answers = await Promise.all(Array.from({ length: 20 }, () => gate.knock(bearer(token))));
    assert.deepEqual([...new Set(answers.map(reasonOf))], ['admitted']);
    assert.equal(provider.fetches, 1);
  });
  test('is kept for those that follow', async () => {
    const tokens = await Promise.all(Array.from({ length: 10 }, () => provider.token()));
    for (const token of tokens) assert.deepEqual(await outcome(gate, token), ADMITTED);
    assert.equal(provider.fetches, 1);
  });
});

describe('a rotation of keys', () => {
  const upstream = useUpstream();
  const provider = useProvider(ISSUER);
  const gate = trusting(provider, upstream);

  test('right after the first fetch refuses nobody and takes one fetch more', async () => {
    const old = await provider.token();
    const socket = await gate.connect({ headers: bearer(old) });
    assert.equal(await ask(socket, 'before'), 'before');
    assert.equal(provider.fetches, 1);

    const kid = provider.rotate();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => provider.token()));
    assert.ok(tokens.every((token) => headerOf(token).kid === kid));
    // Old and new at once, as clients come.
    const answers = await Promise.all(
      tokens.flatMap((token) => [gate.knock(bearer(token)), gate.knock(bearer(old))]),
    );
    assert.deepEqual([...new Set(answers.map(reasonOf))], ['admitted']);
    assert.equal(provider.fetches, 2);
    assert.equal(await ask(socket, 'after'), 'after');
  });

  test('is not mistaken for one when anybody makes up a kid', async () => {
    const before = provider.fetches;
    const began = performance.now();
    for (let at = 0; at < 30; at += 1) {
      const stranger = makeKey('EdDSA', `made up ${at}`);
      assert.deepEqual(await outcome(gate, await sign(stranger, {}, { typ: 'at+jwt' })), [
        'token_invalid',
        'no key for this alg and kid',
      ]);
    }
    const cooldowns = Math.ceil((performance.now() - began) / 5_000);
    assert.ok(provider.fetches - before <= cooldowns, `${provider.fetches - before} fetches`);
  });

  test('that drops a key ends its tokens with the next set, open sockets live on', async () => {
    const old = await provider.token();
    const socket = await gate.connect({ headers: bearer(old) });
    provider.rotate({ keep: 0 });
    const renewed = await provider.token();
    // A made-up kid may have used up the one early refresh, so this is where time passes: knocks
    // until the new key is there.
    const admitted = ([reason]) => reason === 'admitted';
    assert.deepEqual(await until(() => outcome(gate, renewed), admitted), ADMITTED);
    // It was remembered as verified, and is not any more.
    assert.deepEqual(await outcome(gate, old), ['token_invalid', 'no key for this alg and kid']);
    assert.equal(await ask(socket, 'still here'), 'still here');
  });
});
