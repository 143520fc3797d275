// Revocations and bans: from the moment they are answered, in every isolate, for live sockets too,
// and over a restart.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { done, echoes, live, WATCHED } from '../../support/admin.mjs';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import { fresh, freshAddress, useFolder, useGate, withGate } from '../../support/gate.mjs';
import { obtain, use } from '../../support/tickets.mjs';
import { now, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const REVOKED = [4401, 'revoked'];
const DISCONNECTED = [4403, 'disconnected'];

/** Claims that nobody else has. */
const claims = (more) => ({
  iss: fresh('https://id'),
  sub: fresh('sub'),
  sid: fresh('sid'),
  jti: fresh('jti'),
  iat: now() - 10,
  ...more,
});
const knock = (gate, who, { headers, ...more } = {}) => gate.knock(withToken(who, headers), more);

/** What is revoked, and of those claims which are spared. */
const kinds = [
  ['jti', ({ jti }) => ({ jti }), { jti: fresh('jti') }],
  ['sid', ({ sid }) => ({ sid }), { sid: fresh('sid') }],
  ['sub', ({ sub }) => ({ sub }), { sub: fresh('sub') }],
  ['jti of an issuer', ({ iss, jti }) => ({ iss, jti }), { iss: 'https://other' }],
  ['sub of an issuer', ({ iss, sub }) => ({ iss, sub }), { iss: 'https://other' }],
  ['sub, before a time', ({ sub, iat }) => ({ sub, before: iat + 1 }), { iat: now() - 5 }],
  ['before a time, of an issuer', ({ iss, iat }) => ({ iss, before: iat + 1 }), { iat: now() - 5 }],
];

describe('a revocation, in two isolates,', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED, twin: true });

  for (const [name, of, spared] of kinds) {
    test(`by ${name}: ends live sockets and refuses new ones, and spares others`, async () => {
      const [first, second] = gate.both;
      const who = claims({ iat: now() - 100 });
      const other = { ...who, ...spared };
      const sockets = [await live(gate, who, { to: first }), await live(gate, who, { to: second })];
      const spare = await live(gate, other, { to: second });
      const { disconnected, until } = await done(gate, 'PUT', 'revocations', {
        body: of(who),
        to: second,
      });
      assert.equal(disconnected, 2);
      assert.ok(Math.abs(until - now() - 30 * 86_400) < 60);
      for (const to of [first, second]) {
        assertRefused(await knock(gate, who, { to }), 'revoked');
        assert.equal(reasonOf(await knock(gate, other, { to })), 'admitted');
      }
      for (const { closed } of sockets) assert.deepEqual(await closed, REVOKED);
      assert.ok(await echoes(spare));
    });
  }

  test('of everything before a time ends what is older, and what does not say', async () => {
    const who = claims({ iat: now() - 1000 });
    const undated = claims({ iat: undefined });
    const young = claims();
    const sockets = [await live(gate, who), await live(gate, undated)];
    const spare = await live(gate, young);
    const { disconnected } = await done(gate, 'PUT', 'revocations', {
      body: { before: now() - 500, for: '1d' },
    });
    assert.ok(disconnected >= 2);
    for (const { closed } of sockets) assert.deepEqual(await closed, REVOKED);
    assert.ok(await echoes(spare));
    assert.equal(reasonOf(await knock(gate, who)), 'revoked');
    assert.equal(reasonOf(await knock(gate, claims({ iat: undefined }))), 'revoked');
    assert.equal(reasonOf(await knock(gate, young)), 'admitted');
  });

  test('by sub lets the subject in again with a newer token', async () => {
    const who = claims();
    await done(gate, 'PUT', 'revocations', { body: { sub: who.sub } });
    assert.equal(reasonOf(await knock(gate, who)), 'revoked');
    assert.equal(reasonOf(await knock(gate, { ...who, iat: undefined })), 'revoked');
    // Tokens say when they were issued in whole seconds.
    const moment = now();
    await until(now, (time) => time > moment, { every: 50 });
    assert.equal(reasonOf(await knock(gate, { ...who, iat: now() })), 'admitted');
  });

  test('holds for a ticket that was issued before', async () => {
    const who = claims();
    const address = freshAddress();
    const ticket = await obtain(gate, address, { headers: withToken(who) });
    await done(gate, 'PUT', 'revocations', { body: { jti: who.jti } });
    assertRefused(await use(gate, ticket, address), 'revoked');
  });

  test('lets nobody slip through who comes at that moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      const who = claims();
      const socket = async (at) => {
        const opened = await gate.connect({
          target: new URL('/', gate.both[at % 2]).href,
          headers: withToken(who),
        });
        if (!opened.answer) return reasonOf(opened);
        return new Promise((resolve) => {
          opened.once('close', (code, reason) => resolve(reason.toString()));
        });
      };
      const sockets = Array.from({ length: 20 }, (_, at) => socket(at));
      await done(gate, 'PUT', 'revocations', { body: { sub: who.sub } });
      for (const end of await Promise.all(sockets)) assert.equal(end, 'revoked');
    }
  });

  test('is recorded, and what is refused by it too', async () => {
    const who = claims();
    await done(gate, 'PUT', 'revocations', { body: { jti: who.jti } });
    const { message } = gate.log.lines.findLast((line) => line.message.includes('"administered"'));
    assert.equal(JSON.parse(message).cause, `revoked jti "${who.jti}": 0 sockets`);
    const answer = await knock(gate, who);
    const { reason, stage, cause } = await gate.log.record(requestId(answer));
    assert.deepEqual(
      { reason, stage, cause },
      { reason: 'revoked', stage: 'registry', cause: "the registry's answer" },
    );
  });
});

