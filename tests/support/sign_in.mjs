// A user's browser at an OpenID provider: the authorization code flow with PKCE (RFC 7636), through
// the forms that the provider shows.
import { createHash, randomBytes } from 'node:crypto';

/** A client that is a page: it has no secret. */
export const APP = {
  client_id: 'app',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code'],
  response_types: ['code'],
  redirect_uris: ['https://app.example/callback'],
};
const [CALLBACK] = APP.redirect_uris;
const MAX_STEPS = 20;

const random = () => randomBytes(32).toString('base64url');
const encoded = (text) => text.replaceAll('&amp;', '&');

/** Cookies by name, as a browser keeps them for this one sign-in. */
class Cookies {
  #values = new Map();

  take(response) {
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value) this.#values.set(name, value);
      else this.#values.delete(name);
    }
  }

  toString() {
    return [...this.#values].map((pair) => pair.join('=')).join('; ');
  }
}

/** Follows redirects and fills in forms as `user` until the client is called back. */
async function authorize(reach, url, user) {
  const cookies = new Cookies();
  let options = {};
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const headers = { Cookie: String(cookies) };
    const response = await reach(url, { ...options, headers, redirect: 'manual' });
    cookies.take(response);
    const location = response.headers.get('location');
    if (location) {
      url = new URL(location, url);
      if (url.href.startsWith(CALLBACK)) return url.searchParams;
      options = {};
      continue;
    }
    const page = await response.text();
    const [, action] = /<form[^>]* action="([^"]+)"/.exec(page) ?? [];
    const [, prompt] = /name="prompt" value="(\w+)"/.exec(page) ?? [];
    if (!action) throw new Error(`no form at ${url}: ${response.status} ${page}`);
    url = new URL(encoded(action), url);
    const fields = prompt === 'login' ? { login: user, password: 'any' } : {};
    options = { method: 'POST', body: new URLSearchParams({ prompt, ...fields }) };
  }
  throw new Error(`not called back in ${MAX_STEPS} steps`);
}

/**
 * Signs `user` in at a provider of this metadata; resolves to the token endpoint's answer. `reach`:
 * fetch. `resource`: whom the access token is for. `change` lays over what is sent for the code.
 */
export async function signIn(reach, metadata, { user, scope, resource, change }) {
  const [verifier, state, nonce] = [random(), random(), random()];
  const url = new URL(metadata.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: APP.client_id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope,
    resource,
    state,
    nonce,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const called = await authorize(reach, url, user);
  if (called.get('state') !== state || called.get('iss') !== metadata.issuer) {
    throw new Error(`called back with ${called}`);
  }
  const response = await reach(new URL(metadata.token_endpoint), {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: APP.client_id,
      code: called.get('code'),
      redirect_uri: CALLBACK,
      code_verifier: verifier,
      resource,
      ...change,
    }),
  });
  return { ...(await response.json()), nonce };
}
