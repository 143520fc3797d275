'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const BASE = '/_portcullis/admin/';
  const EVERY = 5000;
  const COLOURS = 5;
  // These are the gate's or the server's fault, and not the client's.
  const FAILED = /^(misconfigured|limiter_unavailable|provider_unavailable|upstream_\w+|not_done)$/;
  const PASSED = /^(admitted|proxied|issued|refreshed|preflight)$/;
  // The dashboard's own requests, and outcomes that are not decisions.
  const IGNORED = /^(administered|closed|kept|banned)$/;
  let token;
  let timer;
  let round = 0;
  let updated = 0;
  let session = 0;
  const colours = new Map();

  const number = (count) => count.toLocaleString();
  const plural = (count, word) => `${number(count)} ${word}${count === 1 ? '' : 's'}`;
  const span = (seconds) => {
    for (const [unit, word] of [
      [86400, 'day'],
      [3600, 'hour'],
      [60, 'minute'],
    ]) {
      if (seconds >= unit * 0.98) return plural(Math.round(seconds / unit), word);
    }
    return plural(Math.max(0, Math.round(seconds)), 'second');
  };
  const ago = (seconds) => (seconds < 5 ? 'just now' : `${span(seconds)} ago`);
  const make = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  async function ask(method, path, body) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(BASE + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.timeout(20_000),
    });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const failure = new Error(
      answer.detail ?? answer.title ?? `The gate answered ${response.status}.`,
    );
    failure.status = response.status;
    throw failure;
  }

  // Replaces what a container shows, if it changed. The focus stays on the control of the same name.
  function show(container, data, build) {
    const key = JSON.stringify(data);
    if (container.shown === key) return;
    container.shown = key;
    const focused =
      container.contains(document.activeElement) && document.activeElement.dataset.key;
    container.replaceChildren(...build());
    if (focused) container.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  function button(text, label, act) {
    const made = make('button', text, { type: 'button', 'aria-label': label, 'data-key': label });
    made.addEventListener('click', act);
    return made;
  }

  function row(name, note, count, buttons = []) {
    const item = make('li');
    const first = make('span', undefined, { class: 'name' });
    first.append(name);
    if (note) first.append(make('small', note));
    item.append(first);
    if (count !== undefined) item.append(make('span', number(count), { class: 'count' }));
    if (buttons.length > 0) {
      const acts = make('span', undefined, { class: 'acts' });
      acts.append(...buttons);
      item.append(acts);
    }
    return item;
  }

  const rows = (id, all, build, none) =>
    show($(id), all, () =>
      all.length > 0 ? all.map(build) : [make('li', none, { class: 'none' })],
    );

  const notice = (text, undo) => {
    const parts = [make('span', text)];
    if (undo)
      parts.push(
        button('Undo', `Undo: ${text}`, () => act(undo.method, undo.path, undefined, 'Undone.')),
      );
    const close = button('Close', 'Close this message', () => $('notice').replaceChildren());
    $('notice').replaceChildren(...parts, close);
  };

  async function act(method, path, body, done) {
    try {
      const answer = await ask(method, path, body);
      notice(typeof done === 'string' ? done : done(answer), undoOf(method, path, answer));
    } catch (error) {
      notice(`Not done: ${error.message}`);
    }
    round = 0;
    await update();
  }

  function undoOf(method, path, answer) {
    if (method !== 'PUT') return undefined;
    const undone = path.startsWith('bans/') ? path.split('&')[0] : `revocations/${answer.id}`;
    return { method: 'DELETE', path: undone };
  }

  const ended = ({ disconnected }) => `${plural(disconnected, 'live socket')} closed.`;
  /** The parameter that names a client: a user's name may read as an address. */
  const named = (kind, who) => `${kind}=${encodeURIComponent(who)}`;
  const banOf = (kind, who) => `bans/${encodeURIComponent(who)}?kind=${kind}`;
  const called = (kind, who) => (kind === 'ip' ? who : `user ${who}`);
  const ban = (kind, who) =>
    button('Ban', `Ban ${called(kind, who)}`, () => {
      const lasts = $('lasts');
      const words = lasts.selectedOptions[0].textContent;
      return act(
        'PUT',
        `${banOf(kind, who)}&for=${lasts.value}`,
        undefined,
        (answer) => `Banned ${called(kind, who)} for ${words}. ${ended(answer)}`,
      );
    });
  const disconnect = (kind, who) =>
    button('Disconnect', `Disconnect ${who}`, () =>
      act(
        'DELETE',
        `sockets?${named(kind, who)}`,
        undefined,
        (answer) => `${who}: ${ended(answer)}`,
      ),
    );
  const revoke = (sub) =>
    button('Revoke', `Revoke the tokens of ${sub}`, () =>
      act(
        'PUT',
        'revocations',
        { sub },
        (answer) => `Revoked the tokens of ${sub}. ${ended(answer)}`,
      ),
    );
  // The name itself is the control, so that a row has room for the others.
  const lookUp = (kind, who) =>
    button(who, `Look up ${called(kind, who)}`, async () => {
      $('kind').value = kind;
      $('who').value = who;
      await find();
      $('found').scrollIntoView({ block: 'nearest' });
    });

  function totals(minutes) {
    const sums = new Map();
    for (const { counts } of minutes) {
      for (const [name, count] of Object.entries(counts)) {
        if (!IGNORED.test(name)) sums.set(name, (sums.get(name) ?? 0) + count);
      }
    }
    return sums;
  }

  const colourOf = (name) => {
    if (PASSED.test(name)) return 'c0';
    if (!colours.has(name) && colours.size < COLOURS) colours.set(name, `c${colours.size + 1}`);
    return colours.get(name) ?? 'c6';
  };

  function chart(minutes, now) {
    const sums = [...totals(minutes)].sort(([, one], [, other]) => other - one);
    const order = sums
      .map(([name]) => name)
      .sort((one, other) => colourOf(one).localeCompare(colourOf(other)));
    const last = Math.floor(now / 60);
    const heights = minutes.map(({ counts }) =>
      order.reduce((sum, name) => sum + (counts[name] ?? 0), 0),
    );
    const most = Math.max(1, ...heights);
    $('most').textContent = `${number(most)} a minute`;
    const SVG = 'http://www.w3.org/2000/svg';
    const bars = minutes.map(({ at, counts }) => {
      const group = document.createElementNS(SVG, 'g');
      const title = document.createElementNS(SVG, 'title');
      const known = order.filter((name) => counts[name]);
      const time = new Date(at * 1000).toLocaleTimeString([], {
        hour: '2-digit',
        minute: '2-digit',
      });
      title.textContent = `${time}: ${known.map((name) => `${number(counts[name])} ${name}`).join(', ')}`;
      group.append(title);
      let top = 160;
      for (const name of known) {
        const height = (counts[name] / most) * 160;
        top -= height;
        const bar = document.createElementNS(SVG, 'rect');
        const place = { x: 590 - (last - at / 60) * 10, y: top, width: 9, height };
        for (const [key, value] of Object.entries(place)) bar.setAttribute(key, value);
        bar.setAttribute('class', colourOf(name));
        group.append(bar);
      }
      return group;
    });
    $('chart').replaceChildren(...bars);
    show($('legend'), sums, () =>
      sums.map(([name, count]) => {
        const item = make('li', `${name} `, { class: colourOf(name) });
        item.append(make('b', number(count)));
        return item;
      }),
    );
    const sum = (test) => sums.reduce((all, [name, count]) => all + (test(name) ? count : 0), 0);
    $('n-admitted').textContent = number(sum((name) => PASSED.test(name)));
    $('n-failed').textContent = number(sum((name) => FAILED.test(name)));
    $('n-refused').textContent = number(sum((name) => !PASSED.test(name) && !FAILED.test(name)));
  }

  function draw(view) {
    const { gate, sockets, refused, actions, now } = view;
    const minutes = view.minutes.filter(({ at }) => at > now - 3600);
    $('no-metrics').hidden = gate.metrics;
    $('chart-box').hidden = !gate.metrics;
    chart(minutes, now);
    const would = new Map();
    for (const { would_be: all = {} } of minutes) {
      for (const [name, count] of Object.entries(all))
        would.set(name, (would.get(name) ?? 0) + count);
    }
    $('report').hidden = $('reported').hidden = would.size === 0;
    $('n-would').textContent = number([...would.values()].reduce((sum, count) => sum + count, 0));
    rows(
      'would',
      [...would].sort(([, one], [, other]) => other - one),
      ([name, count]) => row(name, '', count),
      '',
    );

    $('n-sockets').textContent = number(sockets.total);
    const none = 'None.';
    rows(
      'addresses',
      refused.addresses,
      ({ name, count }) => row(lookUp('ip', name), '', count, [ban('ip', name)]),
      none,
    );
    rows(
      'subjects',
      refused.subjects,
      ({ name, count }) => row(lookUp('sub', name), '', count, [ban('sub', name)]),
      none,
    );
    rows('origins', refused.origins, ({ name, count }) => row(name, '', count), none);
    rows('routes', sockets.routes, ({ name, count }) => row(name, '', count), none);
    rows(
      'users',
      sockets.subjects,
      ({ name, count }) =>
        row(lookUp('sub', name), '', count, [
          disconnect('sub', name),
          ban('sub', name),
          revoke(name),
        ]),
      none,
    );
    rows(
      'actions',
      actions.slice(0, 20).map(({ at, ...action }) => ({ ...action, when: ago(now - at) })),
      ({ what, by, when, undo }) => {
        const undone = () => act(undo.method, undo.path, undefined, `Undone: ${what}.`);
        return row(
          what,
          `${by}, ${when}`,
          undefined,
          undo ? [button('Undo', `Undo: ${what}`, undone)] : [],
        );
      },
      'Nothing yet.',
    );
    if (view.bans) denials(view, now);
    health(gate, now);
  }

  const nameOf = ({ ip, sub, sid, jti, iss }) => {
    const of = [
      ip,
      sub && `sub ${sub}`,
      sid && `sid ${sid}`,
      jti && `jti ${jti}`,
      iss && `iss ${iss}`,
    ].filter(Boolean);
    return of.join(', ') || 'all tokens';
  };

  function denials({ bans, revocations }, now) {
    const times = ({ since, until }) => `${ago(now - since)}, ends in ${span(until - now)}`;
    const all = [
      ...bans.bans.map((held) => {
        const of = held.ip === undefined ? ['sub', held.sub] : ['ip', held.ip];
        return {
          what: `Ban of ${called(...of)}`,
          times: times(held),
          path: banOf(...of),
        };
      }),
      ...revocations.revocations.map((held) => ({
        what: `Revocation of ${nameOf(held)}`,
        times: times(held),
        path: `revocations/${held.id}`,
      })),
    ];
    rows(
      'denied',
      all,
      (held) =>
        row(held.what, held.times, undefined, [
          button('Lift', `Lift the ${held.what.toLowerCase()}`, () =>
            act('DELETE', held.path, undefined, `Lifted: ${held.what}.`),
          ),
        ]),
      'None.',
    );
  }

  function health(gate, now) {
    const entries = [
      ['Version', gate.version],
      ['Digest of the settings', gate.configuration],
      ['Routes', gate.routes.join(', ')],
      ...gate.key_sets.map(({ url, fetched, failed }) => [
        url,
        `${fetched ? `fetched ${ago(now - fetched)}` : 'not fetched yet'}${failed ? '; the last fetch failed' : ''}`,
      ]),
    ];
    show($('health'), entries, () =>
      entries.map(([name, value]) => {
        const pair = make('div');
        pair.append(make('dt', name), make('dd', value));
        return pair;
      }),
    );
    $('warned').hidden = gate.warnings.length === 0;
    show($('warnings'), gate.warnings, () => gate.warnings.map((text) => make('li', text)));
  }

  async function find() {
    const who = $('who').value.trim();
    const kind = $('kind').value;
    const box = $('found');
    try {
      const known = await ask('GET', `explain?${named(kind, who)}`);
      const now = Date.now() / 1000;
      const lines = [];
      for (const { origin, until, since } of known.bans) {
        lines.push(
          row(
            `Banned by ${origin === 'BAN_AFTER' ? 'BAN_AFTER' : 'an administrator'}`,
            `${ago(now - since)}, ends in ${span(until - now)}`,
          ),
        );
      }
      for (const held of known.revocations) {
        lines.push(row(`Revoked: ${nameOf(held)}`, `ends in ${span(held.until - now)}`));
      }
      for (const count of known.counts) {
        const where = count.route ?? 'all routes';
        const parts = [];
        if (count.quota)
          parts.push(
            `${number(count.counted)} of ${count.quota}${count.wait ? `, waits ${span(count.wait)}` : ''}`,
          );
        if (count.max_sockets)
          parts.push(`${number(count.sockets)} of ${plural(count.max_sockets, 'socket')}`);
        if (count.ban_after)
          parts.push(`${plural(count.failures, 'failure')} towards ${count.ban_after}`);
        lines.push(
          row(
            `Counts for ${where}${count.iss ? ` of ${count.iss}` : ''}`,
            parts.join(' · ') || 'no limit',
          ),
        );
      }
      lines.push(
        row(
          plural(known.sockets.length, 'live socket'),
          known.sockets.map(({ route }) => route).join(', '),
        ),
      );
      const list = make('ul', undefined, { class: 'rows' });
      list.append(...lines);
      const name = known.ip ?? known.sub;
      const acts = make('div', undefined, { class: 'acts' });
      acts.append(
        disconnect(kind, name),
        ban(kind, name),
        ...(kind === 'sub' ? [revoke(name)] : []),
      );
      box.replaceChildren(make('h3', name), list, acts);
    } catch (error) {
      box.replaceChildren(make('p', error.message, { class: 'bad' }));
    }
  }

  const state = (name, text) => {
    $('state').dataset.state = name;
    if ($('state').textContent !== text) $('state').textContent = text;
  };

  function signOut(why = '') {
    session += 1;
    clearTimeout(timer);
    token = undefined;
    timer = undefined;
    $('board').hidden = $('leave').hidden = true;
    $('sign-in').hidden = false;
    $('refusal').textContent = why;
    for (const list of document.querySelectorAll('#board ul, #found, #health, #notice')) {
      list.replaceChildren();
      delete list.shown;
    }
    state('out', 'Signed out');
    $('token').focus();
  }

  async function update() {
    clearTimeout(timer);
    // Lists ask more objects, and change less.
    const lists = round % 3 === 0;
    const mine = session;
    round += 1;
    try {
      const view = await ask('GET', lists ? 'overview?lists=true' : 'overview');
      if (mine !== session) return undefined;
      updated = Date.now();
      if ($('board').hidden) {
        $('sign-in').hidden = true;
        $('board').hidden = $('leave').hidden = false;
        $('token').value = '';
        $('board').focus();
      }
      state('live', `Live, as ${view.by}`);
      draw(view);
    } catch (error) {
      if (mine !== session) return undefined;
      if (!updated || error.status === 401 || error.status === 404) {
        updated = 0;
        return signOut(error.status === 401 ? 'The gate does not accept that.' : error.message);
      }
      round = 0;
      state('late', `Not updated for ${span((Date.now() - updated) / 1000)}: ${error.message}`);
    }
    clearTimeout(timer);
    timer = document.hidden ? undefined : setTimeout(update, EVERY);
    return undefined;
  }

  $('form').addEventListener('submit', (event) => {
    event.preventDefault();
    token = $('token').value.trim();
    round = updated = 0;
    update();
  });
  $('access').addEventListener('click', () => {
    token = undefined;
    round = updated = 0;
    update();
  });
  // What it most likely is, until somebody says else.
  $('who').addEventListener('input', () => {
    const isAddress = /^[0-9.]+$|:.*:/.test($('who').value.trim());
    $('kind').value = isAddress ? 'ip' : 'sub';
  });
  $('find').addEventListener('submit', (event) => {
    event.preventDefault();
    find();
  });
  $('leave').addEventListener('click', () => {
    updated = 0;
    signOut();
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && updated && timer === undefined) update();
  });
  $('token').focus();
})();
