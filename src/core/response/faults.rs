//! What clients are told of the faults that lower layers report.

use std::time::Duration;

use super::reason::{Reason, Rejection};
use crate::token::{AuthenticationFault, CredentialFault, TokenFault};

/// When to try again with a token that could not be verified.
const PROVIDER_RETRY: Duration = Duration::from_secs(5);

impl From<AuthenticationFault> for Rejection {
    fn from(fault: AuthenticationFault) -> Self {
        match fault {
            AuthenticationFault::Credential(fault) => fault.into(),
            AuthenticationFault::Token(fault) => fault.into(),
        }
    }
}

impl From<CredentialFault> for Rejection {
    fn from(fault: CredentialFault) -> Self {
        match fault {
            CredentialFault::Missing(cause) => Reason::TokenMissing.because(cause),
            CredentialFault::Ambiguous(cause) => Reason::AmbiguousToken.because(cause),
            CredentialFault::Incomplete(cause) => Reason::TokenInvalid.because(cause),
            CredentialFault::RepeatedHeader(cause) => Reason::BadHandshake.because(cause),
        }
    }
}

impl From<TokenFault> for Rejection {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Expired { cause, by } => {
                let rejection = Reason::TokenExpired.because(cause);
                match by {
                    Some(setting) => rejection.by(setting),
                    None => rejection,
                }
            }
            TokenFault::TooLong(cause) => Reason::TokenInvalid.because(cause).by("TOKEN_MAX_BYTES"),
            TokenFault::Invalid(cause) => Reason::TokenInvalid.because(cause),
            TokenFault::Unusable(cause) => Reason::TokenUnusable.because(cause),
            TokenFault::RuledOut { cause, by } => Reason::TokenUnusable.because(cause).by(by),
            TokenFault::ProviderUnavailable(cause) => Reason::ProviderUnavailable {
                retry_after: PROVIDER_RETRY,
            }
            .because(cause),
        }
    }
}
