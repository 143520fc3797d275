// Where each value of wrangler's configuration is written, by its path in the configuration. The
// gate's parser and wrangler's see only values; this finds their lines. It checks nothing, because
// wrangler has read the file before.

const SPACE = /(?:\s|#[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\/)*/y;
const BLANK = /[^\S\n]*/y;
const STRING = /"""([^]*?)"""|'''([^]*?)'''|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'/y;
const BARE_KEY = /[\w-]+/y;
const BARE_VALUE = /[^,\]}\n#]+/y;

class Reader {
  #text;
  #at = 0;
  /** @type {Map<string, { line: number, value?: string }>} */
  places = new Map();

  constructor(text) {
    this.#text = text;
  }

  #match(pattern) {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found) this.#at = pattern.lastIndex;
    return found;
  }

  #takes(character) {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #string() {
    const found = this.#match(STRING);
    return found && (found[1] ?? found[2] ?? found[3] ?? found[4]);
  }

  /** A dotted key of TOML, or one of JSON. */
  #key() {
    const key = [];
    do {
      this.#match(BLANK);
      const part = this.#string() ?? this.#match(BARE_KEY)?.[0];
      if (part === undefined || part === null) break;
      key.push(part);
      this.#match(BLANK);
    } while (this.#takes('.'));
    return key;
  }

  #note(path, value) {
    const name = path.join('\0');
    if (this.places.has(name)) return;
    const line = this.#text.slice(0, this.#at).split('\n').length;
    this.places.set(name, { line, value });
  }

  /** Reads a value with everything in it. */
  value(path) {
    this.#match(SPACE);
    this.#note(path);
    if (this.#takes('{')) this.#members(path);
    else if (this.#takes('[')) this.#elements(path);
    else {
      const text = this.#string();
      if (typeof text === 'string') this.places.get(path.join('\0')).value = text;
      else this.#match(BARE_VALUE);
    }
  }

  #members(path) {
    for (;;) {
      this.#match(SPACE);
      if (this.#takes('}')) return;
      const before = this.#at;
      const key = this.#key();
      const name = [...path, ...key];
      this.#note(name);
      this.#match(SPACE);
      if (this.#takes('=') || this.#takes(':')) this.value(name);
      this.#match(SPACE);
      this.#takes(',');
      if (this.#at === before) return;
    }
  }

  #elements(path) {
    for (let index = 0; ; index += 1) {
      this.#match(SPACE);
      if (this.#takes(']') || this.#at >= this.#text.length) return;
      const before = this.#at;
      this.value([...path, String(index)]);
      this.#match(SPACE);
      this.#takes(',');
      if (this.#at === before) return;
    }
  }

  /** Reads a file of TOML: tables, arrays of tables, and keys. */
  toml() {
    const counts = new Map();
    let table = [];
    while (this.#match(SPACE) && this.#at < this.#text.length) {
      const before = this.#at;
      if (this.#takes('[')) {
        const isElement = this.#takes('[');
        // A table below an array of tables belongs to the last one in it.
        table = this.#key().reduce((path, part) => {
          const name = [...path, part];
          const count = counts.get(name.join('\0'));
          return count === undefined ? name : [...name, String(count)];
        }, []);
        if (isElement) {
          const isNext = /^\d+$/.test(table.at(-1)) && counts.has(table.slice(0, -1).join('\0'));
          const array = isNext ? table.slice(0, -1) : table;
          const count = (counts.get(array.join('\0')) ?? -1) + 1;
          counts.set(array.join('\0'), count);
          table = [...array, String(count)];
          this.#note(array);
        }
        this.#note(table);
        this.#takes(']');
        this.#takes(']');
      } else {
        const name = [...table, ...this.#key()];
        this.#note(name);
        this.#match(BLANK);
        if (this.#takes('=')) this.value(name);
      }
      // Not TOML after all.
      if (this.#at === before) this.#at += 1;
    }
  }
}

/**
 * The places in a file: `at` returns the line, from 1, of what is at a path, or undefined;
 * `value`, the text that is written there.
 * @param {string} text
 * @param {string} file its name
 */
export function placesIn(text, file) {
  const reader = new Reader(text);
  if (/\.jsonc?$/.test(file)) reader.value([]);
  else reader.toml();
  const find = (path) => reader.places.get(path.join('\0'));
  return { at: (...path) => find(path)?.line, value: (...path) => find(path)?.value };
}
