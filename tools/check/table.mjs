// The policy as a table: the settings that apply on each route, with their values.
import { list } from '../token/settings.mjs';

const GAP = '  ';
const MIN_WIDTH = 12;

const parsed = (value) => {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
};

function server(value, guarded) {
  if (guarded && !value('UPSTREAM_URL') && !value('UPSTREAM_OBJECT'))
    return ['the guarded handler'];
  const [name, prefix] = [
    ['UPSTREAM_URL', ''],
    ['UPSTREAM_SERVICE', 'service '],
    ['UPSTREAM_OBJECT', 'object '],
  ].find(([one]) => value(one)) ?? ['', ''];
  return [
    `${prefix}${value(name) ?? 'none'}`,
    ...(value('UPSTREAM_CERTIFICATE') ? ['with a certificate'] : []),
    ...(value('ASSERTION_KEY') ? ['with an assertion'] : []),
    ...(value('PLAIN_HTTP') === 'reject' ? [] : [`plain requests: ${value('PLAIN_HTTP')}`]),
  ];
}

function origins(value) {
  return [
    ...list(value('ALLOWED_ORIGINS')),
    ...(value('ORIGIN_MISSING') === 'allow' ? ['or none'] : []),
    ...(value('REQUIRE_TLS') === 'false' ? ['without TLS too'] : []),
  ];
}

function tokens(value) {
  if (value('AUTH') === 'off') return ['none needed'];
  const issuers = parsed(value('ISSUERS'));
  const of = (name, title) => {
    const values = list(value(name));
    return values.length > 0 ? [`${title} ${values.join(' or ')}`] : [];
  };
  const keys = Array.isArray(issuers)
    ? issuers.map(({ issuer }) => `of ${issuer}`)
    : [
        ...(value('JWT_JWKS_URL') ? [`keys at ${value('JWT_JWKS_URL')}`] : []),
        ...(value('JWT_JWKS') ? ['keys in JWT_JWKS'] : []),
        ...(value('JWT_SECRET') ? ['key JWT_SECRET'] : []),
      ];
  const session = value('SESSION_URL');
  return [
    value('AUTH'),
    ...keys,
    ...of('JWT_ISSUER', 'iss'),
    ...of('JWT_AUDIENCE', 'aud'),
    ...(session && session !== 'off' ? [`sessions at ${session}`] : []),
    `in ${list(value('TOKEN_SOURCES')).join(', ')}`,
  ];
}

function permission(value, claims) {
  const rules = Object.entries(claims ?? {}).map(([name, rule]) => {
    if (rule === null || typeof rule !== 'object') return `${name} ${rule}`;
    const conditions = Object.entries(rule).map(
      ([kind, value]) => `${kind} ${[value].flat().join(', ')}`,
    );
    return `${name} ${conditions.join(' ')}`;
  });
  const needed = [...list(value('REQUIRED_SCOPES')).map((scope) => `scope ${scope}`), ...rules];
  return needed.length > 0 ? needed : ['–'];
}

/** `name=value` of each of these settings that is not off. */
const set = (value, names) =>
  names
    .filter((name) => ![undefined, 'off', 'false'].includes(value(name)))
    .map((name) => `${name} ${value(name)}`);

const limits = (value) => {
  const found = set(value, [
    'RATE_LIMIT_IP',
    'RATE_LIMIT_USER',
    'RATE_LIMIT_ROUTE',
    'MAX_SOCKETS_IP',
    'MAX_SOCKETS_USER',
    'BAN_AFTER',
  ]);
  return found.length > 0 ? found : ['none'];
};

const live = (value) => {
  const found = set(value, [
    'RELAY',
    'MAX_MESSAGE_BYTES',
    'MESSAGE_RATE',
    'IDLE_TIMEOUT',
    'MAX_LIFETIME',
    'CLOSE_ON_EXPIRY',
  ]);
  return found.length > 0 ? found : ['passed through'];
};

const COLUMNS = ['route', 'server', 'origins', 'token', 'must hold', 'limits', 'live socket'];

/** The cells of each route, each a list of lines. */
const rows = ({ routes, guarded }) =>
  routes.map(({ path, claims, settings }) => {
    const value = (name) => settings[name]?.value;
    return [
      [path, ...(value('MODE') === 'enforce' ? [] : [`mode ${value('MODE')}`])],
      server(value, guarded),
      origins(value),
      tokens(value),
      permission(value, claims),
      limits(value),
      live(value),
    ];
  });

/** Breaks a text that is too wide, after a separator if there is one. */
function wrap(text, width) {
  const lines = [];
  let rest = String(text);
  while (rest.length > width) {
    const separators = [
      rest.trimStart().lastIndexOf(' ', width),
      rest.lastIndexOf('/', width - 1) + 1,
    ];
    const end = separators.find((at) => at > width / 3) ?? width;
    lines.push(rest.slice(0, end).trimEnd());
    rest = `  ${rest.slice(end).trimStart()}`;
  }
  return [...lines, rest];
}

/** Widths that fit a terminal: the widest columns give way first. */
function widths(table, most) {
  const wanted = COLUMNS.map((title, at) =>
    Math.max(title.length, ...table.flatMap((row) => row[at].map((line) => String(line).length))),
  );
  const total = () => wanted.reduce((sum, one) => sum + one + GAP.length, -GAP.length);
  while (total() > most && Math.max(...wanted) > MIN_WIDTH) {
    wanted[wanted.indexOf(Math.max(...wanted))] -= 1;
  }
  return wanted;
}

/**
 * The table as text, no wider than `most` if possible.
 * @param {{ routes: any[], guarded: boolean }} inspected
 */
export function policyTable(inspected, most = process.stdout.columns ?? 160) {
  const table = rows(inspected);
  const wide = widths(table, most);
  const line = (cells) =>
    cells
      .map((cell, at) => cell.padEnd(wide[at]))
      .join(GAP)
      .trimEnd();
  const block = (row) => {
    const cells = row.map((lines, at) => lines.flatMap((one) => wrap(one, wide[at])));
    const height = Math.max(...cells.map((lines) => lines.length));
    return Array.from({ length: height }, (_, at) => line(cells.map((lines) => lines[at] ?? '')));
  };
  return [
    line(COLUMNS),
    line(wide.map((width) => '─'.repeat(width))),
    ...table.map((row) => block(row).join('\n')),
  ].join('\n');
}