describe('a ban, in two isolates,', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED, twin: true });

  for (const [name, party] of [
    ['sub', ({ sub }) => sub],
    ['address', (_, address) => address],
    ['IPv6 address', (_, address) => address, '2001:db8:7:1::1', '2001:db8:7:1:ffff::2'],
    ['IPv6 network', () => '2001:db8:7:2::/64', '2001:db8:7:2::1', '2001:db8:7:2:ffff::2'],
  ].map(([name, party, one, two]) => [name, { party, one, two }])) {
    test(`by ${name}: ends live sockets, refuses new ones, and can be lifted`, async () => {
      const [first, second] = gate.both;
      const who = claims();
      const address = party.one ?? freshAddress();
      const open = (from, to) => ({ headers: { 'CF-Connecting-IP': from }, to });
      const socket = await live(gate, who, open(address, first));
      const other = await live(gate, claims(), { to: first });
      const path = `bans/${encodeURIComponent(party.party(who, address))}`;
      const { disconnected, until, banned } = await done(gate, 'PUT', `${path}?for=10m`, {
        to: second,
      });
      assert.equal(disconnected, 1);
      assert.ok(Math.abs(until - now() - 600) < 60);
      assert.match(banned, /^(sub-\d+|10\.[\d.]+|2001:db8:7:[12]::\/64)$/);
      assert.deepEqual(await socket.closed, DISCONNECTED);
      const again = party.two ?? address;
      for (const to of [first, second]) {
        assertRefused(await knock(gate, who, open(again, to)), 'banned');
      }
      assert.equal(reasonOf(await knock(gate, claims(), { to: first })), 'admitted');
      assert.ok(await echoes(other));
      assert.deepEqual(await done(gate, 'DELETE', path, { to: first }), { lifted: banned });
      for (const to of [first, second]) {
        assert.equal(reasonOf(await knock(gate, who, open(again, to))), 'admitted');
      }
    });
  }

  test('ends by itself, and lasts an hour where nothing is said', async () => {
    const who = claims();
    const path = `bans/${who.sub}`;
    const hour = await done(gate, 'PUT', path);
    assert.ok(Math.abs(hour.until - now() - 3600) < 60);
    await done(gate, 'PUT', path, { body: { for: '1s' } });
    const seen = await until(
      async () => reasonOf(await knock(gate, who)),
      (reason) => reason !== 'banned',
    );
    assert.equal(seen, 'admitted');
  });
});

describe('over a restart of everything', () => {
  const upstream = useUpstream();
  const persist = useFolder();
  const during = (work) => withGate({ upstream, persist, vars: WATCHED }, work);

  test('what was revoked and banned stays so', async () => {
    const [revoked, banned, lifted] = [claims(), claims(), claims()];
    await during(async (gate) => {
      await done(gate, 'PUT', 'revocations', { body: { sid: revoked.sid } });
      for (const { sub } of [banned, lifted]) await done(gate, 'PUT', `bans/${sub}`);
      await done(gate, 'DELETE', `bans/${lifted.sub}`);
    });
    await during(async (gate) => {
      assert.equal(reasonOf(await knock(gate, revoked)), 'revoked');
      assert.equal(reasonOf(await knock(gate, banned)), 'banned');
      assert.equal(reasonOf(await knock(gate, lifted)), 'admitted');
    });
  });
});

