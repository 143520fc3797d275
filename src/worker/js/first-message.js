// Sockets that are opened before their server is known, because their token is in the first message.
// What they send until the server is connected is held, in order and within limits.
import { answer } from './host.js';
import { cutOff } from './lingering.js';

/**
 * What `portcullis::relay::first_message` says, the time in milliseconds.
 * @type {{
 *   maxSockets: number,
 *   maxSocketsPerAddress: number,
 *   maxHeldBytes: number,
 *   maxHeldMessages: number,
 *   maxHeldBytesOfAll: number,
 *   maxCloseTime: number,
 * }}
 */
let settings;

/** @param {string} json */
export function configureFirstMessages(json) {
  settings = JSON.parse(json);
}

/**
 * How many sockets wait, by address.
 * @type {Map<string, number>}
 */
const waiting = new Map();
let allWaiting = 0;
let allHeld = 0;

/** @param {string | ArrayBuffer} data */
const sizeOf = (data) =>
  typeof data === 'string' ? new TextEncoder().encode(data).byteLength : data.byteLength;

/**
 * A text in UTF-8, in a buffer that holds nothing else.
 * @param {string} text
 */
const bytesOf = (text) => new TextEncoder().encode(text).slice().buffer;

const TYPES = /** @type {const} */ (['message', 'close', 'error']);

class Awaited {
  /** The answer to the client. */
  response;
  socket;
  /** Resolves to `{ text }`, `{ bytes }` or `{ failure }`. */
  first;
  #context;
  #address;
  #maxBytes;
  #timer;
  /** @type {Event[]} */
  #held = [];
  #heldBytes = 0;
  #hasFirst = false;
  #hasEnded = false;
  #isOverfull = false;
  #isCounted = true;
  /** @type {(first: { text?: string, bytes?: Uint8Array, failure?: string }) => void} */
  #resolve;
  /**
   * What the server gets in place of the first message, as text or in binary as that was: undefined
   * for the message itself, null for nothing.
   * @type {string | null | undefined}
   */
  #replacement;
  #dropsGreeting = false;

