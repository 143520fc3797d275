// One attempt at a time to get through the gate: the socket that the browser opens, and the
// gate's decision about it, which comes from the playground's server.

// After this long no decision will come: the gate itself waits 10 seconds for its upstream.
const PATIENCE = 15_000;

const waiting = new Map();

/** A decision from the server: ends the wait of the attempt it is about. */
export function decided(decision) {
  waiting.get(decision.attempt)?.(decision);
}

function decisionOf(id) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), PATIENCE);
    waiting.set(id, (decision) => {
      clearTimeout(timer);
      resolve(decision);
    });
  }).finally(() => waiting.delete(id));
}

/** A development token: `valid`, `expired` or `tampered`. */
export async function getToken(kind) {
  const response = await fetch(`/token?kind=${kind}`, { method: 'POST' });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return response.text();
}

/** What a token says, for showing: its header and its claims, without the signature. */
export function readToken(token) {
  const [header, claims] = token.split('.', 2).map((part) => {
    const text = atob(part.replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(text);
  });
  return { header, claims };
}

/** Opens a socket from this page; resolves once it is open or gone. */
function openHere(url, protocols, events) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, protocols);
    let opened = false;
    const ended = new Promise((done) => {
      socket.addEventListener('close', ({ code }) => done(code));
    });
    socket.addEventListener('open', () => {
      opened = true;
      resolve({ opened, socket, ended });
    });
    // Listened to from the first moment on, for the greeting may come with the answer.
    socket.addEventListener('message', ({ data }) => events.message?.(data));
    socket.addEventListener('close', ({ code }) => {
      if (opened) events.close?.(code);
      else resolve({ opened, code });
    });
  });
}

/** Opens a socket from a page of the other origin, in a hidden frame; resolves like the above. */
async function openElsewhere(url, protocols) {
  const frame = document.createElement('iframe');
  const origin = `http://127.0.0.1${location.port && `:${location.port}`}`;
  frame.title = 'A page of another origin';
  frame.hidden = true;
  frame.src = `${origin}/stranger`;
  const answer = new Promise((resolve) => {
    addEventListener('message', function listen({ source, origin: from, data }) {
      if (source !== frame.contentWindow || from !== origin) return;
      if (data === 'ready') {
        frame.contentWindow.postMessage({ url, protocols }, origin);
        return;
      }
      removeEventListener('message', listen);
      resolve(data);
    });
  });
  document.body.append(frame);
  try {
    return await answer;
  } finally {
    frame.remove();
  }
}

/**
 * Makes an attempt at `gate`. `token`: offered as the browser's only way allows, as a
 * subprotocol. `path`: of the socket. `ticket`: in the URL in place of a token. `elsewhere`: from the
 * other origin. `events`: functions for what happens on an open socket. Resolves to `{ opened, socket,
 * code, decision }`. A socket that the gate opened only to close it is not `opened`, but `shown`.
 * @param {any} gate
 * @param {{ token?: string, path?: string, ticket?: string, elsewhere?: boolean, events?: object }} how
 */
export async function attempt(gate, { token, path = '/', ticket, elsewhere = false, events = {} }) {
  const id = crypto.randomUUID();
  const query = new URLSearchParams({ attempt: id, ...(ticket && { ticket }) });
  const url = `${gate}${path}?${query}`;
  const protocols = token ? ['bearer', token] : [];
  const decision = decisionOf(id);
  const opening = elsewhere ? openElsewhere(url, protocols) : openHere(url, protocols, events);
  const result = { ...(await opening), decision: await decision };
  if (!result.opened || result.decision?.record.outcome !== 'refused') return result;
  return { ...result, opened: false, shown: true, code: await result.ended };
}

/** A one-time ticket for a token, from the gate's own endpoint. */
export async function getTicket(gate, token, path) {
  const url = `${gate.replace('ws', 'http')}/_portcullis/ticket?${new URLSearchParams({ path })}`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.title ?? `no ticket: ${response.status}`);
  return answer.ticket;
}

/** Moves the expiry of live sockets to that of a newer token. Resolves to how many were moved. */
export async function refresh(gate, token, path) {
  const url = `${gate.replace('ws', 'http')}/_portcullis/refresh?${new URLSearchParams({ path })}`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.title ?? `not refreshed: ${response.status}`);
  return answer;
}
