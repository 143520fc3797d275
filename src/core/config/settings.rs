//! The table of settings: the one place that knows their names, kinds and defaults.

/// How a setting should be stored. The gate can't tell the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A variable in `wrangler.toml`.
    Var,
    /// A secret, set with `wrangler secret put`.
    Secret,
}

/// Where a setting may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// For the whole gate only.
    Global,
    /// For the whole gate, and for a route over that.
    Route,
}

/// Whether a setting is part of the rules by which tokens are accepted. Routes where these
/// settings are equal share live sockets when a token is refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    Decide,
    Other,
}

/// What a setting is when nobody sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// Written as a value of the setting.
    Value(&'static str),
    /// Not a value of the setting, so described.
    Described(&'static str),
}

/// The form of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Boolean,
    /// One of these words.
    Choice(&'static [&'static str]),
    Duration,
    Quota,
    Ban,
    /// A whole number in this range.
    Count(u32, u32),
    Text,
    Url,
    /// The name of a binding, perhaps with more.
    Binding,
    /// Strings, separated by commas or white space, or in an array.
    List,
    /// A JSON object, as text or as a table.
    Object,
    /// A JSON array of objects, as text or as an array of tables.
    Array,
    /// From `0%` to `100%`.
    Percentage,
    /// `enforce`, `report`, or `enforce:` and a percentage.
    Mode,
    /// Any other form, or the word `off`.
    OrOff(&'static Form),
}

/// A setting of the gate. Only this module makes them, so nothing outside the table can be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    name: &'static str,
    kind: Kind,
    scope: Scope,
    tokens: Tokens,
    default: DefaultValue,
}

impl Setting {
    /// As it is written among the Worker's variables. In a route it is in lower case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn scope(&self) -> Scope {
        self.scope
    }

    pub fn tokens(&self) -> Tokens {
        self.tokens
    }

    pub fn default(&self) -> DefaultValue {
        self.default
    }
}

/// What documentation says about a setting. The Worker itself does not need this.
#[derive(Debug)]
pub struct Description {
    pub setting: &'static Setting,
    pub form: Form,
    /// One sentence.
    pub meaning: &'static str,
}

/// The setting with exactly this name.
pub(super) fn named(name: &str) -> Option<&'static Setting> {
    ALL.iter().copied().find(|setting| setting.name == name)
}

macro_rules! settings {
    ($($name:ident: $kind:ident $scope:ident $tokens:ident, $form:expr, $default:expr, $meaning:expr;)*) => {
        $(pub static $name: Setting = Setting {
            name: stringify!($name),
            kind: Kind::$kind,
            scope: Scope::$scope,
            tokens: Tokens::$tokens,
            default: $default,
        };)*

        pub(super) static ALL: &[&Setting] = &[$(&$name),*];

        /// All settings, in the order of the documentation.
        pub fn descriptions() -> Vec<Description> {
            vec![$(Description { setting: &$name, form: $form, meaning: $meaning }),*]
        }
    };
}

use DefaultValue::{Described, Value};
use Form::{
    Array, Ban, Binding, Boolean, Choice, Count, Duration, List, Mode, Object, OrOff, Percentage,
    Quota, Text, Url,
};

const NONE: DefaultValue = Described("none");
const MAX_BYTES: u32 = crate::relay::MAX_MESSAGE_BYTES;
const MAX_SOCKETS: u32 = crate::limits::ledger::MAX_SOCKETS;
/// No signed token is shorter.
pub(super) const MIN_TOKEN_BYTES: u32 = 64;
/// Half of what the platform passes of all headers together.
pub(super) const MAX_TOKEN_BYTES: u32 = 65_536;

