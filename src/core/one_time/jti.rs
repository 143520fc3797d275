//! `JWT_REPLAY=reject`: the `jti` of a token (RFC 7519 §4.1.7) is admitted once.

use std::time::Duration;

use serde_json::Value;

use crate::limits::scope::digest;
use crate::response::reason::{Reason, Rejection};
use crate::token::Identity;
use crate::util::time::Timestamp;

/// Longer ids are refused, in bytes.
const MAX_ID_BYTES: usize = 256;

/// Machines' clocks differ: a `jti` is kept so much longer than its token is accepted.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// The use of a `jti`, to be admitted once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// Of the object that knows whether it was used before.
    pub name: String,
    /// How long it is remembered.
    pub until: Timestamp,
}

impl TokenUse {
    /// Names the `jti` of a token that is accepted until `accepted_until`. An id counts with its
    /// issuer, for no two issuers know of each other's.
    pub fn of(identity: &Identity, accepted_until: Timestamp) -> Result<Self, Rejection> {
        let invalid = |cause: &'static str| Reason::TokenInvalid.because(cause);
        let id = match identity.claims.get("jti") {
            Some(Value::String(id)) if id.is_empty() => return Err(invalid("jti is empty")),
            Some(Value::String(id)) if id.len() > MAX_ID_BYTES => {
                return Err(invalid("jti is longer than 256 bytes"));
            }
            Some(Value::String(id)) => id,
            Some(_) => return Err(invalid("jti is not a string")),
            None => return Err(invalid("jti is missing")),
        };
        Ok(Self {
            name: format!("jti {}", digest([identity.issuer(), Some(id)])),
            until: accepted_until + CLOCK_SLACK,
        })
    }
}
