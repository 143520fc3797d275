//! What the host tests share: tables with named rows, requests, tokens and settings.

pub mod claims;
pub mod counters;
pub mod crowd;
pub mod generated;
pub mod ledger;
pub mod provider;
pub mod registry;
pub mod runtime;
pub mod scripted;
pub mod vectors;

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::AlgorithmSignature;
use jwt_compact::alg::{Ed25519, Hs256, Hs256Key, Hs384, Hs384Key, Hs512, Hs512Key};
use portcullis::config::{Settings, Var};
use portcullis::policy::{LEDGER_BINDING, Policy, ROUTE_QUOTA_BINDING};
use portcullis::request::address::{AddressKey, ClientAddress, Ipv6Prefix};
use portcullis::request::parameters::Parameters;
use portcullis::request::path::CanonicalPath;
use portcullis::request::{Headers, Request, RequestUrl};
use portcullis::token::{Identity, TrustDomain};
use portcullis::util::time::Timestamp;
use proptest::test_runner::Config;
use serde_json::{Map, Value};

/// The time of all tests that need one: 2027-01-15T08:00:00Z.
pub const NOW: Timestamp = Timestamp(NOW_SECONDS * 1000);
pub const NOW_SECONDS: u64 = 1_800_000_000;

/// Compares the rows of a table, each with its name, and tells of all that differ.
#[track_caller]
pub fn assert_rows<N: Display, T: Debug + PartialEq>(rows: impl IntoIterator<Item = (N, T, T)>) {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (name, actual, expected) in rows {
        count += 1;
        if actual != expected {
            wrong.push(format!(
                "{name}\n    is      {actual:?}\n    must be {expected:?}"
            ));
        }
    }
    assert!(count > 0, "the table has no rows");
    assert!(
        wrong.is_empty(),
        "{} of {count} rows differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// So many random cases, and no files with their failures.
pub fn cases(count: u32) -> Config {
    Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    }
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).expect("the test's own JSON")
}

/// The identity of a token with these claims, which lasts a minute.
pub fn identity(claims: &str) -> Identity {
    let claims = object(claims);
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Identity {
        subject: text("sub"),
        session: text("sid"),
        domain: text("iss").map_or_else(TrustDomain::default, TrustDomain::Issuer),
        scopes: Vec::new(),
        claims,
        expires: NOW + seconds(60),
    }
}

/// A request in a test's own hands.
#[derive(Debug, Clone)]
pub struct Ask {
    pub method: &'static str,
    pub url: String,
    pub address: Option<&'static str>,
    headers: Vec<(&'static str, String)>,
}

/// The nonce of RFC 6455 §1.3.
pub const NONCE_TEXT: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const NONCE: [u8; 16] = *b"the sample nonce";

impl Ask {
    /// Without any header.
    pub fn plain(method: &'static str, url: &str) -> Self {
        Self {
            method,
            url: url.to_owned(),
            address: Some("192.0.2.7"),
            headers: Vec::new(),
        }
    }

    /// A sound upgrade without origin and token.
    pub fn upgrade() -> Self {
        Self::plain("GET", "https://gate.example/chat")
            .with("host", "gate.example")
            .with("upgrade", "websocket")
            .with("connection", "Upgrade")
            .with("sec-websocket-version", "13")
            .with("sec-websocket-key", NONCE_TEXT)
    }

    /// With this header in place of any of its name.
    pub fn with(self, name: &'static str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// With one header more, perhaps a repeated one.
    pub fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// What it is counted and recorded by.
    pub fn key(&self) -> AddressKey {
        ClientAddress::parse(self.address).key(Ipv6Prefix::default())
    }

    /// Its path, as a route without parameters matches it.
    pub fn matched(&self) -> Parameters {
        let path = CanonicalPath::parse(RequestUrl::split(&self.url).path);
        Parameters::new(path.expect("a sound path"), Vec::new())
    }

    pub fn request(&self) -> Request<'_> {
        Request {
            method: self.method,
            url: RequestUrl::split(&self.url),
            address: ClientAddress::parse(self.address),
            headers: self,
        }
    }
}

impl Headers for Ask {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let values: Vec<_> = self
            .headers
            .iter()
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", ").into())
    }
}

