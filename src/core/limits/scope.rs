//! What attempts are counted by, and the names of the ledgers that count them.

use std::fmt;

use crate::request::address::AddressKey;
use crate::token::{Identity, TrustDomain};

/// What a limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitScope {
    Address,
    User,
    Route,
}

impl LimitScope {
    /// The name of the policy in `RateLimit` headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "ip",
            Self::User => "user",
            Self::Route => "route",
        }
    }
}

/// The counter, as causes in the log name it.
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

/// The name of the ledger that counts the admissions of a user; `None` for an identity without a
/// subject. Equal subjects of two issuers are two users.
pub fn ledger_of_user(identity: &Identity) -> Option<String> {
    let subject = identity.subject.as_deref()?;
    Some(ledger_of_subject(&identity.domain, subject))
}

/// The name of the ledger that counts the admissions of a subject within its trust domain.
pub fn ledger_of_subject(domain: &TrustDomain, subject: &str) -> String {
    format!("user {}", domain.digest_of(subject))
}
