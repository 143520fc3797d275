// npm run lint: formatting and lints of JavaScript, types and Rust, the Worker for WASM
// with the compiler that builds it. All are run, also after one has failed: those of cargo one after
// the other, and the rest beside them.
import { readCommandLine, typed } from './commands.mjs';
import { entry, filesIn, inRoot, run, say, step } from './run.mjs';
import { forWasm, wasmClippy } from './rust.mjs';
import { setup } from './setup.mjs';

const HELP = `${typed('lint')}    checks formatting, lints and types of JavaScript and Rust

All are run, also after one has failed. npm run format mends formatting.`;

const worker = [
  '-p',
  'portcullis-worker',
  '-p',
  'portcullis-example',
  '--target',
  'wasm32-unknown-unknown',
  '--release',
  '--locked',
];

async function clippyForWasm(env) {
  // As worker-build sets it, so that what it has compiled is not compiled again.
  const wasm = { ...forWasm(env), WASM_BINDGEN_USE_JS_SYS: '1' };
  const driver = await wasmClippy();
  if (!driver) return ['cargo', ['clippy', ...worker, '--', '-D', 'warnings'], wasm];
  // What `cargo clippy` does, with a clippy that fits the compiler.
  return [
    'cargo',
    ['check', ...worker],
    { ...wasm, RUSTC_WORKSPACE_WRAPPER: driver, CLIPPY_ARGS: '-D__CLIPPY_HACKERY__warnings' },
  ];
}

/** Runs the checks one after the other; resolves to the names of those that failed. */
async function failures(checks) {
  const failed = [];
  for (const [name, [command, args, env]] of Object.entries(checks)) {
    try {
      await step(name, () => run(name, command, args, { env }));
    } catch ({ message, output = message }) {
      say(`${output.trimEnd()}\n✗ ${name}`);
      failed.push(name);
    }
  }
  return failed;
}

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('lint'), help: HELP })) return 0;
  const env = await setup();
  const rust = [...filesIn(inRoot('tools/cli'))].filter((path) => path.endsWith('.rs'));
  const quick = {
    prettier: ['prettier', ['--check', '.'], env],
    eslint: ['eslint', ['.'], env],
    'types of the client': ['tsc', ['-p', 'tests/types'], env],
    "types of the browser module's scripts": ['tsc', ['-p', 'client'], env],
    'types of the playground and the tools it uses': ['tsc', ['-p', 'playground'], env],
    "types of the Worker's scripts": ['tsc', ['-p', 'src/worker/js'], env],
    rustfmt: ['cargo', ['fmt', '--all', '--check'], env],
    'rustfmt of the tools': ['rustfmt', ['--edition', '2024', '--check', ...rust], env],
  };
  const compiling = {
    'clippy of the core': [
      'cargo',
      ['clippy', '--all-targets', '--locked', '--', '-D', 'warnings'],
      env,
    ],
    'clippy of the Worker and of the example in Rust': await clippyForWasm(env),
  };
  const failed = (await Promise.all([quick, compiling].map(failures))).flat();
  say(failed.length > 0 ? `\n✗ ${failed.join(', ')}` : '\n✓ no complaints');
  return failed.length > 0 ? 1 : 0;
});
