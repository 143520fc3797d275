//! Chance, mutation, and keys in the hands of a test.

mod mutate;

use std::borrow::Cow;
use std::collections::HashSet;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portcullis::request::address::ClientAddress;
use portcullis::request::{Headers, Request, RequestUrl};
use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{
    Algorithm, Authentication, BackgroundKeys, Cryptography, IntrospectionRequest, ProviderAnswer,
    Providers, RemoteKeys, RuntimeKey,
};
use portcullis::util::time::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::common::counters::ready;
use crate::common::runtime::verifies_ed25519;
use crate::common::{RFC8037_X, SECRET, Signer, base64url, rfc8037_key};

pub const NOW: u64 = crate::common::NOW_SECONDS;
const STRANGER: &[u8; 64] = b"a secret of somebody else, not trusted here, as long as HS512's.";
const DEFAULT_SECONDS: u64 = 3;

/// splitmix64: enough to choose with, and the same everywhere.
pub struct Chance(u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

#[derive(Debug)]
pub struct Counts {
    pub cases: u64,
    pub admitted: u64,
}

/// How long each fuzz test may take.
pub fn budget() -> Duration {
    let seconds = env::var("FUZZ_SECONDS").map(|text| text.parse().expect("whole seconds"));
    Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS))
}

/// Runs cases, each with a seed of its own, until the time is up. A case tells how much it
/// admitted; one that panics is named.
#[expect(
    clippy::disallowed_methods,
    reason = "a fuzz test runs for a time, from a new seed"
)]
pub fn run(name: &str, budget: Duration, case: impl Fn(&mut Chance) -> u64) -> Counts {
    let began = Instant::now();
    let fixed = env::var("FUZZ_SEED").map(|text| text.parse::<u64>().expect("a seed"));
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = fixed
        .clone()
        .unwrap_or(since.expect("after 1970").as_nanos() as u64);
    let mut counts = Counts {
        cases: 0,
        admitted: 0,
    };
    loop {
        let seed = first.wrapping_add(counts.cases);
        match catch_unwind(AssertUnwindSafe(|| case(&mut Chance(seed)))) {
            Ok(admitted) => counts.admitted += admitted,
            Err(panic) => {
                eprintln!("{name}: FUZZ_SEED={seed} repeats it");
                resume_unwind(panic);
            }
        }
        counts.cases += 1;
        if began.elapsed() >= budget {
            break;
        }
    }
    println!(
        "{name}: {counts:?} in {:?} from seed {first}",
        began.elapsed()
    );
    counts
}

/// What a trusted key signed.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Signed {
    pub message: String,
    pub signature: Vec<u8>,
    pub alg: String,
    pub kid: &'static str,
}

/// Signs as the trusted keys and as strangers, and remembers what the trusted ones signed.
#[derive(Default)]
pub struct Harness {
    pub signed: HashSet<Signed>,
}

impl Harness {
    pub fn hmac_jwk(&self, kid: &str) -> Value {
        json!({ "kty": "oct", "kid": kid, "k": base64url(SECRET) })
    }

    pub fn ed25519_jwk(&self, kid: &str) -> Value {
        json!({ "kty": "OKP", "kid": kid, "crv": "Ed25519", "x": RFC8037_X })
    }

    pub fn rsa_jwk(&self, kid: &str) -> Value {
        let mut n = [0xa5; 256];
        n[255] = 1;
        json!({ "kty": "RSA", "kid": kid, "n": base64url(n), "e": "AQAB" })
    }

    pub fn ec_jwk(&self, kid: &str) -> Value {
        json!({
            "kty": "EC", "kid": kid, "crv": "P-256",
            "x": base64url([7; 32]), "y": base64url([9; 32]),
        })
    }

    /// A signature by a trusted key, if that one is for `alg`.
    pub fn sign(&mut self, message: &str, alg: &str) -> Option<Vec<u8>> {
        let (signature, kid) = match alg {
            "HS256" => (Signer::Hs256(SECRET).signature(message), "mac"),
            "HS384" => (Signer::Hs384(SECRET).signature(message), "mac"),
            "HS512" => (Signer::Hs512(SECRET).signature(message), "mac"),
            "EdDSA" => (Signer::Ed25519(&rfc8037_key()).signature(message), "ed"),
            "ES256" => (
                fake_signature(&public(&self.ec_jwk("")), alg, message),
                "ec",
            ),
            _ if alg.starts_with("RS") || alg.starts_with("PS") => (
                fake_signature(&public(&self.rsa_jwk("")), alg, message),
                "rsa",
            ),
            _ => return None,
        };
        // For an alg that nobody verifies there is nothing to be trusted.
        Algorithm::from_name(alg)?;
        self.signed.insert(Signed {
            message: message.to_owned(),
            signature: signature.clone(),
            alg: alg.to_owned(),
            kid,
        });
        Some(signature)
    }

