// A registry with as many revocations and bans as its objects keep, and what outlasts their ends.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as passing } from 'node:timers/promises';
import { administer, done, live, WATCHED } from '../../support/admin.mjs';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { freshAddress, openGate, useGate } from '../../support/gate.mjs';
import { registryOf } from '../../support/ledgers.mjs';
import { change } from '../../support/sqlite.mjs';
import { mint, now } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

/** As many as one object keeps. */
const MOST = 100_000;

let names = 0;
const fresh = (kind) => `${kind}-${(names += 1)}`;
const claims = () => ({
  iss: fresh('https://id'),
  sub: fresh('sub'),
  sid: fresh('sid'),
  jti: fresh('jti'),
  iat: now() - 10,
});
const knock = async (gate, who, from = freshAddress()) => {
  const headers = { Authorization: `Bearer ${mint(who)}`, 'CF-Connecting-IP': from };
  return reasonOf(await gate.knock(headers));
};
const revoke = (gate, body) => administer(gate, 'PUT', 'revocations', { body });

/** Gates that take over from each other what their objects stored. */
function useStorage() {
  const upstream = useUpstream();
  const persist = mkdtempSync(join(tmpdir(), 'portcullis-test-'));
  after(() => rmSync(persist, { recursive: true }));
  return {
    persist,
    async during(work) {
      const gate = await openGate({ upstream, persist, vars: WATCHED });
      try {
        await work(gate);
      } finally {
        // Killed at once, as in a crash: nothing that was answered may be lost.
        await gate.miniflare.dispose();
      }
    },
  };
}

/** Lets objects have `count` denials, of others' tokens, until then. */
function fill(persist, count, until, most) {
  const rows = `WITH RECURSIVE numbers(number) AS
    (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
    INSERT INTO denials (name, before, until, kind, id, about, since)
    SELECT 'revoke jti filler ' || number, 0, ?, 'revoke', 'filler ' || number, '{}', 0
    FROM numbers`;
  const work = (database) => {
    const { stored } = database.prepare('SELECT count(*) AS stored FROM denials').get();
    database.prepare(rows).run(count - stored, until);
  };
  return change(persist, 'denials', work, most).length;
}

function assertFull(answer) {
  const { title, status, reason, detail } = JSON.parse(answer.body);
  assert.deepEqual(
    { title, status, reason },
    {
      title: 'There is no room for more revocations and bans.',
      status: 507,
      reason: 'registry_full',
    },
  );
  assert.equal(answer.status, 507);
  const [, objects] = /^object ([\d, ]+): 100000 are kept; in the others it may be done$/.exec(
    detail,
  );
  return objects.split(', ');
}

const ALL = Array.from({ length: 16 }, (_, shard) => String(shard));

describe('a full registry', () => {
  const storage = useStorage();
  const [first, last, tooMany, later] = [claims(), claims(), claims(), claims()];
  const banned = claims();

  test('takes what has a place, refuses the rest, and forgets nothing that holds', async () => {
    await storage.during(async (gate) => {
      await done(gate, 'PUT', 'revocations', { body: { jti: first.jti } });
      await done(gate, 'PUT', `bans/${banned.sub}?for=1d`);
    });
    assert.equal(fill(storage.persist, MOST - 3, Date.now() + 86_400_000), 16);
    await storage.during(async (gate) => {
      await done(gate, 'PUT', 'revocations', { body: { jti: last.jti } });
      let brief;
      for (const jti of [fresh('jti'), fresh('jti')]) {
        brief = await done(gate, 'PUT', 'revocations', { body: { jti, for: '20s' } });
      }
      let refused = await revoke(gate, { jti: tooMany.jti });
      assert.deepEqual(assertFull(refused), ALL);
      const { outcome, reason } = await gate.log.record(requestId(refused));
      assert.deepEqual({ outcome, reason }, { outcome: 'refused', reason: 'registry_full' });
      assert.deepEqual(assertFull(await administer(gate, 'PUT', `bans/${tooMany.sub}`)), ['0']);

      // Who is not revoked is not, and who was still is.
      assert.equal(await knock(gate, tooMany), 'admitted');
      for (const who of [first, last]) assert.equal(await knock(gate, who), 'revoked');
      assert.equal(await knock(gate, banned), 'banned');

      // What needs no place of its own is done: a repetition, a ban that is lifted, a disconnection.
      await done(gate, 'PUT', 'revocations', { body: { jti: first.jti, for: '60d' } });
      await done(gate, 'PUT', `bans/${banned.sub}?for=2d`);
      await done(gate, 'DELETE', `bans/${later.sub}`);
      const socket = await live(gate, later);
      const kicked = await done(gate, 'DELETE', `sockets?sub=${later.sub}`);
      assert.deepEqual(kicked, { disconnected: 1 });
      assert.deepEqual(await socket.closed, [4403, 'disconnected']);

      // What is over makes room.
      await passing(brief.until * 1000 - Date.now());
      do refused = await revoke(gate, { jti: tooMany.jti });
      while (refused.status === 507);
      assert.equal(refused.status, 200, refused.body);
      assert.equal(await knock(gate, tooMany), 'revoked');
      for (const who of [first, last]) assert.equal(await knock(gate, who), 'revoked');
      assert.equal(await knock(gate, banned), 'banned');
    });
  });

  test('has room again once most of it is over, and still forgets nothing else', async () => {
    const end = (database) =>
      database.prepare("UPDATE denials SET until = 1 WHERE name LIKE '%filler%'").run();
    change(storage.persist, 'denials', end);
    await storage.during(async (gate) => {
      await done(gate, 'PUT', 'revocations', { body: { jti: later.jti } });
      for (const who of [first, last, tooMany, later]) {
        assert.equal(await knock(gate, who), 'revoked');
      }
      assert.equal(await knock(gate, banned), 'banned');
    });
    const count = (database) => database.prepare('SELECT count(*) AS stored FROM denials').get();
    for (const { stored } of change(storage.persist, 'denials', count)) {
      assert.ok(stored < 10, `${stored}`);
    }
  });
});

