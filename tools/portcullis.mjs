#!/usr/bin/env node
// The command line of the package: each command is a tool of this folder.
import { COMMANDS, listed, nameHere } from './commands.mjs';
import { entry, Failure, say } from './run.mjs';

await entry(import.meta.url, async ([name, ...args]) => {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    say(`${listed()}\n\nportcullis COMMAND --help says more about one.`);
    return undefined;
  }
  const meant = Object.keys(COMMANDS).find((one) => nameHere(one) === name);
  if (!meant || meant === 'help') {
    throw new Failure(`${name} is not a command. These are:\n${listed()}`);
  }
  const { main } = await import(COMMANDS[meant].file);
  return main(args);
});
