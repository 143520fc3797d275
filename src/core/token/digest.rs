//! Digests of tokens.

use serde::Serialize;

use crate::util::digest::hex_digest;
use crate::util::from_json::from_content;

/// A digest of a token, which finds a socket by its token without keeping the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TokenDigest(String);

from_content!(TokenDigest);

impl TokenDigest {
    /// 128 bits are kept: nobody gains anything by a second token with an equal digest.
    pub fn of(token: &str) -> Self {
        let mut digest = hex_digest([Some("token"), Some(token)]);
        digest.truncate(32);
        Self(digest)
    }
}
