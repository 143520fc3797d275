// A provider of sessions: a real introspection endpoint.
import { EventEmitter, once } from 'node:events';
import { useServer } from './internet.mjs';

/**
 * A provider for the group of tests that calls this. `say(session, answer)`: an object is sent as
 * JSON with status 200; a function gets the response to do with as it likes. Sessions it knows
 * nothing of are inactive. `asked`: the questions about a session, each `{ method, url, headers,
 * body }`; `wasAsked` resolves once there is one.
 */
export function useProvider() {
  const answers = new Map();
  const questions = [];
  const arrivals = new EventEmitter();
  const provider = useServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const { method, url, headers } = request;
    const session = new URLSearchParams(body).get('token');
    questions.push({ session, question: { method, url, headers, body } });
    arrivals.emit('question');
    const answer = answers.get(session) ?? { active: false };
    if (typeof answer === 'function') answer(response);
    else sendJson(response, answer);
  });
  const asked = (session) =>
    questions.filter((known) => known.session === session).map(({ question }) => question);
  return Object.assign(provider, {
    say: (session, answer) => answers.set(session, answer),
    asked,
    async wasAsked(session) {
      while (asked(session).length === 0) await once(arrivals, 'question');
    },
  });
}

export function sendJson(response, value, status = 200) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(typeof value === 'string' ? value : JSON.stringify(value));
}
