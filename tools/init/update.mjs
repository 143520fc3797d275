// What a wrangler configuration lacks of the bindings and migrations that the gate needs, and
// portcullis init --update, which adds it.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import {
  experimental_readRawConfig as readRawConfig,
  unstable_readConfig as readConfig,
} from 'wrangler';
import { objects } from '../objects.mjs';
import { configuration } from '../project.mjs';
import { Failure, say } from '../run.mjs';

const read = (path, env) => readConfig({ config: path, env }, { hideWarnings: true });

function missingBindings(path, env) {
  const bound = read(path, env).durable_objects.bindings;
  const table = env ? `env.${env}.durable_objects.bindings` : 'durable_objects.bindings';
  return objects()
    .filter(({ name }) => !bound.some((binding) => binding.name === name))
    .map(({ name, className, comment }) => ({
      name,
      what: `the Durable Object binding ${name} to the class ${className}${env ? ` in env.${env}` : ''}`,
      toml: `${env ? '' : comment}[[${table}]]\nname = "${name}"\nclass_name = "${className}"\n`,
    }));
}

/** Classes are of the whole Worker: migrations are not repeated in environments. */
function missingMigration(path) {
  const { migrations } = read(path);
  const created = new Set(migrations.flatMap((one) => one.new_sqlite_classes ?? []));
  const classes = objects()
    .map(({ className }) => className)
    .filter((name) => !created.has(name));
  if (classes.length === 0) return [];
  const tags = migrations.map(({ tag }) => tag);
  let number = tags.length + 1;
  while (tags.includes(`v${number}`)) number += 1;
  return [
    {
      what: `a migration with new_sqlite_classes for ${classes.join(', ')}`,
      toml: `[[migrations]]\ntag = "v${number}"\nnew_sqlite_classes = ${JSON.stringify(classes).replaceAll(',', ', ')}\n`,
    },
  ];
}

/** What the configuration lacks for one of its environments: `what` in words, and as `toml`. */
export const missing = (path, env) => [...missingBindings(path, env), ...missingMigration(path)];

/** A warning if the log would hold the headers of requests, and with them tokens. */
export function exposedHeaders(path, env) {
  const { observability } = read(path, env);
  const isOn = observability?.enabled || observability?.logs?.enabled;
  if (!isOn || observability.logs?.invocation_logs === false) return [];
  const message =
    "observability: invocation logs are on, and hold browsers' tokens in Sec-WebSocket-Protocol; set logs.invocation_logs = false";
  return [{ keys: ['observability'], message }];
}

/** A warning for each address of the Worker where the rules of its zone do not apply. */
export function waysAround(path, env) {
  const { workers_dev: workersDev, preview_urls: previewUrls } = read(path, env);
  const around = (name, where) => ({
    keys: [name],
    message: `${name}: the Worker is reached at ${where} too, where the firewall and the other rules of your zone do not apply; set ${name} = false`,
  });
  return [
    ...(workersDev === false ? [] : [around('workers_dev', '*.workers.dev')]),
    ...(previewUrls === false ? [] : [around('preview_urls', 'preview addresses')]),
  ];
}

function replaceFile(path, text) {
  const folder = mkdtempSync(join(dirname(path), '.portcullis-'));
  const draft = join(folder, basename(path));
  try {
    writeFileSync(draft, text);
    read(draft);
    renameSync(draft, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Adds to the configuration at `path` what it lacks, in all of its environments. */
export async function update(path = configuration()) {
  const environments = [
    undefined,
    ...Object.keys(readRawConfig({ config: path }).rawConfig.env ?? {}),
  ];
  const lacking = [
    ...environments.flatMap((env) => missingBindings(path, env)),
    ...missingMigration(path),
  ];
  const name = basename(path);
  if (lacking.length === 0) {
    say(`✓ ${name} has every binding and migration that this version needs.`);
    return;
  }
  const addition = lacking.map(({ toml }) => toml).join('\n');
  const byHand = `Add this to ${name} yourself, in its own form:\n\n${addition}`;
  if (extname(path) !== '.toml') throw new Failure(`${name} is not TOML. ${byHand}`);
  try {
    replaceFile(path, `${readFileSync(path, 'utf8').trimEnd()}\n\n${addition}`);
  } catch (error) {
    throw new Failure(`${name} can't be extended at its end (${error.message}). ${byHand}`);
  }
  say(`✓ ${name} now also has:\n  ${lacking.map(({ what }) => what).join('\n  ')}`);
}
