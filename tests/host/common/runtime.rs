//! A runtime in a test's hands: it answers as it is told and records what it was asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::alg::Ed25519;
use jwt_compact::{Algorithm as _, AlgorithmSignature};
use portcullis::record::Record;
use portcullis::response::reason::Rejection;
use portcullis::token::{
    Algorithm, Authenticated, Authentication, BackgroundKeys, Cryptography, Document, Expectations,
    Identity, IntrospectionRequest, Issuer, Key, KeyRing, KeySources, ProviderAnswer, Providers,
    RemoteKeys, RuntimeKey, Source, TokenConflict, TrustDomain,
};
use portcullis::util::time::{Clock, Timestamp};

use super::counters::ready;
use super::{Ask, NOW};

/// The longest token in these tests, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;

/// A question to the runtime's cryptography.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub jwk: String,
    pub algorithm: &'static str,
    pub signature: Vec<u8>,
    pub signed: String,
}

/// A fetch of a key set: its URL, and how it was asked for.
pub type Fetched = (String, &'static str);

pub struct Bench {
    pub now: Cell<Timestamp>,
    /// What the runtime's cryptography says of every signature but Ed25519, which it verifies.
    pub verdict: RefCell<Result<bool, String>>,
    pub asked: RefCell<Vec<Asked>>,
    /// What there is at a URL; nothing is a provider that is down.
    pub provider: RefCell<BTreeMap<String, Document>>,
    pub fetched: RefCell<Vec<Fetched>>,
    after_response: RefCell<Vec<Rc<RemoteKeys>>>,
}

impl Bench {
    pub fn at(now: Timestamp) -> Self {
        Self {
            now: Cell::new(now),
            verdict: RefCell::new(Ok(false)),
            asked: RefCell::default(),
            provider: RefCell::default(),
            fetched: RefCell::default(),
            after_response: RefCell::default(),
        }
    }

    /// Whose cryptography says this of every signature.
    pub fn saying(verdict: Result<bool, &str>) -> Self {
        let bench = Self::at(NOW);
        *bench.verdict.borrow_mut() = verdict.map_err(str::to_owned);
        bench
    }

    pub fn publish(&self, url: &str, text: &str) {
        let document = Document {
            text: text.to_owned(),
            max_age: None,
            since: NOW,
        };
        self.provider.borrow_mut().insert(url.to_owned(), document);
    }

    /// Ends the fetches that were started in the background.
    pub fn finish_background(&self) {
        for keys in self.after_response.take() {
            self.give(&keys);
        }
    }

    pub fn take_asked(&self) -> Vec<Asked> {
        self.asked.take()
    }

    pub fn take_fetched(&self) -> Vec<Fetched> {
        self.fetched.take()
    }

    fn give(&self, keys: &RemoteKeys) {
        let since = self.now.get();
        let document = self.provider.borrow().get(&keys.url).cloned();
        let document = document.map(|document| Document { since, ..document });
        keys.take(document.ok_or("down".into()), since);
    }
}

impl Clock for Bench {
    fn now(&self) -> Timestamp {
        self.now.get()
    }
}

impl Cryptography for Bench {
    async fn verify(
        &self,
        key: &Rc<RuntimeKey>,
        algorithm: Algorithm,
        signature: &[u8],
        signed: &[u8],
    ) -> Result<bool, String> {
        self.asked.borrow_mut().push(Asked {
            jwk: key.jwk.clone(),
            algorithm: algorithm.name(),
            signature: signature.to_vec(),
            signed: String::from_utf8(signed.to_vec()).expect("a token is text"),
        });
        match algorithm {
            Algorithm::EdDsa => Ok(verifies_ed25519(&key.jwk, signature, signed)),
            _ => self.verdict.borrow().clone(),
        }
    }
}

impl Providers for Bench {
    async fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) {
        let how = if from_provider {
            "provider"
        } else {
            "any cache"
        };
        self.fetched.borrow_mut().push((keys.url.clone(), how));
        self.give(keys);
    }

    async fn introspect(&self, _: &IntrospectionRequest<'_>) -> Result<ProviderAnswer, String> {
        panic!("no session is expected here");
    }
}

impl BackgroundKeys for Bench {
    fn fetch_keys_after_response(&self, keys: &Rc<RemoteKeys>) {
        self.fetched.borrow_mut().push((keys.url.clone(), "behind"));
        self.after_response.borrow_mut().push(keys.clone());
    }
}

/// What the runtime's cryptography says of an Ed25519 signature.
pub fn verifies_ed25519(jwk: &str, signature: &[u8], signed: &[u8]) -> bool {
    let jwk = super::object(jwk);
    let public = Base64UrlUnpadded::decode_vec(jwk["x"].as_str().expect("a text"));
    let key =
        <Ed25519 as jwt_compact::Algorithm>::VerifyingKey::from_slice(&public.expect("base64url"))
            .expect("32 bytes");
    <Ed25519 as jwt_compact::Algorithm>::Signature::try_from_slice(signature)
        .is_ok_and(|signature| Ed25519.verify_signature(&signature, &key, signed))
}

/// One issuer with these keys.
pub fn issuer(keys: impl IntoIterator<Item = Key>, expectations: Expectations) -> Issuer {
    Issuer {
        keys: KeySources::fixed(KeyRing::new(keys.into_iter().collect())),
        expectations,
    }
}

/// Requires a token of this one issuer in `Authorization`.
pub fn gate_with(
    keys: impl IntoIterator<Item = Key>,
    expectations: Expectations,
) -> Authentication {
    gate_of([issuer(keys, expectations)])
}

pub fn gate_of(issuers: impl IntoIterator<Item = Issuer>) -> Authentication {
    Authentication {
        required: true,
        sessions: None,
        max_bytes: MAX_BYTES,
        sources: vec![Source::Header],
        on_conflict: TokenConflict::Refuse,
        issuers: issuers.into_iter().collect(),
    }
}

/// What the gate says of a request.
pub fn check(
    bench: &Bench,
    gate: &Authentication,
    ask: &Ask,
    protocols: &[String],
) -> (Result<Authenticated, Rejection>, Record) {
    let request = ask.request();
    let mut record = Record::begin(ask.key(), "id", String::new());
    let verdict = ready(gate.check(bench, gate.find(&request, protocols)));
    let checked = record.note_verdict(verdict);
    (checked, record)
}

/// Whom the gate admits by a token in `Authorization`.
pub fn admit(bench: &Bench, gate: &Authentication, token: &str) -> Result<Identity, Rejection> {
    let ask = Ask::upgrade().with("authorization", &format!("Bearer {token}"));
    let (checked, _) = check(bench, gate, &ask, &[]);
    checked.map(|authenticated| authenticated.identity.expect("a token was found"))
}

/// The identity without its claims and trust domain.
pub fn admit_at(
    now: Timestamp,
    gate: &Authentication,
    token: &str,
) -> Result<Option<Identity>, Rejection> {
    let mut identity = admit(&Bench::at(now), gate, token)?;
    identity.claims.clear();
    identity.domain = TrustDomain::default();
    Ok(Some(identity))
}

/// The subject that a token is admitted as, or why not.
pub fn subject_of(gate: &Authentication, token: &str) -> Result<String, Rejection> {
    admit(&Bench::at(NOW), gate, token).map(|identity| identity.subject.unwrap_or_default())
}
