// A gate as a team would write it in JavaScript: hono with its security headers, a list of
// origins, jose, and a sliding window in a Durable Object.
import { DurableObject } from 'cloudflare:workers';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { jwtVerify } from 'jose';

export class Window extends DurableObject {
  constructor(state, env) {
    super(state, env);
    this.sql = state.storage.sql;
    this.sql.exec('CREATE TABLE IF NOT EXISTS attempts (at INTEGER)');
    this.sql.exec('CREATE INDEX IF NOT EXISTS by_time ON attempts (at)');
  }

  admit(count, milliseconds) {
    const now = Date.now();
    this.sql.exec('DELETE FROM attempts WHERE at <= ?', now - milliseconds);
    const { seen } = this.sql.exec('SELECT COUNT(*) AS seen FROM attempts').one();
    if (seen >= count) return false;
    this.sql.exec('INSERT INTO attempts VALUES (?)', now);
    return true;
  }
}

const app = new Hono();

app.use(secureHeaders());

app.use(async (c, next) => {
  if (c.req.header('Upgrade')?.toLowerCase() !== 'websocket') {
    return c.text('Upgrade Required', 426);
  }
  if (!c.env.ALLOWED_ORIGINS.split(',').includes(c.req.header('Origin'))) {
    return c.json({ error: 'origin not allowed' }, 403);
  }
  await next();
});

app.use(async (c, next) => {
  const offered = c.req
    .header('Sec-WebSocket-Protocol')
    ?.split(',')
    .map((name) => name.trim());
  if (offered?.[0] !== 'bearer') return c.json({ error: 'token missing' }, 401);
  try {
    const secret = new TextEncoder().encode(c.env.JWT_SECRET);
    const { payload } = await jwtVerify(offered[1], secret, { algorithms: ['HS256'] });
    c.set('user', payload.sub);
  } catch {
    return c.json({ error: 'token invalid' }, 401);
  }
  c.set('protocols', offered.slice(2));
  await next();
});

app.use(async (c, next) => {
  const { LIMIT, WINDOWS } = c.env;
  const window = WINDOWS.getByName(c.req.header('CF-Connecting-IP'));
  if (!(await window.admit(Number(LIMIT), 60_000))) {
    return c.json({ error: 'too many attempts' }, 429, { 'Retry-After': '60' });
  }
  await next();
});

app.all('*', async (c) => {
  const { pathname, search } = new URL(c.req.url);
  const headers = new Headers(c.req.raw.headers);
  headers.set('X-User', c.get('user'));
  headers.set('Sec-WebSocket-Protocol', c.get('protocols').join(', '));
  const upstream = await fetch(c.env.UPSTREAM + pathname + search, { headers });
  if (!upstream.webSocket) return c.json({ error: 'bad gateway' }, 502);
  return new Response(null, {
    status: 101,
    webSocket: upstream.webSocket,
    headers: upstream.headers,
  });
});

export default app;
