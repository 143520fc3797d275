// The pages of the documentation: every link within the repository leads somewhere.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { inRoot } from '../../../tools/run.mjs';

const read = (path) => readFileSync(inRoot(path), 'utf8');
const isPage = (path) => path.endsWith('.md');

const PAGES = [
  ...readdirSync(inRoot()).filter(isPage),
  ...readdirSync(inRoot('docs'), { recursive: true })
    .filter(isPage)
    .map((path) => join('docs', path)),
  'client/README.md',
  '.github/SECURITY.md',
];

/** The text without code that is fenced or indented. */
const prose = (text) => text.replace(/^ *```[^]*?^ *```/gm, '').replace(/^ {4}.*$/gm, '');

/** The anchors that GitHub makes of a page's headings. */
const anchors = (page) =>
  [...prose(read(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('the links of the documentation', () => {
  for (const page of PAGES) {
    test(`lead somewhere in ${page}`, () => {
      const links = [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
      for (const link of links.filter((one) => !/^\w+:/.test(one))) {
        const [path, anchor] = link.split('#');
        const target = path ? normalize(join(dirname(page), path)) : page;
        assert.ok(existsSync(inRoot(target)), link);
        if (anchor) assert.ok(anchors(target).includes(anchor), link);
      }
    });
  }
});

describe('the checks in docs/core.md', () => {
  test('are those of the example', () => {
    const [, code] = read('docs/core.md').split('```rust\n');
    assert.ok(read('examples/workers-rs/src/gate.rs').includes(code.split('```')[0]));
  });
});

describe('the server in docs/headers.md', () => {
  test('is the one that the tests of the assertion run', () => {
    const [, run] = read('tests/support/asserted.mjs').match(/^ +\/\/ ---\n([^]*?)^ +\/\/ ---$/m);
    const [, code] = run.split(/(?=^ +const keySet)/m);
    assert.ok(read('docs/headers.md').includes(code.replace(/^ {2}/gm, '')));
  });
});
