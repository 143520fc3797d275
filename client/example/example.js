// PortcullisSocket at work, at the gate that `npm start` runs; its playground serves this page.
import { PortcullisSocket } from '../portcullis.js';

const $ = (id) => document.getElementById(id);
const gate = new URLSearchParams(location.search).get('gate') ?? 'ws://127.0.0.1:8787/';
const STATES = ['Connecting …', 'Open', 'Closing …', 'Closed'];

let kind = 'valid';
const socket = new PortcullisSocket(gate, {
  handover: 'ticket',
  async getToken({ reason, signal }) {
    log(`asked for a token: ${reason}`);
    // An expired one is refused, and then a new one asked for.
    const wanted = reason === 'refused' ? 'valid' : kind;
    kind = 'valid';
    const answer = await fetch(`/token?kind=${wanted}`, { method: 'POST', signal });
    if (!answer.ok) throw new Error(`no token: ${answer.status}`);
    return answer.text();
  },
});

socket.onopen = () => log('open');
socket.onmessage = ({ data }) => log(`← ${data}`);
socket.onerror = ({ message }) => log(`error: ${message}`);
socket.onrefused = ({ reason, action }) => log(`refused: ${reason}, so: ${action}`);
socket.onclose = ({ code, retryIn }) => {
  log(
    `closed with ${code}, ${retryIn === null ? 'for good' : `again in ${Math.ceil(retryIn)} ms`}`,
  );
};

function log(text) {
  const line = document.createElement('li');
  line.textContent = text;
  $('messages').append(line);
  line.scrollIntoView({ block: 'nearest' });
  // Before the first event there is no socket yet.
  queueMicrotask(() => ($('state').textContent = STATES[socket.readyState]));
}

$('send').addEventListener('submit', (event) => {
  event.preventDefault();
  if (socket.readyState !== PortcullisSocket.OPEN) return log('not open: nothing was sent');
  socket.send($('text').value);
  log(`→ ${$('text').value}`);
  $('text').value = '';
});
$('again').addEventListener('click', () => socket.reconnect());
$('expired').addEventListener('click', () => {
  kind = 'expired';
  socket.reconnect();
});
$('close').addEventListener('click', () => {
  socket.close();
  $('state').textContent = STATES[socket.readyState];
});