describe('once ADMIN_TOKEN was removed', () => {
  const upstream = useUpstream();
  const persist = useFolder();
  const during = (vars, work) => withGate({ upstream, persist, vars }, work);
  const { ADMIN_TOKEN: _, ...unadministered } = WATCHED;

  for (const [name, vars] of [
    ['inspected sockets', unadministered],
    ['sockets in passthrough', { ...unadministered, RELAY: undefined }],
    ['sockets that expire', { ...unadministered, CLOSE_ON_EXPIRY: 'true' }],
  ]) {
    test(`what was revoked and banned stays so, for ${name}`, async () => {
      const [revoked, banned, lifted] = [claims(), claims(), claims()];
      const address = freshAddress();
      await during(WATCHED, async (gate) => {
        const { id } = await done(gate, 'PUT', 'revocations', { body: { sub: lifted.sub } });
        await done(gate, 'DELETE', `revocations/${id}`);
        await done(gate, 'PUT', 'revocations', { body: { sid: revoked.sid } });
        await done(gate, 'PUT', `bans/${banned.sub}`);
        await done(gate, 'PUT', `bans/${address}`);
      });
      await during(vars, async (gate) => {
        // The first one learns that there are denials, and others are judged too.
        for (const who of [claims(), lifted, claims()]) {
          assert.equal(reasonOf(await knock(gate, who)), 'admitted');
        }
        assertRefused(await knock(gate, revoked), 'revoked');
        assertRefused(await knock(gate, banned), 'banned');
        const from = { headers: { 'CF-Connecting-IP': address } };
        assertRefused(await knock(gate, claims(), from), 'banned');
      });
    });
  }
});

describe('lists of bans and revocations', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED });
  const list = async (path) => {
    const { truncated, ...lists } = await done(gate, 'GET', path);
    assert.equal(truncated, false);
    return lists[path];
  };

  test('show what applies, newest first, and not what was lifted', async () => {
    const [one, two] = [claims(), claims()];
    const address = freshAddress();
    const before = now();
    await done(gate, 'PUT', `bans/${encodeURIComponent(one.sub)}?for=1h`);
    const { until } = await done(gate, 'PUT', `bans/${address}?for=2h`);
    await done(gate, 'PUT', `bans/${two.sub}`);
    await done(gate, 'DELETE', `bans/${two.sub}`);
    const bans = await list('bans');
    assert.deepEqual(
      bans.map(({ since, until, ...about }) => {
        assert.ok(since >= before && since <= now() && until > since);
        return about;
      }),
      [{ ip: address }, { sub: one.sub }],
    );
    assert.equal(bans[0].until, until);
    const { iss, jti } = one;
    const first = await done(gate, 'PUT', 'revocations', { body: { iss, jti } });
    const second = await done(gate, 'PUT', 'revocations', { body: { before: 1000, for: '1d' } });
    const revocations = await list('revocations');
    assert.deepEqual(
      revocations.map(({ since, ...rest }) => rest),
      [
        { id: second.id, before: 1000, until: second.until },
        { id: first.id, iss, jti, until: first.until },
      ],
    );
  });

  test('a lifted revocation admits its tokens again, in every isolate', async () => {
    const who = claims();
    const { id } = await done(gate, 'PUT', 'revocations', { body: { jti: who.jti } });
    assert.equal(reasonOf(await knock(gate, who)), 'revoked');
    const lift = () => done(gate, 'DELETE', `revocations/${id}`);
    assert.deepEqual(await lift(), { lifted: id, existed: true });
    assert.equal(reasonOf(await knock(gate, who)), 'admitted');
    assert.deepEqual(await lift(), { lifted: id, existed: false });
    const ids = (await list('revocations')).map((listed) => listed.id);
    assert.ok(!ids.includes(id));
  });
});

describe('in passthrough', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...WATCHED, RELAY: undefined } });

  test('new sockets are refused, and live ones are not known', async () => {
    const who = claims();
    const socket = await live(gate, who);
    assert.deepEqual(await done(gate, 'GET', 'sockets'), { sockets: [], truncated: false });
    const { disconnected } = await done(gate, 'PUT', 'revocations', { body: { sub: who.sub } });
    assert.equal(disconnected, 0);
    assertRefused(await knock(gate, who), 'revoked');
    assert.ok(await echoes(socket));
  });
});
