// Names the WASM functions of a stack trace, which the shipped file has only by number.
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { readCommandLine, typed } from './commands.mjs';
import { entry, Failure, inRoot } from './run.mjs';
import { functionNames } from './wasm.mjs';

const HELP = `${typed('names')} < trace.txt    names the WASM functions of a stack trace

The trace must come from the build that is in build/.`;

/** The trace with a name after each number that has one. */
export const withNames = (trace, names) =>
  trace.replaceAll(/wasm-function\[(\d+)\]/g, (found, number) => {
    const name = names.get(Number(number));
    return name ? `${found} (${name})` : found;
  });

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('names'), help: HELP })) return;
  let section;
  try {
    section = readFileSync(inRoot('build/names.bin'));
  } catch {
    throw new Failure('There is no build/names.bin. Run npm run build first.');
  }
  process.stdout.write(withNames(await text(process.stdin), functionNames(section)));
});
