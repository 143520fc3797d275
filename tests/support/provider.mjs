// A real OpenID provider: npm's oidc-provider, under a name that only the gate's internet knows.
import { randomUUID } from 'node:crypto';
import { before } from 'node:test';
import { Provider } from 'oidc-provider';
import { useServer } from './internet.mjs';
import { makeKey } from './keys.mjs';
import { APP, signIn } from './sign_in.mjs';

export const AUDIENCE = 'https://chat.example';
/** What the provider has tokens for as well. */
export const ELSEWHERE = 'https://mail.example';
const CLIENT = { client_id: 'bot', client_secret: 'a secret of the tests' };

const configuration = (keys) => ({
  clients: [
    { ...CLIENT, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
    APP,
  ],
  clientDefaults: { id_token_signed_response_alg: keys[0].alg },
  cookies: { keys: ['a key of the tests'] },
  enabledJWA: { idTokenSigningAlgValues: [keys[0].alg] },
  jwks: {
    keys: keys.map(({ key, jwk }) => ({ ...key.export({ format: 'jwk' }), ...jwk, use: 'sig' })),
  },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      getResourceServerInfo: (ctx, resource) => ({
        scope: 'rooms:read rooms:write',
        audience: resource,
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: keys[0].alg } },
      }),
    },
  },
});

/**
 * A provider for the group of tests that calls this. `fetches`: how often its key set was asked
 * for. `key` is what it signs with, `discover` reads its metadata, `token` gets an access token by
 * client credentials, `signIn` one of a user by a code, `rotate` signs with a new key from now on
 * and publishes it before the others.
 */
export function useProvider(issuer, alg = 'RS256') {
  let keys = [];
  let handle;
  const provider = useServer((request, response) => {
    if (request.url === '/jwks') provider.fetches += 1;
    return handle(request, response);
  });
  // Keys are replaced as a provider's operator would: by starting it anew with others.
  const restart = () => {
    const started = new Provider(issuer, configuration(keys));
    started.proxy = true;
    handle = started.callback();
  };
  const reach = ({ pathname, search }, options = {}) => {
    const { host } = new URL(issuer);
    const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': host };
    const headers = { ...forwarded, ...options.headers };
    return fetch(new URL(pathname + search, provider.url), { ...options, headers });
  };
  const ask = async (path, options) => {
    const response = await reach(new URL(path, issuer), options);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  provider.fetches = 0;
  provider.key = () => keys[0];
  provider.discover = () => ask('/.well-known/openid-configuration');
  provider.rotate = ({ keep = Infinity } = {}) => {
    keys = [makeKey(alg, randomUUID()), ...keys.slice(0, keep)];
    restart();
    return keys[0].jwk.kid;
  };
  provider.token = async (scope = 'rooms:read') => {
    const { token_endpoint } = await provider.discover();
    const { access_token } = await ask(token_endpoint, {
      method: 'POST',
      headers: {
        Authorization: `Basic ${btoa(`${CLIENT.client_id}:${encodeURIComponent(CLIENT.client_secret)}`)}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
    });
    return access_token;
  };
  provider.signIn = async (wishes) => signIn(reach, await provider.discover(), wishes);
  before(() => provider.rotate());
  return provider;
}
