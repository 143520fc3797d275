// Which socket has to go when those of an isolate hold too much: the script alone, with a clock and
// a budget of the test's own.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { configureBacklog, Held } from '../../../src/worker/js/backlog.js';

const BUDGET = 1000;
const settings = { budget: BUDGET, readPerMillisecond: 2, minHeld: 10, closeWait: 1 };

describe('the sockets of an isolate', () => {
  let all;
  let gone;
  const add = (name) => {
    all[name] = new Held((bytes) => gone.push([name, bytes]));
    return all[name];
  };
  beforeEach(() => {
    configureBacklog(JSON.stringify(settings));
    all = {};
    gone = [];
  });
  // What a side holds counts until it ends.
  afterEach(() => {
    for (const held of Object.values(all)) held.clear();
  });

  test('may hold as much as the budget says', () => {
    add('a').add(600, 0);
    add('b').add(400, 0);
    assert.deepEqual(gone, []);
  });
  test('lose the one that holds most, and only that one', () => {
    add('small').add(100, 0);
    add('large').add(600, 0);
    add('new').add(301, 0);
    assert.deepEqual(gone, [['large', 600]]);
    all.new.add(599, 0);
    assert.deepEqual(gone, [['large', 600]]);
    all.new.add(1, 0);
    assert.deepEqual(gone, [
      ['large', 600],
      ['new', 901],
    ]);
  });
  test('hold nothing once they have sent a message', () => {
    add('talks').add(900, 0);
    all.talks.clear();
    add('other').add(1000, 0);
    assert.deepEqual(gone, []);
  });
  test('are taken to read slowly', () => {
    add('slow').add(1000, 0);
    add('new').add(200, 100);
    assert.deepEqual(gone, []);
    assert.deepEqual([all.slow.bytes, all.new.bytes], [800, 200]);
    all.new.add(1, 100);
    assert.deepEqual(gone, [['slow', 800]]);
  });
  test('do not read backwards where a clock is set back', () => {
    add('one').add(500, 1000);
    all.one.add(500, 0);
    assert.equal(all.one.bytes, 1000);
    all.one.age(250);
    assert.equal(all.one.bytes, 500);
  });
  test('are left alone where each holds next to nothing', () => {
    for (let at = 0; at < 200; at += 1) add(`crowd ${at}`).add(9, 0);
    assert.deepEqual(gone, []);
    add('one').add(10, 0);
    assert.deepEqual(gone, [['one', 10]]);
  });
  test('never hold more than the budget, whatever happens', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) add(name);
    // A fixed sequence of its own, so that a failure comes again.
    let seed = 1;
    const dice = (sides) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % sides;
    };
    let now = 0;
    for (let step = 0; step < 20_000; step += 1) {
      const held = all[names[dice(names.length)]];
      now += dice(20);
      if (dice(10) === 0) held.clear();
      else held.add(dice(500), now);
      const sum = names.reduce((total, name) => total + all[name].bytes, 0);
      assert.ok(sum <= BUDGET, `${sum} in step ${step}`);
    }
    assert.ok(gone.length > 0);
  });
});
