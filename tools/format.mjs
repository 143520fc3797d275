// npm run format: writes all files the way npm run lint wants them.
import { readCommandLine, typed } from './commands.mjs';
import { entry, filesIn, inRoot, show } from './run.mjs';
import { setup } from './setup.mjs';

const HELP = `${typed('format')}    writes all files the way npm run lint wants them`;

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('format'), help: HELP })) return 0;
  const env = await setup();
  const rust = [...filesIn(inRoot('tools/cli'))].filter((path) => path.endsWith('.rs'));
  const codes = [
    await show('prettier', ['--write', '--log-level', 'warn', '.'], { env }),
    await show('cargo', ['fmt', '--all'], { env }),
    await show('rustfmt', ['--edition', '2024', ...rust], { env }),
  ];
  return Math.max(...codes);
});
