// What the four questions of `portcullis init` can be answered with.
import { Failure } from '../run.mjs';

/** The limits to choose from: what each means, and its settings. */
export const LIMITS = {
  user: {
    meaning: '60 upgrades a minute per address, 30 per user, 20 open sockets per user',
    vars: { RATE_LIMIT_IP: '60/1m', RATE_LIMIT_USER: '30/1m', MAX_SOCKETS_USER: '20' },
  },
  address: {
    meaning: '60 upgrades a minute per address; users are not counted',
    vars: { RATE_LIMIT_IP: '60/1m' },
  },
  off: { meaning: 'nothing is counted', vars: { RATE_LIMIT_IP: 'off', KEY_REPLAY_WINDOW: 'off' } },
};

export function parseOrigins(written) {
  const origins = written.split(/[\s,]+/).filter(Boolean);
  if (origins.length === 0)
    throw new Failure('No origin is given: write one, such as https://app.example.com.');
  for (const origin of origins) {
    if (origin !== '*' && !/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/i.test(origin)) {
      throw new Failure(
        `${origin} is not an origin: write scheme and host without a path, such as https://app.example.com.`,
      );
    }
  }
  return origins;
}

export function parseServer(written) {
  if (/^(wss?|https?):\/\/[^\s/]/.test(written)) return { url: written };
  if (/^[a-z0-9][a-z0-9_-]*$/i.test(written)) return { service: written };
  throw new Failure(
    `${written || 'nothing'} is not a server: write a URL such as wss://chat.example.com, or the name of a Worker.`,
  );
}

export function parseTokens(written) {
  if (written === 'secret' || written === 'off') return { kind: written };
  if (/^https:\/\/[^\s/]+\/\S*$/.test(written)) return { kind: 'keys', url: written };
  throw new Failure(
    `${written || 'nothing'} is none of the answers: write the URL of a key set, such as https://id.example.com/jwks, or secret, or off.`,
  );
}

export function parseLimits(written, { tokens } = {}) {
  if (!LIMITS[written]) {
    throw new Failure(
      `${written || 'nothing'} is none of the answers: write ${Object.keys(LIMITS).join(', ')}.`,
    );
  }
  if (written === 'user' && tokens?.kind === 'off') {
    throw new Failure('Without tokens there are no users to count: write address or off.');
  }
  return written;
}