/// 64 bytes: enough for every hash.
pub const SECRET: &[u8; 64] = b"a secret of sixty-four bytes, which is enough for HS512 as well!";

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

/// Header and payload as they are signed.
pub fn signing_input(header: &str, payload: &str) -> String {
    format!("{}.{}", base64url(header), base64url(payload))
}

/// How a test signs.
#[derive(Debug, Clone, Copy)]
pub enum Signer<'a> {
    Hs256(&'a [u8]),
    Hs384(&'a [u8]),
    Hs512(&'a [u8]),
    /// Seed and public key, 64 bytes.
    Ed25519(&'a [u8]),
}

impl Signer<'_> {
    pub fn signature(self, message: &str) -> Vec<u8> {
        fn sign<A: jwt_compact::Algorithm>(
            algorithm: &A,
            key: &A::SigningKey,
            message: &str,
        ) -> Vec<u8> {
            let signature = algorithm.sign(key, message.as_bytes());
            signature.as_bytes().into_owned()
        }
        match self {
            Self::Hs256(key) => sign(&Hs256, &Hs256Key::new(key), message),
            Self::Hs384(key) => sign(&Hs384, &Hs384Key::new(key), message),
            Self::Hs512(key) => sign(&Hs512, &Hs512Key::new(key), message),
            Self::Ed25519(key) => {
                type SigningKey = <Ed25519 as jwt_compact::Algorithm>::SigningKey;
                let key = SigningKey::from_slice(key).expect("64 bytes");
                sign(&Ed25519, &key, message)
            }
        }
    }

    /// A token of these segments, whatever they are.
    pub fn token(self, header: &str, payload: &str) -> String {
        let message = signing_input(header, payload);
        let signature = base64url(self.signature(&message));
        format!("{message}.{signature}")
    }
}

/// A token with these claims under the secret of the tests.
pub fn hs256(payload: &str) -> String {
    Signer::Hs256(SECRET).token(r#"{"alg":"HS256"}"#, payload)
}

/// The key pair of RFC 8037 §A.1: seed, then public key.
pub fn rfc8037_key() -> Vec<u8> {
    [RFC8037_D, RFC8037_X]
        .iter()
        .flat_map(|part| Base64UrlUnpadded::decode_vec(part).expect("the RFC's own"))
        .collect()
}
pub const RFC8037_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
pub const RFC8037_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// Settings by name; the counters' bindings are there.
pub fn settings(vars: &[(&str, &str)]) -> Settings {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), Var::Text((*value).to_owned()));
    Settings {
        vars: vars.iter().map(text).collect(),
        bindings: [LEDGER_BINDING, ROUTE_QUOTA_BINDING]
            .map(str::to_owned)
            .into(),
    }
}

/// The least that is sound.
pub const MINIMAL: [(&str, &str); 3] = [
    ("ALLOWED_ORIGINS", "https://app.example.com"),
    ("JWT_SECRET", "a secret of thirty-two characters!"),
    ("UPSTREAM_URL", "wss://chat.example.com"),
];

/// The minimal settings with these over them.
pub fn minimal_with(vars: &[(&str, &str)]) -> Settings {
    let mut all = settings(&MINIMAL);
    all.vars.extend(settings(vars).vars);
    all
}

/// The policy, or its errors as they are logged.
pub fn read(settings: &Settings) -> Result<Policy, Vec<String>> {
    Policy::read(settings).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// The errors of the minimal settings with this one over them.
pub fn errors_with(name: &str, value: &str) -> Vec<String> {
    read(&minimal_with(&[(name, value)]))
        .err()
        .unwrap_or_default()
}
