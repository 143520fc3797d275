// The settings of an inspection: those of wrangler.toml, of .dev.vars and of --var.
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { inProject } from '../project.mjs';
import { Failure } from '../run.mjs';

/** The file whose variables and secrets `wrangler dev` adds to those of wrangler.toml, if any. */
export function devVarsFile(environment) {
  const names = [environment && `.dev.vars.${environment}`, '.dev.vars'];
  return names
    .filter(Boolean)
    .map((name) => inProject(name))
    .find(existsSync);
}

/** What is in that file. */
export function devVars(environment) {
  const path = devVarsFile(environment);
  return path ? parseEnv(readFileSync(path, 'utf8')) : {};
}

export function parseVar(written) {
  const [, name, value] = /^([A-Za-z_]\w*)[:=](.*)$/s.exec(written) ?? [];
  if (name) return [name, value];
  throw new Failure(`--var is ${written}: write a name and a value, such as JWT_LEEWAY:30s.`);
}

/** A list as the gate reads it: an array, or a text separated by commas or white space. */
export const list = (value) =>
  (Array.isArray(value) ? value : String(value ?? '').split(/[\s,]+/)).filter(Boolean);

/** Settings that the inspection of one token needs, where there are none. */
export function assumptions(vars, origin) {
  const upstreams = ['UPSTREAM_URL', 'UPSTREAM_SERVICE', 'UPSTREAM_OBJECT', 'ROUTES'];
  const hasUpstream = upstreams.some((name) => name in vars);
  const hasOrigins = 'ALLOWED_ORIGINS' in vars || 'ROUTES' in vars;
  return {
    ...(!hasUpstream && { UPSTREAM_URL: 'wss://upstream.example' }),
    ...(!hasOrigins && { ALLOWED_ORIGINS: origin ?? 'https://app.example' }),
  };
}

/** An origin that the first entry of ALLOWED_ORIGINS allows. */
export function allowedOrigin(vars) {
  const [first = '*'] = list(vars.ALLOWED_ORIGINS);
  if (first === '*') return 'https://app.example';
  return first.replace('//*.', '//app.').replace(/:\*$/, ':8080');
}

/** Where the gate looks for a token first. */
export const firstSource = (vars) => list(vars.TOKEN_SOURCES)[0] ?? 'header';
