// What the browser module does, as the programs of tests/browsers and tests/runtimes run it: in a page, in
// Node, in Deno and in Bun.

const DEADLINE = 20_000;

const event = (target, type) =>
  new Promise((resolve, reject) => {
    target.addEventListener(type, resolve, { once: true });
    setTimeout(() => reject(new Error(`no ${type}`)), DEADLINE);
  });

/**
 * The scenarios by name. `given` are the URLs of the gate and of nobody, a good token and an expired
 * one, and `startWorker`, which starts worker.js.
 */
function scenarios(PortcullisSocket, given) {
  const open = (options, path = '/') =>
    new PortcullisSocket(new URL(path, given.gate), {
      getToken: () => given.good,
      firstDelay: 1,
      mostDelay: 8,
      ...options,
    });
  const echo = async (socket, text) => {
    const answer = event(socket, 'message');
    socket.send(text);
    return (await answer).data;
  };

  return {
    async subprotocol() {
      const socket = open({ protocols: ['chat'] });
      await event(socket, 'open');
      return [socket.protocol, await echo(socket, 'hello')];
    },
    async ticket() {
      const socket = open({ handover: 'ticket' });
      await event(socket, 'open');
      return [socket.protocol, await echo(socket, 'hello')];
    },
    async binary() {
      const socket = open();
      socket.binaryType = 'arraybuffer';
      await event(socket, 'open');
      const data = await echo(socket, new Uint8Array([1, 2, 3]));
      return [...new Uint8Array(data)];
    },
    async refused() {
      const types = [];
      const socket = open({
        getToken: ({ reason }) => (reason === 'refused' ? given.good : given.expired),
      });
      for (const type of ['open', 'refused', 'close']) {
        socket.addEventListener(type, ({ reason }) => types.push([type, reason].join(' ').trim()));
      }
      await event(socket, 'open');
      return types;
    },
    async 'refused for good'() {
      const socket = open({}, '/strict');
      const { code, reason, action } = await event(socket, 'refused');
      return [code, reason, action, socket.readyState];
    },
    async 'connects again'() {
      const socket = open();
      await event(socket, 'open');
      const again = event(socket, 'open');
      socket.send('drop me');
      await again;
      return echo(socket, 'back');
    },
    async 'out of reach'() {
      const socket = open({}, given.gone);
      const { code, retryIn } = await event(socket, 'close');
      socket.close();
      return [code, retryIn !== null];
    },
    async heartbeats() {
      const socket = open();
      await event(socket, 'open');
      const texts = [];
      socket.onmessage = ({ data }) => texts.push(data);
      let closes = 0;
      socket.onclose = () => (closes += 1);
      // Three heartbeats come meanwhile, and the third only to a client that answers.
      const until = performance.now() + 2_500;
      while (performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 100));
      return [[...texts], closes, await echo(socket, 'still here')];
    },
    async 'in a worker'() {
      const worker = given.startWorker();
      const answer = event(worker, 'message');
      worker.postMessage([given.gate, given.good]);
      return (await answer).data;
    },
  };
}

/** What came of each scenario by its name, and under `times` how many milliseconds it took. */
export async function runScenarios(PortcullisSocket, given) {
  const seen = { times: {} };
  for (const [name, work] of Object.entries(scenarios(PortcullisSocket, given))) {
    const began = performance.now();
    seen[name] = await work().catch((error) => String(error));
    seen.times[name] = Math.round(performance.now() - began);
  }
  return seen;
}
