// The readers of assertions that docs/headers.md shows for Python and Go.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inRoot } from '../../../tools/run.mjs';
import { requestId } from '../../support/answers.mjs';
import { useFolder, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { now, seal, SECRET, withToken } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const has = (program) => spawnSync(program, ['version']).error === undefined;
const example = (name) => inRoot('examples', 'assertion', name);
const run = (program, args, options) => spawnSync(program, args, { encoding: 'utf8', ...options });

/** The assertion that a gate with this key sends for alice, and wrong ones like it. */
async function assertions(gate, upstream, { alg, key, kid }) {
  const answer = await gate.knock(withToken({ sub: 'alice' }));
  const [sent] = values(upstream.sent(requestId(answer)).headers, 'portcullis-assertion');
  const claims = JSON.parse(Buffer.from(sent.split('.')[1], 'base64url'));
  const like = (changes, signer = key) =>
    seal(JSON.stringify({ alg, kid }), JSON.stringify({ ...claims, ...changes }), {
      alg,
      key: signer,
    });
  return { sent, audience: claims.aud, like };
}

const vars = { AUTH: 'optional', JWT_SECRET: SECRET };
const asJwk = (jwk) => ({ ...vars, ASSERTION_KEY: JSON.stringify(jwk) });

test('the page shows what is tested', () => {
  const page = readFileSync(inRoot('docs', 'headers.md'), 'utf8');
  for (const name of ['assertion.py', 'assertion.go']) {
    assert.ok(page.includes(readFileSync(example(name), 'utf8')), name);
  }
});

describe('the reader in Python', { skip: !has('python3') && 'there is no python3' }, () => {
  const secret = randomBytes(32);
  const upstream = useUpstream();
  const gate = useGate(() => ({
    upstream,
    vars: asJwk({ kty: 'oct', k: secret.toString('base64url'), kid: 'a' }),
  }));

  test('believes the gate alone', async () => {
    const made = await assertions(gate, upstream, { alg: 'HS256', key: secret, kid: 'a' });
    const { sent, audience, like } = made;
    const read = (assertion) => {
      const script = `import sys; sys.path.insert(0, sys.argv[1]); from assertion import claims_of
print(claims_of(sys.argv[2], bytes.fromhex(sys.argv[3]), sys.argv[4])["sub"])`;
      const args = ['-B', '-c', script, inRoot('examples', 'assertion'), assertion];
      const { stdout, stderr } = run('python3', [...args, secret.toString('hex'), audience]);
      return stdout.trim() || stderr.trim().split('\n').pop();
    };
    assert.equal(read(sent), 'alice');
    assert.match(read(''), /^ValueError/);
    // What no key signed is not read.
    const header = Buffer.from('['.repeat(50_000)).toString('base64url');
    assert.equal(read(`${header}.W10.AAAA`), 'ValueError: forged');
    assert.equal(read(like({}, randomBytes(32))), 'ValueError: forged');
    assert.equal(read(like({ aud: 'https://other.example' })), 'ValueError: meant for another');
    assert.equal(read(like({ exp: now() - 1 })), 'ValueError: expired');
  });
});

describe('the reader in Go', { skip: !has('go') && 'there is no go' }, () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const folder = useFolder();
  const upstream = useUpstream();
  const gate = useGate(() => ({
    upstream,
    vars: asJwk({ ...privateKey.export({ format: 'jwk' }), kid: 'a' }),
  }));

  test('believes the gate alone', async () => {
    const made = await assertions(gate, upstream, { alg: 'EdDSA', key: privateKey, kid: 'a' });
    const { sent, audience, like } = made;
    const other = generateKeyPairSync('ed25519').privateKey;
    const rows = [
      [sent, 'alice'],
      ['', 'not a JWT'],
      [like({}, other), 'forged'],
      [like({ aud: 'https://other.example' }), 'meant for another'],
      [like({ exp: now() - 1 }), 'expired'],
    ];
    const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
    const cases = rows.map(([assertion, expected]) => `{"${assertion}", "${expected}"},`);
    copyFileSync(example('assertion.go'), join(folder, 'assertion.go'));
    writeFileSync(join(folder, 'go.mod'), 'module assertion\n\ngo 1.18\n');
    writeFileSync(
      join(folder, 'assertion_test.go'),
      `package assertion
import ("crypto/ed25519"; "encoding/base64"; "testing")
func TestRead(t *testing.T) {
  key, _ := base64.RawURLEncoding.DecodeString("${x}")
  keys := map[string]ed25519.PublicKey{"a": key}
  for _, row := range [][2]string{${cases.join('\n')}} {
    claims, err := Read(row[0], keys, "${audience}")
    got := ""
    if err != nil { got = err.Error() } else { got = claims.Subject }
    if got != row[1] { t.Errorf("%s: %s", got, row[1]) }
  }
}
`,
    );
    const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOCACHE: join(folder, 'c') };
    const { status, stdout, stderr } = run('go', ['test', './...'], { cwd: folder, env });
    assert.equal(status, 0, `${stdout}${stderr}`);
  });
});
