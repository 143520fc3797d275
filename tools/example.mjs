// npm run example: the Worker of examples/workers-rs, built and tested on workerd.
import { readCommandLine, typed } from './commands.mjs';
import { node22 } from './node22.mjs';
import { entry, inRoot, show, step } from './run.mjs';
import { forWasm } from './rust.mjs';
import { setup } from './setup.mjs';
import { isQuickAsked, QUICK, RELEASE, workerBuild } from './worker-build.mjs';

const HELP = `${typed('example')}    builds examples/workers-rs into build/example/, and tests it on workerd

With QUICK_BUILD=1 in the environment it is built in seconds, unoptimised.`;

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('example'), help: HELP })) return 0;
  const environment = await setup();
  await step('example', () =>
    workerBuild('example', {
      cwd: inRoot('examples/workers-rs'),
      env: forWasm(environment),
      out: '../../build/example',
      profile: isQuickAsked ? QUICK : RELEASE,
    }),
  );
  const tests = ['--test', '--test-reporter=spec', inRoot('tests/example/workers_rs.test.mjs')];
  return (await show(node22(), tests, { env: environment })) === 0 ? 0 : 1;
});
