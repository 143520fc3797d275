// Where the tools work. In this repository: on its own wrangler.toml, with a Worker built from
// source. In the npm package: on the folder they are called in, with the Worker of the package.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Failure, inRoot, root } from './run.mjs';

const MIN_NODE = 22;
/** The names of wrangler's configuration, in the order in which it looks for them. */
export const CONFIGURATIONS = ['wrangler.json', 'wrangler.jsonc', 'wrangler.toml'];

/** Whether this is the npm package, which holds no source. */
export const isPackaged = !existsSync(inRoot('Cargo.toml'));

/**
 * The configuration of the gate itself, without any settings: what it binds. Tests, benchmarks and
 * the playground run it, whatever wrangler.toml deploys.
 */
export const OWN_CONFIGURATION = inRoot(isPackaged ? 'wrangler.toml' : 'package/wrangler.toml');

/** A path in the folder with the settings. */
export const inProject = (...parts) => join(isPackaged ? process.cwd() : root, ...parts);

/** The path of wrangler's configuration: the given one, or the one in the project's folder. */
export function configuration(given) {
  const path = given ?? CONFIGURATIONS.map((name) => inProject(name)).find(existsSync);
  if (path && existsSync(path)) return path;
  throw new Failure(
    given
      ? `There is no file ${given}.`
      : 'There is no wrangler.toml in this folder. `npx portcullis init` writes one.',
  );
}

/** The path of wrangler's command. Throws where wrangler is not installed. */
export const wrangler = () =>
  join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin/wrangler.js');

/**
 * Resolves to the environment for other programs, once the Worker is built and this is a Node that
 * can run it. `built: false` leaves the Worker out.
 */
export async function ready({ built = true } = {}) {
  if (isPackaged) {
    if (Number(process.versions.node.split('.')[0]) >= MIN_NODE) return process.env;
    throw new Failure(
      `This is Node ${process.versions.node}. Portcullis and wrangler need Node ${MIN_NODE} or newer.`,
    );
  }
  const [{ setup }, { onNode22 }, { build, compileEarly }] = await Promise.all([
    import('./setup.mjs'),
    import('./node22.mjs'),
    import('./build.mjs'),
  ]);
  const environment = await setup(built ? compileEarly : undefined);
  await onNode22(environment);
  if (built) await build();
  return environment;
}
