// A client that hangs up before it has its answer is counted and recorded all the same.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { freshAddress, handshake, useGate } from '../../support/gate.mjs';
import { requestBytes } from '../../support/http.mjs';
import { internet, useServer } from '../../support/internet.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { calls, ofAddress, withLedger } from '../../support/ledgers.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const SITE = 'https://id.example';

describe('a client that hangs up while its keys are fetched', () => {
  const upstream = useUpstream();
  const key = makeKey('EdDSA', 'good');
  const asked = Promise.withResolvers();
  const server = useServer((request, response) => asked.resolve(response));
  const ledger = withLedger('Double');
  const gate = useGate(() => {
    const { gate: outside, workers } = internet({ [SITE]: server.url });
    return {
      ...ledger,
      upstream,
      gate: { ...ledger.gate, ...outside },
      workers: [...(ledger.workers ?? []), ...workers],
      vars: {
        AUTH: 'required',
        JWT_JWKS_URL: `${SITE}/jwks`,
        JWT_AUDIENCE: 'any',
        BAN_AFTER: '2/1h for 1h',
      },
    };
  });

  test('is counted before the provider is asked, and recorded', async () => {
    const address = freshAddress();
    const forged = await sign(makeKey('EdDSA', 'good'));
    const headers = handshake({
      'CF-Connecting-IP': address,
      Authorization: `Bearer ${forged}`,
    });
    const { hostname: host, port } = gate.direct;
    const socket = net.connect({ host, port });
    socket.on('error', () => {});
    socket.write(requestBytes({ headers }));
    const response = await asked.promise;
    assert.equal((await calls(gate, ofAddress(address))).length, 1);
    socket.destroy();
    await once(socket, 'close');
    response.end(JSON.stringify({ keys: [key.jwk] }));
    const record = await gate.log.find(
      ({ message }) => message.startsWith('{"time"') && message.includes(address) && message,
      'its record',
    );
    assert.equal(JSON.parse(record).reason, 'token_invalid');
    // That the token proved to be forged is told to the ledger as well.
    const paths = await until(
      () => calls(gate, ofAddress(address)),
      ({ length }) => length >= 2,
    );
    assert.match(paths[1], /^\/count\.0\.1\//);
  });
});
