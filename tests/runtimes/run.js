// What the client module does in this runtime, Node, Deno or Bun: it is started with what it is given as
// JSON, and writes what it saw as JSON.
import process from 'node:process';
import { PortcullisSocket } from '../../client/portcullis.js';
import { runScenarios } from '../scenarios/scenarios.js';

const WORKER = new URL('../scenarios/worker.js', import.meta.url);

/** Starts the worker; Node has workers of its own kind alone. */
async function workers() {
  if (globalThis.Worker) return () => new Worker(WORKER, { type: 'module' });
  const { Worker: NodeWorker } = await import('node:worker_threads');
  return () => {
    const worker = new NodeWorker(WORKER);
    return {
      addEventListener: (type, listen) => worker.once(type, (data) => listen({ data })),
      postMessage: (message) => worker.postMessage(message),
    };
  };
}

const startWorker = await workers();
const seen = await runScenarios(PortcullisSocket, { ...JSON.parse(process.argv[2]), startWorker });
const line = JSON.stringify({ agent: navigator.userAgent, ...seen });
// It still has sockets open.
process.stdout.write(`${line}\n`, () => process.exit(0));
