// The rows of policy.test.json.
import { Failure } from '../run.mjs';

const EXPECTED = ['outcome', 'reason', 'status', 'stage', 'route', 'subject'];
const isText = (value) => typeof value === 'string';
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

// What each member may be, and how to write it.
const MEMBERS = {
  name: [(value) => isText(value) && value !== '', 'a text'],
  path: [(value) => isText(value) && value.startsWith('/'), 'a text that begins with /'],
  origin: [(value) => isText(value) || value === null, 'a text or null'],
  token: [(value) => isObject(value) || isText(value) || value === null, 'claims, a text or null'],
  source: [
    (value) => isText(value) && /^(header|subprotocol|cookie:.+|query:.+)$/.test(value),
    'header, subprotocol, cookie:NAME or query:NAME',
  ],
  address: [isText, 'an address, such as 192.0.2.1'],
  headers: [
    (value) => isObject(value) && Object.values(value).every((one) => isText(one) || one === null),
    'an object of texts, or null to remove one',
  ],
  times: [
    (value) => Number.isInteger(value) && value > 0 && value <= 10_000,
    'a number up to 10000',
  ],
  expect: [
    (value) =>
      isText(value) ||
      (isObject(value) &&
        Object.keys(value).length > 0 &&
        Object.keys(value).every((name) => EXPECTED.includes(name))),
    `"admitted", a reason, or an object with any of ${EXPECTED.join(', ')}`,
  ],
};

const expectation = (written) => {
  if (isObject(written)) return written;
  if (written === 'admitted') return { outcome: 'admitted' };
  return { outcome: 'refused', reason: written };
};

/** The rows in a file's text, each with every member that a request needs. */
export function readRows(text, file) {
  let rows;
  try {
    rows = JSON.parse(text);
  } catch (error) {
    throw new Failure(`${file} is not JSON: ${error.message}.`);
  }
  if (!Array.isArray(rows) || rows.length === 0) {
    throw new Failure(`${file} is not an array with at least one row.`);
  }
  const problems = rows.flatMap((row, at) => {
    if (!isObject(row)) return [`row ${at + 1} is not an object`];
    const absent = ['name', 'expect'].filter((name) => !(name in row));
    return [
      ...absent.map((name) => `row ${at + 1} has no ${name}: write ${MEMBERS[name][1]}`),
      ...Object.entries(row).flatMap(([name, value]) => {
        if (!Object.hasOwn(MEMBERS, name)) {
          return [
            `row ${at + 1}: ${name} is not a member; these are: ${Object.keys(MEMBERS).join(', ')}`,
          ];
        }
        const [fits, form] = MEMBERS[name];
        return fits(value) ? [] : [`row ${at + 1}: ${name} must be ${form}`];
      }),
    ];
  });
  if (problems.length > 0) throw new Failure(`${file}:\n  ${problems.join('\n  ')}`);
  return rows.map((row, at) => ({
    path: '/',
    times: 1,
    // From a block for tests, so that no row meets the counters of another.
    address: `198.18.${at >> 8}.${at & 255}`,
    ...row,
    number: at + 1,
    headers: Object.fromEntries(
      Object.entries(row.headers ?? {}).map(([name, value]) => [name, value ?? undefined]),
    ),
    expect: expectation(row.expect),
  }));
}
