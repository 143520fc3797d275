// What the browser module does in this browser: it is opened as a page, and tells its server.
import { PortcullisSocket } from '../../client/portcullis.js';
import { runScenarios } from '../scenarios/scenarios.js';

const given = await (await fetch('/given')).json();
const seen = await runScenarios(PortcullisSocket, {
  ...given,
  startWorker: () => new Worker('/tests/scenarios/worker.js', { type: 'module' }),
});
// What a script can read of a refusal without the module.
const plain = new WebSocket(given.gate);
seen['a WebSocket of its own'] = await new Promise((resolve) => {
  plain.onclose = ({ code }) => resolve(code);
});
const body = JSON.stringify({ agent: navigator.userAgent, ...seen });
await fetch('/seen', { method: 'POST', body });
