//! `JWT_REPLAY=reject`: the `jti` of a token (RFC 7519 §4.1.7) is admitted once.

use serde_json::Value;

use crate::response::reason::{Reason, Rejection};
use crate::token::Identity;
use crate::util::time::{CLOCK_SLACK, Timestamp};

/// The longest accepted id, in bytes.
const MAX_ID_BYTES: usize = 256;

/// The use of a `jti`, to be admitted once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// The name of the object that remembers it.
    pub name: String,
    /// When the object may forget it: later than the token's end, since machines' clocks differ.
    pub until: Timestamp,
}

impl TokenUse {
    /// The use of a token that is accepted until `accepted_until`. An id counts within its
    /// trust domain: issuers choose their ids independently.
    pub fn of(identity: &Identity, accepted_until: Timestamp) -> Result<Self, Rejection> {
        let unusable = |cause: &'static str| Reason::TokenUnusable.because(cause).by("JWT_REPLAY");
        let id = match identity.claims.get("jti") {
            Some(Value::String(id)) if id.is_empty() => return Err(unusable("jti is empty")),
            Some(Value::String(id)) if id.len() > MAX_ID_BYTES => {
                return Err(unusable("jti is longer than 256 bytes"));
            }
            Some(Value::String(id)) => id,
            Some(_) => return Err(unusable("jti is not a string")),
            None => return Err(unusable("jti is missing")),
        };
        Ok(Self {
            name: format!("jti {}", identity.digest_in_domain(id)),
            until: accepted_until + CLOCK_SLACK,
        })
    }
}
