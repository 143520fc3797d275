//! Tokens: found in a request, verified, and turned into an identity.

mod claims;
mod jws;
mod keys;
mod source;

use std::borrow::Cow;

pub use claims::{Expectations, Identity};
pub use jws::{MAX_TOKEN_BYTES, TokenHeader};
pub use keys::{Algorithm, Key, KeyRing};
pub use source::{BEARER, Credential, Source, without_bearer, without_cookie, without_parameter};

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

/// `AUTH` other than `off`, with all that it needs.
#[derive(Debug)]
pub struct Authentication {
    /// `required`, in contrast to `optional`.
    pub required: bool,
    pub sources: Vec<Source>,
    pub keys: KeyRing,
    pub expectations: Expectations,
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
    /// Step 7: verifies the token that the request carries. `seen` is told the token's header
    /// as soon as it is readable, for the record.
    pub fn check(
        &self,
        request: &Request<'_>,
        protocols: &[String],
        now: Timestamp,
        seen: &mut Option<TokenHeader>,
    ) -> Result<Authenticated, Rejection> {
        let Some(credential) = Credential::find(&self.sources, request, protocols)? else {
            return if self.required {
                Err(Reason::TokenMissing.because("no token in any of TOKEN_SOURCES"))
            } else {
                Ok(Authenticated::default())
            };
        };
        let token = jws::Untrusted::parse(credential.token())?;
        let header = seen.insert(token.header.clone());
        let payload = self.keys.verify(&token, header)?;
        let identity = self.expectations.check(payload, now)?;
        Ok(Authenticated {
            identity: Some(identity),
            credential: Some(credential),
        })
    }
}
