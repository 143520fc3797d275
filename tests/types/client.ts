// What the types of the browser module let pass, and what they don't. Checked by npm run lint.
import { PortcullisSocket, type PortcullisOptions, type Reason } from '../../client/portcullis.js';

const socket = new PortcullisSocket(new URL('wss://chat.example.com/'), {
  protocols: ['chat.v2'],
  getToken: async ({ reason, failures, signal }) => {
    const isFresh: boolean = reason === 'refused' || failures > 3;
    const answer = await fetch(`/token?fresh=${isFresh}`, { method: 'POST', signal });
    return { token: await answer.text(), expiresIn: 300 };
  },
  handover: 'ticket',
  retryCodes: new Set([4000]),
});
new PortcullisSocket('/chat', { getToken: () => null });
new PortcullisSocket('/chat', 'chat');
new PortcullisSocket('/chat', ['chat'] as const);
const synchronous: PortcullisOptions = { getToken: ({ reason }) => `token for ${reason}` };
// @ts-expect-error -- it is asked for when it is needed
const early: PortcullisOptions = { getToken: 'a token' };
// @ts-expect-error -- such a handover there is none
const other: PortcullisOptions = { handover: 'cookie' };

socket.addEventListener('message', ({ data, origin }) => console.log(data, origin));
socket.addEventListener('refused', function ({ reason, action, status, requestId }) {
  const next: 'retry' | 'authenticate' | 'give up' = action;
  if (reason === 'rate_limited') this.close(1000, `${next} ${status} ${requestId}`);
});
socket.addEventListener('close', ({ retryIn, error }) => {
  const wait: number | null = retryIn;
  console.log(wait, error);
});
socket.addEventListener('error', { handleEvent: ({ message }) => console.log(message) });
socket.addEventListener('of my own', (event) => console.log(event.type), { once: true });
socket.onclose = ({ code, reason, wasClean }) => console.log(code, reason, wasClean);
socket.onrefused = null;
// @ts-expect-error -- an open tells no code
socket.onopen = ({ code }) => console.log(code);
// @ts-expect-error -- the state is not the application's to set
socket.readyState = PortcullisSocket.CLOSED;

const reason: Reason = 'too_many_sockets';
// @ts-expect-error -- such a reason there is none
const unknown: Reason = 'too_many_cooks';

/** What takes a WebSocket's common part takes this. */
declare function use(
  socket: Pick<
    WebSocket,
    | 'binaryType'
    | 'bufferedAmount'
    | 'close'
    | 'extensions'
    | 'protocol'
    | 'readyState'
    | 'send'
    | 'url'
    | 'CLOSED'
    | 'CLOSING'
    | 'CONNECTING'
    | 'OPEN'
  >,
): void;
use(socket);
socket.reconnect();
export { early, other, reason, synchronous, unknown };
