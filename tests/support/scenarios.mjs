// The gate in front of which the client module does what tests/scenarios says, and what comes of it.
import { mint, REQUIRED } from './tokens.mjs';
import { useGate } from './gate.mjs';
import { deadPort, useUpstream } from './upstream.mjs';

/** What comes of each scenario everywhere. */
export const EXPECTED = {
  subprotocol: ['chat', 'hello'],
  ticket: ['', 'hello'],
  binary: [1, 2, 3],
  refused: ['refused token_expired', 'close token_expired', 'open'],
  'refused for good': [4403, 'insufficient_scope', 'give up', 3],
  'connects again': 'back',
  'out of reach': [1006, true],
  heartbeats: [[], 0, 'still here'],
  'in a worker': 'from a worker',
};

/** The gate for the group of tests that calls this; `given` returns what the scenarios need. */
export function useScenarioGate(vars) {
  const upstream = useUpstream({
    onSocket(socket) {
      socket.on('message', (data, binary) => {
        if (String(data) === 'drop me') socket.terminate();
        else socket.send(data, { binary });
      });
    },
  });
  const gate = useGate({
    upstream,
    vars: {
      ...REQUIRED,
      HEARTBEAT: '1s',
      RATE_LIMIT_IP: 'off',
      ROUTES: [{ path: '/' }, { path: '/strict', required_scopes: 'chat' }],
      ...vars,
    },
  });
  return {
    async given() {
      const gone = `http://127.0.0.1:${await deadPort()}/`;
      return { gate: gate.url.href, gone, good: mint(), expired: mint({ exp: 1 }) };
    },
  };
}
