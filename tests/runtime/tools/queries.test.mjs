// The SQL of the documentation: every query runs on data points that the built gate writes, and its
// columns hold what the page says. SQLite stands in for Analytics Engine.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { database } from '../../support/sqlite.mjs';
import { useGate } from '../../support/gate.mjs';
import { recordingDataset } from '../../support/dataset.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { mint, REQUIRED } from '../../support/tokens.mjs';

/** The queries of all pages, by the page and the line. */
const queries = readdirSync(inRoot('docs'), { recursive: true })
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => {
    const text = readFileSync(inRoot('docs', name), 'utf8');
    return [...text.matchAll(/^( *)```sql\n([^]*?)^ *```/gm)].map(({ 2: sql, index }) => ({
      name: `${join('docs', name)}:${text.slice(0, index).split('\n').length}`,
      sql,
    }));
  });

/** A query of Analytics Engine as SQLite takes it. */
const translated = (sql) =>
  sql.replace(/NOW\(\) - INTERVAL '\d+' (?:MINUTE|HOUR|DAY)/g, "'2000-01-01'").trim();

describe('a query of the documentation', () => {
  const { modules, pointsOf } = recordingDataset();
  const gate = useGate({
    vars: { ...REQUIRED, UPSTREAM_URL: 'wss://upstream.example' },
    gate: { modules },
  });
  const table = database();

  test('has data points to run on', async () => {
    const evil = await gate.knock({ Origin: 'https://evil.example' });
    assert.equal(reasonOf(evil), 'origin_not_allowed');
    const token = mint({ sub: 'alice', aud: 'another', exp: 1 });
    const expired = await gate.knock({
      Authorization: `Bearer ${token}`,
      'CF-Connecting-IP': '198.51.100.7',
    });
    assert.equal(reasonOf(expired), 'token_expired');
    const points = await pointsOf(gate, [evil, expired].map(requestId));
    const columns = [
      'index1',
      ...Array.from({ length: 20 }, (_, at) => `blob${at + 1}`),
      ...Array.from({ length: 20 }, (_, at) => `double${at + 1}`),
    ];
    table.exec(
      `CREATE TABLE portcullis (timestamp TEXT, _sample_interval INTEGER, ${columns.join(', ')})`,
    );
    for (const { indexes, blobs, doubles } of points) {
      const values = [
        ...Array.from({ length: 1 }, (_, at) => indexes[at] ?? ''),
        ...Array.from({ length: 20 }, (_, at) => blobs[at] ?? ''),
        ...Array.from({ length: 20 }, (_, at) => doubles[at] ?? 0),
      ];
      const marks = ['?', '?', ...values.map(() => '?')].join();
      table.prepare(`INSERT INTO portcullis VALUES (${marks})`).run(blobs[0], 1, ...values);
    }
    // The examples' ids and users are those of the points, and one of them is only reported.
    table
      .prepare(
        "UPDATE portcullis SET blob2 = 'c98cb13caa417605430f34bff3bcc870', blob10 = 'alice', blob20 = 'token_expired' WHERE blob4 = 'token_expired'",
      )
      .run();
  });
  test('is on each of these pages', () => {
    const pages = new Set(queries.map(({ name }) => name.split(':')[0]));
    for (const page of ['records', 'operations', 'find-a-refusal']) {
      assert.ok(pages.has(`docs/${page}.md`), page);
    }
  });
  for (const { name, sql } of queries) {
    test(`runs, and its columns hold what they are called: ${name}`, () => {
      const rows = table.prepare(translated(sql)).all();
      assert.ok(rows.length > 0, sql);
      for (const row of rows) {
        const forms = {
          time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
          request_id: /^[0-9a-f]{32}$/,
          outcome: /^refused$/,
          reason: /^(origin_not_allowed|token_expired)$/,
          cause: /./,
          stage: /^(origin|token)$/,
          route: /^\/\*$/,
          origin: /^https:\/\//,
          address: /^[\d.]+$/,
          attempts: /^\d+$/,
          subject: /^(alice)?$/,
        };
        for (const [column, form] of Object.entries(forms)) {
          if (column in row) assert.match(String(row[column]), form, column);
        }
      }
    });
  }
});
