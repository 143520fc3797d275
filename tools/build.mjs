// The Worker in build/: cargo, wasm-bindgen, wasm-opt and esbuild, all run by
// worker-build. Nothing is done when nothing it is made from has changed.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readCommandLine, typed } from './commands.mjs';
import { cliMadeFrom } from './cli.mjs';
import {
  alone,
  ask,
  entry,
  Failure,
  filesIn,
  inRoot,
  readText,
  run,
  say,
  seconds,
  sha256,
  step,
} from './run.mjs';
import { forWasm } from './rust.mjs';
import { setup } from './setup.mjs';
import { customSection, targetFeatures, withoutSections } from './wasm.mjs';
import { compile, ESBUILD, isQuickAsked, QUICK, RELEASE, workerBuild } from './worker-build.mjs';

const HELP = `${typed('build')}    builds the Worker into build/, if anything it is made from changed

With QUICK_BUILD=1 in the environment it is built in seconds, unoptimised.`;

const record = inRoot('build/size.json');
const asked = { isQuick: isQuickAsked };
const compiled = inRoot('target/wasm32-unknown-unknown/release/portcullis_worker.wasm');
const shipped = inRoot('build/index_bg.wasm');
// A fifth of the file, and no use to whoever runs it. `tools/names.mjs` reads it.
const names = inRoot('build/names.bin');
// What rustc turns on for every WASM it makes. wasm-bindgen leaves out what the
// file does not name, and wasm-opt then writes longer code.
const features = [
  'bulk-memory',
  'mutable-globals',
  'nontrapping-fptoint',
  'reference-types',
  'sign-ext',
];

const profileOf = (isQuick) => (isQuick ? QUICK : RELEASE);
// Verbose, for the compiler's own command line shows whether LTO was asked of it.
const CARGO = { cwd: inRoot('src/worker'), cargo: ['--verbose'] };

/** One hash over all that the output depends on. */
function inputs(env, isQuick) {
  const files = [
    ...filesIn(inRoot('src')),
    ...['Cargo.toml', 'Cargo.lock', 'package-lock.json'].map((path) => inRoot(path)),
    ...['build.mjs', 'rust.mjs', 'worker-build.mjs'].map((path) => inRoot('tools', path)),
  ];
  const compiler = ask(env.RUSTC ?? 'rustc', ['--version', '--verbose'], env);
  return sha256(
    compiler,
    isQuick ? 'quick' : 'release',
    cliMadeFrom(),
    ...files.flatMap((path) => [path.slice(inRoot().length), readFileSync(path)]),
  );
}

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
const sizes = ({ wasm, gzip, script }) =>
  `WASM ${kilobytes(wasm)}, ${kilobytes(gzip)} with gzip -9; JavaScript ${kilobytes(script)}`;

/** Compiles the Worker while set-up makes the rest that the build takes. */
export const compileEarly = ({ isQuick } = asked) =>
  step('the Worker’s WASM', async () => {
    const given = { ...CARGO, env: forWasm(process.env), profile: profileOf(isQuick) };
    const output = await compile('WASM', given);
    if (!isQuick) withLto(output);
  });

/** Sets up and builds; resolves to the sizes of what is shipped. */
export async function build({ isQuick } = asked) {
  const began = performance.now();
  const env = forWasm(await setup(() => compileEarly({ isQuick })));
  const from = inputs(env, isQuick);
  const last = existsSync(record) && existsSync(shipped) ? JSON.parse(readText(record)) : {};
  if (last.from === from) {
    say(`The build is up to date (${seconds(began)}): ${sizes(last)}`);
    return last;
  }
  return alone(() => step('build', () => make(env, from, isQuick)));
}

async function make(env, from, isQuick) {
  rmSync(record, { force: true });
  const given = { ...CARGO, env, out: '../../build', profile: profileOf(isQuick) };
  const work = () => workerBuild('build', given);
  const output = await work();
  if (!isQuick && !withLto(output) && !withLto(await work())) {
    throw new Failure('It cannot be seen whether the Worker was compiled with LTO.');
  }
  await run('build', ESBUILD, [
    inRoot('src/worker/js/main.js'),
    `--outfile=${inRoot('build/main.js')}`,
    ...['--bundle', '--format=esm', '--log-level=warning'],
    ...['./index.js', 'cloudflare:workers'].map((module) => `--external:${module}`),
  ]);
  const named = readFileSync(shipped);
  if (!isQuick) {
    checkFeatures(readFileSync(compiled), 'rustc');
    checkFeatures(named, 'wasm-opt');
  }
  const bytes = withoutSections(named, ['name', 'producers', 'target_features']);
  writeFileSync(shipped, bytes);
  writeFileSync(names, customSection(named, 'name') ?? '');
  const result = {
    wasm: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    script: readFileSync(inRoot('build/index.js')).length,
    isQuick,
    from,
  };
  writeFileSync(record, `${JSON.stringify(result, null, 2)}\n`);
  say(`  ${sizes(result)}`);
  return result;
}

// cargo leaves LTO out without a word, for instance when the crate is of type
// rlib too. Whether it was on is seen only while the crate is compiled, so that
// is remembered for the file. Where nobody saw it, the file is removed to be
// compiled again, and the answer is false.
function withLto(output) {
  const seen = inRoot('target/lto-seen');
  const file = sha256(readFileSync(compiled));
  const command = output
    .split('\n')
    .find((line) => line.includes('--crate-name portcullis_worker '));
  if (command) writeFileSync(seen, command.includes(' -C lto ') ? file : `without ${file}`);
  const verdict = readText(seen);
  if (verdict === `without ${file}`) {
    throw new Failure(
      'The Worker was compiled without LTO. Is `lto = true` in Cargo.toml, and crate-type = ["cdylib"] alone in src/worker/Cargo.toml?',
    );
  }
  if (verdict !== file) rmSync(join(dirname(compiled), 'deps/portcullis_worker.wasm'));
  return verdict === file;
}

function checkFeatures(bytes, after) {
  const found = targetFeatures(bytes);
  const lost = features.filter((feature) => !found.includes(feature));
  if (lost.length > 0) {
    throw new Failure(
      `After ${after} the WASM no longer names its target features ${lost.join(', ')}. Does a profile in Cargo.toml say \`strip\`?`,
    );
  }
}

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('build'), help: HELP })) return;
  await build();
});
