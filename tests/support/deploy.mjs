// Dry runs of npm run deploy.
import { spawn } from 'node:child_process';
import { inRoot } from '../../tools/run.mjs';

/** Resolves to the exit code and the output of a dry run with these options. */
export async function dryRun(options) {
  const args = [inRoot('tools/deploy.mjs'), '--dry-run', ...options];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => chunks.push(data));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, output: Buffer.concat(chunks).toString() };
}
