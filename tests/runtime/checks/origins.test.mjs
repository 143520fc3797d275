// Origins of apps and extensions, and that an origin is compared and recorded as one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import { freshAddress, ORIGIN, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { REQUIRED } from '../../support/tokens.mjs';
import { obtain, use } from '../../support/tickets.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const EXTENSION = 'moz-extension://8d2c5f2e-8c0b-4a57-9d4b-0f4e6f3a1b2c';
const APPS = ['file://', EXTENSION, 'capacitor://localhost', 'tauri://localhost', 'app://.'];

describe('ALLOWED_ORIGINS with apps and extensions', () => {
  const upstream = useUpstream();
  const vars = {
    ALLOWED_ORIGINS: `${ORIGIN} file:// moz-extension://* capacitor://localhost tauri://localhost app://.`,
  };
  const gate = useGate({ upstream, vars });

  for (const origin of APPS) {
    test(`admits ${origin}`, async () => {
      const answer = await gate.knock({ Origin: origin }, { to: gate.direct });
      assert.equal(reasonOf(answer), 'admitted');
      assert.equal((await gate.log.record(requestId(answer))).origin, origin);
      assert.deepEqual(values(upstream.sent(requestId(answer)).headers, 'origin'), [origin]);
    });
  }
  for (const origin of ['null', 'chrome-extension://abc', 'app://-', 'tauri://evil', 'file://x']) {
    test(`refuses ${origin}`, async () => {
      const answer = await gate.knock({ Origin: origin }, { to: gate.direct });
      assertRefused(answer, 'origin_not_allowed');
      assert.equal((await gate.log.record(requestId(answer))).origin, origin);
    });
  }
  for (const [origin, recorded] of [
    ['https://app.example/path?token=secret', 'malformed'],
    ['https://user:secret@app.example', 'malformed'],
    [`${ORIGIN}, https://evil.example`, 'malformed'],
    ['HTTPS://Evil.example:443', 'https://evil.example'],
  ]) {
    test(`records ${recorded} for ${origin}`, async () => {
      const answer = await gate.knock({ Origin: origin }, { to: gate.direct });
      assertRefused(answer, 'origin_not_allowed');
      assert.equal((await gate.log.record(requestId(answer))).origin, recorded);
    });
  }
});

describe('ALLOWED_ORIGINS=*', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ALLOWED_ORIGINS: '*' } });
  for (const origin of [...APPS, 'https://any.example']) {
    test(`admits ${origin}`, async () => {
      assert.equal(reasonOf(await gate.knock({ Origin: origin })), 'admitted');
    });
  }
  test('refuses null', async () => {
    assertRefused(await gate.knock({ Origin: 'null' }), 'origin_not_allowed');
  });
});

describe('a ticket', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...REQUIRED, ALLOWED_ORIGINS: '*' } });
  for (const [origin, reason] of [
    ['HTTPS://App.Example:443', 'admitted'],
    ['https://app.example:444', 'token_invalid'],
  ]) {
    test(`of ${ORIGIN} is ${reason} from ${origin}`, async () => {
      const address = freshAddress();
      const ticket = await obtain(gate, address);
      const answer = await use(gate, ticket, address, { headers: { Origin: origin } });
      assert.equal(reasonOf(answer), reason);
    });
  }
});
