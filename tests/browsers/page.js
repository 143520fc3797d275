// What the browser module does in this browser: it is opened as a page, and tells its server.
import { PortcullisSocket } from '/portcullis.js';

const { gate, good, expired } = await (await fetch('/given')).json();
const DEADLINE = 20_000;
const seen = { agent: navigator.userAgent, times: {} };

const event = (target, type) =>
  new Promise((resolve, reject) => {
    target.addEventListener(type, resolve, { once: true });
    setTimeout(() => reject(new Error(`no ${type}`)), DEADLINE);
  });
const open = (options, path = '/') =>
  new PortcullisSocket(new URL(path, gate), {
    getToken: () => good,
    firstDelay: 1,
    mostDelay: 8,
    ...options,
  });
const echo = async (socket, text) => {
  const answer = event(socket, 'message');
  socket.send(text);
  return (await answer).data;
};

const scenarios = {
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
    const socket = open({ getToken: ({ reason }) => (reason === 'refused' ? good : expired) });
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
  async 'a WebSocket of its own'() {
    const socket = new WebSocket(gate);
    const { code } = await event(socket, 'close');
    return code;
  },
  async 'connects again'() {
    const socket = open();
    await event(socket, 'open');
    const again = event(socket, 'open');
    socket.send('drop me');
    await again;
    return echo(socket, 'back');
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
    const work = async ({ data: [module, url, token] }) => {
      const { PortcullisSocket: Socket } = await import(module);
      const socket = new Socket(url, { getToken: () => token });
      socket.onopen = () => socket.send('from a worker');
      socket.onmessage = ({ data }) => globalThis.postMessage(data);
    };
    const script = new Blob([`onmessage = ${work}`], { type: 'text/javascript' });
    const worker = new Worker(URL.createObjectURL(script));
    const answer = event(worker, 'message');
    worker.postMessage([`${location.origin}/portcullis.js`, gate, good]);
    return (await answer).data;
  },
};

for (const [name, work] of Object.entries(scenarios)) {
  const began = performance.now();
  seen[name] = await work().catch((error) => String(error));
  seen.times[name] = Math.round(performance.now() - began);
}
await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });
