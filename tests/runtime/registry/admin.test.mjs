// Who is an administrator, and what happens to who is not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { ADMIN_TOKEN, administer, done, WATCHED } from '../../support/admin.mjs';
import {
  assertAnswer,
  assertRefused,
  reasonOf,
  requestId,
  STAMPS,
} from '../../support/answers.mjs';
import { freshAddress, from as fromAddress, ORIGIN, repeat, useGate } from '../../support/gate.mjs';
import { bearer } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const ENDPOINTS = [
  ['GET', 'sockets'],
  ['DELETE', 'sockets?sub=a'],
  ['PUT', 'bans/a'],
  ['DELETE', 'bans/a'],
  ['PUT', 'revocations'],
  ['GET', 'bans'],
  ['GET', 'revocations'],
  ['DELETE', `revocations/${'0'.repeat(32)}`],
  ['GET', 'metrics'],
  ['GET', 'overview'],
  ['GET', 'explain?sub=a'],
  ['PUT', ''],
  ['GET', 'nothing'],
];

describe('an administrator', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED });

  for (const [name, headers, reason, query = ''] of [
    ['nothing', { Authorization: null }, 'token_missing'],
    ['a wrong token', bearer(`${ADMIN_TOKEN}x`), 'token_invalid'],
    ['a part of the token', bearer(ADMIN_TOKEN.slice(0, -1)), 'token_invalid'],
    ['an empty token', bearer(''), 'token_invalid'],
    ['the token and another', bearer(`${ADMIN_TOKEN}, Bearer x`), 'token_invalid'],
    ['another scheme', { Authorization: `Basic ${ADMIN_TOKEN}` }, 'token_missing'],
    ['a cookie', { Authorization: null, Cookie: `ADMIN_TOKEN=${ADMIN_TOKEN}` }, 'token_missing'],
    ['a query', { Authorization: null }, 'token_missing', `token=${ADMIN_TOKEN}`],
  ]) {
    test(`is nobody who shows ${name}, and learns of no endpoint`, async () => {
      for (const [method, path] of ENDPOINTS) {
        const all = query && `${path}${path.includes('?') ? '&' : '?'}${query}`;
        const answer = await administer(gate, method, all || path, { headers });
        assertRefused(answer, reason);
      }
    });
  }
  test('is answered under the stamps, whatever page asks, and is not told of in the log', async () => {
    const headers = { Origin: ORIGIN };
    const answer = await administer(gate, 'GET', 'sockets?sub=nobody', { headers });
    assertAnswer(answer, {
      status: 200,
      headers: { ...STAMPS, 'content-type': 'application/json', 'cache-control': 'no-store' },
      body: '{"sockets":[],"truncated":false}',
    });
    const preflight = await administer(gate, 'OPTIONS', 'sockets', {
      headers: { ...headers, Authorization: null, 'Access-Control-Request-Method': 'DELETE' },
    });
    assertRefused(preflight, 'token_missing');
    assert.doesNotMatch(`${gate.log}`, new RegExp(ADMIN_TOKEN));
  });
  test('gets the page that everybody gets, which nothing of this gate is in', async () => {
    const { status, body, headers } = await administer(gate, 'GET', '', {
      headers: { Authorization: null },
    });
    assert.equal(status, 200);
    const policy = new Map(headers).get('content-security-policy');
    const digest = (text) => createHash('sha256').update(text).digest('base64');
    for (const [element, directive] of [
      ['script', 'script-src'],
      ['style', 'style-src'],
    ]) {
      const [, content] = body.match(new RegExp(`<${element}>([^]*)</${element}>`));
      assert.ok(policy.includes(`${directive} 'sha256-${digest(content)}'`), policy);
    }
    assert.doesNotMatch(policy, /unsafe/);
    assert.ok(body.length < 30 * 1024, `${body.length} bytes`);
    const other = await administer(gate, 'GET', '');
    assert.equal(other.body, body);
  });
  for (const [method, path, allow] of [
    ['POST', 'sockets', 'GET, HEAD, DELETE'],
    ['OPTIONS', 'sockets', 'GET, HEAD, DELETE'],
    ['GET', 'bans/a', 'PUT, DELETE'],
    ['POST', 'bans', 'GET, HEAD'],
    ['POST', 'revocations', 'GET, HEAD, PUT'],
    ['GET', `revocations/${'0'.repeat(32)}`, 'DELETE'],
  ]) {
    test(`who asks by ${method} ${path} is told the right methods`, async () => {
      assertRefused(await administer(gate, method, path), 'method_not_allowed', {
        title: 'Use a method that Allow lists.',
        headers: { allow },
      });
    });
  }
  test('who asks for what is not there is told so', async () => {
    for (const path of ['metrics/', 'bans/', 'revocations/', 'sockets/', 'Sockets']) {
      assertRefused(await administer(gate, 'GET', path), 'no_route');
    }
  });
  test('who bans by kind=sub hits the user whose name reads as an address, and not the address', async () => {
    const name = freshAddress();
    for (const sub of [name, `${name} ${'x'.repeat(300)}`]) {
      const path = `bans/${encodeURIComponent(sub)}?kind=sub`;
      const { banned } = await done(gate, 'PUT', path);
      assert.equal(banned, sub);
      const listed = await done(gate, 'GET', 'bans');
      assert.deepEqual(
        listed.bans.map((ban) => [ban.ip, ban.sub]),
        [[undefined, sub]],
      );
      assert.deepEqual((await done(gate, 'GET', `explain?ip=${name}`)).bans, []);
      assert.deepEqual(await done(gate, 'DELETE', path), { lifted: sub });
      assert.deepEqual((await done(gate, 'GET', 'bans')).bans, []);
    }
  });
  for (const [method, path, body, detail] of [
    ['DELETE', 'sockets', undefined, 'name the sockets: one of sub, ip and id in the query'],
    ['DELETE', 'sockets?user=a', undefined, '"user" in the query is not known here'],
    [
      'PUT',
      'revocations',
      '{"user":"a"}',
      '"user" is not known here; write jti, sid, sub, before, iss, for',
    ],
    [
      'PUT',
      'bans/a',
      '{"for":"soon"}',
      'for: "soon" is not a duration; write one like "500ms", "30s" or "5m"',
    ],
    ['PUT', 'bans/a?kind=user', undefined, 'kind: "user" is neither ip nor sub'],
    [
      'PUT',
      'revocations',
      'x'.repeat(20_000),
      "the body can't be read: the body is longer than 16384 bytes",
    ],
  ]) {
    test(`who asks ${method} ${path} with ${String(body).slice(0, 20)} is told what is wrong`, async () => {
      const answer = await administer(gate, method, path, { body });
      assert.equal(answer.status, 400, answer.body);
      const { reason, detail: told } = JSON.parse(answer.body);
      assert.deepEqual({ reason, told }, { reason: 'bad_request', told: detail });
    });
  }
});

