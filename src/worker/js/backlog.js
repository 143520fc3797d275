// How much the inspected sockets of this isolate hold in memory together, and which one has to go
// when that is too much.

/**
 * What `portcullis::relay::backlog` says, in bytes and milliseconds.
 * @type {{ budget: number, readPerMillisecond: number, minHeld: number, closeWait: number }}
 */
let settings;

/** @param {string} json */
export function configureBacklog(json) {
  settings = JSON.parse(json);
}

/** How long a socket that was given up may take to close, in milliseconds. */
export const closeWait = () => settings.closeWait;

/** What all sockets hold, by the last estimate of each. */
let total = 0;
/**
 * Those that hold enough to be given up.
 * @type {Set<Held>}
 */
const heavy = new Set();

/** What one side of a socket was sent and has not read, as far as can be estimated, in bytes. */
export class Held {
  bytes = 0;
  #at = 0;
  #giveUp;

  /**
   * @param {(bytes: number) => void} giveUp gets what the side held. It has to wake the request
   *   that the socket belongs to: no other request can touch the socket.
   */
  constructor(giveUp) {
    this.#giveUp = giveUp;
  }

  /**
   * Adds a message that is sent to this side.
   * @param {number} size in bytes
   * @param {number} now in milliseconds
   */
  add(size, now) {
    this.#set(this.#left(now) + size, now);
    if (total > settings.budget) relieve(now);
  }

  /** The side sent a message or has ended: it holds nothing. */
  clear() {
    if (this.bytes > 0) this.#set(0, this.#at);
  }

  /**
   * Notes what a slow receiver would have read since the last time.
   * @param {number} now
   */
  age(now) {
    this.#set(this.#left(now), now);
  }

  giveUp() {
    const { bytes } = this;
    this.clear();
    this.#giveUp(bytes);
  }

  /** @param {number} now */
  #left(now) {
    // The clock may have been set back.
    const time = Math.max(0, now - this.#at);
    return Math.max(0, this.bytes - time * settings.readPerMillisecond);
  }

  /**
   * @param {number} bytes
   * @param {number} now
   */
  #set(bytes, now) {
    const { minHeld } = settings;
    if (bytes >= minHeld !== this.bytes >= minHeld) {
      if (bytes >= minHeld) heavy.add(this);
      else heavy.delete(this);
    }
    total += bytes - this.bytes;
    this.bytes = bytes;
    this.#at = now;
  }
}

/**
 * Gives up the sockets that hold most, until the rest is within the budget.
 * @param {number} now
 */
function relieve(now) {
  for (const held of heavy) held.age(now);
  while (total > settings.budget && heavy.size > 0) {
    const most = [...heavy].reduce((most, held) => (held.bytes > most.bytes ? held : most));
    most.giveUp();
  }
}
