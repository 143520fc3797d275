// Where in wrangler's configuration, or in .dev.vars, a setting is written: a line for each error.
// The gate's parser sees only values, so this finds their places in the text.

/** Whether a line of JSON or TOML assigns this name. */
const assigns = (line, name) =>
  new RegExp(
    `^\\s*(?:\\{\\s*)?(?:vars\\.)?["']?${RegExp.escape?.(name) ?? name.replace(/\W/g, '\\$&')}["']?\\s*[:=]`,
  ).test(line);

/** The number of a section's first line, and of the one after its last, from 0. */
function section(lines, environment) {
  const header = (line) => /^\s*\[+\s*([^\]]+?)\s*\]+/.exec(line)?.[1].replace(/["'\s]/g, '');
  const wanted = environment ? `env.${environment}.vars` : 'vars';
  const isIn = (name) => name === wanted || name.startsWith(`${wanted}.`);
  const within = new Set();
  let current = '';
  lines.forEach((line, at) => {
    const name = header(line);
    if (name !== undefined) current = name;
    if (isIn(current)) within.add(at);
  });
  return within;
}

/** The same for JSON: the lines of the object `vars`, at the top or in an environment. */
function objectOf(lines, environment) {
  const within = new Set();
  const path = [];
  const wanted = environment ? `env.${environment}.vars` : 'vars';
  let key;
  lines.forEach((line, at) => {
    const text = line.replace(/^\s*\/\/.*$/, '');
    const inside = () => path.join('.') === wanted || path.join('.').startsWith(`${wanted}.`);
    if (inside()) within.add(at);
    for (const [token, name] of text.matchAll(/"((?:[^"\\]|\\.)*)"|[{}[\]:,]/g)) {
      if (name !== undefined) key = name;
      else if (token === '{' || token === '[') path.push(key ?? '');
      else if (token === '}' || token === ']') path.pop();
      if (token === '{' || token === '[' || token === ',') key = undefined;
      if (inside()) within.add(at);
    }
  });
  return within;
}

/** What an error's name says: a setting, or a route by its path or its number, and a member of it. */
function parts(name) {
  const [, number] = /^ROUTES\[(\d+)\]/.exec(name) ?? [];
  if (number !== undefined) return { setting: 'ROUTES', number: Number(number) };
  const [, path, member] = /^ROUTES (\S+)(?: (\S+))?$/.exec(name) ?? [];
  return path === undefined ? { setting: name } : { setting: 'ROUTES', path, member };
}

/** The line of a route, and then that of one of its members, among the lines of the settings. */
function inRoutes(lines, within, { path, number, member }) {
  const places = [...within].sort((a, b) => a - b);
  const starts = places.filter((at) => /(^|[{,\s])["']?path["']?\s*[:=]/.test(lines[at]));
  const start =
    path === undefined
      ? starts[number]
      : starts.find((at) => lines[at].includes(`"${path}"`) || lines[at].includes(`'${path}'`));
  if (start === undefined) return undefined;
  if (!member) return start;
  const next = starts.find((at) => at > start) ?? Infinity;
  const previous = starts.filter((at) => at < start).pop() ?? -1;
  const found = (from, to) =>
    places.find(
      (at) =>
        at > from &&
        at < to &&
        new RegExp(`(^|[{,\\s])["']?${member}["']?\\s*[:=]`).test(lines[at]),
    );
  // Behind the path, or before it in the same table.
  const isHeader = (at) => /^\s*(\[\[|\{)/.test(lines[at]);
  const head = places.filter((at) => at > previous && at < start && isHeader(at)).pop() ?? start;
  return found(start - 1, next) ?? found(head, start) ?? start;
}

/**
 * The line, from 1, where a setting is written; undefined if it is not there.
 * @param {string} text of the file
 * @param {string} name as the gate has it, such as `ROUTES /rooms/7 rate_limit_ip`
 * @param {{ file?: string, environment?: string }} [where]
 */
export function lineOf(text, name, { file = 'wrangler.toml', environment } = {}) {
  const lines = text.split('\n');
  const wanted = parts(name);
  if (file.startsWith('.dev.vars')) {
    const at = lines.findIndex((line) =>
      new RegExp(`^\\s*(?:export\\s+)?${wanted.setting}\\s*=`).test(line),
    );
    return at < 0 ? undefined : at + 1;
  }
  const within = file.endsWith('.toml')
    ? section(lines, environment)
    : objectOf(lines, environment);
  const inline = lines.findIndex((line) => /^\s*vars\s*=/.test(line));
  const places = within.size > 0 || inline < 0 ? [...within] : [inline];
  const route = wanted.setting === 'ROUTES' && inRoutes(lines, within, wanted);
  const at =
    route ||
    (route !== 0 && places.find((one) => assigns(lines[one], wanted.setting))) ||
    places.find((one) => lines[one].includes(wanted.setting));
  return at === undefined || at === false ? undefined : at + 1;
}

/** The line of a word in a file, such as a setting of wrangler itself. */
export function lineOfWord(text, pattern) {
  const at = text.split('\n').findIndex((line) => pattern.test(line));
  return at < 0 ? undefined : at + 1;
}