  /**
   * @param {ExecutionContext} context
   * @param {string} address
   * @param {number} milliseconds
   * @param {number} maxBytes
   * @param {string | undefined} greeting
   * @param {import('./host.js').Stamps} stamps
   * @param {string} own header lines
   */
  constructor(context, address, milliseconds, maxBytes, greeting, stamps, own) {
    const { 0: client, 1: server } = new WebSocketPair();
    this.response = answer(101, null, stamps, own, client);
    this.socket = server;
    this.#context = context;
    this.#address = address;
    this.#maxBytes = maxBytes;
    const { promise, resolve } = Promise.withResolvers();
    this.first = promise;
    this.#resolve = resolve;
    server.binaryType = 'arraybuffer';
    for (const type of TYPES) server.addEventListener(type, this.#hold);
    server.accept({ allowHalfOpen: true });
    waiting.set(address, (waiting.get(address) ?? 0) + 1);
    allWaiting += 1;
    this.#timer = setTimeout(() => resolve({ failure: 'timed out' }), milliseconds);
    if (greeting !== undefined) server.send(greeting);
  }

  /** @param {any} event */
  #hold = (event) => {
    if (event.type !== 'message') {
      clearTimeout(this.#timer);
      this.#hasEnded = true;
      this.#held.push(event);
      this.#resolve({ failure: 'left' });
      return;
    }
    if (this.#isOverfull) return;
    const size = sizeOf(event.data);
    if (!this.#hasFirst) {
      this.#hasFirst = true;
      clearTimeout(this.#timer);
      if (size > this.#maxBytes) {
        this.#isOverfull = true;
        this.#resolve({ failure: 'too long' });
        return;
      }
      const { data } = event;
      this.#resolve(typeof data === 'string' ? { text: data } : { bytes: new Uint8Array(data) });
    } else if (
      this.#heldBytes + size > settings.maxHeldBytes ||
      this.#held.length >= settings.maxHeldMessages ||
      allHeld + size > settings.maxHeldBytesOfAll
    ) {
      this.#isOverfull = true;
      this.#release();
      return;
    }
    this.#held.push(event);
    this.#heldBytes += size;
    allHeld += size;
  };

  #release() {
    this.#held.length = 0;
    allHeld -= this.#heldBytes;
    this.#heldBytes = 0;
  }

  /** Stops counting the socket as waiting. */
  #leave() {
    if (!this.#isCounted) return;
    this.#isCounted = false;
    clearTimeout(this.#timer);
    this.#release();
    for (const type of TYPES) this.socket.removeEventListener(type, this.#hold);
    allWaiting -= 1;
    const others = (waiting.get(this.#address) ?? 0) - 1;
    if (others > 0) waiting.set(this.#address, others);
    else waiting.delete(this.#address);
  }

  /**
   * Says what the server gets.
   * @param {string | null | undefined} first
   * @param {boolean} dropsGreeting
   */
  decide(first, dropsGreeting) {
    this.#replacement = first;
    this.#dropsGreeting = dropsGreeting;
  }

  /**
   * Closes a socket that is refused, and cuts it off if the client does not answer the close.
   * @param {number} code
   * @param {string} reason
   */
  refuse(code, reason) {
    clearTimeout(this.#timer);
    this.#isOverfull = true;
    this.#release();
    try {
      this.socket.close(code, reason);
    } catch {
      // The socket failed before, so there is nothing to close.
    }
    if (this.#hasEnded) {
      this.#leave();
      return;
    }
    const onEnd = () => {
      clearTimeout(this.#timer);
      this.#leave();
    };
    this.socket.addEventListener('close', onEnd);
    this.socket.addEventListener('error', onEnd);
    this.#timer = setTimeout(() => {
      this.#leave();
      cutOff(this.#context, 'a refused client did not answer the close');
    }, settings.maxCloseTime);
  }

  /**
   * Hands the socket over to a relay: `start` attaches the relay to both sides, and then gets what
   * was held.
   * @template {import('./channel.js').Governed} T
   * @param {WebSocket} upstream
   * @param {() => T} start
   * @returns {T}
   */
  handOver(upstream, start) {
    const events = [...this.#held];
    const isOverfull = this.#isOverfull;
    this.#leave();
    if (this.#dropsGreeting) {
      const drop = (/** @type {Event} */ event) => event.stopImmediatePropagation();
      upstream.addEventListener('message', drop, { once: true });
    }
    const relay = start();
    if (isOverfull) {
      relay.end(1013, 'backlog', 'it sent too much before its server was connected');
      return relay;
    }
    if (this.#replacement === null) events.shift();
    else if (this.#replacement !== undefined) {
      const { data } = /** @type {MessageEvent} */ (events[0]);
      events[0] = new MessageEvent('message', {
        data: typeof data === 'string' ? this.#replacement : bytesOf(this.#replacement),
      });
    }
    // After the caller has the relay that `start` returned. Nothing else can arrive before that.
    queueMicrotask(() => {
      for (const event of events) this.socket.dispatchEvent(/** @type {any} */ (event));
    });
    return relay;
  }
}

/**
 * Opens a socket that waits for its first message. Returns `address` or `isolate` if too many wait
 * already.
 * @param {ExecutionContext} context
 * @param {string} address
 * @param {number} milliseconds how long the first message may take
 * @param {number} maxBytes how long it may be
 * @param {string | undefined} greeting what the client is sent at once
 * @param {import('./host.js').Stamps} stamps
 * @param {string} own header lines
 */
export function awaitFirstMessage(context, address, milliseconds, maxBytes, greeting, stamps, own) {
  if ((waiting.get(address) ?? 0) >= settings.maxSocketsPerAddress) return 'address';
  if (allWaiting >= settings.maxSockets) return 'isolate';
  return new Awaited(context, address, milliseconds, maxBytes, greeting, stamps, own);
}
