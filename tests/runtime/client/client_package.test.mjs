// The browser module as a part of the package: what is in it, how large it is, and that its words fit the gate's.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import ts from 'typescript';
import { actionAfter, isRefusal } from '../../../client/close-reasons.js';
import { PortcullisSocket } from '../../../client/portcullis.js';
import { packAll } from '../../../tools/pack.mjs';
import { inRoot } from '../../../tools/run.mjs';

const read = (...path) => readFileSync(inRoot(...path), 'utf8');
const types = ts.createSourceFile('d.ts', read('client/portcullis.d.ts'), ts.ScriptTarget.Latest);
const declared = (name) => types.statements.find((one) => one.name?.text === name);

describe('the package', () => {
  let folder;
  let packed;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'portcullis-client-'));
    [packed] = packAll(folder);
    mkdirSync(join(folder, 'node_modules/portcullis'), { recursive: true });
    const into = ['-C', join(folder, 'node_modules/portcullis'), '--strip-components=1'];
    execFileSync('tar', ['-xzf', packed.path, ...into]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('has the module, its types, licences and README, and nothing else of it', () => {
    const ofClient = packed.files.filter((path) => path.startsWith('client/'));
    assert.deepEqual(ofClient.map((path) => path.slice('client/'.length)).sort(), [
      'README.md',
      'close-reasons.js',
      'globals.js',
      'heartbeat.js',
      'options.js',
      'portcullis.d.ts',
      'portcullis.js',
      'reasons.d.ts',
      'reasons.js',
      'renewal.js',
      'timer.js',
      'tokens.js',
    ]);
    for (const name of ['LICENSE-APACHE', 'LICENSE-MIT']) assert.ok(packed.files.includes(name));
  });
  test('is imported by its name', () => {
    const script = `
      import { PortcullisSocket } from 'portcullis/client';
      console.log(Object.keys(await import('portcullis/client')).join());
      new PortcullisSocket('ws://127.0.0.1:1').close();`;
    const args = ['--input-type=module', '-e', script];
    const said = execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    assert.equal(said, 'PortcullisSocket\n');
  });
  test('has types for its name', () => {
    const path = join(folder, 'use.mts');
    ts.sys.writeFile(
      path,
      "import { PortcullisSocket } from 'portcullis/client';\n" +
        "export const socket: PortcullisSocket = new PortcullisSocket('/');\n",
    );
    const program = ts.createProgram([path], {
      strict: true,
      noEmit: true,
      types: [],
      lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
      module: ts.ModuleKind.NodeNext,
    });
    const complaints = ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText);
    assert.deepEqual(complaints, []);
  });
  test('takes less than 6 KB of a page, compressed', () => {
    const { outputFiles } = buildSync({
      entryPoints: [inRoot('client/portcullis.js')],
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
    });
    const { length } = gzipSync(outputFiles[0].contents, { level: 9 });
    assert.ok(length < 6_000, `${length} bytes`);
  });
});

describe('the words of the module', () => {
  const { refusals, closes } = JSON.parse(read('docs/reasons.json'));
  /** The gate's reasons with a close code; servers alone see `client_gone`. */
  const reasons = () =>
    [...refusals.map(({ reason, close }) => ({ reason, code: close })), ...closes].filter(
      ({ reason, code }) => code !== null && reason !== 'client_gone',
    );

  test('are the gate’s reasons', () => {
    const known = reasons();
    assert.ok(known.length > 20);
    assert.deepEqual(
      known.filter((end) => !isRefusal(end)),
      [],
    );
    const file = ts.createSourceFile('d.ts', read('client/reasons.d.ts'), ts.ScriptTarget.Latest);
    const reason = file.statements.find((one) => one.name?.text === 'Reason');
    const typed = reason.type.types.map(({ literal }) => literal.text);
    assert.deepEqual(typed.sort(), [...new Set(known.map(({ reason }) => reason))].sort());
  });
  test('call for what the gate means a client to do', () => {
    const actions = {
      retry: 'retry',
      wait: 'retry',
      authenticate: 'authenticate',
      stop: 'give up',
    };
    const known = refusals.filter(({ close }) => close !== null);
    assert.deepEqual(
      known.map(({ reason, close }) => [reason, actionAfter(close)]),
      known.map(({ reason, client }) => [reason, actions[client]]),
    );
  });
  test('are those of the types', () => {
    const isStatic = ({ modifiers = [] }) =>
      modifiers.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword);
    const { members: all } = declared('PortcullisSocket');
    const statics = all.filter(isStatic).map(({ name }) => name.text);
    for (const name of statics) assert.ok(name in PortcullisSocket, name);
    const members = all.filter((one) => !isStatic(one) || /^[A-Z]/.test(one.name.text));
    const own = Object.getOwnPropertyNames(PortcullisSocket.prototype);
    const inherited = ['addEventListener', 'removeEventListener'];
    assert.deepEqual(
      [...new Set(members.map(({ name }) => name?.text))]
        .filter((name) => name && !inherited.includes(name))
        .sort(),
      own.filter((name) => name !== 'constructor').sort(),
    );
  });
});
