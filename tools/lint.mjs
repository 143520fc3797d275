// npm run lint: formatting and lints of JavaScript, types and Rust, the Worker for WASM
// with the compiler that builds it. All are run, also after one has failed.
import { readCommandLine, typed } from './commands.mjs';
import { entry, filesIn, inRoot, say, show } from './run.mjs';
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

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('lint'), help: HELP })) return 0;
  const env = await setup();
  const rust = [...filesIn(inRoot('tools/cli'))].filter((path) => path.endsWith('.rs'));
  const checks = {
    prettier: ['prettier', ['--check', '.'], env],
    eslint: ['eslint', ['.'], env],
    'types of the client': ['tsc', ['-p', 'tests/types'], env],
    "types of the browser module's scripts": ['tsc', ['-p', 'client'], env],
    'types of the playground and the tools it uses': ['tsc', ['-p', 'playground'], env],
    "types of the Worker's scripts": ['tsc', ['-p', 'src/worker/js'], env],
    rustfmt: ['cargo', ['fmt', '--all', '--check'], env],
    'rustfmt of the tools': ['rustfmt', ['--edition', '2024', '--check', ...rust], env],
    'clippy of the core': [
      'cargo',
      ['clippy', '--all-targets', '--locked', '--', '-D', 'warnings'],
      env,
    ],
    'clippy of the Worker and of the example in Rust': await clippyForWasm(env),
  };
  const failed = [];
  for (const [name, [command, args, environment]] of Object.entries(checks)) {
    say(`• ${name}`);
    if ((await show(command, args, { env: environment })) !== 0) failed.push(name);
  }
  say(failed.length > 0 ? `\n✗ ${failed.join(', ')}` : '\n✓ no complaints');
  return failed.length > 0 ? 1 : 0;
});
