// A client whose link is cut: a network namespace of its own, from which no packet gets out any more,
// so that neither side hears an end. Not part of npm test, because it takes root and ip:
// node tools/test.mjs tests/network/cut_link.test.mjs
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { inRoot } from '../../tools/run.mjs';
import { reasonOf } from '../support/answers.mjs';
import { fresh, useGate } from '../support/gate.mjs';
import { mint, REQUIRED, withToken } from '../support/tokens.mjs';
import { until } from '../support/until.mjs';
import { useUpstream } from '../support/upstream.mjs';

const NAMESPACE = `portcullis-${process.pid}`;
const [LINK, PEER] = [`pc${process.pid}a`, `pc${process.pid}b`];
// Of the range for documentation, which no network of the machine has (RFC 5737).
const [GATE, CLIENT] = ['198.51.100.1', '198.51.100.2'];
const INTERVAL = 1000;

const run = (...command) => execFileSync(command[0], command.slice(1));
const inside = (...command) => ['ip', 'netns', 'exec', NAMESPACE, ...command];

const isPossible = process.platform === 'linux' && process.getuid() === 0;

describe('a client whose link is cut', { skip: isPossible ? false : 'it takes root' }, () => {
  before(() => {
    run('ip', 'netns', 'add', NAMESPACE);
    run('ip', 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', PEER, 'netns', NAMESPACE);
    run('ip', 'address', 'add', `${GATE}/30`, 'dev', LINK);
    run('ip', 'link', 'set', LINK, 'up');
    run(...inside('ip', 'address', 'add', `${CLIENT}/30`, 'dev', PEER));
    run(...inside('ip', 'link', 'set', PEER, 'up'));
  });
  after(() => {
    // Both ends of it.
    run('ip', 'link', 'delete', LINK);
    run('ip', 'netns', 'delete', NAMESPACE);
  });

  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...REQUIRED,
      HEARTBEAT: `${INTERVAL}ms`,
      MAX_SOCKETS_USER: '1',
      ORIGIN_MISSING: 'allow',
      RATE_LIMIT_IP: 'off',
    },
    gate: { unsafeDirectSockets: [{ host: '0.0.0.0', port: 0 }] },
  });

  for (const [name, cut, mend] of [
    [
      'taken down',
      () => run('ip', 'link', 'set', LINK, 'down'),
      () => run('ip', 'link', 'set', LINK, 'up'),
    ],
    [
      'up, but losing every packet',
      // Each side sends to a station that is not there.
      () => {
        const nobody = ['lladdr', '02:00:00:00:00:01', 'nud', 'permanent'];
        run('ip', 'neighbour', 'replace', CLIENT, ...nobody, 'dev', LINK);
        run(...inside('ip', 'neighbour', 'replace', GATE, ...nobody, 'dev', PEER));
      },
      () => {},
    ],
  ]) {
    test(`frees its slot: its link is ${name}`, async (t) => {
      const sub = fresh('ann');
      const { port } = new URL(gate.direct);
      const script = inRoot('tests/network/client.mjs');
      const command = inside(process.execPath, script, `ws://${GATE}:${port}`, mint({ sub }));
      const client = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
      const next = async () => JSON.parse((await lines.next()).value);
      const another = async () =>
        reasonOf(await gate.knock(withToken({ sub }), { to: gate.direct }));
      try {
        assert.equal((await next()).type, 'open');
        assert.equal(await another(), 'too_many_sockets');
        const began = Date.now();
        cut();
        const isFree = (reason) => reason === 'admitted';
        await until(another, isFree, { every: 50, within: 60_000 });
        t.diagnostic(`the slot was free after ${Date.now() - began} ms`);
        assert.ok(gate.log.toString().includes('"reason":"unresponsive"'));
        const { type, code, error, at } = await next();
        t.diagnostic(`the client noticed after ${at - began} ms`);
        assert.deepEqual([type, code, error], ['close', 1006, 'the gate is not heard any more']);
      } finally {
        client.kill('SIGKILL');
        await once(client, 'exit');
        mend();
      }
    });
  }
});
