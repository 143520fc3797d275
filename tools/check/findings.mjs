// Errors and warnings about a configuration, each with the file and the line that it is about.
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { typed } from '../commands.mjs';
import { readRaw } from '../gate.mjs';
import { exposedHeaders, missing, waysAround } from '../init/update.mjs';
import { ask } from '../run.mjs';
import { exposedSecrets } from '../secrets.mjs';
import { placesIn } from './places.mjs';

/** A route by its path or its number, and a member of it; or a setting. */
function parts(name) {
  const [, number] = /^ROUTES\[(\d+)\]/.exec(name) ?? [];
  if (number !== undefined) return { route: { number } };
  const [, path, member] = /^ROUTES (\S+)(?: (\S+))?$/.exec(name) ?? [];
  return path === undefined ? { setting: name } : { route: { path }, member };
}

/** The line of a setting of wrangler's configuration; that of the variables if it is not there. */
function lineIn(places, name, environment, inner) {
  const vars = environment ? ['env', environment, 'vars'] : ['vars'];
  const { setting, route, member = inner } = parts(name);
  if (setting) return places.at(...vars, setting);
  let { number } = route;
  for (let at = 0; number === undefined && places.at(...vars, 'ROUTES', String(at)); at += 1) {
    if (places.value(...vars, 'ROUTES', String(at), 'path') === route.path) number = String(at);
  }
  const whole = [...vars, 'ROUTES'];
  const found = number === undefined ? [] : [...whole, number];
  return places.at(...found, member) ?? places.at(...found) ?? places.at(...whole);
}

/**
 * Says where things are written. `local`: the file with the settings of this machine, if those
 * count; `given`: names that the command line sets.
 * @param {string} path
 * @param {{ environment?: string, local?: { path: string, vars: object }, given?: object }} [where]
 */
export function locator(path, { environment, local, given = {} } = {}) {
  const file = basename(path);
  const places = placesIn(readFileSync(path, 'utf8'), file);
  const vars = environment ? ['env', environment, 'vars'] : ['vars'];
  const inFile = (line) => (line === undefined ? file : `${file}:${line}`);
  return {
    /** The place of a path in the configuration. */
    at: (...keys) => inFile(places.at(...keys)),
    /** The place of a setting, as the gate names it; `inner`: a member of a route. */
    of(name, inner) {
      const setting = /^ROUTES\b/.test(name) ? 'ROUTES' : name;
      if (setting in given) return '--var';
      if (local && setting in local.vars) {
        const lines = readFileSync(local.path, 'utf8').split('\n');
        const at = lines.findIndex((line) =>
          line
            .trim()
            .replace(/^export\s+/, '')
            .startsWith(setting),
        );
        return `${basename(local.path)}${at < 0 ? '' : `:${at + 1}`}`;
      }
      return inFile(lineIn(places, name, environment, inner) ?? places.at(...vars));
    },
  };
}

/** A remark of the gate, `NAME: text`, after the place that it is about. */
const located = (where, remark) => {
  const [name] = remark.split(': ', 1);
  return `${where.of(name)}: ${remark}`;
};

/** Findings as lines, in the order of the lines that they are about; those without one come last. */
export const inOrder = (findings) => {
  const line = (finding) => Number(/^[^:]+:(\d+): /.exec(finding)?.[1] ?? Infinity);
  const compare = (one, other) => (one === other ? 0 : one - other);
  return findings.toSorted((one, other) => compare(line(one), line(other)));
};

/** The errors and warnings that the gate found, as lines. */
export const ofGate = ({ errors, warnings }, where) => ({
  errors: errors.map(({ setting, problem }) => {
    // A route's own error begins with the member that it is about.
    const [, inner] = /^"(\w+)"/.exec(problem) ?? [];
    return `${where.of(setting, inner)}: ${setting}: ${problem}`;
  }),
  warnings: warnings.map((warning) => located(where, warning)),
});

/** What the configuration says besides its settings: errors and warnings, as lines. */
export function ofConfiguration(path, environment) {
  const file = basename(path);
  const where = locator(path, { environment });
  const secrets = exposedSecrets(file, readRaw(path)).map(
    ({ keys, message }) => `${where.at(...keys)}: ${message}`,
  );
  const lacking = missing(path, environment);
  const command = typed('init').replace('portcullis', 'npx portcullis');
  return {
    errors: [
      ...secrets,
      ...lacking.map(({ what }) => `${file}: it lacks ${what}; ${command} --update writes it`),
    ],
    lacking: lacking.map(({ name }) => name),
    warnings: [...exposedHeaders(path, environment), ...waysAround(path, environment)].map(
      ({ keys, message }) => `${where.at(...keys)}: ${message}`,
    ),
  };
}

/** A warning if git would take the file with this machine's secrets. */
export function exposedFile(path) {
  const name = basename(path);
  const isTracked = ask('git', ['ls-files', '--error-unmatch', name], process.env, dirname(path));
  return isTracked === undefined
    ? []
    : [
        `${name}: git holds it, with the secrets in it; run git rm --cached ${name}, add it to .gitignore, and make new secrets`,
      ];
}
