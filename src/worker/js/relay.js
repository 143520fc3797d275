// The relay of an inspected socket, between the client and the upstream. It runs wholly in JavaScript,
// so that no message crosses into WASM. Limits, close codes and their names come as JSON from the core's
// `SocketLimits`.

import { closeWait, Held } from './backlog.js';
import { cutOff } from './lingering.js';

/** The longest time that a timer can wait, in milliseconds. */
const MAX_WAIT = 2 ** 31 - 1;

/**
 * The limits of a socket, as the core's `SocketLimits` writes them.
 * @typedef {object} Limits
 * @property {number | null} messageBytes
 * @property {[count: number, milliseconds: number] | null} messageRate
 * @property {number | null} idle in milliseconds
 * @property {{ every: number, text: string } | null} heartbeat in milliseconds, for clients that
 *   understand heartbeats
 * @property {number | null} lifetimeEnds in milliseconds since the epoch
 * @property {number | null} expires in milliseconds since the epoch
 * @property {number | null} backlogBytes
 * @property {number} messageOverhead in bytes
 * @property {number} closeWait in milliseconds
 * @property {Record<string, number | null>} codes close codes by reason; null for a side's own
 * @property {[first: number, last: number][]} passable codes that pass unchanged
 * @property {boolean} reports limits are reported, and end nothing
 */

const encoder = new TextEncoder();
const scratch = new Uint8Array(1 << 16);
/** A UTF-16 code unit takes at most three bytes of UTF-8. */
const SCRATCH_LENGTH = Math.floor(scratch.length / 3);

/** @param {string} text */
function utf8Length(text) {
  if (text.length <= SCRATCH_LENGTH) return encoder.encodeInto(text, scratch).written;
  return encoder.encode(text).byteLength;
}

/**
 * Limits how many messages come in any half-open interval of a length. It keeps one entry for all
 * messages of a millisecond, and drops entries that are out of the interval.
 */
class Rate {
  #max;
  #window;
  /** @type {number[]} */
  #times = [];
  /** @type {number[]} */
  #counts = [];
  /** The first entry that counts. */
  #first = 0;
  #total = 0;

  /** @param {[max: number, milliseconds: number]} rate */
  constructor([max, window]) {
    this.#max = max;
    this.#window = window;
  }