    pub fn token_by(&mut self, kid: &str, claims: &Value) -> String {
        let alg = match kid {
            "mac" => "HS256",
            "ed" => "EdDSA",
            "rsa" => "PS384",
            _ => "ES256",
        };
        let header = json!({ "alg": alg, "kid": kid }).to_string();
        let message = format!("{}.{}", base64url(header), base64url(claims.to_string()));
        let signature = self.sign(&message, alg).expect("an alg of ours");
        format!("{message}.{}", base64url(signature))
    }

    pub fn sound_token(&mut self, chance: &mut Chance) -> String {
        let kid = chance.pick(&["mac", "ed", "rsa", "ec"]);
        self.token_by(
            kid,
            &json!({ "sub": "ada", "exp": NOW + 60, "scope": "a b" }),
        )
    }

    /// Asks the gate about a token: when what it admits expires, or why it does not.
    pub fn ask(&self, gate: &Authentication, token: &str) -> Result<Timestamp, String> {
        let headers = Bearer(token.to_owned());
        let request = Request {
            method: "GET",
            url: RequestUrl::split("https://gate.example/"),
            address: ClientAddress::parse(None),
            headers: &headers,
        };
        let verdict = ready(gate.check(&FakeRuntime, gate.find(&request, &[])));
        match verdict.result.map_err(Rejection::from) {
            Ok(authenticated) => Ok(authenticated.identity.expect("whom it names").expires),
            Err(rejection) => {
                let is_of_a_token = matches!(
                    rejection.reason,
                    Reason::TokenInvalid
                        | Reason::TokenUnusable
                        | Reason::ProviderUnavailable { .. }
                        | Reason::TokenExpired
                        | Reason::TokenMissing
                );
                assert!(is_of_a_token, "{rejection:?}");
                Err(rejection.cause.to_string())
            }
        }
    }
}

struct Bearer(String);

impl Headers for Bearer {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "authorization").then(|| format!("Bearer {}", self.0).into())
    }
}

/// In place of the runtime's cryptography: a key signs what its text and the algorithm make of a
/// message.
struct FakeRuntime;

fn fake_signature(jwk: &str, alg: &str, message: &str) -> Vec<u8> {
    Signer::Hs256(format!("{alg} {jwk} and enough to be a key").as_bytes()).signature(message)
}

/// A public key as the core hands it to the runtime.
fn public(jwk: &Value) -> String {
    let mut jwk = jwk.clone();
    jwk.as_object_mut().expect("an object").remove("kid");
    jwk.to_string()
}

impl Clock for FakeRuntime {
    fn now(&self) -> Timestamp {
        Timestamp(NOW * 1000)
    }
}

impl Cryptography for FakeRuntime {
    async fn verify(
        &self,
        key: &Rc<RuntimeKey>,
        algorithm: Algorithm,
        signature: &[u8],
        signed: &[u8],
    ) -> Result<bool, String> {
        if algorithm == Algorithm::EdDsa {
            return Ok(verifies_ed25519(&key.jwk, signature, signed));
        }
        let message = std::str::from_utf8(signed).expect("base64url and a dot");
        Ok(fake_signature(&key.jwk, algorithm.name(), message) == signature)
    }
}

impl Providers for FakeRuntime {
    async fn fetch_keys(&self, _: &Rc<RemoteKeys>, _: bool) {}
    async fn introspect(&self, _: &IntrospectionRequest<'_>) -> Result<ProviderAnswer, String> {
        Err("no session is trusted here".into())
    }
}

impl BackgroundKeys for FakeRuntime {
    fn fetch_keys_after_response(&self, _: &Rc<RemoteKeys>) {}
}

/// A signature by a key that nobody trusts, or by a public one taken for a secret.
pub fn forge(chance: &mut Chance, message: &str, alg: &str) -> Vec<u8> {
    let public_key = &rfc8037_key()[32..];
    let secret = chance.pick(&[&STRANGER[..], public_key, RFC8037_X.as_bytes(), b""]);
    match alg {
        "HS384" => Signer::Hs384(secret).signature(message),
        "HS512" => Signer::Hs512(secret).signature(message),
        _ => Signer::Hs256(secret).signature(message),
    }
}
