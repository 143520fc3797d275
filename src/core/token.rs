//! Tokens: found in a request, verified, and turned into an identity.

mod authentication;
mod claim_name;
mod claims;
mod cookie;
mod credential;
mod digest;
mod fault;
mod introspection;
mod issuer;
mod jwk;
mod jwks;
mod jws;
mod keys;
mod message;
mod pem;
mod subprotocol;

use std::rc::Rc;

pub use authentication::{Authenticated, Authentication, Verdict};
pub use claim_name::ClaimName;
pub use claims::{Claimed, Expectations, Identity, IdentityClaims, TrustDomain, is_scope};
pub use cookie::without_cookie;
pub use credential::{Credential, Source, TokenConflict, unchosen_protocol, without_parameter};
pub use digest::TokenDigest;
pub use fault::{AuthenticationFault, CredentialFault, TokenFault};
pub use introspection::{IntrospectionRequest, MAX_ANSWER_BYTES, ProviderAnswer, Sessions};
pub use issuer::{Issuer, KeySources};
pub(crate) use jwk::Members;
pub use jwks::{Document, FETCH_TIMEOUT, Fetch, MAX_BYTES, RemoteKeys, SetUpdate, SharedCopy};
pub use jws::TokenHeader;
pub use keys::{Algorithm, Key, KeyRing, RuntimeKey};
pub(crate) use pem::{is_pem, keys as pem_keys};

use crate::util::time::Clock;

/// The runtime's cryptography, which is faster than WASM for everything but HMAC.
pub trait Cryptography {
    /// Verifies a signature. The error is for the log.
    fn verify(
        &self,
        key: &Rc<RuntimeKey>,
        algorithm: Algorithm,
        signature: &[u8],
        signed: &[u8],
    ) -> impl Future<Output = Result<bool, String>>;
}

/// Identity providers, asked over the network.
pub trait Providers {
    /// Fetches a key set and hands it, or the failure, to `keys`. `from_provider`: past every
    /// cache.
    fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) -> impl Future<Output = ()>;

    /// Introspects a session. Callers that ask the same question at the same time share one
    /// answer. The error is for the log.
    fn introspect(
        &self,
        question: &IntrospectionRequest<'_>,
    ) -> impl Future<Output = Result<ProviderAnswer, String>>;
}

/// Key sets that are fetched in the background, after the response.
pub trait BackgroundKeys {
    fn fetch_keys_after_response(&self, keys: &Rc<RemoteKeys>);
}

/// What verification needs from a runtime.
pub trait Runtime: Clock + Cryptography + Providers + BackgroundKeys {}

impl<T: Clock + Cryptography + Providers + BackgroundKeys> Runtime for T {}
