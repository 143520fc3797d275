// Channels: a channel is a WebSocket from an isolate to one of the gate's Durable Objects. The isolate
// holds it while a client's socket lives. By it the object knows that the socket lives, and through it
// the object can end the socket or move its expiry.
import { discard, withTimeout } from './host.js';

/** The lengths of time that `portcullis::relay::channel` names, in milliseconds. */
let settings;

export function configureChannels(json) {
  settings = JSON.parse(json);
}

class Channel {
  #open;
  #endsWhenLost;
  #socket;
  #timer;
  /** When the object was last known to hear of this channel: a lower bound. */
  #heard = Date.now();
  #failures = 0;
  #isOver = false;
  /** The expiry as the object last moved it: `<ms> <by what>`, or 0. */
  #expires = 0;
  #relay;
  /** What the object demanded before there was a relay. */
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

  /** Does what a message of the object says: `end <code> <reason>` or `expires <ms> <by what>`. */
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
        this.#timer = setTimeout(ping, settings.pingEvery);
      } catch {
        onLost();
      }
    };
    this.#timer = setTimeout(ping, settings.pingEvery);
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
    else this.#obey(response.headers.get('message'));
  }
}

/** Asks an object for a channel. Each call makes a stub: one that failed once fails for ever. */
export const connect = (namespace, name, url, signal) =>
  namespace.getByName(name).fetch(url, { headers: { Upgrade: 'websocket' }, signal });

/**
 * Opens a channel and holds it; a lost channel is opened again. Resolves to `channel` and `text`, the
 * object's answer, or to `channel` and `failure` if there was no answer in time; then the channel keeps
 * trying. If there is only `text`, the object refused.
 *
 * `open({ again, expires }, signal)` resolves to the object's Response, with the header `answer`.
 * Either it has a `webSocket`, or it refuses by the header `message`, which says what happens to a
 * socket that was admitted before. Anything else is a failure. `expires` is `<ms> <by what>`, from when
 * the object moved the socket's expiry, or 0. `endsWhenLost`: the client's socket ends with 1013 when
 * the object is out of reach for too long. `milliseconds`: how long the object may take to answer.
 */
export async function hold(open, endsWhenLost, milliseconds) {
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

/** From now on the object's messages act on this relay. */
export function govern(channel, relay) {
  channel.govern(relay);
}

/** Releases a channel: the object learns that the client's socket is over. */
export function release(channel) {
  channel.close();
}
