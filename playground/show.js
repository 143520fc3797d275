// Putting a decision on the page. Everything is set as text.
import { STAGES, wordsFor } from './messages.js';

/**
 * @param {string} id
 * @returns {any} an element of whatever kind
 */
export const $ = (id) => document.getElementById(id);
const HISTORY = 50;
const SECURITY =
  /^(strict-transport-security|content-security-policy|x-frame-options|x-content-type-options|referrer-policy|permissions-policy|cross-origin-.*)$/;
// Of the connection itself, nothing that the gate decides.
const UNINTERESTING =
  /^(date|connection|upgrade|sec-websocket-accept|sec-websocket-extensions|content-length)$/;
const STATUS = {
  101: 'Switching Protocols',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Fills a description list with pairs. */
export function pairs(list, entries) {
  const rows = entries.map(([name, value]) => {
    const row = element('div');
    row.append(element('dt', name), element('dd', value ?? '–'));
    return row;
  });
  list.replaceChildren(...rows);
}

/** The checks that the settings leave out, by stage: why. */
let left = {};

/** Shows the settings that are set, and names those that are off. */
export function settings(active, off) {
  left = off.stages;
  pairs($('settings'), Object.entries(active));
  $('off').textContent = `Off here: ${off.settings.join(', ')}. docs/settings.md explains them.`;
}

/** The journey: which checks passed, which one refused, which were not reached, which are off. */
export function journey(record) {
  const reached = STAGES.findIndex(([stage]) => stage === record?.stage);
  const items = STAGES.map(([stage, name, question], at) => {
    let [state, words] = ['ahead', record ? 'not reached' : ''];
    if (record && (at < reached || (at === reached && record.outcome !== 'refused'))) {
      [state, words] = ['passed', 'passed'];
    } else if (at === reached) {
      [state, words] = ['stopped', 'refused here'];
    }
    if (state !== 'stopped' && left[stage]) words = left[stage];
    const item = element('li', undefined, { 'data-state': state });
    item.append(
      element('span', name, { class: 'stage' }),
      element('span', question, { class: 'question' }),
    );
    if (words) item.append(element('span', words, { class: 'state' }));
    return item;
  });
  $('journey').replaceChildren(...items);
}

/**
 * A headline and two sentences. `outcome`: `admitted`, `refused`, `busy` or `none`.
 * @param {string} outcome
 * @param {import('./messages.js').Message} message
 */
export function verdict(outcome, { headline, why, then }) {
  $('verdict').dataset.outcome = outcome;
  $('headline').textContent = headline;
  $('why').textContent = why;
  $('then').hidden = !then;
  $('then').textContent = then ? `What a client should do: ${then}` : '';
  $('cause').hidden = true;
}

const CAPITALS = { Www: 'WWW', Ratelimit: 'RateLimit', Websocket: 'WebSocket' };

// Header names reach the witness in lower case; their specifications write them like this.
function title(name) {
  const words = name.split('-').map((word) => word[0].toUpperCase() + word.slice(1));
  return words.map((word) => CAPITALS[word] ?? word).join('-');
}

function answerOf({ status, headers, body }) {
  $('status-line').textContent = `HTTP/1.1 ${status} ${STATUS[status] ?? ''}`.trim();
  const named = headers.map(([name, value]) => [title(name), value]);
  const of = (pattern) => named.filter(([name]) => pattern.test(name.toLowerCase()));
  const security = of(SECURITY);
  const other = named.filter(
    (pair) => !security.includes(pair) && !UNINTERESTING.test(pair[0].toLowerCase()),
  );
  pairs($('answer-headers'), other);
  pairs($('security-headers'), security);
  $('body-details').hidden = !body;
  $('answer-body').textContent = body ? JSON.stringify(body, undefined, 2) : '';
}

// What the words for a reason can't know.
function particulars({ reason, origin }, { headers }) {
  if (reason === 'origin_not_allowed') return ` This page came from ${origin}.`;
  const policy = headers.find(([name]) => name === 'ratelimit-policy')?.[1];
  const [, count, seconds] = policy?.match(/q=(\d+);w=(\d+)/) ?? [];
  return count ? ` Here that is ${count} attempts in ${seconds} seconds.` : '';
}

/** Everything about an attempt that the gate decided. `before`: put in front of the reason. */
export function decision({ record, answer, opened, code, shown, token, before = '' }) {
  const words = wordsFor(record);
  verdict(record.outcome, { ...words, why: `${before}${words.why}${particulars(record, answer)}` });
  journey(record);
  answerOf(answer);
  $('cause').hidden = !record.cause;
  $('cause').textContent = record.cause
    ? `The cause, which only the log has: ${[record.cause, record.detail].filter(Boolean).join('; ')}.`
    : '';
  const seen = opened
    ? 'A browser tells its page that the socket is open, and little more.'
    : shown
      ? `The gate opened the socket only to close it, so that the page gets to know the code ${code} and the reason.`
      : `A browser keeps a refusal’s answer from its page, which only gets to know that the socket closed with code ${code}.`;
  $('browser-view').textContent =
    `${seen} This is what the gate really answered, noted down by the playground in front of it.`;
  pairs($('record'), Object.entries(record));
  $('token-details').hidden = !token;
  $('token').textContent = token ? JSON.stringify(token, undefined, 2) : '';
  $('evidence').hidden = false;
}

/** One more row in the table of all decisions, the newest on top. */
export function remember({ record, answer }) {
  const outcome = record.outcome === 'refused' ? record.reason : record.outcome;
  const cells = [
    new Date(record.time).toLocaleTimeString([], { hour12: false }),
    String(answer.status),
    outcome,
    record.cause ?? '',
    record.origin ?? 'none',
  ];
  const row = element('tr', undefined, { 'data-outcome': record.outcome });
  row.append(...cells.map((text) => element('td', text)));
  const table = $('history');
  table.prepend(row);
  while (table.rows.length > HISTORY) table.rows[table.rows.length - 1].remove();
  $('no-history').hidden = true;
  table.closest('.scroller').hidden = false;
}

/** A line of the conversation. */
export function line(from, text) {
  const item = element('li', undefined, { 'data-from': from });
  item.append(
    element('span', from === 'you' ? 'You' : 'Server', { class: 'from' }),
    element('span', text),
  );
  const list = $('messages');
  list.append(item);
  list.scrollTop = list.scrollHeight;
}

/** What the server says it was told of the client. */
export function welcome({ subject, scopes, request_id: id, headers }) {
  $('told').textContent = [
    `The server was told that you are ${subject ?? 'nobody'}`,
    scopes.length > 0 && `with the scopes ${scopes.join(' and ')}`,
    `and that this is the request ${id}.`,
  ]
    .filter(Boolean)
    .join(', ');
  const shown = { ...headers };
  for (const name of ['authorization', 'sec-websocket-protocol'])
    shown[name] ??= 'none: taken out by the gate';
  pairs($('told-headers'), Object.entries(shown));
}

let ticking;

/** Counts down on the page; the end is announced. */
export function countdown(seconds) {
  clearInterval(ticking);
  const bar = $('wait-bar');
  const over = performance.now() + seconds * 1000;
  bar.max = seconds;
  $('wait-over').textContent = '';
  function tick() {
    const left = Math.max(0, (over - performance.now()) / 1000);
    $('countdown').textContent = `Next attempt in ${Math.ceil(left)} s`;
    bar.value = seconds - left;
    if (left > 0) return;
    clearInterval(ticking);
    $('wait').hidden = true;
    $('wait-over').textContent = 'The wait is over: the next attempt will be admitted.';
  }
  $('wait').hidden = false;
  tick();
  ticking = setInterval(tick, 200);
}

/** Away with the wait of an earlier attempt. */
export function noCountdown() {
  clearInterval(ticking);
  $('wait').hidden = true;
  $('wait-over').textContent = '';
}
