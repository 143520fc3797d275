// npm start: the gate with a demo upstream and the playground.
import { build } from './build.mjs';
import { onNode22 } from './node22.mjs';
import { entry } from './run.mjs';
import { setup } from './setup.mjs';

await entry(import.meta.url, async () => {
  const env = await setup();
  await build();
  await onNode22(env);
  // TODO: start the demo upstream and the playground, print the address, and
  // build again when a source changes.
});
