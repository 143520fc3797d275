// The relay of inspected sockets: between the client's and the upstream's, wholly on this side of
// the border. Limits, close codes and names of ends come as JSON from the core's `Terms`.

/** The longest that a timer can wait, in milliseconds. */
const MAX_WAIT = 2 ** 31 - 1;

const encoder = new TextEncoder();
const scratch = new Uint8Array(1 << 16);
/** A UTF-16 code unit takes three bytes of UTF-8 at most. */
const SCRATCH_LENGTH = Math.floor(scratch.length / 3);

function utf8Length(text) {
  if (text.length <= SCRATCH_LENGTH) return encoder.encodeInto(text, scratch).written;
  return encoder.encode(text).byteLength;
}

/**
 * Admits so many messages in any interval of so many milliseconds, its begin included and its end
 * not. Keeps one entry for all messages of a millisecond, and none that is out of the interval.
 */
class Rate {
  #most;
  #window;
  #times = [];
  #counts = [];
  /** Entries before it are gone already. */
  #first = 0;
  #total = 0;

  constructor([most, window]) {
    this.#most = most;
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
    if (this.#total >= this.#most) return false;
    this.#total += 1;
    let last = times.length - 1;
    // Where the clock was set back, what lies ahead of it counts from now on.
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

/** One of the two sockets, and what it sent. */
class Side {
  messages = 0;
  bytes = 0;
  /** What was passed to it since it last sent a message, in bytes. */
  backlog = 0;
  /** Nothing more comes from it. */
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
      // It failed before, and nobody is there to be told.
    }
  }

  get traffic() {
    return { messages: this.messages, bytes: this.bytes };
  }
}

class Relay {
  /** What the answer to the client couples. */
  client;
  #near;
  #far;
  #terms;
  #context;
  #onEnd;
  #rate;
  #mostBytes;
  #mostBacklog;
  #opened = Date.now();
  #lastMessage = this.#opened;
  #expires;
  #lifetimeEnds;
  #idle;
  #timer;
  #closeTimer;
  /** How the first side closed while the other could still send. */
  #firstClose;
  #hasEnded = false;

  constructor(upstream, terms, context, onEnd) {
    const [client, server] = Object.values(new WebSocketPair());
    this.client = client;
    this.#near = new Side('client', server);
    this.#far = new Side('upstream', upstream);
    this.#terms = terms;
    this.#context = context;
    this.#onEnd = onEnd;
    this.#rate = terms.messageRate && new Rate(terms.messageRate);
    this.#mostBytes = terms.messageBytes ?? Infinity;
    this.#mostBacklog = terms.backlogBytes ?? Infinity;
    this.#expires = terms.expires ?? Infinity;
    this.#lifetimeEnds = terms.lifetimeEnds ?? Infinity;
    this.#idle = terms.idle ?? Infinity;
    this.#listen(this.#near, this.#far, this.#rate);
    this.#listen(this.#far, this.#near, null);
    for (const { socket } of [this.#near, this.#far]) socket.accept({ allowHalfOpen: true });
    this.#watch();
  }

  #listen(from, to, rate) {
    const { socket } = from;
    const { messageOverhead } = this.#terms;
    socket.addEventListener('message', ({ data }) => {
      if (this.#hasEnded) return;
      const size = typeof data === 'string' ? utf8Length(data) : data.byteLength;
      if (size > this.#mostBytes) {
        this.#finish('message_too_big', `${size} bytes from the ${from.name}`);
        return;
      }
      const now = Date.now();
      if (rate && !rate.admits(now)) {
        this.#finish('message_rate');
        return;
      }
      const backlog = to.backlog + size + messageOverhead;
      if (backlog > this.#mostBacklog && to.backlog > 0) {
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
      // The platform has its own limit, and told this side already.
      else if (message.includes('statusCode = 1009')) this.#finish('message_too_big', message);
      else if (this.#firstClose) this.#endClosed();
      else this.#finish(`${from.name}_gone`, message);
    });
  }

  #isPassable(code) {
    return code === 1005 || this.#terms.passable.some(([low, high]) => low <= code && code <= high);
  }

  /** One side closes; the other may finish what it has to say. */
  #passClose(from, to, code, reason) {
    to.close(code, reason);
    this.#firstClose ??= { name: `${from.name}_closed`, code, reason };
    if (to.hasEnded) this.#endClosed();
    else this.#closeTimer = setTimeout(() => this.#endClosed(), this.#terms.closeWait);
  }

  /** Both sides closed, or the second one does not. */
  #endClosed() {
    const { name, code, reason } = this.#firstClose;
    this.#end(name, undefined, code, reason);
  }

  #finish(name, cause, code = this.#terms.codes[name]) {
    this.#end(name, cause, code, name);
  }

  #end(name, cause, code, reason) {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#closeTimer);
    for (const side of [this.#near, this.#far]) side.close(code, reason);
    // Behind a backlog, or to a peer that does not answer, the closing may take for ever.
    this.#closeTimer = setTimeout(() => this.#context.abort(), this.#terms.closeWait);
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

  /** Ends the socket when it is time, or waits for the nearest time at which it may be. */
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
 * Relays between the upstream's socket and a new one, whose `client` the answer is to couple.
 * `onEnd` gets the core's `Closed` as JSON, once. `context` is that of the request: it is aborted
 * where a peer does not close.
 */
export function relay(upstream, terms, context, onEnd) {
  return new Relay(upstream, JSON.parse(terms), context, onEnd);
}
