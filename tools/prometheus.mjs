// A Prometheus for its own test: Debian's, unpacked beside the project.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { download, isDebian, unpack } from './debian.mjs';
import { alone, Failure, inToolchain, step } from './run.mjs';

const own = inToolchain('prometheus');
const bin = join(own, 'usr/bin');

/** Resolves to the paths of `prometheus` and `promtool`. */
export async function prometheus() {
  if (!existsSync(bin)) {
    if (!isDebian()) throw new Failure('This test unpacks Debian’s prometheus, and needs apt-get.');
    await alone(() => step('Prometheus', fromDebian));
  }
  return { server: join(bin, 'prometheus'), tool: join(bin, 'promtool') };
}

async function fromDebian() {
  const packages = inToolchain('debs-prometheus');
  const debs = await download('Prometheus', ['prometheus'], packages);
  const fresh = inToolchain('prometheus.new');
  rmSync(fresh, { recursive: true, force: true });
  const only = debs.filter((path) => /\/prometheus_/.test(path));
  await unpack('Prometheus', only, fresh, { only: ['./usr/bin/*'] });
  rmSync(own, { recursive: true, force: true });
  renameSync(fresh, own);
  rmSync(packages, { recursive: true, force: true });
}
