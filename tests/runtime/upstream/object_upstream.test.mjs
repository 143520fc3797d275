// UPSTREAM_OBJECT: a Durable Object of another Worker takes the sockets.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused } from '../../support/answers.mjs';
import { ORIGIN, useGate } from '../../support/gate.mjs';
import { withRooms } from '../../support/rooms.mjs';

const script = `
  export class Room {
    constructor(state) {
      this.name = state.id.name;
      this.sockets = [];
    }
    fetch(request) {
      if (!request.headers.has('Upgrade')) {
        return new Response(this.name + ' ' + request.method + ' ' + new URL(request.url).pathname);
      }
      if (this.name === 'closed') return new Response('secret', { status: 403 });
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      this.sockets.push(server);
      server.send(this.name + ' ' + this.sockets.length + ' ' + new URL(request.url).pathname);
      return new Response(null, { status: 101, webSocket: client });
    }
  }
  export default { fetch: () => new Response() };`;

const ROUTES = [
  { path: '/rooms/{room}', upstream_object: 'ROOMS/{room}' },
  { path: '/in/{team}/{room}', upstream_object: 'ROOMS/{team}-{room}' },
  { path: '/of/{team}/{room}', upstream_object: 'ROOMS/{team}/{room}' },
];

describe('UPSTREAM_OBJECT', () => {
  const gate = useGate({ vars: { ROUTES }, ...withRooms(script) });
  const greeting = async (target) => {
    const client = await gate.connect({ target });
    return new Promise((resolve) => client.once('message', (text) => resolve(String(text))));
  };

  test('is one object for each value of the parameter', async () => {
    assert.equal(await greeting('/rooms/kitchen'), 'kitchen 1 /rooms/kitchen');
    assert.equal(await greeting('/rooms/hall'), 'hall 1 /rooms/hall');
    assert.equal(await greeting('/rooms/kitchen'), 'kitchen 2 /rooms/kitchen');
  });
  test('is another for parameters that only look alike when joined', async () => {
    assert.equal(await greeting('/of/a/b'), 'a/b 1 /of/a/b');
    assertRefused(await gate.knock({}, { target: '/rooms/a%252Fb' }), 'no_route');
    assert.equal(await greeting('/in/x-y/z'), 'x%2Dy-z 1 /in/x-y/z');
    assert.equal(await greeting('/in/x/y-z'), 'x-y%2Dz 1 /in/x/y-z');
  });
  test('may refuse, which stays behind the gate', async () => {
    assertRefused(await gate.knock({}, { target: '/rooms/closed' }), 'upstream_refused');
  });
});

describe('UPSTREAM_OBJECT and plain requests', () => {
  const gate = useGate({ vars: { ROUTES, PLAIN_HTTP: 'guard' }, ...withRooms(script) });
  test('are answered by the object of their path', async () => {
    const { status, body } = await gate.call('POST', '/rooms/hall', {
      headers: { Origin: ORIGIN },
    });
    assert.deepEqual([status, String(body)], [200, 'hall POST /rooms/hall']);
  });
});

describe('UPSTREAM_OBJECT with a parameter that no path has', () => {
  const gate = useGate({ vars: { UPSTREAM_OBJECT: 'LEDGER/{room}' } });
  test('is a configuration error that names it', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    assert.match(gate.log.toString(), /UPSTREAM_OBJECT: the path "\/\*" has no parameter \{room\}/);
  });
});
