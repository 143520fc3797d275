// A key of one's own is rotated in the order of docs/secrets.md while clients keep connecting: none
// with a valid token is refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonOf } from '../../support/answers.mjs';
import { openGate, UNCOUNTED } from '../../support/gate.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { bearer } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const CLIENTS = 8;

describe('a shared key of one’s own', () => {
  const upstream = useUpstream();
  const [old, next] = [makeKey('HS256'), makeKey('HS256')];
  const secret = ({ jwk }) => `base64:${Buffer.from(jwk.k, 'base64url').toString('base64')}`;
  const NEXT_KEYS = JSON.stringify({ keys: [{ kty: 'oct', alg: 'HS256', k: next.jwk.k }] });
  const both = { NEXT_KEYS, JWT_JWKS: '{secret:NEXT_KEYS}' };
  const versions = [
    { JWT_SECRET: secret(old) },
    { JWT_SECRET: secret(old), ...both },
    { JWT_SECRET: secret(next), ...both },
    { JWT_SECRET: secret(next) },
  ];
  const open = (settings) =>
    openGate({ upstream, vars: { ...UNCOUNTED, AUTH: 'required', ...settings } });

  test('is rotated under load without a wrong refusal', async () => {
    const reasons = new Set();
    let [admitted, signing, isOver] = [0, old, false];
    let gate = await open(versions[0]);
    /** A client that comes again and again, with a token of the key that signs at that moment. */
    async function client(sub) {
      while (!isOver) {
        const token = await sign(signing, { sub });
        const answer = await gate.knock(bearer(token));
        answer.socket?.destroy();
        reasons.add(reasonOf(answer));
        if (reasonOf(answer) === 'admitted') admitted += 1;
      }
    }
    const more = async () => {
      const wanted = admitted + 3 * CLIENTS;
      await until(
        () => admitted,
        (count) => count >= wanted,
        { every: 20 },
      );
    };
    const last = [];
    const clients = Array.from({ length: CLIENTS }, (_, at) => client(`client-${at}`));
    try {
      await more();
      for (const [at, settings] of versions.entries()) {
        if (at === 0) continue;
        // A deployment: new requests meet the new version, the others are answered by the old one.
        last.push(gate);
        gate = await open(settings);
        await more();
        if (at !== 1) continue;
        // Both keys hold: the signer changes, and old tokens live on.
        signing = next;
        await more();
        const late = await gate.knock(bearer(await sign(old)));
        assert.equal(reasonOf(late), 'admitted');
      }
    } finally {
      isOver = true;
      await Promise.all(clients);
      for (const one of last) await one.stop();
    }
    assert.deepEqual([...reasons], ['admitted']);
    const outdated = await gate.knock(bearer(await sign(old)));
    assert.equal(reasonOf(outdated), 'token_invalid');
    await gate.stop();
  });
});
