#!/usr/bin/env node
// The command line of the package: each command is a tool of this folder.
import { entry, Failure, say } from './run.mjs';

const COMMANDS = {
  init: 'writes a folder with a gate of your own, or updates one',
  start: 'runs the gate on this machine, with a playground in the browser',
  check: 'says whether the settings are right',
  test: 'asks the gate what policy.test.json expects',
  token: 'makes development tokens, and says why the gate would refuse one',
  deploy: 'checks the settings, then runs wrangler deploy',
};
const FILES = { test: './policy.mjs' };

const help = () =>
  Object.entries(COMMANDS)
    .map(([name, meaning]) => `  portcullis ${name.padEnd(8)}${meaning}`)
    .join('\n');

await entry(import.meta.url, async ([name, ...args]) => {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    say(`${help()}\n\nportcullis COMMAND --help says more about one.`);
    return;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new Failure(`${name} is not a command. These are:\n${help()}`);
  }
  const { main } = await import(FILES[name] ?? `./${name}.mjs`);
  return main(args);
});
