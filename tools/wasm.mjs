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

/** The content of the custom section `wanted`, or undefined. */
export function customSection(bytes, wanted) {
  for (let at = 8; at < bytes.length;) {
    const id = bytes[at];
    const [size, start] = leb128(bytes, at + 1);
    at = start + size;
    if (id !== 0) continue;
    const [title, body] = name(bytes, start);
    if (title === wanted) return bytes.subarray(body, at);
  }
  return undefined;
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
