// ON_FULL=close_oldest, where the oldest socket has no server yet.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closing } from '../../support/closing.mjs';
import { ask, fresh, UNCOUNTED, useGate } from '../../support/gate.mjs';
import { REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

describe('a socket that is replaced before its server answers', () => {
  const waiting = [];
  const upstream = useUpstream({ verifyClient: (_, accept) => waiting.push(accept) });
  const held = (count) =>
    until(
      () => waiting.length,
      (length) => length === count,
      { every: 10 },
    );
  const gate = useGate({
    upstream,
    vars: { ...UNCOUNTED, ...REQUIRED, ON_FULL: 'close_oldest', MAX_SOCKETS_USER: '1' },
  });

  test('is closed once it opens, and disturbs nobody else', async () => {
    const other = fresh('holder');
    const user = fresh('holder');
    const early = gate.connect({ headers: withToken({ sub: user }) });
    const elses = gate.connect({ headers: withToken({ sub: other }) });
    await held(2);
    const newest = gate.connect({ headers: withToken({ sub: user }) });
    await held(3);
    for (const accept of waiting) accept(true);
    const opened = await early;
    assert.equal(opened.status, undefined, opened.body);
    assert.deepEqual(await closing(opened), [4408, 'replaced']);
    assert.equal(await ask(await elses, 'here'), 'here');
    assert.equal(await ask(await newest, 'here'), 'here');
  });
});
