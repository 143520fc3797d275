// A real Prometheus scrapes the gate, and loads the alerts and the queries of the dashboard. Not part
// of npm test, because it downloads 20 MB: node tools/test.mjs tests/prometheus/prometheus.test.mjs
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { prometheus } from '../../tools/prometheus.mjs';
import { inRoot } from '../../tools/run.mjs';
import { ADMIN_TOKEN, live, WATCHED } from '../support/admin.mjs';
import { useFolder, useGate } from '../support/gate.mjs';
import { withToken } from '../support/tokens.mjs';
import { until } from '../support/until.mjs';
import { useUpstream } from '../support/upstream.mjs';

const run = promisify(execFile);
const examples = (name) => inRoot('examples/prometheus', name);

describe('Prometheus', () => {
  const folder = useFolder();
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...WATCHED, METRICS: 'true' } });
  let programs;
  let server;
  let url;
  const query = async (text) => {
    const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: text })}`);
    return response.json();
  };

  before(async () => {
    programs = await prometheus();
    cpSync(examples('alerts.yml'), join(folder, 'alerts.yml'));
    writeFileSync(join(folder, 'token'), ADMIN_TOKEN);
    const example = readFileSync(examples('prometheus.yml'), 'utf8');
    const config = example
      .replace('scrape_interval: 15s', 'scrape_interval: 1s')
      .replace('scheme: https', 'scheme: http')
      .replace('/etc/prometheus/portcullis-token', join(folder, 'token'))
      .replace('chat.example.com', new URL(gate.direct).host);
    writeFileSync(join(folder, 'prometheus.yml'), config);
    server = spawn(programs.server, [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ]);
    for await (const line of createInterface({ input: server.stderr })) {
      const [, host] = line.match(/msg="Listening on" address=(\S+)/) ?? [];
      if (host) url = `http://${host}`;
      if (url) break;
    }
    server.stderr.resume();
  });
  after(() => server?.kill());

  test('scrapes what was decided', async () => {
    await gate.knock(withToken({}, { Authorization: 'Bearer nonsense' }));
    await live(gate);
    const value = async (text) => (await query(text)).data.result[0]?.value[1];
    await until(
      () => value('portcullis_decisions_total{reason="token_invalid"}'),
      (seen) => seen === '1',
    );
    await until(
      () => value('portcullis_live_sockets{route="/*"}'),
      (seen) => seen === '1',
    );
    assert.equal(await value('up{job="portcullis"}'), '1');
    assert.equal(await value('count(portcullis_build)'), '1');
    const quantile = 'histogram_quantile(0.5, portcullis_decision_duration_seconds_bucket)';
    assert.match(await value(quantile), /^[\d.e-]+$/);
  });

  test('loads the alerts', async () => {
    const { stdout } = await run(programs.tool, ['check', 'rules', examples('alerts.yml')]);
    assert.match(stdout, /SUCCESS: \d+ rules found/);
    const { data } = await (await fetch(`${url}/api/v1/rules`)).json();
    const rules = data.groups.flatMap((group) => group.rules);
    assert.ok(rules.length >= 6);
    await until(
      async () => {
        const known = await (await fetch(`${url}/api/v1/rules`)).json();
        return known.data.groups[0].rules.every(({ health }) => health === 'ok');
      },
      Boolean,
      { every: 500, within: 90_000 },
    );
  });

  test('answers every query of the dashboard', async () => {
    const { panels } = JSON.parse(readFileSync(examples('grafana.json'), 'utf8'));
    for (const { title, targets } of panels) {
      for (const { expr } of targets) {
        const answer = await query(expr.replaceAll('$__rate_interval', '1m'));
        assert.equal(answer.status, 'success', `${title}: ${answer.error}`);
      }
    }
  });
});
