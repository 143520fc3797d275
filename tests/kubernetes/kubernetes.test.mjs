// Client libraries of Kubernetes through the gate, in front of a server of the API server's shape. Not
// part of npm test, because they take 90 MB and one of them needs an old AngularJS:
// node tools/test.mjs tests/kubernetes/kubernetes.test.mjs
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { packagesOf } from '../../tools/npm.mjs';
import { useBrowser } from '../browser/playground.mjs';
import { useGate } from '../support/gate.mjs';
import { useServer } from '../support/internet.mjs';
import { mint, REQUIRED } from '../support/tokens.mjs';
import { useUpstream } from '../support/upstream.mjs';

const packages = await packagesOf('packages of the test', 'tests/kubernetes');
const { Exec, KubeConfig, Log } = await import(
  pathToFileURL(join(packages, '@kubernetes/client-node/dist/index.js'))
);
const KUBE_TOKEN = 'the service account of the gate';
const PROTOCOLS = ['v5.channel.k8s.io', 'base64.binary.k8s.io'];
const [STDIN, STDOUT, STATUS, CLOSE] = [0, 1, 3, 255];
const LOG = ['started', 'ready: zażółć'];

/** Who asks, as the API server sees it: the gate's account impersonates the user. */
function userOf({ headers }) {
  assert.equal(headers.authorization, `Bearer ${KUBE_TOKEN}`);
  assert.equal(headers['impersonate-group'], undefined);
  assert.doesNotMatch(String(headers['sec-websocket-protocol']), /bearer/);
  return headers['impersonate-user'];
}

function attach(socket, user) {
  const toClient = (channel, data) => socket.send(Buffer.from([channel, ...Buffer.from(data)]));
  socket.on('message', (data) => {
    if (data[0] === STDIN) toClient(STDOUT, `${user}: ${data.subarray(1)}`);
    if (data[0] === CLOSE) toClient(STATUS, JSON.stringify({ status: 'Success' }));
  });
}

function follow(socket, user) {
  for (const line of [`log for ${user}`, ...LOG]) {
    socket.send(Buffer.from(`${line}\n`).toString('base64'));
  }
}

