// Channels: a channel is a WebSocket from an isolate to one of the gate's Durable Objects. The isolate
// holds it while a client's socket lives. By it the object knows that the socket lives, and through it
// the object can end the socket or move its expiry.
import { discard, withTimeout } from './host.js';

/**
 * The state in which a channel is asked for.
 * @typedef {object} State
 * @property {boolean} again the socket was admitted before
 * @property {string | 0} expires `<ms> <by what>`, from when the object moved the socket's expiry, or 0
 */

/**
 * Asks an object for a channel. It resolves to the object's Response, with the header `answer`. Either
 * that has a `webSocket`, or it refuses by the header `message`, which says what happens to a socket
 * that was admitted before. Anything else is a failure.
 * @typedef {(state: State, signal: AbortSignal) => Promise<Response>} Open
 */

/**
 * What a channel ends or extends.
 * @typedef {object} Governed
 * @property {(code: number, reason: string, cause: string) => void} end
 * @property {(until: number) => void} extend
 */

/**
 * The lengths of time that `portcullis::relay::channel` names, in milliseconds.
 * @type {{
 *   pingEvery: number,
 *   patience: number,
 *   maxReopenTime: number,
 *   minPause: number,
 *   maxPause: number,
 * }}
 */
let settings;

/** @param {string} json */
export function configureChannels(json) {
  settings = JSON.parse(json);
}

class Channel {
  #open;
  #endsWhenLost;
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {number | null} */
  #timer = null;
  /** When the object was last known to hear of this channel: a lower bound. */
  #heard = Date.now();
  #failures = 0;
  #isOver = false;
  /**
   * The expiry as the object last moved it: `<ms> <by what>`, or 0.
   * @type {string | 0}
   */
  #expires = 0;
  /** @type {Governed | undefined} */
  #relay;
  /**
   * What the object demanded before there was a relay.
   * @type {((relay: Governed) => void)[]}
   */
  #early = [];

  /**
   * @param {(state: State) => Promise<Response>} open
   * @param {WebSocket | undefined} first
   * @param {boolean} endsWhenLost
   */
  constructor(open, first, endsWhenLost) {
    this.#open = open;
    this.#endsWhenLost = endsWhenLost;
    if (first) this.#attach(first);
    else this.#lose();
  }

  /** @param {Governed} relay */
  govern(relay) {
    this.#relay = relay;
    for (const act of this.#early.splice(0)) act(relay);
  }

  close() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#drop(1000, 'over');
  }

  /**
   * Does what a message of the object says: `end <code> <reason>` or `expires <ms> <by what>`.
   * @param {string} message
   */
  #obey(message) {
    const [word, number, reason] = message.split(' ');
    if (word === 'expires') {
      this.#expires = message.slice('expires '.length);
      this.#act((relay) => relay.extend(Number(number)));
    } else if (word === 'end') {
      this.#end(Number(number), reason, 'its object demanded it');
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {string} cause
   */
  #end(code, reason, cause) {
    this.close();
    this.#act((relay) => relay.end(code, reason, cause));
  }

  /** @param {(relay: Governed) => void} act */
  #act(act) {
    if (this.#relay) act(this.#relay);
    else this.#early.push(act);
  }

  /** @param {WebSocket} socket */
  #attach(socket) {
    this.#socket = socket;
    this.#heard = Date.now();
    this.#failures = 0;
    let isAnswered = true;
    let sent = this.#heard;
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
        this.#obey(String(data));
      }
    });
    const ping = () => {
      try {
        if (!isAnswered) throw new Error('no answer to the last one');
        isAnswered = false;
        sent = Date.now();
        socket.send('ping');
        this.#timer = setTimeout(ping, settings.pingEvery);
      } catch {
        onLost();
      }
    };
    this.#timer = setTimeout(ping, settings.pingEvery);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
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
    const left = this.#heard + settings.patience - Date.now();
    if (this.#endsWhenLost && left <= 0) {
      const cause = `its object was out of reach for ${settings.patience / 1000} s`;
      this.#end(1013, 'limiter_unavailable', cause);
      return;
    }
    // With jitter: an object that restarts lost all its channels at once.
    const longest = this.#endsWhenLost ? Math.min(left, settings.maxPause) : settings.maxPause;
    const pause = Math.min(settings.minPause * 2 ** this.#failures, longest);
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
    else this.#obey(response.headers.get('message') ?? '');
  }
}

/**
 * Asks an object for a channel. Each call makes a stub: one that failed once fails for ever.
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<Response>}
 */
export const connect = (namespace, name, url, signal) =>
  namespace.getByName(name).fetch(url, { headers: { Upgrade: 'websocket' }, signal });

/**
 * Opens a channel and holds it; a lost channel is opened again. Resolves to `channel` and `text`, the
 * object's answer, or to `channel` and `failure` if there was no answer in time; then the channel keeps
 * trying. If there is only `text`, the object refused.
 *
 * @param {Open} open
 * @param {boolean} endsWhenLost the client's socket ends with 1013 when the object is out of reach for
 *   too long
 * @param {number} milliseconds how long the object may take to answer
 */
export async function hold(open, endsWhenLost, milliseconds) {
  /** @type {(state: State) => Promise<Response>} */
  const ask = (state) => {
    const longest = state.again ? Math.min(milliseconds, settings.maxReopenTime) : milliseconds;
    return withTimeout(longest, async (signal) => {
      const response = await open(state, signal);
      // It came too late, and nobody waits for it.
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

/**
 * From now on the object's messages act on this relay.
 * @param {Channel} channel
 * @param {Governed} relay
 */
export function govern(channel, relay) {
  channel.govern(relay);
}

/**
 * Releases a channel: the object learns that the client's socket is over.
 * @param {Channel} channel
 */
export function release(channel) {
  channel.close();
}
