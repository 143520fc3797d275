// What happens before the first request: the gate reads its settings, and made-up requests run
// through it so that the first real one is quick. Nobody may notice more of that.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { customSection, functionNames } from '../../../tools/wasm.mjs';
import { withNames } from '../../../tools/names.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { assertRefused } from '../../support/answers.mjs';
import { bundleWorker } from '../../support/bundle.mjs';
import { from, ORIGIN, useFolder, useGate } from '../../support/gate.mjs';

/** The address of the made-up requests. */
const MADE_UP = '192.0.2.1';

describe('before its first request', () => {
  const gate = useGate({ vars: { UPSTREAM_URL: 'http://127.0.0.1:9', RATE_LIMIT_IP: '2/1h' } });

  test('an isolate has counted nothing and logged nothing, and its ids are random', async () => {
    const ids = [];
    for (const reason of ['upstream_unreachable', 'upstream_unreachable', 'rate_limited']) {
      const refused = JSON.parse((await gate.knock(from(MADE_UP))).body);
      assert.equal(refused.reason, reason);
      ids.push(refused.request_id);
    }
    for (const id of ids) await gate.log.record(id);
    const logged = gate.log.lines.filter(({ message }) => message.startsWith('{'));
    assert.deepEqual(
      logged.map(({ message }) => JSON.parse(message).request_id),
      ids,
    );
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^(?=.*[1-9a-f])[0-9a-f]{32}$/);
  });
});

describe('a Worker that gives the gate another environment than its own', () => {
  const folder = useFolder();
  const OTHER = 'https://other.example';
  const gate = useGate(() => {
    const script = join(folder, 'entry.mjs');
    writeFileSync(
      script,
      `import gate from 'portcullis/worker';
       export * from 'portcullis/worker';
       export default {
         fetch: (request, env, ctx) =>
           gate.fetch(request, { ...env, ALLOWED_ORIGINS: '${OTHER}' }, ctx),
       };`,
    );
    return { modules: bundleWorker(script, folder), vars: { UPSTREAM_URL: 'http://127.0.0.1:9' } };
  });

  test('has the settings that come with its requests', async () => {
    assertRefused(await gate.knock({ Origin: ORIGIN }), 'origin_not_allowed');
    assertRefused(await gate.knock({ Origin: OTHER }), 'upstream_unreachable');
  });
});

describe('a rehearsal', () => {
  const folder = useFolder();
  const gate = useGate(() => {
    const script = join(folder, 'entry.mjs');
    writeFileSync(
      script,
      `import Entrypoint, { Ledger, Registry } from '${inRoot('build/index.js')}';
       import { rehearse } from '${inRoot('src/worker/js/rehearsal.js')}';
       export * from '${inRoot('build/index.js')}';
       const progress = rehearse(Entrypoint.prototype.rehearse, { Ledger, Registry });
       export default { fetch: () => Response.json(progress) };`,
    );
    return { modules: bundleWorker(script, folder) };
  });

  test('brings every upgrade to the server', async () => {
    const { upgrades, forwarded } = JSON.parse((await gate.call('GET', '/')).body);
    assert.ok(upgrades > 0);
    assert.equal(forwarded, upgrades);
  });
});

describe('the names of functions', () => {
  const names = functionNames(readFileSync(inRoot('build/names.bin')));

  test('are in a file of their own, not in the one that is shipped', () => {
    assert.equal(customSection(readFileSync(inRoot('build/index_bg.wasm')), 'name'), undefined);
    assert.ok([...names.values()].some((name) => name.includes('portcullis')));
  });
  test('are put into a stack trace', () => {
    const [number, name] = [...names].find(([, title]) => title.includes('portcullis'));
    assert.equal(
      withNames(`at wasm-function[${number}]:0x1\nat wasm-function[999999999]`, names),
      `at wasm-function[${number}] (${name}):0x1\nat wasm-function[999999999]`,
    );
  });
});
