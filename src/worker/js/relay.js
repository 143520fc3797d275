// The relay of an inspected socket, between the client and the upstream. It runs wholly in JavaScript,
// so that no message crosses into WASM. Limits, close codes and their names come as JSON from the core's
// `SocketLimits`.

/** The longest time that a timer can wait, in milliseconds. */
const MAX_WAIT = 2 ** 31 - 1;

const encoder = new TextEncoder();
const scratch = new Uint8Array(1 << 16);
/** A UTF-16 code unit takes at most three bytes of UTF-8. */
const SCRATCH_LENGTH = Math.floor(scratch.length / 3);

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
  #times = [];
  #counts = [];
  /** The first entry that counts. */
  #first = 0;
  #total = 0;

  constructor([max, window]) {
    this.#max = max;
    this.#window = window;
  }

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
      counts[last - 1] += counts.pop();
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
  /** Nothing more will come from it. */
  hasEnded = false;
  #isClosed = false;

  constructor(name, socket) {
    this.name = name;
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
  }

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
  #rate;
  #maxBytes;
  #maxBacklog;
  #opened = Date.now();
  #lastMessage = this.#opened;
  #expires;
  #lifetimeEnds;
  #idle;
  #timer;
  #closeTimer;
  /** How the first side closed, while the other could still send. */
  #firstClose;
  #hasEnded = false;

  constructor(upstream, limits, context, onEnd) {
    const [client, server] = Object.values(new WebSocketPair());
    this.client = client;
    this.#near = new Side('client', server);
    this.#far = new Side('upstream', upstream);
    this.#limits = limits;
    this.#context = context;
    this.#onEnd = onEnd;
    this.#rate = limits.messageRate && new Rate(limits.messageRate);
    this.#maxBytes = limits.messageBytes ?? Infinity;
    this.#maxBacklog = limits.backlogBytes ?? Infinity;
    this.#expires = limits.expires ?? Infinity;
    this.#lifetimeEnds = limits.lifetimeEnds ?? Infinity;
    this.#idle = limits.idle ?? Infinity;
    this.#listen(this.#near, this.#far, this.#rate);
    this.#listen(this.#far, this.#near, null);
    for (const { socket } of [this.#near, this.#far]) socket.accept({ allowHalfOpen: true });
    this.#watch();
  }

  #listen(from, to, rate) {
    const { socket } = from;
    const { messageOverhead } = this.#limits;
    socket.addEventListener('message', ({ data }) => {
      if (this.#hasEnded) return;
      const size = typeof data === 'string' ? utf8Length(data) : data.byteLength;
      if (size > this.#maxBytes) {
        this.#finish('message_too_big', `${size} bytes from the ${from.name}`);
        return;
      }
      const now = Date.now();
      if (rate && !rate.admits(now)) {
        this.#finish('message_rate');
        return;
      }
      const backlog = to.backlog + size + messageOverhead;
      if (backlog > this.#maxBacklog && to.backlog > 0) {
        this.#finish('backlog', `the ${to.name} was sent ${to.backlog} bytes and said nothing`);
        return;
      }
      to.backlog = backlog;
      from.backlog = 0;
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

  #isPassable(code) {
    return (
      code === 1005 || this.#limits.passable.some(([low, high]) => low <= code && code <= high)
    );
  }

  /** One side has closed; the other may send what it has left. */
  #passClose(from, to, code, reason) {
    to.close(code, reason);
    this.#firstClose ??= { name: `${from.name}_closed`, code, reason };
    if (to.hasEnded) this.#endClosed();
    else this.#closeTimer = setTimeout(() => this.#endClosed(), this.#limits.closeWait);
  }

  /** Both sides closed, or the second one does not. */
  #endClosed() {
    const { name, code, reason } = this.#firstClose;
    this.#end(name, undefined, code, reason);
  }

  #finish(name, cause, code = this.#limits.codes[name]) {
    this.#end(name, cause, code, name);
  }

  #end(name, cause, code, reason) {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#closeTimer);
    for (const side of [this.#near, this.#far]) side.close(code, reason);
    // The close may wait behind a backlog for ever, or never be answered.
    this.#closeTimer = setTimeout(() => this.#context.abort(), this.#limits.closeWait);
    this.#settle();
    const closed = {
      reason: name,
      cause,
      code: name === 'client_gone' ? 1006 : code,
      client: this.#near.traffic,
      upstream: this.#far.traffic,
      // The clock may have been set back meanwhile.
      duration: Math.max(0, Date.now() - this.#opened),
    };
    this.#onEnd(JSON.stringify(closed));
  }

  #settle() {
    if (this.#near.hasEnded && this.#far.hasEnded) clearTimeout(this.#closeTimer);
  }

  /** Ends the socket if its time is over, or waits for the next moment at which it may be. */
  #watch() {
    const now = Date.now();
    const idleEnds = this.#lastMessage + this.#idle;
    if (now >= this.#expires) this.#finish('token_expired');
    else if (now >= this.#lifetimeEnds) this.#finish('lifetime');
    else if (now >= idleEnds) this.#finish('idle');
    else {
      const wait = Math.min(this.#expires, this.#lifetimeEnds, idleEnds) - now;
      if (wait === Infinity) return;
      this.#timer = setTimeout(() => this.#watch(), Math.min(wait, MAX_WAIT));
    }
  }

  /** Closes both sides. */
  end(code, reason, cause) {
    if (!this.#hasEnded) this.#finish(reason, cause, code);
  }

  /** Moves the expiry, in milliseconds since the epoch, of a socket that has one. */
  extend(until) {
    if (this.#hasEnded || this.#expires === Infinity) return;
    this.#expires = until;
    clearTimeout(this.#timer);
    this.#watch();
  }
}

/**
 * Starts a relay between the upstream's socket and a new one. Its `client` is the socket for the
 * response. `onEnd` is called once, with the core's `Closed` as JSON. `context` is the request's: it is
 * aborted if a side does not close.
 */
export function relay(upstream, limits, context, onEnd) {
  return new Relay(upstream, JSON.parse(limits), context, onEnd);
}
