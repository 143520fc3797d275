// Reading what the build checks in a WASM file: its custom sections.

function leb128(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}

function name(bytes, at) {
  const [length, start] = leb128(bytes, at);
  return [bytes.toString('utf8', start, start + length), start + length];
}

/** The sections of a file in their order: where each begins and ends, and the title of a custom one. */
function* sections(bytes) {
  for (let at = 8; at < bytes.length;) {
    const id = bytes[at];
    const [size, start] = leb128(bytes, at + 1);
    const [title, body] = id === 0 ? name(bytes, start) : [undefined, start];
    yield { title, at, body, end: start + size };
    at = start + size;
  }
}

/** The content of the custom section `wanted`, or undefined. */
export function customSection(bytes, wanted) {
  const found = [...sections(bytes)].find(({ title }) => title === wanted);
  return found && bytes.subarray(found.body, found.end);
}

/** The file without the custom sections with these titles. */
export function withoutSections(bytes, unwanted) {
  const kept = [...sections(bytes)].filter(({ title }) => !unwanted.includes(title));
  const parts = kept.map(({ at, end }) => bytes.subarray(at, end));
  return Buffer.concat([bytes.subarray(0, 8), ...parts]);
}

/** The names of functions by their number, from the section `name`. */
export function functionNames(section) {
  const FUNCTIONS = 1;
  for (let at = 0; at < section.length;) {
    const id = section[at];
    const [size, start] = leb128(section, at + 1);
    at = start + size;
    if (id !== FUNCTIONS) continue;
    let [count, next] = leb128(section, start);
    const names = new Map();
    while (count-- > 0) {
      const [number, text] = leb128(section, next);
      const [title, end] = name(section, text);
      names.set(number, title);
      next = end;
    }
    return names;
  }
  return new Map();
}

/** The target features a file says it uses, such as `bulk-memory`. */
export function targetFeatures(bytes) {
  const section = customSection(bytes, 'target_features');
  if (!section) return [];
  let [count, at] = leb128(section, 0);
  const features = [];
  while (count-- > 0) {
    const used = section[at] === '+'.charCodeAt(0);
    const [feature, next] = name(section, at + 1);
    if (used) features.push(feature);
    at = next;
  }
  return features;
}