describe('a registry of which one object is full', () => {
  const storage = useStorage();
  test('says so, and has done the rest', async () => {
    await storage.during((gate) =>
      done(gate, 'PUT', 'revocations', { body: { jti: fresh('jti') } }),
    );
    assert.equal(fill(storage.persist, MOST, Date.now() + 86_400_000, 1), 1);
    await storage.during(async (gate) => {
      const iss = fresh('https://id');
      const body = { iss, before: now() - 1 };
      const [full, ...others] = assertFull(await revoke(gate, body));
      assert.deepEqual(others, []);
      const kept = (fits) => {
        let who;
        do who = { ...claims(), iss };
        while (!fits(registryOf(who.sub, iss)));
        return who;
      };
      assert.equal(
        await knock(
          gate,
          kept((shard) => shard === full),
        ),
        'admitted',
      );
      assert.equal(
        await knock(
          gate,
          kept((shard) => shard !== full),
        ),
        'revoked',
      );
    });
  });
});

/** What is said of somebody, and what an upgrade of theirs is then. */
const WORDS = [
  ['jti', ({ jti }) => ['PUT', 'revocations', { body: { jti } }], 'revoked'],
  ['sid', ({ sid }) => ['PUT', 'revocations', { body: { sid } }], 'revoked'],
  ['sub', ({ sub }) => ['PUT', 'revocations', { body: { sub } }], 'revoked'],
  [
    'issued before, of an issuer',
    ({ iss }) => ['PUT', 'revocations', { body: { iss, before: now() - 1 } }],
    'revoked',
  ],
  ['ban of a subject', ({ sub }) => ['PUT', `bans/${sub}`], 'banned'],
  ['ban of an address', (_, address) => ['PUT', `bans/${address}`], 'banned'],
];
const parties = () => WORDS.map(([, word, end]) => [claims(), freshAddress(), word, end]);

describe('the end of all objects', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED });

  for (const webSockets of ['hibernate', 'close']) {
    test(`(${webSockets}) loses no revocation and no ban`, async () => {
      const all = parties();
      for (const [who, address, word] of all) await done(gate, ...word(who, address));
      for (const name of ALL) {
        await gate.miniflare.unsafeEvictDurableObject('gate', 'Registry', { name, webSockets });
      }
      for (const [who, address, , end] of all) assert.equal(await knock(gate, who, address), end);
      assert.equal(await knock(gate, claims()), 'admitted');
    });
  }
});

describe('a process that is killed as soon as it has answered', () => {
  const storage = useStorage();
  for (const [name, word, end] of WORDS) {
    test(`has stored it: ${name}`, async () => {
      const [who, address] = [claims(), freshAddress()];
      await storage.during((gate) => done(gate, ...word(who, address)));
      await storage.during(async (gate) => {
        assert.equal(await knock(gate, who, address), end);
        assert.equal(await knock(gate, claims()), 'admitted');
      });
    });
  }
  test('has stored what was revoked before everybody’s eyes, and not what is newer', async () => {
    await storage.during((gate) =>
      done(gate, 'PUT', 'revocations', { body: { before: now() - 100 } }),
    );
    await storage.during(async (gate) => {
      assert.equal(await knock(gate, { ...claims(), iat: now() - 200 }), 'revoked');
      assert.equal(await knock(gate, claims()), 'admitted');
    });
  });
});
