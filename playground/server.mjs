// The playground's own server: the page, the tokens it asks for, and a stream of what the gate
// decided. It mints tokens, so it answers this machine alone and only under its own names.
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createProbe } from 'node:net';
import { inRoot } from '../tools/run.mjs';
import { KINDS, mint } from './token.mjs';

const TRIES = 20;
const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};
const PAGE = {
  '/': 'index.html',
  '/page.js': 'page.js',
  '/attempt.js': 'attempt.js',
  '/messages.js': 'messages.js',
  '/show.js': 'show.js',
  '/style.css': 'style.css',
  '/answer.css': 'answer.css',
  '/icon.svg': 'icon.svg',
};
// The browser module with its example.
const CLIENT = readdirSync(new URL('../client', import.meta.url), { recursive: true })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => /\.(?:html|js)$/.test(name));
for (const name of CLIENT) PAGE[`/client/${name}`] = `../client/${name}`;
// What the other origin serves: the same machine by another name, and another origin to a browser.
const STRANGER = { '/stranger': 'stranger.html', '/stranger.js': 'stranger.js' };

const NOTHING = { sources: "'none'", frames: "'none'", ancestors: "'none'" };

/** The documentation, which the package does not have. */
const DOCS = /^\/docs\/[a-z-]+\.md$/;
export const hasDocs = existsSync(inRoot('docs/refusals.md'));

async function listen(server, port, host = '127.0.0.1') {
  server.listen({ host, port });
  await once(server, 'listening');
  return server.address().port;
}

async function probe(port, host) {
  const server = createProbe();
  const found = await listen(server, port, host);
  await new Promise((done) => server.close(done));
  return found;
}

/** The first port from `port` on that nothing listens on and that is not `except`. */
export async function firstFree(port, except) {
  return tryPorts(port, async (candidate) => {
    if (candidate === except) throw Object.assign(new Error('taken'), { code: 'EADDRINUSE' });
    return probe(candidate);
  });
}

// Browsers may take `localhost` for ::1 first, where another program could be listening.
async function listenAsLocalhost(server, port) {
  const found = await listen(server, port);
  try {
    await probe(found, '::1');
  } catch (error) {
    if (error.code === 'EADDRINUSE') {
      await new Promise((done) => server.close(done));
      throw error;
    }
  }
  return found;
}

async function tryPorts(first, attempt) {
  for (let port = first; ; port += 1) {
    try {
      return await attempt(port);
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || port >= Math.min(first + TRIES, 65_535)) throw error;
    }
  }
}

function securityHeaders({ sources, frames, ancestors }) {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src ${sources}`,
    `frame-src ${frames}`,
    `frame-ancestors ${ancestors}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ];
  return {
    'Content-Security-Policy': policy.join('; '),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  };
}

/**
 * Starts the server on `port` or one of the next, 0 for any; tokens are signed with `key`, and
 * `adminToken` is the administrator's.
 * Resolves to its `port` and `origin`, `allowConnectionsTo` for the gate's address, `tell` to
 * send an event to all open pages (`keep`: and to those opened later), and `stop`.
 */
export async function startServer({ port: wanted, key, adminToken }) {
  const streams = new Set();
  const kept = new Map();
  const server = createServer();
  const port = await tryPorts(wanted, (candidate) => listenAsLocalhost(server, candidate));
  const home = new URL(`http://localhost:${port}`);
  const away = new URL(`http://127.0.0.1:${port}`);
  let gate = '';

  function respond(response, status, headers = {}, /** @type {string | Buffer} */ body = '') {
    response.writeHead(status, { ...headers }).end(body);
  }
  const plain = (response, status, text, headers) =>
    respond(response, status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, text);

  async function file(response, name, policy) {
    const type = TYPES[name.split('.').pop()];
    const body = await readFile(inRoot('playground', name));
    respond(response, 200, { 'Content-Type': type, ...securityHeaders(policy) }, body);
  }

  function stream(response) {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      ...securityHeaders(NOTHING),
    });
    response.write('retry: 500\n\n');
    for (const event of kept.values()) response.write(event);
    streams.add(response);
    response.on('close', () => streams.delete(response));
  }

  // Pages of other sites can reach this server too, if not read its answers.
  const isForeign = ({ headers }) =>
    !['same-origin', 'none', undefined].includes(headers['sec-fetch-site']) ||
    ![home.origin, undefined].includes(headers.origin);

  async function answer(request, response) {
    const { method, headers } = request;
    const { pathname, searchParams } = new URL(request.url, home);
    const isRead = method === 'GET' || method === 'HEAD';
    // A name that an attacker's DNS points here is not one of ours (DNS rebinding).
    if (headers.host === away.host) {
      if (pathname === '/') return respond(response, 307, { Location: home.href });
      if (!isRead || !STRANGER[pathname]) return plain(response, 404, 'There is nothing here.\n');
      return file(response, STRANGER[pathname], {
        sources: gate,
        frames: "'none'",
        ancestors: home.origin,
      });
    }
    if (headers.host !== home.host) {
      return plain(response, 421, `This is the playground of this machine: ${home.href}\n`);
    }
    if (isRead && PAGE[pathname]) {
      // Pages ask the gate for tickets, too.
      const policy = {
        sources: `'self' ${gate} ${gate.replace('ws', 'http')}`,
        frames: away.origin,
        ancestors: "'none'",
      };
      return file(response, PAGE[pathname], policy);
    }
    if (isRead && DOCS.test(pathname) && hasDocs) {
      const text = await readFile(inRoot(pathname.slice(1))).catch(() => undefined);
      if (text) return plain(response, 200, text, securityHeaders(NOTHING));
    }
    if (!['/token', '/admin-token', '/events'].includes(pathname))
      return plain(response, 404, 'There is nothing here.\n');
    if (isForeign(request)) return plain(response, 403, 'Only for the playground’s own page.\n');
    if (pathname === '/events') {
      return method === 'GET'
        ? stream(response)
        : plain(response, 405, 'GET it.\n', { Allow: 'GET' });
    }
    if (method !== 'POST') return plain(response, 405, 'POST to get a token.\n', { Allow: 'POST' });
    if (pathname === '/admin-token') {
      return plain(response, 200, adminToken, { 'Cache-Control': 'no-store' });
    }
    const kind = searchParams.get('kind') ?? 'valid';
    if (!KINDS.includes(kind)) return plain(response, 400, `kind is one of ${KINDS.join(', ')}.\n`);
    return plain(response, 200, mint(key, kind), { 'Cache-Control': 'no-store' });
  }

  server.on('request', (request, response) => {
    answer(request, response).catch((error) => {
      console.error(error);
      response.destroy();
    });
  });
  return {
    port,
    origin: home.origin,
    allowConnectionsTo(url) {
      gate = url;
    },
    tell(name, data, { keep = false } = {}) {
      const event = `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
      if (keep) kept.set(name, event);
      for (const response of streams) response.write(event);
    },
    async stop() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}
