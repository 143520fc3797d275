//! Tokens: found in a request, verified, and turned into an identity.

mod claims;
mod credential;
mod introspection;
mod jwk;
mod jwks;
mod jws;
mod keys;

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

pub use claims::{Expectations, Identity, is_scope};
pub use credential::{
    BEARER, Credential, Source, unchosen_protocol, without_bearer, without_cookie,
    without_parameter,
};
pub use introspection::{IntrospectionRequest, MAX_ANSWER_BYTES, ProviderAnswer, Sessions};
pub(crate) use jwk::Members;
pub use jwks::{Document, FETCH_TIMEOUT, Fetch, MAX_BYTES, RemoteKeys, SetUpdate, SharedCopy};
pub use jws::{MAX_TOKEN_BYTES, TokenHeader};
pub use keys::{Algorithm, Key, KeyRing, RuntimeKey};

use crate::record::Record;
use crate::request::Request;
use crate::response::reason::{Reason, Rejection};
use crate::util::time::Timestamp;

/// Why a token is not accepted. The client is told only whether it had expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// Everything about it is right but its time has passed.
    Expired(&'static str),
    Invalid(Cow<'static, str>),
    /// What would tell can't be reached.
    Unverified(String),
}

impl TokenFault {
    fn invalid(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(cause.into())
    }
}

/// When a client should ask again whose token could not be verified.
const PROVIDER_RETRY: Duration = Duration::from_secs(5);

impl From<TokenFault> for Rejection {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Expired(cause) => Reason::TokenExpired.because(cause),
            TokenFault::Invalid(cause) => Reason::TokenInvalid.because(cause),
            TokenFault::Unverified(cause) => Reason::ProviderUnavailable {
                retry_after: PROVIDER_RETRY,
            }
            .because(cause),
        }
    }
}

/// What verifying takes of a runtime.
pub trait Runtime {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Verifies a signature with the runtime's cryptography, which is faster than WASM for all but
    /// HMAC. The error is for the log.
    fn verify(
        &self,
        key: &Rc<RuntimeKey>,
        algorithm: Algorithm,
        signature: &[u8],
        signed: &[u8],
    ) -> impl Future<Output = Result<bool, String>>;

    /// Fetches a key set and gives it to `keys`, or the failure. `from_provider`: from no cache.
    fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) -> impl Future<Output = ()>;

    /// The same behind the answer.
    fn fetch_keys_after_response(&self, keys: &Rc<RemoteKeys>);

    /// Asks the provider of sessions; whoever asks the same meanwhile gets the same answer. The
    /// error is for the log.
    fn introspect(
        &self,
        question: &IntrospectionRequest<'_>,
    ) -> impl Future<Output = Result<ProviderAnswer, String>>;
}

/// Whose tokens are trusted: keys, and what a token under them must say. A key of one issuer
/// never validates a token of another.
#[derive(Debug)]
pub struct Issuer {
    pub keys: KeySource,
    pub expectations: Expectations,
}

/// Where an issuer's keys come from.
#[derive(Debug)]
pub enum KeySource {
    /// From the settings.
    Fixed(KeyRing),
    /// From a URL.
    Remote(Rc<RemoteKeys>),
}

impl KeySource {
    async fn verify<R: Runtime>(
        &self,
        runtime: &R,
        token: &jws::Untrusted<'_>,
    ) -> Result<(), TokenFault> {
        let remote = match self {
            Self::Fixed(ring) => return ring.verify(runtime, token).await,
            Self::Remote(remote) => remote,
        };
        let ring = current_keys(remote, runtime, &token.header)
            .await
            .ok_or_else(|| TokenFault::Unverified(remote.failure()))?;
        let verified = ring.verify(runtime, token).await;
        // Nobody named the key that these were tried for: it may be one that came after the set.
        if verified.is_ok()
            || !ring.could_only_guess(&token.header)
            || remote.need(runtime.now(), true) != Fetch::First
        {
            return verified;
        }
        remote.begin(runtime.now(), true);
        runtime.fetch_keys(remote, true).await;
        match remote.ring(runtime.now()) {
            Some(renewed) if !Rc::ptr_eq(&renewed, &ring) => renewed.verify(runtime, token).await,
            _ => verified,
        }
    }
}