describe('tries with another token', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...WATCHED, RATE_LIMIT_IP: '1000/1h', BAN_AFTER: '3/1h for 1h' },
  });

  test('ban their address until that is lifted, and nothing that an administrator does', async () => {
    const from = (address, more) => ({ headers: fromAddress(address, more) });
    const [wrong, right] = [freshAddress(), freshAddress()];
    await repeat(5, async () => {
      await done(gate, 'GET', 'sockets', from(right));
      await administer(gate, 'PUT', 'revocations', { body: 'x', ...from(right) });
    });
    assert.equal(reasonOf(await administer(gate, 'GET', 'sockets', from(right))) ?? 'fine', 'fine');
    const attempt = async () =>
      reasonOf(await administer(gate, 'GET', 'sockets', from(wrong, bearer('x'))));
    // What is counted behind an answer is known a moment later.
    await until(attempt, (reason) => reason === 'banned');
    // The right token is never refused by what its address did.
    assert.equal(reasonOf(await administer(gate, 'GET', 'sockets', from(wrong))) ?? 'fine', 'fine');
    assert.equal(reasonOf(await gate.knock(fromAddress(wrong))), 'banned');
    assert.deepEqual(await done(gate, 'DELETE', `bans/${wrong}`), { lifted: wrong });
    await done(gate, 'GET', 'sockets', from(wrong));
  });
});

describe('without ADMIN_TOKEN', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...WATCHED, ADMIN_TOKEN: undefined } });

  test('there are no administrators', async () => {
    for (const [method, path] of ENDPOINTS) {
      assertRefused(await administer(gate, method, path), 'no_route');
    }
    const answer = await administer(gate, 'GET', 'sockets');
    assert.equal((await gate.log.record(requestId(answer))).stage, 'route');
  });
});
