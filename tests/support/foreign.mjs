// Servers in other languages: what they need is the machine's own, or Debian's packages unpacked
// beside the project.
import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { download, isDebian, unpack } from '../../tools/debian.mjs';
import { alone, inToolchain } from '../../tools/run.mjs';

const tree = inToolchain('foreign');
const works = (program, args, env) =>
  spawnSync(program, args, { env: { ...process.env, ...env } }).status === 0;

const PYTHON = { PYTHONPATH: join(tree, 'usr/lib/python3/dist-packages') };
const IMPORTS = ['-c', 'import websockets, aiohttp'];
const GO = { GO111MODULE: 'off', GOPATH: join(tree, 'usr/share/gocode'), GOFLAGS: '' };
const GORILLA = join(GO.GOPATH, 'src/github.com/gorilla/websocket');

const has = { python: works('python3', ['--version']), go: works('go', ['version']) };

/** Unpacks what Debian has for the languages that are here; nothing if that can't be done. */
async function fetched() {
  const names = [
    ...(has.python && !works('python3', IMPORTS) ? ['python3-websockets', 'python3-aiohttp'] : []),
    ...(has.go ? ['golang-github-gorilla-websocket-dev'] : []),
  ];
  if (existsSync(tree) || names.length === 0 || !isDebian()) return;
  await alone(async () => {
    if (existsSync(tree)) return;
    const [debs, fresh] = [inToolchain('debs-foreign'), inToolchain('foreign.new')];
    try {
      rmSync(fresh, { recursive: true, force: true });
      const files = await download('Servers in other languages', names, debs);
      await unpack('Servers in other languages', files, fresh);
      renameSync(fresh, tree);
    } catch (error) {
      console.warn(error.message);
    } finally {
      rmSync(debs, { recursive: true, force: true });
    }
  });
}

/**
 * How to run Python and Go with their libraries: `skip` says why not, `env` is what they need of the
 * environment.
 */
export async function foreign() {
  await fetched();
  const python = [{}, PYTHON].find((env) => has.python && works('python3', IMPORTS, env));
  const canBuild = has.go && existsSync(GORILLA);
  return {
    python: { env: python, skip: !python && 'python3 has no websockets and aiohttp here' },
    go: { env: GO, skip: !canBuild && 'there is no Go with gorilla/websocket here' },
  };
}
