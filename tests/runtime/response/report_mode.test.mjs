// MODE=report: nothing is refused or closed, everything is recorded, and the server is told only
// what was verified.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAdmitted, assertRefused, requestId } from '../../support/answers.mjs';
import { ADMIN_TOKEN, administer } from '../../support/admin.mjs';
import { closing } from '../../support/closing.mjs';
import { ask, freshAddress, freshKey, from, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { bearer, mint, now, SECRET, withToken } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const ROUTES = [
  { path: '/', required_scopes: 'chat' },
  { path: '/enforced', mode: 'enforce' },
  { path: '/size', auth: 'optional', max_message_bytes: '5' },
  { path: '/rate', auth: 'optional', message_rate: '1/1h' },
  { path: '/idle', auth: 'optional', idle_timeout: '200ms' },
  { path: '/lifetime', auth: 'optional', max_lifetime: '200ms' },
  { path: '/expiry', close_on_expiry: 'true' },
  { path: '/one', auth: 'optional', max_sockets_ip: '1' },
];
const vars = {
  MODE: 'report',
  REJECT_WITH: 'close',
  AUTH: 'required',
  JWT_SECRET: SECRET,
  TOKEN_SOURCES: 'header,subprotocol,query:token',
  RATE_LIMIT_IP: '2/1h',
  BAN_AFTER: '2/1h for 1h',
  ADMIN_TOKEN,
  ROUTES,
};
const FORGED = mint({ sub: 'alice' }, { key: 'another key, as long as the right one is 0123' });

describe('a gate that only reports', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });
  const recordOf = (answer) => gate.log.record(requestId(answer));
  const sentOf = (answer) => upstream.sent(requestId(answer));

  const wrong = [
    ['origin_not_allowed', { Origin: 'https://evil.example', ...bearer(mint({ scope: 'chat' })) }],
    ['origin_missing', { Origin: null, ...bearer(mint({ scope: 'chat' })) }],
    ['token_missing', {}],
    ['token_invalid', bearer(FORGED)],
    ['token_expired', bearer(mint({ sub: 'alice', exp: now() - 1 }))],
    ['insufficient_scope', bearer(mint({ sub: 'alice' }))],
    ['ambiguous_token', bearer(mint(), { 'Sec-WebSocket-Protocol': 'chat, bearer, a.b.c' })],
  ];
  for (const [reason, headers] of wrong) {
    test(`admits in spite of ${reason}, and says so in the record`, async () => {
      const key = freshKey();
      const answer = await gate.knock({ 'Sec-WebSocket-Key': key, ...headers });
      assert.equal(answer.status, 101);
      const record = await recordOf(answer);
      const { outcome, would_be, mode } = record;
      assert.deepEqual(
        { outcome, reason: record.reason, would_be, mode },
        { outcome: 'admitted', reason: null, would_be: reason, mode: 'report' },
      );
      assert.equal(record.findings[0].reason, reason);
      assert.ok(record.cause && record.remedy, JSON.stringify(record));
    });
  }

  test('admits what is right under the same headers as ever', async () => {
    const key = freshKey();
    const good = withToken({ sub: 'alice', scope: 'chat' }, { 'Sec-WebSocket-Key': key });
    const answer = await gate.knock(good);
    assertAdmitted(answer, key);
    const { would_be, mode, findings } = await recordOf(answer);
    assert.deepEqual([would_be, mode, findings], [null, 'report', undefined]);
  });

  test('tells the server nobody where the token is forged, and passes no token on', async () => {
    const answer = await gate.knock(
      bearer(FORGED, {
        'Portcullis-Subject': 'admin',
        'Sec-WebSocket-Protocol': `chat, bearer, ${FORGED}`,
      }),
      { target: `/?room=7&token=${FORGED}` },
    );
    assert.equal(answer.status, 101);
    const { url, headers } = sentOf(answer);
    assert.equal(url, '/?room=7');
    const value = (name) => values(headers, name);
    assert.deepEqual(value('portcullis-subject'), []);
    assert.deepEqual(value('authorization'), []);
    assert.deepEqual(value('sec-websocket-protocol'), ['chat']);
    assert.ok(!JSON.stringify(headers).includes(FORGED));
  });

  test('tells the server who lacks a scope: the token is genuine', async () => {
    const answer = await gate.knock(withToken({ sub: 'alice' }));
    assert.deepEqual(values(sentOf(answer).headers, 'portcullis-subject'), ['alice']);
  });

  test('passes a plain request on', async () => {
    const headers = [
      ['Host', 'x'],
      ['CF-Connecting-IP', freshAddress()],
    ];
    const answer = await gate.send({ target: '/', headers });
    assert.equal(answer.status, 200);
    assert.equal((await recordOf(answer)).would_be, 'upgrade_required');
  });

  test('limits and bans nobody, here or on a route that enforces', async () => {
    const address = freshAddress();
    const reasons = [];
    for (let round = 0; round < 5; round += 1) {
      const answer = await gate.knock(from(address, bearer(FORGED)));
      assert.equal(answer.status, 101);
      reasons.push((await recordOf(answer)).would_be);
    }
    assert.equal(reasons[0], 'token_invalid');
    assert.equal(reasons.at(-1), 'banned');
    const good = from(address, withToken({ sub: 'alice' }));
    assert.equal((await gate.knock(good, { target: '/enforced' })).status, 101);
  });

  test('refuses what has nowhere to go, as always', async () => {
    const { record } = await gate.connect({ target: '/none' }).then(async (client) => ({
      record: await closing(client),
    }));
    assert.deepEqual(record, [4404, 'no_route']);
    assertRefused(await gate.knock({ 'Sec-WebSocket-Key': 'x' }), 'bad_handshake');
  });

  test('enforces where a route says so', async () => {
    const client = await gate.connect({ target: '/enforced', headers: bearer(FORGED) });
    assert.deepEqual(await closing(client), [4401, 'token_invalid']);
    assert.equal((await recordOf({ headers: client.answer })).mode, 'enforce');
  });

  test('enforces for administrators', async () => {
    const answer = await administer(gate, 'GET', 'sockets', {
      headers: { Authorization: 'Bearer nobody' },
    });
    assertRefused(answer, 'token_invalid');
  });

  describe('keeps a live socket open', () => {
    const open = (target, options) => gate.connect({ target, ...options });
    const kept = (client, reason) => gate.log.kept(requestId({ headers: client.answer }), reason);
    const stays = async (client) => {
      assert.equal(await ask(client, 'still'), 'still');
      client.close();
      const [code] = await closing(client);
      assert.equal(code, 1005);
    };

    test('when a message is too big', async () => {
      const client = await open('/size');
      assert.equal(await ask(client, 'six...'), 'six...');
      const record = await kept(client, 'message_too_big');
      assert.deepEqual(
        [record.stage, record.reason, record.code, record.mode, record.cause],
        ['live', null, 1009, 'report', '6 bytes from the client'],
      );
      await stays(client);
    });

    test('when there are too many messages', async () => {
      const client = await open('/rate');
      for (const text of ['1', '2', '3']) assert.equal(await ask(client, text), text);
      await kept(client, 'message_rate');
      const id = requestId({ headers: client.answer });
      await stays(client);
      await gate.log.closed(id);
      const lines = gate.log.lines.filter(({ message }) => message.includes(id));
      assert.equal(lines.length, 3, 'admitted, kept once, closed');
    });

    for (const reason of ['idle', 'lifetime']) {
      test(`when ${reason} is over`, async () => {
        const client = await open(`/${reason}`);
        await kept(client, reason);
        await stays(client);
      });
    }

    test('when its token expires', async () => {
      const headers = withToken({ sub: 'alice', exp: now() + 2 });
      const client = await open('/expiry', { headers });
      const { subject, code } = await kept(client, 'token_expired');
      assert.deepEqual([subject, code], ['alice', 4401]);
      await stays(client);
    });

    test('beyond the cap of an address', async () => {
      const headers = from(freshAddress());
      const first = await open('/one', { headers });
      const second = await open('/one', { headers });
      const { would_be, setting } = await recordOf({ headers: second.answer });
      assert.deepEqual([would_be, setting], ['too_many_sockets', 'MAX_SOCKETS_IP']);
      await stays(first);
      await stays(second);
    });
  });
});

describe('a canary', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { MODE: 'enforce:50%', JWT_SECRET: SECRET } });
  test('refuses some addresses, and always the same ones', async () => {
    const statuses = async (address) => {
      const answers = [];
      for (let round = 0; round < 2; round += 1) {
        const answer = await gate.knock(from(address, { Origin: 'https://evil.example' }));
        answers.push(answer.status);
      }
      return answers;
    };
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, at) => statuses(`198.51.100.${at}`)),
    );
    for (const [first, second] of all) assert.equal(first, second);
    const refused = all.filter(([status]) => status === 403).length;
    const admitted = all.filter(([status]) => status === 101).length;
    assert.equal(refused + admitted, 40);
    assert.ok(refused > 0 && admitted > 0, `${refused} refused`);
  });
});

describe('LOG_ADMITTED=0%', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { LOG_ADMITTED: '0%' } });
  test('logs refusals and no admissions', async () => {
    const admitted = await gate.knock();
    assert.equal(admitted.status, 101);
    const refused = await gate.knock({ Origin: 'https://evil.example' });
    await gate.log.record(requestId(refused));
    assert.ok(!gate.log.toString().includes(requestId(admitted)));
  });
});
