//! Who is counted, and the names of their ledgers.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::request::address::AddressKey;
use crate::token::Identity;

/// What a counter counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitScope {
    Address,
    User,
    Route,
}

impl LimitScope {
    /// The name of its policy in `RateLimit` headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "ip",
            Self::User => "user",
            Self::Route => "route",
        }
    }
}

/// As causes in the log name its counter.
impl fmt::Display for LimitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "the address's ledger",
            Self::User => "the user's ledger",
            Self::Route => "the route's quota",
        })
    }
}

/// The name of the ledger that counts the attempts of an address.
pub fn ledger_of_address(address: AddressKey) -> String {
    format!("ip {address}")
}

/// The name of the ledger that counts the admissions of a subject, which is one within its
/// issuer; `None` for an identity without a subject.
pub fn ledger_of_user(identity: &Identity) -> Option<String> {
    let subject = identity.subject.as_deref()?;
    let user = digest([identity.issuer(), Some(subject)]);
    Some(format!("user {user}"))
}

/// A SHA-256 in hex of these texts, which no others have: each goes with its length, and an
/// absent one differs from an empty one.
pub(crate) fn digest<const N: usize>(texts: [Option<&str>; N]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        hash.update(length.to_be_bytes());
        hash.update(text.unwrap_or_default());
    }
    format!("{:x}", hash.finalize())
}