  /** @param {number} now in milliseconds */
  admits(now) {
    const times = this.#times;
    const counts = this.#counts;
    while (this.#first < times.length && times[this.#first] <= now - this.#window) {
      this.#total -= counts[this.#first];
      this.#first += 1;
    }
    if (this.#first > 64 && this.#first * 2 > times.length) {
      times.splice(0, this.#first);
      counts.splice(0, this.#first);
      this.#first = 0;
    }
    if (this.#total >= this.#max) return false;
    this.#total += 1;
    let last = times.length - 1;
    // If the clock was set back, later entries count from now on.
    while (last > this.#first && times[last - 1] >= now) {
      times.pop();
      counts[last - 1] += counts.pop() ?? 0;
      last -= 1;
    }
    if (last >= this.#first && times[last] >= now) {
      times[last] = now;
      counts[last] += 1;
    } else {
      times.push(now);
      counts.push(1);
    }
    return true;
  }
}

/** One of the two sockets, and how much it sent. */
class Side {
  messages = 0;
  bytes = 0;
  /** How many bytes were passed to it after its last own message. */
  backlog = 0;
  /** Whether it sent anything since the last heartbeat. */
  isHeard = true;
  /** Nothing more will come from it. */
  hasEnded = false;
  #isClosed = false;

  /**
   * @param {'client' | 'upstream'} name
   * @param {WebSocket} socket
   * @param {Held} held
   */
  constructor(name, socket, held) {
    this.name = name;
    this.socket = socket;
    this.held = held;
    socket.binaryType = 'arraybuffer';
  }

  /**
   * @param {number} code 1005 for a close without a code
   * @param {string} reason
   */
  close(code, reason) {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      if (code === 1005) this.socket.close();
      else this.socket.close(code, reason);
    } catch {
      // It failed before, and nobody is left to be closed.
    }
  }

  get traffic() {
    return { messages: this.messages, bytes: this.bytes };
  }
}

class Relay {
  /** The socket for the response to the client. */
  client;
  #near;
  #far;
  #limits;
  #context;
  #onEnd;
  #onReport;
  #rate;
  #maxBytes;
  #maxBacklog;
  #opened = Date.now();
  #lastMessage = this.#opened;
  #expires;
  #lifetimeEnds;
  #idle;
  #nextHeartbeat;
  /** @type {number | null} */
  #timer = null;
  /** @type {number | null} */
  #closeTimer = null;
  /**
   * How the first side closed, while the other could still send.
   * @type {{ name: string, code: number, reason: string } | undefined}
   */
  #firstClose;
  #hasEnded = false;
  /** The limits that were reported already.
   * @type {Set<string>} */
  #reported = new Set();

  /**
   * @param {WebSocket} upstream
   * @param {Limits} limits
   * @param {ExecutionContext} context
   * @param {(closed: string) => void} onEnd
   * @param {(kept: string) => void} onReport
   * @param {WebSocket | undefined} near the client's socket, if it is open already
   */
  constructor(upstream, limits, context, onEnd, onReport, near) {
    const [client, server] = near ? [undefined, near] : Object.values(new WebSocketPair());
    this.client = client;
    /** @type {PromiseWithResolvers<number>} */
    const { promise, resolve } = Promise.withResolvers();
    // Another request may settle the promise; what follows runs in this one.
    promise.then((bytes) => this.#giveUp(bytes));
    this.#near = new Side('client', server, new Held(resolve));
    this.#far = new Side('upstream', upstream, new Held(resolve));
    this.#limits = limits;
    this.#context = context;
    this.#onEnd = onEnd;
    this.#onReport = onReport;
    this.#rate = limits.messageRate && new Rate(limits.messageRate);
    this.#maxBytes = limits.messageBytes ?? Infinity;
    this.#maxBacklog = limits.backlogBytes ?? Infinity;
    this.#expires = limits.expires ?? Infinity;
    this.#lifetimeEnds = limits.lifetimeEnds ?? Infinity;
    this.#idle = limits.idle ?? Infinity;
    this.#nextHeartbeat = limits.heartbeat ? this.#opened : Infinity;
    this.#listen(this.#near, this.#far, this.#rate, limits.heartbeat?.text);
    this.#listen(this.#far, this.#near, null);
    if (!near) server.accept({ allowHalfOpen: true });
    upstream.accept({ allowHalfOpen: true });
    this.#watch();
  }

  /**
   * @param {Side} from
   * @param {Side} to
   * @param {Rate | null} rate
   * @param {string} [heartbeat] the text of an answer to a heartbeat
   */
  #listen(from, to, rate, heartbeat) {
    const { socket } = from;
    const { messageOverhead } = this.#limits;
    socket.addEventListener('message', ({ data }) => {
      if (this.#hasEnded) return;
      const size = typeof data === 'string' ? utf8Length(data) : data.byteLength;
      if (size > this.#maxBytes) {
        if (this.#exceed('message_too_big', `${size} bytes from the ${from.name}`)) return;
      }
      const now = Date.now();
      if (rate && !rate.admits(now)) {
        if (this.#exceed('message_rate')) return;
      }
      from.isHeard = true;
      if (data === heartbeat) {
        from.backlog = 0;
        from.held.clear();
        return;
      }
      const backlog = to.backlog + size + messageOverhead;
      if (backlog > this.#maxBacklog && to.backlog > 0) {
        const cause = `the ${to.name} was sent ${to.backlog} bytes and said nothing`;
        if (this.#exceed('backlog', cause)) return;
      }
      to.backlog = backlog;
      to.held.add(size + messageOverhead, now);
      from.backlog = 0;
      from.held.clear();
      from.messages += 1;
      from.bytes += size;
      this.#lastMessage = now;
      to.socket.send(data);
    });
    socket.addEventListener('close', ({ code, reason, wasClean }) => {
      from.hasEnded = true;
      if (this.#hasEnded) this.#settle();
      else if (wasClean && this.#isPassable(code)) this.#passClose(from, to, code, reason);
      else if (this.#firstClose) this.#endClosed();
      else this.#finish(`${from.name}_gone`, `${reason || 'closed'} (${code})`);
    });
    socket.addEventListener('error', ({ message }) => {
      from.hasEnded = true;
      if (this.#hasEnded) this.#settle();
      // The platform has its own limit, and has closed this side already.
      else if (message.includes('statusCode = 1009')) this.#finish('message_too_big', message);
      else if (this.#firstClose) this.#endClosed();
      else this.#finish(`${from.name}_gone`, message);
    });
  }

  /** @param {number} code */
  #isPassable(code) {
    return (
      code === 1005 || this.#limits.passable.some(([low, high]) => low <= code && code <= high)
    );
  }

  /**
   * One side has closed; the other may send what it has left.
   * @param {Side} from
   * @param {Side} to
   * @param {number} code
   * @param {string} reason
   */
  #passClose(from, to, code, reason) {
    to.close(code, reason);
    this.#firstClose ??= { name: `${from.name}_closed`, code, reason };
    if (to.hasEnded) this.#endClosed();
    else this.#closeTimer = setTimeout(() => this.#endClosed(), this.#limits.closeWait);
  }

  /** Both sides closed, or the second one does not. */
  #endClosed() {
    if (!this.#firstClose) return;
    const { name, code, reason } = this.#firstClose;
    this.#end(name, undefined, code, reason);
  }

  /**
   * The sockets of this isolate hold too much, and this one most of all.
   * @param {number} bytes
   */
  #giveUp(bytes) {
    if (this.#hasEnded) {
      if (!this.#isSettled) this.#waitForClose(closeWait());
      return;
    }
    this.#finish('backlog', `of all sockets of its isolate it held most: ${bytes} bytes`);
    this.#waitForClose(closeWait());
  }

  /**
   * A limit is exceeded: the socket ends, unless limits are only reported, each of them once.
   * Returns whether it ended.
   * @param {string} name
   * @param {string} [cause]
   * @param {number | null} [code]
   */
  #exceed(name, cause, code = this.#limits.codes[name]) {
    if (!this.#limits.reports) {
      this.#finish(name, cause, code);
      return true;
    }
    if (!this.#reported.has(name)) {
      this.#reported.add(name);
      this.#onReport(this.#account(name, cause, code ?? 1005));
    }
    return false;
  }

  /**
   * @param {string} name
   * @param {string} [cause]
   * @param {number | null} [code]
   */
  #finish(name, cause, code = this.#limits.codes[name]) {
    this.#end(name, cause, code ?? 1005, name);
  }

  /**
   * @param {string} name
   * @param {string | undefined} cause
   * @param {number} code
   * @param {string} reason
   */
  #end(name, cause, code, reason) {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    for (const side of [this.#near, this.#far]) side.close(code, reason);
    this.#waitForClose(this.#limits.closeWait);
    this.#onEnd(this.#account(name, cause, name === 'client_gone' ? 1006 : code));
  }

  /**
   * @param {string} name
   * @param {string | undefined} cause
   * @param {number} code
   */
  #account(name, cause, code) {
    return JSON.stringify({
      reason: name,
      cause,
      code,
      client: this.#near.traffic,
      upstream: this.#far.traffic,
      // The clock may have been set back meanwhile.
      duration: Math.max(0, Date.now() - this.#opened),
    });
  }

  get #isSettled() {
    return this.#near.hasEnded && this.#far.hasEnded;
  }

  /**
   * Cuts both sides off if one does not close in time. A close may wait behind a backlog for ever,
   * or never be answered.
   * @param {number} milliseconds
   */
  #waitForClose(milliseconds) {
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => {
      this.#holdNothing();
      cutOff(this.#context, 'a side of a closed socket did not answer the close');
    }, milliseconds);
    this.#settle();
  }

  #settle() {
    if (!this.#isSettled) return;
    clearTimeout(this.#closeTimer);
    this.#holdNothing();
  }

  #holdNothing() {
    for (const side of [this.#near, this.#far]) side.held.clear();
  }

  /** Ends the socket if its time is over, or waits for the next moment at which it may be. */
  #watch() {
    const now = Date.now();
    const idleEnds = this.#lastMessage + this.#idle;
    // What is only reported is over with that.
    if (now >= this.#expires) {
      if (this.#exceed('token_expired')) return;
      this.#expires = Infinity;
    } else if (now >= this.#lifetimeEnds) {
      if (this.#exceed('lifetime')) return;
      this.#lifetimeEnds = Infinity;
    } else if (now >= idleEnds) {
      if (this.#exceed('idle')) return;
      this.#idle = Infinity;
    } else if (now >= this.#nextHeartbeat && !this.#near.isHeard) {
      if (this.#exceed('unresponsive')) return;
      this.#nextHeartbeat = Infinity;
    } else {
      if (now >= this.#nextHeartbeat) this.#beat(now);
      const ends = Math.min(this.#expires, this.#lifetimeEnds, idleEnds, this.#nextHeartbeat);
      const wait = ends - now;
      if (wait === Infinity) return;
      this.#timer = setTimeout(() => this.#watch(), Math.min(wait, MAX_WAIT));
      return;
    }
    this.#watch();
  }

  /**
   * Sends a heartbeat, unless the socket is closing.
   * @param {number} now in milliseconds
   */
  #beat(now) {
    const { heartbeat } = this.#limits;
    if (!heartbeat || this.#firstClose) {
      this.#nextHeartbeat = Infinity;
      return;
    }
    const { every, text } = heartbeat;
    this.#near.isHeard = false;
    this.#near.socket.send(`${text} ${every}`);
    this.#nextHeartbeat = now + every;
  }

  /**
   * Closes both sides. An administrator's command does so even where limits are only reported.
   * @param {number} code
   * @param {string} reason
   * @param {string} cause
   */
  end(code, reason, cause) {
    if (this.#hasEnded) return;
    if (reason === 'revoked' || reason === 'disconnected') this.#finish(reason, cause, code);
    else this.#exceed(reason, cause, code);
  }

  /**
   * Moves the expiry of a socket that has one.
   * @param {number} until in milliseconds since the epoch
   */
  extend(until) {
    if (this.#hasEnded || this.#expires === Infinity) return;
    this.#expires = until;
    clearTimeout(this.#timer);
    this.#watch();
  }
}

/**
 * Starts a relay between the upstream's socket and a new one. Its `client` is the socket for the
 * response.
 * @param {WebSocket} upstream
 * @param {string} limits JSON of the core's `SocketLimits`
 * @param {ExecutionContext} context the request's, which is aborted if a side does not close
 * @param {(closed: string) => void} onEnd is called once, with the core's `Closed` as JSON
 * @param {(kept: string) => void} onReport is called for each limit that is only reported, with the same
 * @param {ReturnType<import('./first-message.js').awaitFirstMessage> | undefined} awaited the client,
 *   if its socket is open already
 */
export function relay(upstream, limits, context, onEnd, onReport, awaited) {
  const near = typeof awaited === 'object' ? awaited : undefined;
  const start = () =>
    new Relay(upstream, JSON.parse(limits), context, onEnd, onReport, near?.socket);
  return near ? near.handOver(upstream, start) : start();
}
