// portcullis init, and npm create portcullis: writes a folder with a gate of one's own.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { readCommandLine, typed } from './commands.mjs';
import { LIMITS, parseLimits, parseOrigins, parseServer, parseTokens } from './init/answers.mjs';
import { files } from './init/files.mjs';
import { CONFIGURATIONS, configuration } from './project.mjs';
import { command, entry, Failure, say } from './run.mjs';

const COMMAND = typed('init');
const HELP = `${COMMAND} [folder] [options]     writes a folder with a gate of your own
${COMMAND} --update [-c file]     adds what this version needs to wrangler.toml

Flags answer its questions in advance:
  --origins <list>     whose pages may connect, such as https://app.example.com,https://*.example.com
  --server <server>    your server, such as wss://chat.example.com, or the name of a Worker
  --tokens <keys>      whose tokens count: the URL of a provider's key set, secret for a key of
                       your own, or off
  --issuer, --audience   with a key set: the iss and aud that tokens must have
  --limits <kind>      ${Object.entries(LIMITS)
    .map(([name, { meaning }]) => `${name}: ${meaning}`)
    .join('\n                       ')}

  --name <name>        the Worker's name; without it the folder's
  --host <host>        a host name of a zone of yours at Cloudflare, such as chat.example.com
  --package <spec>     where npm finds portcullis, such as a tarball; without it this version`;

const text = { type: 'string' };
const OPTIONS = {
  origins: text,
  server: text,
  tokens: text,
  issuer: text,
  audience: text,
  limits: text,
  name: text,
  host: text,
  package: text,
  update: { type: 'boolean' },
  config: { type: 'string', short: 'c' },
};

const QUESTIONS = [
  {
    name: 'origins',
    question: 'Whose pages may connect? Origins, separated by commas',
    otherwise: 'https://app.example.com',
    parse: parseOrigins,
  },
  {
    name: 'server',
    question: 'Where is your server? A wss:// URL, or the name of a Worker',
    otherwise: 'wss://chat-origin.example.com',
    parse: parseServer,
  },
  {
    name: 'tokens',
    question: "Whose tokens count? The URL of a provider's key set, secret, or off",
    otherwise: 'secret',
    parse: parseTokens,
  },
  {
    name: 'limits',
    question: `Which limits? ${Object.keys(LIMITS).join(', ')}`,
    otherwise: ({ tokens }) => (tokens.kind === 'off' ? 'address' : 'user'),
    parse: parseLimits,
  },
];
// Asked only with a key set, for whose tokens they matter most.
const MORE = [
  { name: 'issuer', question: '  Which iss must tokens have? Empty for any' },
  {
    name: 'audience',
    question:
      '  Which aud must tokens have? Empty for any, which lets tokens for other services in',
  },
];

/** A prompt that repeats a question until its answer can be read; without a terminal, none. */
function terminal() {
  if (!process.stdin.isTTY) return undefined;
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  return {
    close: () => lines.close(),
    async ask(question, otherwise, parse) {
      for (;;) {
        const hint = otherwise ? ` (${otherwise})` : '';
        const answer = (await lines.question(`${question}${hint}: `)).trim() || otherwise || '';
        try {
          return parse(answer);
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          say(`  ${error.message}`);
        }
      }
    },
  };
}

async function answer(given) {
  const prompt = terminal();
  const answers = {};
  try {
    for (const { name, question, otherwise, parse } of QUESTIONS) {
      const suggested = typeof otherwise === 'function' ? otherwise(answers) : otherwise;
      if (given[name] !== undefined) answers[name] = parse(given[name], answers);
      else if (prompt)
        answers[name] = await prompt.ask(question, suggested, (a) => parse(a, answers));
      else throw new Failure(`--${name} is missing. ${question}; for example ${suggested}.`);
    }
    for (const { name, question } of answers.tokens.kind === 'keys' ? MORE : []) {
      const isAsked = given[name] === undefined && prompt && given.tokens === undefined;
      const written = isAsked ? await prompt.ask(question, '', (a) => a) : given[name];
      if (written) answers.tokens[name] = written;
    }
  } finally {
    prompt?.close();
  }
  if (answers.tokens.kind !== 'keys' && (given.issuer ?? given.audience) !== undefined) {
    answers.tokens = { ...answers.tokens, issuer: given.issuer, audience: given.audience };
  }
  return answers;
}

/** A name that Cloudflare takes for a Worker, made of a folder's. */
const workerName = (folder) =>
  basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 54) || 'gate';

function refuseExisting(folder, names) {
  const existing = names.filter((name) => existsSync(join(folder, name)));
  if (existing.length === 0) return;
  throw new Failure(
    `${existing.join(', ')} ${existing.length > 1 ? 'are' : 'is'} there already, and nothing was written. ` +
      'Give another folder; for a newer version, use portcullis init --update.',
  );
}

function write(folder, contents) {
  refuseExisting(folder, Object.keys(contents));
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content, { mode: name.startsWith('.dev.vars') ? 0o600 : 0o644 });
  }
}

function explain(folder, { tokens, host }) {
  const inside = relative(process.cwd(), folder);
  const steps = [
    ...(inside ? [`cd ${inside}`] : []),
    'npm install',
    'npm start             # the gate on this machine, with a playground in the browser',
    'npm test              # asks it what policy.test.json expects',
    ...(tokens.kind === 'secret' ? ['npx wrangler secret put JWT_SECRET'] : []),
    'npm run deploy        # checks the settings and deploys',
  ];
  const reach = host
    ? ''
    : '\nBefore you deploy, give the Worker a host name: see routes in wrangler.toml.\n';
  say(
    `\nWrote ${readdirSync(folder).length} files and folders to ${inside || 'this folder'}. Next:\n`,
  );
  say(`${steps.map((line) => `  ${line}`).join('\n')}\n${reach}`);
}

/** Runs the command with these arguments; `folder` is where it writes if they name none. */
export async function main(args, otherwise = '.') {
  const known = { command: COMMAND, help: HELP, options: OPTIONS, most: 1 };
  const read = readCommandLine(args, known);
  if (!read) return;
  const { values: given, positionals } = read;
  const [folder = otherwise] = positionals;
  if (given.update) {
    const { update } = await import('./init/update.mjs');
    await update(configuration(given.config));
    return;
  }
  const path = resolve(folder);
  refuseExisting(path, CONFIGURATIONS);
  const answers = await answer(given);
  const { host, package: spec } = given;
  const settled = { ...answers, host, spec, name: given.name ?? workerName(path) };
  write(path, files(settled));
  explain(path, settled);
}

/** For `npm create portcullis`, which is started in no folder of its own. */
export const create = (args) => command(() => main(args, 'gate'));

await entry(import.meta.url, main);