describe('behind the gate', () => {
  const apiServer = useUpstream({
    handleProtocols: (offered) => PROTOCOLS.find((one) => offered.has(one)) ?? false,
    onSocket: (socket, request) => {
      const work = request.url.includes('/exec?') ? attach : follow;
      work(socket, userOf(request));
    },
    onRequest: (request, response) =>
      response.end(`log for ${userOf(request)}\n${LOG.join('\n')}\n`),
  });
  const gate = useGate(() => ({
    upstream: apiServer,
    vars: {
      ...REQUIRED,
      ALLOWED_ORIGINS: 'http://localhost:*',
      KUBE_TOKEN,
      // What is no browser sends none.
      ORIGIN_MISSING: 'allow',
      PLAIN_HTTP: 'guard',
      TOKEN_SOURCES: 'header, subprotocol:base64url.bearer.authorization.k8s.io.',
      UPSTREAM_HEADERS: {
        Authorization: 'Bearer {secret:KUBE_TOKEN}',
        'Impersonate-User': '{claim:sub}',
      },
    },
  }));

  describe('OpenShift’s origin-web-common in a page', () => {
    const SCRIPTS = [
      'jquery/dist/jquery.js',
      'lodash/lodash.js',
      'js-logger/src/logger.js',
      'urijs/src/URI.js',
      'urijs/src/URITemplate.js',
      'angular/angular.js',
      'angular-utf8-base64/angular-utf8-base64.js',
      'origin-web-common/dist/origin-web-common-services.js',
    ];
    const site = useBrowser();
    const pages = useServer((request, response) => {
      const script = SCRIPTS.find((path) => request.url === `/${path}`);
      response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
      response.end(
        script ? readFileSync(join(packages, script)) : '<!doctype html><title>A</title>',
      );
    });
    let page;
    before(async () => {
      page = await site.browser.newPage();
      await page.goto(`http://localhost:${pages.port}/`);
      // What the console of a cluster writes into its page.
      await page.evaluate((hostPort) => {
        const api = (prefix, resources) => ({ hostPort, prefix, resources });
        globalThis.OPENSHIFT_CONFIG = {
          api: {
            k8s: api('/api', { v1: { pods: { name: 'pods', namespaced: true } } }),
            openshift: api('/oapi', { v1: {} }),
          },
          apis: { ...api('/apis'), groups: {} },
          auth: { oauth_redirect_base: globalThis.location.origin },
        };
      }, gate.url.host);
      for (const path of SCRIPTS) await page.addScriptTag({ url: `/${path}` });
    });
    after(() => page?.close());

    /** Follows a pod's log as the console does; resolves to what came, and how the socket ended. */
    const followLog = (token) =>
      page.evaluate(
        ([given, lines]) => {
          const { angular, document } = globalThis;
          // npm's package of the same code has this name.
          angular.module('ab-base64', ['utf8-base64']);
          const injector =
            angular.element(document.documentElement).injector() ??
            angular.bootstrap(document.documentElement, ['openshiftCommonServices']);
          injector.get('AuthService').setUser({ metadata: { name: 'alice' } }, given);
          const stream = injector
            .get('DataService')
            .createStream(
              'pods/log',
              'web-1',
              { namespace: 'shop' },
              { follow: true, namespace: 'shop' },
            );
          return new Promise((resolve) => {
            const came = [];
            stream.onMessage((line) => {
              came.push(line);
              if (came.length === lines) stream.stop();
            });
            stream.onClose(({ code }) => resolve({ came, code }));
            stream.start().then(({ protocol }) => protocol);
            injector.get('$rootScope').$digest();
          });
        },
        [token, LOG.length + 1],
      );

    test('follows a log with its token as a subprotocol', async () => {
      const { came } = await followLog(mint({ sub: 'alice' }));
      assert.deepEqual(came, ['log for alice\n', ...LOG.map((line) => `${line}\n`)]);
      const { url, headers } = apiServer.seen.at(-1);
      assert.equal(url, '/api/v1/namespaces/shop/pods/web-1/log?follow=true');
      const offered = headers.filter(([name]) => name.toLowerCase() === 'sec-websocket-protocol');
      assert.deepEqual(
        offered.map(([, value]) => value),
        ['base64.binary.k8s.io'],
      );
    });
    test('is refused with a forged token', async () => {
      const before = apiServer.seen.length;
      const { came, code } = await followLog(mint({}, { key: 'x'.repeat(64) }));
      assert.deepEqual([came, code], [[], 1006]);
      assert.equal(apiServer.seen.length, before);
    });
  });

  describe('the official client for Node', () => {
    const configured = (token) => {
      const config = new KubeConfig();
      config.loadFromOptions({
        clusters: [{ name: 'shop', server: gate.url.origin, skipTLSVerify: true }],
        users: [{ name: 'alice', token }],
        contexts: [{ name: 'here', cluster: 'shop', user: 'alice' }],
        currentContext: 'here',
      });
      return config;
    };

    test('runs a command in a pod', async () => {
      const [stdin, stdout] = [new PassThrough(), new PassThrough()];
      const status = Promise.withResolvers();
      const exec = new Exec(configured(mint({ sub: 'alice' })));
      const command = ['sh', '-c', 'cat'];
      const run = [command, stdout, null, stdin, false, status.resolve];
      const socket = await exec.exec('shop', 'web-1', 'web', ...run);
      assert.equal(socket.protocol, 'v5.channel.k8s.io');
      const answer = once(stdout, 'data');
      stdin.write('hello');
      assert.equal(String(await answer), 'alice: hello');
      stdin.end();
      assert.deepEqual(await status.promise, { status: 'Success' });
    });
    test('is told why a token is refused', async () => {
      const exec = new Exec(configured('forged'));
      const run = exec.exec('shop', 'web-1', 'web', ['ls'], new PassThrough(), null, null, false);
      await assert.rejects(run, ({ message }) => /401/.test(message));
    });
    test('reads a log by a plain request', async () => {
      const log = new PassThrough();
      await new Log(configured(mint({ sub: 'bob' }))).log('shop', 'web-1', 'web', log);
      assert.equal(await text(log), `log for bob\n${LOG.join('\n')}\n`);
    });
  });
});
