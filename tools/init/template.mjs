// The folder that Cloudflare's deploy button and Workers Builds take as it is: what init writes for
// these answers. Run this to write it again.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readCommandLine, typed } from '../commands.mjs';
import { entry, inRoot } from '../run.mjs';
import { files } from './files.mjs';

const HELP = `${typed('init/template')}    writes create-portcullis/template again, as init would`;

export const TEMPLATE = inRoot('create-portcullis/template');

/** The template's files, by path. */
export const template = () =>
  files({
    name: 'gate',
    origins: ['https://app.example.com'],
    server: { url: 'wss://chat-origin.example.com' },
    tokens: { kind: 'secret' },
    limits: 'user',
    forButton: true,
  });

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('init/template'), help: HELP })) return;
  rmSync(TEMPLATE, { recursive: true, force: true });
  for (const [name, content] of Object.entries(template())) {
    mkdirSync(dirname(join(TEMPLATE, name)), { recursive: true });
    writeFileSync(join(TEMPLATE, name), content);
  }
});
