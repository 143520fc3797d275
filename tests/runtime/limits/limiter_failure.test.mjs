// A ledger that is slow, throws or is gone, under both policies.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAdmitted, assertRefused, requestId } from '../../support/answers.mjs';
import { freshAddress, freshKey, useGate } from '../../support/gate.mjs';
import { ofAddress, plan, withLedger } from '../../support/ledgers.mjs';
import { SECRET } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const TIMEOUT = 400;
const vars = (policy) => ({
  AUTH: 'optional',
  JWT_SECRET: SECRET,
  ON_LIMITER_FAILURE: policy,
  LIMITER_TIMEOUT: `${TIMEOUT}ms`,
});

const failures = [
  ['never answers', 'hang', /^the address's ledger: timed out$/],
  ['stalls with nothing left to do', 'stall', /hung|timed out|canceled|internal error/i],
  ['throws', 'throw', /thrown on purpose/],
  ['aborts itself', 'abort', /aborted on purpose/],
  ['answers with a status alone', 'status 500', /^the address's ledger: it answered "status 500"$/],
  ['answers what it should not', 'maybe 1', /^the address's ledger: it answered "maybe 1"$/],
];

for (const [policy, assertAnswered] of [
  [
    'reject',
    (answer) => assertRefused(answer, 'limiter_unavailable', { headers: { 'retry-after': '1' } }),
  ],
  ['admit', assertAdmitted],
]) {
  const check = async (gate, cause, address) => {
    const key = freshKey();
    const began = performance.now();
    const answer = await gate.knock({ 'CF-Connecting-IP': address, 'Sec-WebSocket-Key': key });
    const took = performance.now() - began;
    assertAnswered(answer, key);
    const record = await gate.log.record(requestId(answer));
    assert.match(record.cause.replace(/^admitted uncounted: /, ''), cause);
    assert.equal(record.cause.startsWith('admitted uncounted: '), policy === 'admit');
    assert.equal(record.outcome, policy === 'admit' ? 'admitted' : 'refused');
    assert.equal(record.stage, policy === 'admit' ? 'forward' : 'counters');
    return took;
  };

  describe(`ON_LIMITER_FAILURE=${policy}`, () => {
    const upstream = useUpstream();
    const gate = useGate({ upstream, vars: vars(policy), ...withLedger('Double') });

    for (const [name, behaviour, cause] of failures) {
      test(`a ledger that ${name}`, async () => {
        const address = freshAddress();
        await plan(gate, { [ofAddress(address)]: behaviour });
        const took = await check(gate, cause, address);
        if (behaviour === 'hang') assert.ok(took >= TIMEOUT, `${took} ms`);
      });
    }
    test('a ledger that comes back is asked again', async () => {
      const address = freshAddress();
      await plan(gate, { [ofAddress(address)]: 'abort' });
      await gate.knock({ 'CF-Connecting-IP': address });
      await plan(gate, { [ofAddress(address)]: 'real' });
      const key = freshKey();
      assertAdmitted(
        await gate.knock({ 'CF-Connecting-IP': address, 'Sec-WebSocket-Key': key }),
        key,
      );
    });
    test('a refused attempt that could not be counted is noted in the log', async () => {
      const address = freshAddress();
      await plan(gate, { [ofAddress(address)]: 'throw' });
      const changes = { 'CF-Connecting-IP': address, Authorization: 'Bearer x' };
      assertRefused(await gate.knock(changes), 'token_invalid');
      await gate.log.find(
        ({ level, message }) =>
          level === 'warn' && /went uncounted: .*thrown on purpose/.test(message),
      );
    });
  });

  describe(`ON_LIMITER_FAILURE=${policy}, a ledger that can’t be built`, () => {
    const upstream = useUpstream();
    const gate = useGate({ upstream, vars: vars(policy), ...withLedger('Unbuilt') });
    test('is answered', () => check(gate, /not built on purpose/, freshAddress()));
  });
}
