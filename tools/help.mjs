// npm run help: lists the commands.
import { listed, readCommandLine, typed } from './commands.mjs';
import { entry, say } from './run.mjs';

const HELP = `${typed('help')}    lists the commands of this repository`;

export async function main(args) {
  if (!readCommandLine(args, { command: typed('help'), help: HELP })) return;
  say(`${listed()}\n\nEach explains itself with --help, such as npm run check -- --help.`);
}

await entry(import.meta.url, main);
