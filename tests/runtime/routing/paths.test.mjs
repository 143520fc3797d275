// One reading of a path, on workerd's own socket: the path that is judged is the path that the
// server gets, byte for byte, and a path with two readings has no route.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import { useGate } from '../../support/gate.mjs';
import { SECRET, withToken } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const knock = (gate, target, headers) => gate.knock(headers, { target, to: gate.direct });

/** Sends to each target, and compares what the server was sent for it. */
function passes(gate, upstream, rows, headers) {
  for (const [target, sent = target] of rows) {
    test(`the server gets ${sent} for ${target}`, async () => {
      const answer = await knock(gate, target, headers?.());
      assert.equal(reasonOf(answer), 'admitted');
      assert.equal(upstream.sent(requestId(answer)).url, sent);
    });
  }
}

/** No target leads anywhere, with a token or without. */
function refuses(gate, upstream, targets) {
  for (const target of targets) {
    test(`no_route: ${JSON.stringify(target)}`, async () => {
      const before = upstream.seen.length;
      assertRefused(await knock(gate, target), 'no_route');
      assertRefused(await knock(gate, target, withToken()), 'no_route');
      assert.equal(upstream.seen.length, before);
    });
  }
}

describe('an open route beside a guarded one', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_SECRET: SECRET,
      ROUTES: [{ path: '/public/*', auth: 'off' }, { path: '/admin' }, { path: '/rooms/{room}' }],
    },
  });

  passes(gate, upstream, [
    ['/public/'],
    ['/public/a/b'],
    ['/public/a%20b/caf%C3%A9?x=%2e%2e/..'],
    ['/public/..a/b..'],
    ['/public/a;v=1/b'],
    ['/public/100%25'],
    ['/public/{a}', '/public/%7Ba%7D'],
    ["/public/~!$&'()*+,=:@"],
    ['/%70ublic/%61'],
  ]);
  refuses(gate, upstream, [
    '/public/../admin',
    '/public/..;/admin',
    '/public/..%3b/admin',
    '/public/%2e%2e/admin',
    '/public/.%2E/admin',
    '/public/%252e%252e/admin',
    '/public/..\\admin',
    '/public\\..\\admin',
    '/public/..%5cadmin',
    '/public/..%3f/admin',
    '/public/..%23',
    '/admin%3fx',
    '/public/..%2fadmin',
    '/public/..%252fadmin',
    '/public%2f..%2fadmin',
    '/public//../admin',
    '/public/./a',
    '/public//a',
    '//admin',
    '/admin;x=1',
    '/admin%3bx',
    '/rooms/1;x=1',
    '/public/a%00',
    '/public/a%0d%0aX:1',
    '/public/%ff',
    '/public/%c0%ae%c0%ae/admin',
    '/public/%zz',
    '/public/%',
  ]);
  test('token_missing: the guarded one itself', async () => {
    assertRefused(await knock(gate, '/admin'), 'token_missing');
    assertRefused(await knock(gate, '/%61dmin'), 'token_missing');
  });
});

describe('UPSTREAM_URL with a path, and no routes', () => {
  const upstream = useUpstream();
  const gate = useGate(() => ({ vars: { UPSTREAM_URL: `${upstream.url}/app1` } }));

  passes(gate, upstream, [
    ['/', '/app1/'],
    ['/x/y?z', '/app1/x/y?z'],
    ['/caf\u00e9', '/app1/caf%C3%A9'].map((text) => Buffer.from(text).toString('latin1')),
  ]);
  refuses(gate, upstream, [
    '/..',
    '/../manager',
    '/..%2fmanager',
    '/x/../../manager',
    '/x/../y',
    '/..;/manager',
    '/%2e%2e/manager',
    '/..%5cmanager',
    '//h/x',
    '/a/../_portcullis/x',
    '/%5fportcullis/x',
    '/_portcullis;x/health',
  ]);
  for (const host of ['a\\b', 'a/../b', 'me@a', 'a b', 'a%2fb', 'a?b', 'a#b']) {
    test(`nothing passes under the host ${host}`, async () => {
      const before = upstream.seen.length;
      const answer = await gate.knock({ Host: host }, { to: gate.direct });
      assert.notEqual(answer?.status, 101);
      assert.equal(upstream.seen.length, before);
    });
  }
  test('a path is recorded as ambiguous with its cause', async () => {
    const answer = await knock(gate, '/a/../b');
    const { reason, cause } = await gate.log.record(requestId(answer));
    assert.deepEqual([reason, cause], ['no_route', 'the path is ambiguous: a dot segment']);
  });
});

describe('servers that ignore case and a trailing slash', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_SECRET: SECRET,
      PATH_CASE: 'insensitive',
      PATH_TRAILING_SLASH: 'same',
      ROUTES: [{ path: '/*', auth: 'off' }, { path: '/admin' }, { path: '/api/*' }],
    },
  });

  for (const target of ['/admin', '/Admin', '/ADMIN/', '/admin/', '/%41dmin', '/API', '/api/x/']) {
    test(`token_missing: ${target}`, async () => {
      assertRefused(await knock(gate, target), 'token_missing');
    });
  }
  passes(gate, upstream, [['/Admin/'], ['/API/x']], () => withToken());
  passes(gate, upstream, [['/Other/'], ['/admins']]);
  refuses(gate, upstream, ['/_PORTCULLIS/health', '/_Portcullis']);
});

describe('a guarded path with a looser neighbour', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_SECRET: SECRET,
      ROUTES: [{ path: '/*', auth: 'off' }, { path: '/admin' }],
    },
  });
  test('is warned of in the log', async () => {
    assert.equal(reasonOf(await knock(gate, '/Admin')), 'admitted');
    const warning = await gate.log.find(({ level, message }) => level === 'warn' && message);
    assert.match(warning, /PATH_CASE: \/ADMIN leads to the route \/\*/);
    assert.match(warning, /PATH_TRAILING_SLASH: \/admin\/ leads to the route \/\*/);
  });
});
