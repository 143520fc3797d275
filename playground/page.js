// The page's buttons: each makes one attempt, waits for the gate's decision, and shows it.
import { attempt, decided, getTicket, getToken, readToken, refresh } from './attempt.js';
import {
  $,
  countdown,
  decision,
  journey,
  line,
  noCountdown,
  remember,
  settings,
  verdict,
  welcome,
} from './show.js';

const MOST = 500;
const GATE = {
  running: (url) => `The gate is running at ${url}`,
  misconfigured: () => 'The settings are wrong, so the gate refuses everything:',
  building: () => 'The source changed: building. The gate from before keeps running.',
  failed: () => 'The change did not work: see the terminal. The gate from before keeps running.',
  down: () => 'The gate is down: see the terminal. The next change of the source tries again.',
};

let gate;
let live;
let busy = false;

const buttons = () => document.querySelectorAll('#connect, #ticket, #own button, [data-attempt]');
const path = () => $('route').value;

// Disabled by ARIA only: a button that has the focus keeps it.
function setBusy(value) {
  busy = value;
  for (const button of buttons()) button.setAttribute('aria-disabled', String(value));
}

async function alone(work) {
  if (busy) return;
  setBusy(true);
  noCountdown();
  try {
    await work();
  } catch (error) {
    verdict('none', {
      headline: 'That did not work.',
      why: `The playground’s server did not answer (${error.message}). Is npm start still running?`,
    });
  } finally {
    setBusy(false);
  }
}

/**
 * Makes one attempt and shows it. Resolves to what `attempt` found.
 * @param {{ token?: string, ticket?: string, before?: string, elsewhere?: boolean, events?: object }} how
 */
async function tryOnce({ token, before, ...how }) {
  const found = await attempt(gate, { token, path: path(), ...how });
  show({ ...found, token, before });
  return found;
}

function show({ decision: made, opened, code, token, before, shown = false }) {
  if (!made) {
    journey();
    $('evidence').hidden = true;
    verdict('none', {
      headline: 'There was no decision.',
      why: 'The gate wrote no record of this attempt. Is it running? See the terminal.',
    });
    return;
  }
  decision({ ...made, opened, code, shown, token: token && readToken(token), before });
  const wait = made.answer.headers.find(([name]) => name === 'retry-after')?.[1];
  if (wait) countdown(Number(wait));
  // On a narrow screen it stands below the buttons.
  $('verdict').scrollIntoView({ block: 'nearest' });
}

function received(data) {
  const message = typeof data === 'string' ? data : '(binary)';
  if (!live?.welcomed) {
    if (live) live.welcomed = true;
    welcome(JSON.parse(message));
    return;
  }
  line('server', message);
}

function disconnected(code) {
  if (!live) return;
  live = undefined;
  $('conversation').hidden = true;
  $('connect').hidden = false;
  $('connect-words').textContent =
    code === 1005 || code === 1000
      ? 'Disconnected. Connect again whenever you like.'
      : `The connection ended with code ${code}, as it does when the gate is restarted. Connect again.`;
  $('connect').focus();
}

/** Connects and talks. `how`: resolves to a token or a ticket to connect with. */
const connect = (how) =>
  alone(async () => {
    const shown = await how();
    live = { welcomed: false, socket: undefined };
    const { opened, socket } = await tryOnce({
      ...shown,
      events: { message: received, close: disconnected },
    });
    if (!opened) {
      live = undefined;
      return;
    }
    // It may have closed while the decision was on its way.
    if (!live) return;
    live.socket = socket;
    $('messages').replaceChildren();
    $('refreshed').textContent = '';
    $('connect-words').textContent = 'Connected through the gate. What you send comes back.';
    $('connect').hidden = true;
    $('conversation').hidden = false;
    $('text').focus();
  });

function admittedBefore(count) {
  if (count === 0) return 'This address had to wait already. ';
  return `${count === 1 ? 'One attempt was' : `${count} attempts were`} admitted before this one. `;
}

async function hammer() {
  const token = await getToken('valid');
  for (let admitted = 0; admitted < MOST; admitted += 1) {
    const found = await attempt(gate, { token, path: path() });
    found.socket?.close();
    if (!found.opened) {
      const before = admittedBefore(admitted);
      show({ ...found, token, before });
      return;
    }
    verdict('busy', { headline: 'Hammering …', why: `${admitted + 1} admitted so far.` });
  }
  verdict('none', {
    headline: 'No limit was met.',
    why: `${MOST} attempts were admitted. Is RATE_LIMIT_IP off?`,
  });
}

const ATTEMPTS = {
  origin: async () => tryOnce({ token: await getToken('valid'), elsewhere: true }),
  expired: async () => tryOnce({ token: await getToken('expired') }),
  tampered: async () => tryOnce({ token: await getToken('tampered') }),
  absent: async () => tryOnce({}),
  hammer,
};

const attack = (name) =>
  alone(async () => {
    const found = await ATTEMPTS[name]();
    found?.socket?.close();
  });

const minted = async () => ({ token: await getToken('valid') });

const withTicket = async () => {
  const ticket = await getTicket(gate, await getToken('valid'), path());
  return { ticket };
};

async function renew() {
  const words = $('refreshed');
  try {
    const { sockets } = await refresh(gate, await getToken('valid'), path());
    words.textContent = `Refreshed: ${sockets === 1 ? 'the socket lives' : `${sockets} sockets live`} as long as the newer token now.`;
  } catch (error) {
    words.textContent = `Not refreshed: ${error.message}`;
  }
}

$('connect').addEventListener('click', () => connect(minted));
$('ticket').addEventListener('click', () => connect(withTicket));
$('own').addEventListener('submit', (event) => {
  event.preventDefault();
  connect(async () => ({ token: $('own-token').value.trim() }));
});
$('refresh').addEventListener('click', renew);
$('copy').addEventListener('click', async () => {
  const response = await fetch('/admin-token', { method: 'POST' });
  await navigator.clipboard.writeText(await response.text());
  $('copied').textContent = 'Copied.';
});
$('disconnect').addEventListener('click', () => live?.socket?.close());
$('send').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = $('text');
  live?.socket?.send(field.value);
  line('you', field.value);
  field.value = '';
});
/** @type {NodeListOf<HTMLElement>} */
const attacks = document.querySelectorAll('[data-attempt]');
for (const button of attacks) {
  button.addEventListener('click', () => attack(button.dataset.attempt));
}

const stream = new EventSource('/events');
stream.addEventListener('gate', ({ data }) => {
  const { url, state, words, dashboard, active, off, docs } = JSON.parse(data);
  // After another npm start the gate may be elsewhere, where this page may not connect to.
  if (gate && gate !== url) location.reload();
  gate = url;
  $('example').search = new URLSearchParams({ gate: url });
  $('gate').dataset.state = state;
  $('gate').textContent = GATE[state](url);
  $('broken').hidden = state !== 'misconfigured';
  $('broken').textContent = words ?? '';
  $('dashboard').href = dashboard;
  $('docs').hidden = !docs;
  settings(active, off);
});
stream.addEventListener('decision', ({ data }) => {
  const made = JSON.parse(data);
  remember(made);
  decided(made);
});
stream.addEventListener('error', () => {
  $('gate').dataset.state = 'gone';
  $('gate').textContent = 'The playground’s server does not answer. Is npm start still running?';
});
journey();
