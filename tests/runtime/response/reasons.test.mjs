// The documentation, the browser module and the playground know docs/reasons.json, the core's table.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { actionAfter } from '../../../client/close-reasons.js';
import { REASONS } from '../../../playground/messages.js';
import { inRoot } from '../../../tools/run.mjs';

const read = (path) => readFileSync(inRoot(path), 'utf8');
const { refusals, closes } = JSON.parse(read('docs/reasons.json'));
const names = (entries) => [...new Set(entries.map(({ reason }) => reason))].sort();

const page = read('docs/refusals.md');
const section = (title, text = page) => text.split(`\n## ${title}\n`)[1].split('\n## ')[0];
/** The cells of the rows of a section's tables, without the heads. */
const rows = (text) =>
  [...text.matchAll(/^\| (.+) \|$/gm)]
    .map(([, row]) => row.split(' | '))
    .filter(([first]) => !['reason', 'member', 'code or status', 'close code'].includes(first));
const numbers = (text) => (text.match(/\d{3,4}/g) ?? []).map(Number);
const codesIn = (text) => numbers(text).filter((number) => number >= 1000);

describe('docs/refusals.md', () => {
  const refused = rows(section('Refused requests'));
  const closed = rows(section('Close codes on live sockets'));
  const named = (cell) => cell.replaceAll('`', '');

  test('lists every refused request', () => {
    assert.deepEqual(refused.map(([name]) => named(name)).sort(), names(refusals));
  });
  for (const [cell, status, close, headers] of refused) {
    test(`has the status, close code and headers of ${named(cell)}`, () => {
      const entry = refusals.find(
        (one) =>
          one.reason === named(cell) &&
          `${one.status}` === status &&
          `${one.close ?? '–'}` === close,
      );
      assert.ok(entry, `${status} ${close}`);
      const told = [...headers.matchAll(/`([A-Z][\w-]+)/g)].map(([, name]) => name);
      assert.deepEqual(told.sort(), entry.headers);
    });
  }
  test('lists every close of a live socket with its code', () => {
    assert.deepEqual(
      closed.map(([name, code]) => ({ reason: named(name), code: Number(code) })),
      closes,
    );
  });
});

describe('what a client should do', () => {
  for (const [document, table] of [
    ['docs/refusals.md', section('What a client should do')],
    ['client/README.md', section('After an end', read('client/README.md'))],
  ]) {
    test(`is in ${document} what the browser module does`, () => {
      const told = rows(table).flatMap(([codes, ...rest]) => {
        const last = rest.at(-1);
        const action = /new token/.test(last)
          ? 'authenticate'
          : /^(stop|it gives up)/.test(last)
            ? 'give up'
            : 'retry';
        // A code with a reason is an exception.
        const [, reason] = /`(\w+)`/.exec(codes) ?? [];
        return codesIn(codes).map((code) => [code, reason, action]);
      });
      assert.ok(told.length > 12, `${told.length}`);
      assert.deepEqual(
        told,
        told.map(([code, reason]) => [code, reason, actionAfter(code, reason)]),
      );
      const known = new Set(told.map(([code]) => code));
      const all = [...refusals.map(({ close }) => close), ...closes.map(({ code }) => code)];
      const missing = all.filter((code) => code !== null && !known.has(code));
      assert.deepEqual([...new Set(missing)], []);
    });
  }
});

test('the playground has a message for every refusal, and for no other', () => {
  assert.deepEqual(Object.keys(REASONS).sort(), names(refusals));
});
