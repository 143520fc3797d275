// Heartbeats: the gate sends them to clients that understand them, and ends the sockets of those that
// don't answer. None of it reaches the application or its server.

import { after } from './timer.js';

const ANSWER = 'portcullis.heartbeat';
/** Matches a heartbeat, which says how many milliseconds pass until the next. */
const HEARTBEAT = /^portcullis\.heartbeat (\d+)$/;
/** A connection is dead if no heartbeat comes within this multiple of that time. */
const PATIENCE = 2.5;

/** Answers the heartbeats of a connection, and notices when they fail to come. */
export class Heart {
  #socket;
  #onSilence;
  #cancel = () => {};

  /**
   * @param {WebSocket} socket
   * @param {() => void} onSilence
   */
  constructor(socket, onSilence) {
    this.#socket = socket;
    this.#onSilence = onSilence;
  }

  /**
   * Returns whether a message is a heartbeat. It is answered then.
   * @param {unknown} data
   */
  takes(data) {
    const [, every] = (typeof data === 'string' && HEARTBEAT.exec(data)) || [];
    if (every === undefined) return false;
    this.stop();
    this.#cancel = after(PATIENCE * Number(every), this.#onSilence);
    this.#socket.send(ANSWER);
    return true;
  }

  stop() {
    this.#cancel();
  }
}
