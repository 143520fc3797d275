// wrangler and Miniflare need Node 22; npm starts our scripts with whatever
// Node the machine has. node_modules brings a Node 22, and these go on with it.
import { existsSync } from 'node:fs';
import { Failure, inRoot, show } from './run.mjs';

const least = 22;

/** The path of a Node that is new enough. Only after setup(). */
export function node22() {
  const own = inRoot('node_modules/.bin/node');
  if (existsSync(own)) return own;
  if (Number(process.versions.node.split('.')[0]) >= least) return process.execPath;
  throw new Failure(
    `For this system the npm packages hold no Node ${least}. Install Node ${least} or newer.`,
  );
}

/**
 * Goes on with Node 22: returns at once where this is it, and otherwise runs
 * the same command with it and exits as that did.
 */
export async function onNode22(env = process.env) {
  if (Number(process.versions.node.split('.')[0]) >= least) return;
  // Ctrl-C reaches both; this one waits for the other to end in its own way. Other signals end
  // this one, which ends the other.
  process.on('SIGINT', () => {});
  process.exit(await show(node22(), process.argv.slice(1), { env }));
}
