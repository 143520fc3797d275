// What the Workers log, and waiting for a line of it.

const DEADLINE = 10_000;
/** Outcomes of records that come after the one of the attempt. */
const LATER = ['closed', 'kept', 'banned'];

export class Log {
  lines = [];
  #waiting = new Set();

  add = ({ level, message }) => {
    const line = { level, message };
    this.lines.push(line);
    for (const check of this.#waiting) check(line);
  };

  /** The first line, logged already or to come, for which `pick` gives something. */
  find(pick, what = 'a line') {
    for (const line of this.lines) {
      const found = pick(line);
      if (found) return Promise.resolve(found);
    }
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`the log lacks ${what}`));
      }, DEADLINE);
      const check = (line) => {
        const found = pick(line);
        if (!found) return;
        clearTimeout(late);
        this.#waiting.delete(check);
        resolve(found);
      };
      this.#waiting.add(check);
    });
  }

  /** The decision record of a request. */
  record(requestId) {
    return this.#record(requestId, (outcome) => !LATER.includes(outcome));
  }

  /** The record of a live socket that report mode kept open in spite of this reason. */
  kept(requestId, reason) {
    return this.#record(requestId, (outcome, would) => outcome === 'kept' && would === reason);
  }

  /** The record of the end of the socket that a request opened. */
  closed(requestId) {
    return this.#record(requestId, (outcome) => outcome === 'closed');
  }

  #record(requestId, fits) {
    const pick = ({ message }) => {
      if (!message.startsWith('{"time"')) return undefined;
      const record = JSON.parse(message);
      return record.request_id === requestId && fits(record.outcome, record.would_be) && record;
    };
    return this.find(pick, `a record of ${requestId}`);
  }

  toString() {
    return this.lines.map(({ level, message }) => `${level}: ${message}`).join('\n');
  }
}
