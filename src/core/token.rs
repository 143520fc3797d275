//! Tokens: found in a request, verified, and turned into an identity.

mod authentication;
mod claim_name;
mod claims;
mod credential;
mod fault;
mod introspection;
mod issuer;
mod jwk;
mod jwks;
mod jws;
mod keys;
mod pem;

use std::rc::Rc;

pub use authentication::{Authenticated, Authentication, Verdict};
pub use claim_name::ClaimName;
pub use claims::{Expectations, Identity, IdentityClaims, TrustDomain, is_scope};
pub use credential::{
    Credential, Source, offered_bearer, unchosen_protocol, without_bearer, without_cookie,
    without_parameter,
};
pub use fault::{AuthenticationFault, CredentialFault, TokenFault};
pub use introspection::{IntrospectionRequest, MAX_ANSWER_BYTES, ProviderAnswer, Sessions};
pub use issuer::{Issuer, KeySources};
pub(crate) use jwk::Members;
pub use jwks::{Document, FETCH_TIMEOUT, Fetch, MAX_BYTES, RemoteKeys, SetUpdate, SharedCopy};
pub use jws::TokenHeader;
pub use keys::{Algorithm, Key, KeyRing, RuntimeKey};
pub(crate) use pem::{is_pem, keys as pem_keys};

use crate::util::time::Timestamp;

/// What verification needs from a runtime.
pub trait Runtime {
    /// The current time.
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

    /// Fetches a key set and hands it, or the failure, to `keys`. With `from_provider` no cached
    /// copy is used.
    fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) -> impl Future<Output = ()>;

    /// Fetches a key set in the background.
    fn fetch_keys_after_response(&self, keys: &Rc<RemoteKeys>);

    /// Asks a provider about a session. Requests that ask the same question meanwhile share its
    /// answer. The error is for the log.
    fn introspect(
        &self,
        question: &IntrospectionRequest<'_>,
    ) -> impl Future<Output = Result<ProviderAnswer, String>>;
}