/// The keys of a set by URL, fetched before or behind where that is due.
async fn current_keys<R: Runtime>(
    remote: &Rc<RemoteKeys>,
    runtime: &R,
    header: &TokenHeader,
) -> Option<Rc<KeyRing>> {
    let mut ring = remote.ring(runtime.now());
    // Twice at most: a first set may come from the platform's cache, older than the token's key.
    for _ in 0..2 {
        let lacks_key = ring.as_ref().is_some_and(|ring| !ring.has_key_for(header));
        match remote.need(runtime.now(), lacks_key) {
            Fetch::No => break,
            Fetch::Behind => {
                remote.begin(runtime.now(), false);
                runtime.fetch_keys_after_response(remote);
                break;
            }
            Fetch::First => {
                remote.begin(runtime.now(), lacks_key);
                runtime.fetch_keys(remote, lacks_key).await;
                ring = remote.ring(runtime.now());
                if ring.is_none() {
                    break;
                }
            }
        }
    }
    ring
}

/// `AUTH` other than `off`, with all that it needs.
#[derive(Debug)]
pub struct Authentication {
    /// `required`, in contrast to `optional`.
    pub required: bool,
    pub sources: Vec<Source>,
    /// One, or several that each accept only `iss` of their own; none where only sessions are
    /// trusted.
    pub issuers: Vec<Issuer>,
    /// Who vouches for credentials that are no JWT, and for all of them without issuers.
    pub sessions: Option<Sessions>,
}

/// What step 7 found.
#[derive(Debug, Default)]
pub struct Authenticated {
    /// `None` for a client without a token where that is fine.
    pub identity: Option<Identity>,
    /// The credential, which no upstream may see.
    pub credential: Option<Credential>,
}

impl Authentication {
    /// Step 7: verifies the token that the request carries.
    pub async fn check<R: Runtime>(
        &self,
        runtime: &R,
        request: &Request<'_>,
        protocols: &[String],
        record: &mut Record,
    ) -> Result<Authenticated, Rejection> {
        let Some(credential) = Credential::find(&self.sources, request, protocols)? else {
            return if self.required {
                Err(Reason::TokenMissing.because("no token in any of TOKEN_SOURCES"))
            } else {
                Ok(Authenticated::default())
            };
        };
        let identity = self
            .identify(runtime, credential.token(), false, record)
            .await?;
        Ok(Authenticated {
            identity: Some(identity),
            credential: Some(credential),
        })
    }

    /// The same for a request that is no upgrade: its token is mandatory and stands in a header
    /// or cookie, for a URL is no place to show a token in. `anew`: what is remembered of a
    /// session does not count.
    pub async fn check_plain<R: Runtime>(
        &self,
        runtime: &R,
        request: &Request<'_>,
        anew: bool,
        record: &mut Record,
    ) -> Result<Identity, Rejection> {
        let is_plain = |source: &&Source| matches!(source, Source::Header | Source::Cookie(_));
        let sources: Vec<_> = self.sources.iter().filter(is_plain).cloned().collect();
        match Credential::find(&sources, request, &[])? {
            Some(credential) => {
                let token = credential.token();
                self.identify(runtime, token, anew, record).await
            }
            None => Err(Reason::TokenMissing.because("no token in a header or cookie")),
        }
    }

    /// Whether a browser sends a token along without being told to.
    pub fn takes_cookies(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| matches!(source, Source::Cookie(_)))
    }

    /// A session id is introspected, where that is configured; anything else is a JWT.
    async fn identify<R: Runtime>(
        &self,
        runtime: &R,
        token: &str,
        anew: bool,
        record: &mut Record,
    ) -> Result<Identity, Rejection> {
        Ok(match &self.sessions {
            Some(sessions) if self.issuers.is_empty() || !jws::is_jwt(token) => {
                if anew {
                    sessions.identify_anew(runtime, token).await?
                } else {
                    sessions.identify(runtime, token).await?
                }
            }
            _ => self.verify(runtime, token, record).await?,
        })
    }

    async fn verify<R: Runtime>(
        &self,
        runtime: &R,
        token: &str,
        record: &mut Record,
    ) -> Result<Identity, TokenFault> {
        let token = jws::Untrusted::parse(token)?;
        record.note_token(&token.header);
        let issuer = self.issuer_of(&token)?;
        issuer
            .expectations
            .check_type(token.header.token_type.as_deref())?;
        issuer.keys.verify(runtime, &token).await?;
        issuer.expectations.check(token.claims()?, runtime.now())
    }

    /// Where several issuers are trusted, the token's own word decides whose keys it must verify
    /// under; under those keys it must then say the same again.
    fn issuer_of(&self, token: &jws::Untrusted<'_>) -> Result<&Issuer, TokenFault> {
        if let [only] = self.issuers.as_slice() {
            return Ok(only);
        }
        let claims = token.claims()?;
        let named = claims.get("iss").and_then(serde_json::Value::as_str);
        self.issuers
            .iter()
            .find(|issuer| {
                let accepted = &issuer.expectations.issuers;
                named.is_some_and(|named| accepted.iter().any(|known| known == named))
            })
            .ok_or(TokenFault::invalid("iss names no trusted issuer"))
    }
}
