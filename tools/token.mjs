// npm run token: mints development tokens, and says why the gate would refuse one.
import { readCommandLine, typed } from './commands.mjs';
import { ready } from './project.mjs';
import { entry, Failure, sayOnStderr } from './run.mjs';

const COMMAND = typed('token');
const HELP = `${COMMAND.replace('run', 'run -s')} [options]     prints a token
${COMMAND} inspect <token> [options]     says whether the gate would admit it, and why not

Options to mint:
  --key <key>           what signs: a secret as text, base64:… for one in base64, or the path of
                        a file with a private key as JWK or PEM; without it JWT_SECRET of .dev.vars
  --sub <subject>       whom it names
  --scope "<a> <b>"     what that one may do
  --expires <duration>  how long it lives, such as 30s, 10m, 12h or 7d; 15m without it
  --iss, --aud          issuer; audience, which may be given several times
  --claim <name>=<value>  any other claim; the value is read as JSON, else as text
  --alg, --kid, --typ   of the header; without them what the key says, and JWT

Options to inspect:
  --var <NAME>:<value>  a setting, over those of .dev.vars and of [vars] in wrangler.toml
  --env <name>          the environment of wrangler.toml
  --origin, --path      of the request; without them an allowed origin, and /
  --source <source>     where the token stands: header, subprotocol, cookie:NAME or query:NAME

inspect runs the built gate with those settings and a server of its own in place of the upstream,
sends it the token, and shows what the gate recorded. It ends with code 0 if the gate admits.`;

const text = { type: 'string' };
const texts = { type: 'string', multiple: true };
const OPTIONS = {
  mint: {
    key: text,
    sub: text,
    scope: text,
    expires: text,
    iss: text,
    aud: texts,
    claim: texts,
    alg: text,
    kid: text,
    typ: text,
  },
  inspect: { var: texts, env: text, origin: text, path: text, source: text },
};

function read(args) {
  const command = args[0] === 'inspect' ? 'inspect' : 'mint';
  const rest = command === 'inspect' ? args.slice(1) : args;
  const known = { command: COMMAND, help: HELP, options: OPTIONS[command] };
  const parsed = readCommandLine(rest, { ...known, most: command === 'inspect' ? Infinity : 0 });
  const count = parsed?.positionals.length;
  if (parsed && command === 'inspect' && count !== 1) {
    const hint = `${COMMAND} --help lists what there is.`;
    throw new Failure(`inspect takes one token, and ${count} are given.
${hint}`);
  }
  return parsed && { command, options: parsed.values, token: parsed.positionals[0] };
}

export async function main(args) {
  const asked = read(args);
  if (!asked) return 0;
  const { command, options, token } = asked;
  // Nothing but the token may stand where a shell takes it from.
  if (command === 'mint') sayOnStderr();
  await ready({ built: command !== 'mint' });
  if (command === 'mint') {
    const { mint } = await import('./token/mint.mjs');
    process.stdout.write(`${await mint(options)}\n`);
    return 0;
  }
  const { inspect } = await import('./token/inspect.mjs');
  return inspect(token, options);
}

await entry(import.meta.url, main);
