// The commands: what each does, in one line, and what all have in common. With --help a command
// explains itself and does nothing else. It refuses options that it does not have.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isPackaged } from './project.mjs';
import { Failure, say } from './run.mjs';

/**
 * Every command by its name. `inPackage`: the npm package has it, under this name if that differs.
 * `direct`: it is no script of package.json, and is started as a file.
 * @type {Record<string, { file: string, meaning: string, inPackage?: string | true, direct?: true }>}
 */
export const COMMANDS = {
  init: {
    file: './init.mjs',
    meaning: 'writes a folder with a gate of your own; --update adds what a configuration lacks',
    inPackage: true,
  },
  start: {
    file: './start.mjs',
    meaning: 'runs the gate on this machine, with a playground in the browser',
    inPackage: true,
  },
  check: {
    file: './check.mjs',
    meaning: 'says whether the settings are right, and shows the policy by route',
    inPackage: true,
  },
  policy: {
    file: './policy.mjs',
    meaning: 'asks the gate what policy.test.json expects',
    inPackage: 'test',
  },
  token: {
    file: './token.mjs',
    meaning: 'makes development tokens, and says why the gate would refuse one',
    inPackage: true,
  },
  deploy: {
    file: './deploy.mjs',
    meaning: 'checks the settings, then runs wrangler deploy',
    inPackage: true,
  },
  test: { file: './test.mjs', meaning: 'runs all tests, or the given files of tests' },
  browsers: {
    file: './browsers.mjs',
    meaning: 'runs the tests of the browser module in Chromium, Firefox and WebKit',
  },
  runtimes: {
    file: './runtimes.mjs',
    meaning: 'runs the tests of the client module in Node, Deno and Bun',
  },
  example: {
    file: './example.mjs',
    meaning: 'builds the example of a Rust Worker, and tests it on workerd',
  },
  bench: { file: './bench.mjs', meaning: 'measures what an upgrade costs' },
  build: { file: './build.mjs', meaning: 'builds the Worker into build/' },
  lint: { file: './lint.mjs', meaning: 'checks formatting, lints and types' },
  format: { file: './format.mjs', meaning: 'writes all files the way lint wants them' },
  release: { file: './release.mjs', meaning: 'makes and checks the npm packages in target/npm/' },
  help: { file: './help.mjs', meaning: 'lists these commands' },
  setup: {
    file: './setup.mjs',
    meaning: 'installs what the others need; each does so by itself',
    direct: true,
  },
  names: {
    file: './names.mjs',
    meaning: 'names the WASM functions of a stack trace',
    direct: true,
  },
  'init/template': {
    file: './init/template.mjs',
    meaning: 'writes create-portcullis/template again',
    direct: true,
  },
  relay: {
    file: '../benches/relay.mjs',
    meaning: 'measures what an open socket costs',
    direct: true,
  },
  tokens: {
    file: '../benches/tokens.mjs',
    meaning: 'measures what verifying a token costs',
    direct: true,
  },
};

/** The name of a command where this runs; undefined where it does not exist. */
export function nameHere(name) {
  const { inPackage } = COMMANDS[name];
  if (!isPackaged) return name;
  return inPackage === true ? name : inPackage;
}

/** What to type to run a command here, without its options. */
export function typed(name) {
  if (isPackaged) return `portcullis ${nameHere(name)}`;
  if (COMMANDS[name].direct) return `node ${join('tools', COMMANDS[name].file)}`;
  return ['start', 'test'].includes(name) ? `npm ${name} --` : `npm run ${name} --`;
}

/** All commands that exist here, with a line each. */
export function listed() {
  const rows = Object.keys(COMMANDS)
    .filter((name) => nameHere(name) !== undefined)
    .map((name) => [typed(name).replace(/ --$/, ''), COMMANDS[name].meaning]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, meaning]) => `  ${name.padEnd(width + 2)}${meaning}`).join('\n');
}

/**
 * The options and other arguments of a command; undefined if it was asked for help, which is then
 * shown. `most`: how many arguments it takes that are no options.
 * @param {string[]} args
 * @param {{ command: string, help: string, options?: object, most?: number }} known
 * @returns {{ values: any, positionals: string[] } | undefined}
 */
export function readCommandLine(args, { command, help, options = {}, most = 0 }) {
  const all = { ...options, help: { type: 'boolean', short: 'h' } };
  const refuse = (problem) => new Failure(`${problem}\n${command} --help lists what there is.`);
  /** @type {any} */
  let read;
  try {
    read = parseArgs({ args, options: /** @type {any} */ (all), allowPositionals: true });
  } catch (error) {
    throw refuse(`${error.message.split('. ')[0].replace(/\.$/, '')}.`);
  }
  if (read.values.help) {
    // Behind ` --` come options, and some commands have none.
    say(help.replace(/ --(?= {4}\S)/, ''));
    return undefined;
  }
  if (read.positionals.length > most) {
    const [first] = read.positionals.slice(most);
    throw refuse(
      most === 0
        ? `${JSON.stringify(first)} belongs to no option.`
        : `${JSON.stringify(first)} is one argument too many.`,
    );
  }
  return read;
}
