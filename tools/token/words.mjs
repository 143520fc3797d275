// What the gate's reasons and causes mean to whoever holds the token.

/** The value at a name, or at a JSON Pointer (RFC 6901). */
const at = (part, name) =>
  name.startsWith('/')
    ? name
        .slice(1)
        .split('/')
        .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
        .reduce((value, step) => value?.[step], part)
    : part?.[name];

/** What a token says at one place: `has aud "x"`, or `has no aud`. */
const has = (part, name) => {
  const value = at(part, name);
  return value === undefined ? `has no ${name}` : `has ${name} ${JSON.stringify(value)}`;
};

// A text, or what makes one of the token's header and claims.
const CAUSES = [
  [
    /^the signature does not verify$/,
    'Another key signed it, or it was changed after it was signed.',
  ],
  [
    /^no key for this alg and kid$/,
    ({ header }) =>
      `Its header ${has(header, 'alg')} and ${has(header, 'kid')}: none of the configured keys is for that alg, or none of those has that kid. A key with an alg of its own is for that alg alone, and JWT_ALGORITHMS narrows all of them.`,
  ],
  [
    /^alg is not one/,
    'The gate verifies HS, RS, PS and ES 256, 384 and 512, and EdDSA (also named Ed25519), nothing else.',
  ],
  [
    /^header has crit$/,
    'The header asks for an extension that must be understood, and the gate knows none.',
  ],
  [
    /^typ is not in JWT_TYP$/,
    ({ header }) =>
      `Its header ${has(header, 'typ')}; JWT_TYP lists the types of token that are accepted.`,
  ],
  [
    /^iss names no trusted issuer$/,
    ({ claims }) => `It ${has(claims, 'iss')}, which no entry of ISSUERS has.`,
  ],
  [
    /^iss is not in JWT_ISSUER$/,
    ({ claims }) =>
      `It ${has(claims, 'iss')}; one that is trusted must be there, the same to the letter.`,
  ],
  [
    /^aud is not in JWT_AUDIENCE$/,
    ({ claims }) => `It ${has(claims, 'aud')}; one that JWT_AUDIENCE lists must be among them.`,
  ],
  [/^exp is missing$/, 'A token without an end is not accepted.'],
  [
    /^exp has passed$/,
    'Its time is over. A new one is needed; JWT_LEEWAY tolerates clocks that differ.',
  ],
  [/^older than JWT_MAX_AGE$/, 'By its iat it is older than the settings allow, whatever its exp.'],
  [
    /^(nbf|iat) is in the future$/,
    'The clock of whoever issued it is ahead, or it is for later. JWT_LEEWAY tolerates clocks that differ.',
  ],
  [
    /^the key set can't be had: /,
    'JWT_JWKS_URL gave no usable keys, or not that of this token, so it can’t be verified.',
  ],
  [/^the key can't be used: /, 'The configured key has the form of one, but is none.'],
  [
    /is not canonical base64url$/,
    'A segment has padding, foreign characters or spare bits; it was not made by a JWT library, or it was cut when copied.',
  ],
  [
    /^not three segments$/,
    'A JWT in compact form is header.payload.signature. An opaque access token, or an encrypted one, is none.',
  ],
  [/^longer than /, 'Tokens of that length are refused unread.'],
  [/^(header|payload): /, 'What it encodes is not a JSON object without duplicate members.'],
  [
    /^the token lacks the scope /,
    ({ claims }) => {
      const places = ['scope', 'scp', 'permissions'].map((name) => has(claims, name));
      return `REQUIRED_SCOPES asks for it, and the token ${places.join(', ')}.`;
    },
  ],
  [/^the token lacks the claim /, 'The route’s claims ask for it.'],
  [
    /^the claim .* does not fit$/,
    ({ claims }, cause) => {
      const name = cause.slice('the claim '.length, -' does not fit'.length);
      return `The token ${has(claims, name)}, and the route’s claims ask for another value.`;
    },
  ],
];

const REASONS = {
  misconfigured: 'The gate refuses everything until its settings are right.',
  token_missing:
    'The gate does not look where the token was put; TOKEN_SOURCES lists where it does.',
  no_route: 'No route matches the path; --path chooses another.',
  origin_missing: 'Not the token is at fault; --origin chooses an allowed origin.',
  origin_not_allowed: 'Not the token is at fault; --origin chooses an allowed origin.',
  ambiguous_token: 'Two places hold different tokens.',
};

/** A sentence for a record's reason and cause, if there is more to say of the token. */
export function explain({ reason, cause }, token) {
  const [, words] = CAUSES.find(([pattern]) => pattern.test(cause ?? '')) ?? [];
  return (typeof words === 'function' ? words(token, cause) : words) ?? REASONS[reason];
}

/** `in 9 min 58 s`, `2 h 0 min ago`: the two largest units. */
export function distance(seconds) {
  const whole = Math.round(Math.abs(seconds));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return 'now';
  const words = parts.slice(first, first + 2).map(([count, unit]) => `${count} ${unit}`);
  return seconds < 0 ? `${words.join(' ')} ago` : `in ${words.join(' ')}`;
}
