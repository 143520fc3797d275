// Waiting for what comes behind an answer, or with time, where nothing else tells of it.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';

/**
 * Looks again and again until what it sees `isThere`, and resolves to that. `every`: milliseconds
 * between looks; `within`: those after which it fails.
 */
export async function until(look, isThere = Boolean, { every = 0, within = 20_000 } = {}) {
  const deadline = performance.now() + within;
  for (;;) {
    const seen = await look();
    if (isThere(seen)) return seen;
    assert.ok(performance.now() < deadline, `still ${inspect(seen)}`);
    if (every > 0) await pause(every);
  }
}
