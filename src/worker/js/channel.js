// A WebSocket from an isolate to a Durable Object of the gate's own, held while a client's socket
// lives: by it the object knows that the socket does, and tells what is to become of it.
import { discard, withTimeout } from './host.js';

const PING_EVERY = 20_000;
/** How long the object may be out of reach, since it last heard of the channel. */
const PATIENCE = 45_000;
/** How long it may take to answer to a channel that is opened again. */
const MAX_REOPEN_TIME = 5_000;
const MIN_PAUSE = 250;
const MAX_PAUSE = 10_000;

class Channel {
  #open;
  #endsWhenLost;
  #socket;
  #timer;
  /** When the object was last known to hear of this channel: a lower bound. */
  #heard = Date.now();
  #failures = 0;
  #isOver = false;
  /** What the object said of the expiry that it moved. */
  #expires = 0;
  #relay;
  /** What the object said before there was a relay to do it to. */
  #early = [];

  constructor(open, first, endsWhenLost) {
    this.#open = open;
    this.#endsWhenLost = endsWhenLost;
    if (first) this.#attach(first);
    else this.#lose();
  }

  govern(relay) {
    this.#relay = relay;
    for (const act of this.#early.splice(0)) act(relay);
  }

  close() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#drop(1000, 'over');
  }

  /** Does what the object says: `end <code> <reason>` or `expires <ms> <by what>`. */
  #obey(message) {
    const [word, number, reason] = message.split(' ');
    if (word === 'expires') {
      this.#expires = message.slice('expires '.length);
      this.#act((relay) => relay.extend(Number(number)));
    } else if (word === 'end') {
      this.#end(Number(number), reason, 'told by its object');
    }
  }

  #end(code, reason, cause) {
    this.close();
    this.#act((relay) => relay.end(code, reason, cause));
  }

  #act(act) {
    if (this.#relay) act(this.#relay);
    else this.#early.push(act);
  }

  #attach(socket) {
    this.#socket = socket;
    this.#heard = Date.now();
    this.#failures = 0;
    let isAnswered = true;
    let sent;
    const onLost = () => {
      if (this.#socket === socket) this.#lose();
    };
    socket.accept();
    socket.addEventListener('close', onLost);
    socket.addEventListener('error', onLost);
    socket.addEventListener('message', ({ data }) => {
      if (this.#socket !== socket) return;
      if (data === 'pong') {
        isAnswered = true;
        this.#heard = sent;
      } else {
        this.#obey(data);
      }
    });
    const ping = () => {
      try {
        if (!isAnswered) throw new Error('no answer to the last one');
        isAnswered = false;
        sent = Date.now();
        socket.send('ping');
        this.#timer = setTimeout(ping, PING_EVERY);
      } catch {
        onLost();
      }
    };
    this.#timer = setTimeout(ping, PING_EVERY);
  }

  #drop(code, reason) {
    const socket = this.#socket;
    this.#socket = undefined;
    try {
      socket?.close(code, reason);
    } catch {
      // It is closed already.
    }
  }

  #lose() {
    clearTimeout(this.#timer);
    this.#drop(1011, 'lost');
    const left = this.#heard + PATIENCE - Date.now();
    if (this.#endsWhenLost && left <= 0) {
      this.#end(1013, 'limiter_unavailable', 'its object was out of reach for 45 s');
      return;
    }
    // With jitter: an object that restarts lost all its channels at once.
    const longest = this.#endsWhenLost ? Math.min(left, MAX_PAUSE) : MAX_PAUSE;
    const pause = Math.min(MIN_PAUSE * 2 ** this.#failures, longest);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#reopen(), pause * (0.5 + Math.random()));
  }

  async #reopen() {
    let response;
    try {
      response = await this.#open({ again: true, expires: this.#expires });
    } catch {
      if (!this.#isOver) this.#lose();
      return;
    }
    if (this.#isOver) discard(response);
    else if (response.webSocket) this.#attach(response.webSocket);
    else this.#obey(response.headers.get('message'));
  }
}

/** Asks the object of this name for a channel, by a new stub: one that failed once fails for ever. */
export const connect = (namespace, name, url, signal) =>
  namespace.getByName(name).fetch(url, { headers: { Upgrade: 'websocket' }, signal });

/**
 * Opens a channel and holds it: one that is lost is opened again. Resolves to `channel` and `text`,
 * the object's answer, or to `failure` where it gave none in time; then the channel tries on.
 * Without a channel the object refused.
 *
 * `open({ again, expires }, signal)` resolves to the object's Response, with the header `answer`.
 * It has a `webSocket`, or refuses by the header `message`: what becomes of a socket that was
 * admitted before. Anything else is a failure. `expires`: `<ms> <by what>`, as the object said when
 * it moved the socket's expiry, or 0. `endsWhenLost`: whether the client's socket ends, with 1013,
 * where the object is out of reach for 45 s. `milliseconds`: how long the object may take to answer.
 */
export async function hold(open, endsWhenLost, milliseconds) {
  const ask = (state) => {
    const longest = state.again ? Math.min(milliseconds, MAX_REOPEN_TIME) : milliseconds;
    return withTimeout(longest, async (signal) => {
      const response = await open(state, signal);
      // It came too late, and nobody takes it.
      if (signal.aborted) discard(response);
      if (response.webSocket || response.headers.has('message')) return response;
      throw new Error(
        `it answered ${response.headers.get('answer') ?? `status ${response.status}`}`,
      );
    });
  };
  try {
    const response = await ask({ again: false, expires: 0 });
    const text = response.headers.get('answer');
    if (!response.webSocket) return { text };
    return { text, channel: new Channel(ask, response.webSocket, endsWhenLost) };
  } catch (failure) {
    return { failure, channel: new Channel(ask, undefined, endsWhenLost) };
  }
}

/** From now on the object's word is done to the relay. */
export function govern(channel, relay) {
  channel.govern(relay);
}

/** Lets go of a channel: the object learns that the client's socket is no more. */
export function release(channel) {
  channel.close();
}
