// The command lines: each explains itself, does nothing else then, and refuses what it does not have.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { COMMANDS, typed } from '../../../tools/commands.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { useFolder } from '../../support/gate.mjs';

const { scripts } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
const fileOf = (name) => resolve(inRoot('tools'), COMMANDS[name].file);

describe('a command', { concurrency: 2 }, () => {
  const folder = useFolder();
  // Node alone: a command that did anything would find no cargo, no npm and no wrangler.
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  const work = join(folder, 'work');
  mkdirSync(work);
  const run = (file, ...args) =>
    new Promise((done) => {
      const options = { cwd: work, env: { ...process.env, PATH: bin } };
      execFile(process.execPath, [file, ...args], options, (error, stdout, stderr) =>
        done({ code: error?.code ?? 0, stdout, stderr }),
      );
    });

  for (const name of Object.keys(COMMANDS)) {
    test(`${typed(name)} --help explains it and does nothing`, async () => {
      const { code, stdout, stderr } = await run(fileOf(name), '--help');
      assert.deepEqual([code, stderr], [0, '']);
      assert.ok(
        stdout.startsWith(typed(name).replace('run token', 'run -s token').replace(/ --$/, '')),
        stdout,
      );
      assert.deepEqual(readdirSync(work), []);
    });
    test(`${typed(name)} refuses an option that it does not have`, async () => {
      const { code, stdout, stderr } = await run(fileOf(name), '--no-such-option');
      assert.equal(code, 1);
      assert.match(stderr, /^\n✗ Unknown option '--no-such-option'\./);
      assert.ok(stderr.includes('--help lists what there is.'), stderr);
      assert.equal(stdout.replace(/^The build is up to date.*\n/, ''), '');
      assert.deepEqual(readdirSync(work), []);
    });
  }
  test('says which argument is too much, and which value is missing', async () => {
    const [much, valueless] = [
      await run(fileOf('check'), 'staging'),
      await run(fileOf('check'), '--env'),
    ];
    assert.match(much.stderr, /"staging" belongs to no option\./);
    assert.match(valueless.stderr, /Option '-e, --env <value>' argument missing\./);
  });
  test('is listed with a line', async () => {
    const { code, stdout } = await run(fileOf('help'));
    assert.equal(code, 0);
    for (const [name, { meaning }] of Object.entries(COMMANDS)) {
      const line = stdout.split('\n').find((one) => one.endsWith(`  ${meaning}`));
      assert.ok(line?.trim().startsWith(typed(name).replace(/ --$/, '')), name);
    }
  });
});

describe('the list of commands', () => {
  test('has every script of package.json, and no other', () => {
    const listed = Object.keys(COMMANDS).filter((name) => !COMMANDS[name].direct);
    assert.deepEqual(listed.sort(), Object.keys(scripts).sort());
    for (const name of listed)
      assert.equal(resolve(inRoot(), scripts[name].split(' ')[1]), fileOf(name));
  });
  test('has every file that can be started', () => {
    const startable = ['tools', 'benches', 'playground', 'examples']
      .flatMap((top) =>
        readdirSync(inRoot(top), { recursive: true }).map((name) => inRoot(top, name)),
      )
      .filter((path) => path.endsWith('.mjs'))
      .filter((path) => readFileSync(path, 'utf8').includes('await entry(import.meta.url'));
    const listed = Object.keys(COMMANDS).map(fileOf);
    // The package's own command, which lists and starts the others.
    assert.deepEqual(startable.sort(), [...listed, inRoot('tools/portcullis.mjs')].sort());
  });
});
