// A gate as a team would write it in JavaScript: hono with its security headers, a list of
// origins, jose, and a limit on attempts by address. Three ways to count them, chosen by COUNT:
//   sql      a sliding window in SQLite, in a Durable Object: forgets nothing, as the gate
//   memory   the same window in an object's memory: forgets all attempts when the object is evicted
//   binding  Cloudflare's rate-limit binding: counts on each machine by itself, and not exactly
import { DurableObject } from 'cloudflare:workers';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { jwtVerify } from 'jose';

const WINDOW = 60_000;

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

export class MemoryWindow extends DurableObject {
  attempts = [];

  admit(count, milliseconds) {
    const now = Date.now();
    const first = this.attempts.findIndex((at) => at > now - milliseconds);
    this.attempts.splice(0, first < 0 ? this.attempts.length : first);
    if (this.attempts.length >= count) return false;
    this.attempts.push(now);
    return true;
  }
}

// What workerd has no binding for: a fixed window in the machine's memory. What Cloudflare's own
// service takes to count is not in a Worker's CPU time either.
const counts = { epoch: 0, byKey: new Map() };
const binding = {
  async limit({ key }, count) {
    const epoch = Math.floor(Date.now() / WINDOW);
    if (epoch !== counts.epoch) {
      counts.epoch = epoch;
      counts.byKey.clear();
    }
    const seen = counts.byKey.get(key) ?? 0;
    if (seen >= count) return { success: false };
    counts.byKey.set(key, seen + 1);
    return { success: true };
  },
};

async function mayTry({ COUNT, LIMIT, WINDOWS, MEMORY }, address) {
  const count = Number(LIMIT);
  if (COUNT === 'binding') return (await binding.limit({ key: address }, count)).success;
  const namespace = COUNT === 'sql' ? WINDOWS : MEMORY;
  return namespace.getByName(address).admit(count, WINDOW);
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
  if (!(await mayTry(c.env, c.req.header('CF-Connecting-IP')))) {
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
