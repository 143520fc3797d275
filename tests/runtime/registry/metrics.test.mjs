// What isolates count, added up and read by an administrator.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { inRoot } from '../../../tools/run.mjs';
import { ADMIN_TOKEN, administer, done, live, WATCHED } from '../../support/admin.mjs';
import { reasonOf } from '../../support/answers.mjs';
import { from, useGate, withGate } from '../../support/gate.mjs';
import { bearer, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const COUNTED = { ...WATCHED, METRICS: 'true' };

/** The value of a metric by its name and some of its labels, added up. */
function valueOf(text, name, labels = {}) {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const found = lines.filter((line) => wanted.every((label) => line.includes(label)));
  return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** The metrics that a file speaks of, without the suffixes of their samples. */
const named = (text) =>
  new Set(
    [...text.matchAll(/portcullis_[a-z_]+/g)].map(([name]) =>
      name.replace(/_(total|bucket|sum|count)$/, ''),
    ),
  );

describe('metrics', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: COUNTED, twin: true });
  const read = async (to) => {
    const answer = await administer(gate, 'GET', 'metrics', { to });
    assert.equal(answer.status, 200, answer.body);
    return answer;
  };

  test('are OpenMetrics text under the stamps, and leave no record', async () => {
    const before = gate.log.records?.length;
    const answer = await read();
    const headers = new Map(answer.headers);
    assert.equal(
      headers.get('content-type'),
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    );
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.match(answer.body, /^# HELP portcullis_decisions /m);
    assert.match(answer.body, /^# EOF\n$/m);
    assert.equal(gate.log.records?.length, before);
  });

  test('are those that the alerts, the dashboard and the documentation speak of', async () => {
    const { body } = await read();
    const known = new Set([...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    for (const path of [
      'examples/prometheus/alerts.yml',
      'examples/prometheus/grafana.json',
      'docs/metrics.md',
    ]) {
      const spoken = named(readFileSync(inRoot(path), 'utf8'));
      assert.ok(spoken.size > 0);
      assert.deepEqual(
        [...spoken].filter((name) => !known.has(name)),
        [],
        path,
      );
    }
  });

  test('of two isolates are one count, ends of sockets and calls included', async () => {
    const [one, other] = gate.both;
    for (const to of [one, one, other]) {
      const refused = await gate.knock(withToken({}, { Authorization: 'Bearer nonsense' }), { to });
      assert.equal(reasonOf(refused), 'token_invalid');
    }
    const socket = await live(gate, { sub: 'alice' }, { to: other });
    const label = { reason: 'token_invalid', outcome: 'refused', mode: 'enforce' };
    const text = await until(async () => {
      const { body } = await read(one);
      const all = valueOf(body, 'portcullis_decisions_total', label) === 3;
      return (
        all && valueOf(body, 'portcullis_decisions_total', { outcome: 'admitted' }) === 1 && body
      );
    });
    assert.equal(valueOf(text, 'portcullis_live_sockets'), 1);
    assert.ok(valueOf(text, 'portcullis_object_calls_total', { object: 'registry' }) > 0);
    assert.equal(valueOf(text, 'portcullis_stage_duration_seconds_count', { stage: 'token' }), 4);
    assert.match(text, /portcullis_build\{version="[^"]+",configuration="[0-9a-f]{16}"\} 1/);
    socket.close(1000);
    await until(async () => {
      const { body } = await read(one);
      return valueOf(body, 'portcullis_closed_sockets_total', { code: 1000 }) === 1;
    });
  });

  test('name who was refused most', async () => {
    const refused = from('192.0.2.99', { Authorization: 'Bearer nonsense' });
    await gate.knock(withToken({}, refused));
    const view = await done(gate, 'GET', 'overview?lists=true');
    assert.ok(
      view.refused.addresses.some(({ name }) => name === '192.0.2.99'),
      JSON.stringify(view.refused),
    );
    assert.equal(view.by, 'ADMIN_TOKEN');
    assert.deepEqual(view.bans, { bans: [], truncated: false });
  });

  test('what an administrator did is kept with who did it and how it is undone', async () => {
    await done(gate, 'PUT', 'bans/carol%20x?for=1h');
    const { actions } = await done(gate, 'GET', 'overview');
    const [{ by, what, undo }] = actions;
    assert.deepEqual(
      { by, what, undo },
      {
        by: 'ADMIN_TOKEN',
        what: 'banned sub "carol x": 0 sockets',
        undo: { method: 'DELETE', path: 'bans/carol%20x?kind=sub' },
      },
    );
    await done(gate, undo.method, undo.path);
    const after = await done(gate, 'GET', 'overview?lists=true');
    assert.deepEqual(after.bans.bans, []);
    assert.equal(after.actions[0].what, 'lifted the ban of sub "carol x"');
  });

  test('beside them, the context of a client’s trace reaches the server as it was sent', async () => {
    const trace = {
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      tracestate: 'vendor=opaque,other=1',
    };
    const socket = await live(gate, { sub: 'traced' }, { headers: trace });
    const { headers } = upstream.seen.at(-1);
    const sent = new Map(Array.isArray(headers) ? headers : Object.entries(headers));
    for (const [name, value] of Object.entries(trace)) assert.equal(sent.get(name), value);
    socket.terminate();
  });
});

test('metrics that are off are a request with its remedy, and the overview still answers', async () => {
  const upstream = { url: 'ws://127.0.0.1:9' };
  await withGate({ upstream, vars: WATCHED }, async (gate) => {
    const headers = bearer(ADMIN_TOKEN);
    const metrics = await administer(gate, 'GET', 'metrics', { headers });
    assert.equal(reasonOf(metrics), 'bad_request');
    assert.equal(JSON.parse(metrics.body).detail, 'METRICS is off; set METRICS to true');
    const view = await done(gate, 'GET', 'overview');
    assert.equal(view.gate.metrics, false);
    assert.deepEqual(view.minutes, []);
  });
});
