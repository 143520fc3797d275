//! Tokens: found in a request, verified, and turned into an identity.

mod claims;
mod jwk;
mod jws;
mod keys;
mod source;

use std::borrow::Cow;

pub use claims::{Expectations, Identity};
pub use jws::{MAX_TOKEN_BYTES, TokenHeader};
pub use keys::{Algorithm, Key, KeyRing, RuntimeKey};
pub use source::{BEARER, Credential, Source, without_bearer, without_cookie, without_parameter};

use crate::record::Record;
use crate::rejection::{Reason, Rejection};
use crate::request::Request;
use crate::time::Timestamp;

/// Why a token is not accepted. The client is told only whether it had expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// Everything about it is right but its time has passed.
    Expired(&'static str),
    Invalid(Cow<'static, str>),
}

impl TokenFault {
    fn invalid(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(cause.into())
    }
}

impl From<TokenFault> for Rejection {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Expired(cause) => Reason::TokenExpired.because(cause),
            TokenFault::Invalid(cause) => Reason::TokenInvalid.because(cause),
        }
    }
}

/// What verifying takes of a runtime.
pub trait SignatureCheck {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Verifies a signature with the runtime's cryptography, which is faster than WASM for RSA
    /// and ECDSA. The error is for the log.
    fn verify(
        &self,
        key: &RuntimeKey,
        algorithm: Algorithm,
        signature: &[u8],
        signed: &[u8],
    ) -> impl Future<Output = Result<bool, String>>;
}

/// Whose tokens are trusted: keys, and what a token under them must say. A key of one issuer
/// never validates a token of another.
#[derive(Debug)]
pub struct Issuer {
    pub keys: KeyRing,
    pub expectations: Expectations,
}

/// `AUTH` other than `off`, with all that it needs.
#[derive(Debug)]
pub struct Authentication {
    /// `required`, in contrast to `optional`.
    pub required: bool,
    pub sources: Vec<Source>,
    /// One, or several that each accept only `iss` of their own.
    pub issuers: Vec<Issuer>,
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
    pub async fn check<R: SignatureCheck>(
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
        let token = jws::Untrusted::parse(credential.token())?;
        record.note_token(&token.header);
        let issuer = self.issuer_of(&token)?;
        issuer.keys.verify(runtime, &token).await?;
        let identity = issuer.expectations.check(token.claims()?, runtime.now())?;
        Ok(Authenticated {
            identity: Some(identity),
            credential: Some(credential),
        })
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