settings! {
    // Who may connect
    ALLOWED_ORIGINS: Var Route Other, List, Described("none, must be set"),
        "Origins whose pages may connect.";
    ORIGIN_MISSING: Var Route Other, Choice(&["reject", "allow"]), Value("reject"),
        "Whether requests without an Origin header are let through.";
    REQUIRE_TLS: Var Route Other, Boolean, Value("true"),
        "Refuses requests that did not come over https or wss.";
    PLAIN_HTTP: Var Route Other, Choice(&["reject", "proxy", "guard"]), Value("reject"),
        "What happens to requests that are not WebSocket upgrades.";

    // The server
    UPSTREAM_URL: Var Route Other, Url, NONE,
        "The server to forward to.";
    UPSTREAM_SERVICE: Var Route Other, Binding, NONE,
        "A service binding to forward to, declared under [[services]].";
    UPSTREAM_OBJECT: Var Route Other, Binding, NONE,
        "A Durable Object to forward to: the binding of its namespace and its name, such as ROOMS/lobby.";
    UPSTREAM_CERTIFICATE: Var Route Other, Binding, NONE,
        "A client certificate to show to the server of UPSTREAM_URL: the name of an mTLS binding, declared under [[mtls_certificates]].";
    UPSTREAM_HEADERS: Var Route Other, Object, Value("{}"),
        "Changes to the headers that the server gets: a string sets one, null removes one.";
    UPSTREAM_PLAINTEXT: Var Route Other, Boolean, Value("false"),
        "Allows ws:// and http:// to any host.";
    UPSTREAM_TIMEOUT: Var Route Other, Duration, Value("10s"),
        "How long the server may take to answer an upgrade or a proxied request.";
    PATH_CASE: Var Global Other, Choice(&["sensitive", "insensitive"]), Value("sensitive"),
        "Whether the servers tell /Admin from /admin.";
    PATH_TRAILING_SLASH: Var Global Other, Choice(&["distinct", "same"]), Value("distinct"),
        "Whether the servers tell /admin/ from /admin.";
    ASSERTION_KEY: Secret Route Other, Object, NONE,
        "Signs the assertion that the server gets.";

    // Tokens
    AUTH: Var Route Other, Choice(&["required", "optional", "off"]), Value("required"),
        "Whether clients need a token.";
    JWT_SECRET: Secret Route Decide, Text, NONE,
        "HMAC key.";
    JWT_JWKS: Var Route Decide, Object, NONE,
        "A JWK Set of 1 to 64 keys, or public keys and certificates in PEM.";
    JWT_JWKS_URL: Var Route Decide, Url, NONE,
        "Address of a JWK Set, or of X.509 certificates by kid.";
    JWT_JWKS_STALE: Var Route Other, Duration, Value("1h"),
        "How long an expired key set stays in use when it can't be refreshed.";
    ISSUERS: Var Route Decide, Array, NONE,
        "Several issuers, each with keys of its own, in place of the JWT_ keys, issuer, audience and algorithms.";
    JWT_ALGORITHMS: Var Route Decide, List, Described("what the keys are for"),
        "Algorithms that are accepted.";
    JWT_ISSUER: Var Route Decide, List, NONE,
        "Accepted values of iss.";
    JWT_AUDIENCE: Var Route Decide, List, NONE,
        "Accepted values of aud; one match is enough. With a key URL mandatory; any accepts all.";
    JWT_TYP: Var Route Decide, List, NONE,
        "Accepted values of the header typ, such as at+jwt, in any case and with or without application/.";
    JWT_LEEWAY: Var Route Decide, Duration, Value("10s"),
        "Tolerance for clocks that differ, for exp, nbf and iat.";
    JWT_MAX_AGE: Var Route Decide, Duration, NONE,
        "The oldest iat that is accepted.";
    JWT_REPLAY: Var Route Decide, Choice(&["allow", "reject"]), Value("allow"),
        "Whether a token may open several sockets.";
    SUBJECT_CLAIM: Var Route Decide, List, Value("sub"),
        "Claims that name the user; the first that a token has counts.";
    SESSION_CLAIM: Var Route Decide, Text, Value("sid"),
        "The claim that names the session.";
    TOKEN_MAX_BYTES: Var Route Decide, Count(MIN_TOKEN_BYTES, MAX_TOKEN_BYTES), Value("16384"),
        "Size of the longest token.";
    TOKEN_SOURCES: Var Route Other, List, Value("header,subprotocol"),
        "Where the gate looks for a token.";
    FIRST_MESSAGE: Var Route Other, Choice(&["strip", "pass", "drop"]), Value("strip"),
        "What the server gets of a first message that held the token: all but the token, all of it, or nothing.";
    FIRST_MESSAGE_TIMEOUT: Var Route Other, Duration, Value("10s"),
        "How long a client may take for its first message, where the token is in that.";
    FIRST_MESSAGE_PROTOCOLS: Var Route Other, List, Described("the first that the client offers"),
        "Subprotocols that may be answered before the server is asked, the best first.";
    FIRST_MESSAGE_GREETING: Var Route Other, Text, NONE,
        "A message that clients get at once, for those that wait for one before they send the token.";
    UPSTREAM_GREETING: Var Route Other, Choice(&["drop", "pass"]), Value("drop"),
        "Whether the server's own first message is dropped where FIRST_MESSAGE_GREETING took its place.";
    ON_TOKEN_CONFLICT: Var Route Other, Choice(&["refuse", "first"]), Value("refuse"),
        "Whether a request with different tokens in two places is refused, or the first of TOKEN_SOURCES decides.";
    REQUIRED_SCOPES: Var Route Decide, List, NONE,
        "Scopes that the token must hold, all of them.";

    // Sessions and tickets
    SESSION_URL: Var Route Decide, OrOff(&Url), NONE,
        "A token introspection endpoint (RFC 7662) for credentials that are not JWTs.";
    SESSION_URL_AUTH: Secret Route Decide, Text, Described("none, must be set with `SESSION_URL`"),
        "The value of the Authorization header for that endpoint: Basic …, Bearer ….";
    SESSION_CACHE: Var Route Other, Duration, Value("30s"),
        "How long an answer of that endpoint is reused, at most until its exp.";
    TICKET_TTL: Var Route Other, OrOff(&Duration), Value("15s"),
        "Life of a one-time ticket.";
    TICKET_BINDING: Var Route Other, List, Value("address,origin,route"),
        "What must be the same where a ticket is used as where it was issued.";

    // Limits
    RATE_LIMIT_IP: Var Route Other, OrOff(&Quota), Value("60/1m"),
        "Upgrade attempts per client address.";
    RATE_LIMIT_USER: Var Route Other, OrOff(&Quota), Value("off"),
        "Upgrades admitted per user: sub within its iss.";
    RATE_LIMIT_ROUTE: Var Route Other, OrOff(&Quota), Value("off"),
        "Upgrades admitted per route, all clients together.";
    MAX_SOCKETS_IP: Var Route Other, OrOff(&Count(1, MAX_SOCKETS)), Value("off"),
        "Sockets an address may hold open at once.";
    MAX_SOCKETS_USER: Var Route Other, OrOff(&Count(1, MAX_SOCKETS)), Value("off"),
        "Sockets a user may hold open at once, from any address.";
    IPV6_PREFIX: Var Route Other, Count(32, 128), Value("64"),
        "How many leading bits of an IPv6 address count as one address.";
    BAN_AFTER: Var Route Other, OrOff(&Ban), Value("off"),
        "How many refused attempts ban an address, and for how long.";
    KEY_REPLAY_WINDOW: Var Route Other, OrOff(&Duration), Value("1m"),
        "How long an address may not repeat a Sec-WebSocket-Key.";
    ON_FULL: Var Route Other, Choice(&["refuse", "close_oldest"]), Value("refuse"),
        "What happens to a socket that finds no slot left under `MAX_SOCKETS_IP` or `MAX_SOCKETS_USER`: it is refused, or the oldest socket is closed and it takes that one's slot.";
    ON_LIMITER_FAILURE: Var Route Other, Choice(&["reject", "admit"]), Value("reject"),
        "What happens to an attempt when a counter does not answer.";
    ON_REGISTRY_FAILURE: Var Route Other, Choice(&["reject", "admit"]), Value("reject"),
        "What happens to an attempt when revocations, bans or used `jti`s can't be looked up.";
    LIMITER_TIMEOUT: Var Route Other, Duration, Value("2s"),
        "How long a counter, the registry or the store of one-time values may take to answer.";

    // Live sockets
    RELAY: Var Route Other, Choice(&["passthrough", "inspect"]),
        Described("`passthrough`, or `inspect` where a setting implies it"),
        "Whether messages pass through the Worker, where they can be limited.";
    MAX_MESSAGE_BYTES: Var Route Other, OrOff(&Count(1, MAX_BYTES)), Value("off"),
        "Size of the largest message, in either direction.";
    MESSAGE_RATE: Var Route Other, OrOff(&Quota), Value("off"),
        "Messages from the client.";
    IDLE_TIMEOUT: Var Route Other, OrOff(&Duration), Value("off"),
        "How long a socket may stay silent in both directions.";
    HEARTBEAT: Var Route Other, OrOff(&Duration), Value("off"),
        "How often a client that understands heartbeats gets one. A client that does not answer until the next has vanished, and its socket is closed.";
    MAX_LIFETIME: Var Route Other, OrOff(&Duration), Value("off"),
        "How long a socket may stay open.";
    CLOSE_ON_EXPIRY: Var Route Other, Boolean, Value("false"),
        "Closes a socket when its token is no longer accepted.";
    MAX_BACKLOG_BYTES: Var Route Other, OrOff(&Count(1, u32::MAX)), Described("`33554432` with `inspect`"),
        "How much may be sent to a side before that side sends a message itself.";

    // Answers
    REJECT_WITH: Var Route Other, Choice(&["http", "close"]), Value("http"),
        "How a refused handshake is answered: with a status, or with a WebSocket that is closed at once with a code that scripts can read.";
    SECURITY_HEADERS: Var Route Other, Object, Value("{}"),
        "Changes to the security headers: a string replaces or adds one, null removes one of the defaults.";
    MODE: Var Route Other, Mode, Value("enforce"),
        "Whether refusals are carried out, only recorded (report), or carried out for a share of addresses (enforce:10%).";
    LOG_ADMITTED: Var Route Other, Percentage, Value("100%"),
        "Which share of admitted attempts leaves a line in the log. Refusals always do.";

    // The whole gate
    ROUTES: Var Global Other, Array, Described("none: one route `/*` with the global settings"),
        "Routes with settings of their own.";
    ADMIN_TOKEN: Secret Global Other, Text, NONE,
        "Turns the administration endpoints on.";
    ADMIN_ACCESS_TEAM: Var Global Other, Url, NONE,
        "A team of Cloudflare Access whose members may administer, such as https://team.cloudflareaccess.com.";
    ADMIN_ACCESS_AUDIENCE: Var Global Other, List, NONE,
        "The audience tags of the Access applications that protect the administration endpoints.";
    METRICS: Var Global Other, Boolean, Value("false"),
        "Counts decisions, closed sockets and calls for the metrics endpoint and the dashboard.";
}
