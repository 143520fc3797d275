// Asks a Worker what its settings mean, with the parser and in the runtime that it would run with.
// The Worker answers no other request.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { MODULES, startGate } from '../gate.mjs';
import { inRoot } from '../run.mjs';
import { withStub } from '../stub.mjs';

const QUESTION = readFileSync(inRoot('tools/check/question.js'), 'utf8');

/** The modules of a Worker with the one that asks it in front. */
function withQuestion({ modulesRoot, modules }) {
  const [main] = modules;
  const gate = MODULES.map(({ type, path }) => ({
    type,
    path: join(modulesRoot, 'portcullis', basename(path)),
    contents: readFileSync(path),
  }));
  const question = {
    type: 'ESModule',
    path: join(modulesRoot, 'portcullis-question.mjs'),
    contents: QUESTION.replaceAll('./worker.js', `./${basename(main.path)}`),
  };
  return { modulesRoot, modules: [question, ...modules, ...gate] };
}

/** What the settings of a subject say, with the given variables over them. */
export async function inspect(tested, vars) {
  const inspection = await startInspection(tested);
  try {
    return await inspection.ask(vars);
  } finally {
    await inspection.stop();
  }
}

/**
 * Starts the inspection of a subject. Resolves to `ask`, which resolves to what the settings say
 * with the given variables over them: `{ errors, warnings, routes, guarded }`; and to `stop`.
 */
export async function startInspection({ path, environment, described, modules }) {
  const own = modules ?? { modulesRoot: inRoot('build'), modules: MODULES };
  const gate = await startGate({
    path,
    environment,
    ...withStub(described, { isBundled: Boolean(modules) }),
    modules: withQuestion(own),
    // A Worker's log lines while it starts are not about the settings.
    onLine() {},
  });
  return {
    stop: () => gate.stop(),
    async ask(vars = {}) {
      const answer = await fetch(gate.url, { method: 'POST', body: JSON.stringify(vars) });
      return answer.json();
    },
  };
}
