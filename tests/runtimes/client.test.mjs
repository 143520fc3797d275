// The client module in Node, Deno and Bun: `npm run runtimes`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { inRoot } from '../../tools/run.mjs';
import { EXPECTED, useScenarioGate } from '../support/scenarios.mjs';

const run = promisify(execFile);
/** What `npm run runtimes` found: by the name of each runtime, the program and its arguments. */
const runtimes = JSON.parse(process.env.RUNTIMES ?? '{}');
const DEADLINE = 120_000;

describe('the client module', () => {
  const gate = useScenarioGate({ ORIGIN_MISSING: 'allow' });
  for (const name of ['Node', 'Deno', 'Bun']) {
    const skip = runtimes[name] ? false : 'npm run runtimes provides it';
    test(`does the same in ${name}`, { skip }, async (t) => {
      const [program, ...args] = runtimes[name];
      const all = [...args, inRoot('tests/runtimes/run.js'), JSON.stringify(await gate.given())];
      const { stdout } = await run(program, all, { timeout: DEADLINE });
      const { agent, times, ...seen } = JSON.parse(stdout);
      t.diagnostic(agent);
      t.diagnostic(`milliseconds: ${JSON.stringify(times)}`);
      assert.deepEqual(seen, EXPECTED);
    });
  }
});
