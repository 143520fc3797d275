//! Tokens of one HMAC key, and what a gate that trusts it says of their claims.

use std::borrow::Cow;

use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{Authentication, Expectations, Identity, Key};
use portcullis::util::time::Timestamp;
use serde_json::Map;

use super::runtime::{admit_at, gate_with};
use super::{NOW, NOW_SECONDS, SECRET, hs256, strings};

pub fn gate(expectations: Expectations) -> Authentication {
    let secret = Key::from_secret(SECRET.to_vec()).expect("long enough");
    gate_with([secret], expectations)
}

pub fn check_at(
    now: Timestamp,
    gate: &Authentication,
    payload: &str,
) -> Result<Option<Identity>, Rejection> {
    admit_at(now, gate, &hs256(payload))
}

pub fn check(gate: &Authentication, payload: &str) -> Result<Option<Identity>, Rejection> {
    check_at(NOW, gate, payload)
}

pub fn invalid<T>(cause: impl Into<Cow<'static, str>>) -> Result<T, Rejection> {
    Err(Reason::TokenInvalid.because(cause))
}

pub fn unusable<T>(cause: impl Into<Cow<'static, str>>) -> Result<T, Rejection> {
    Err(Reason::TokenUnusable.because(cause))
}

/// The subject as which the tests of a token's form have it admitted.
pub fn ada() -> Result<String, Rejection> {
    Ok("ada".into())
}

pub fn expired<T>(cause: &'static str) -> Result<T, Rejection> {
    Err(Reason::TokenExpired.because(cause))
}

pub const EXP: u64 = NOW_SECONDS + 60;

pub fn nobody() -> Result<Option<Identity>, Rejection> {
    identity(None, &[])
}

pub fn identity(subject: Option<&str>, scopes: &[&str]) -> Result<Option<Identity>, Rejection> {
    expiring(Timestamp(EXP * 1000), subject, scopes)
}

pub fn expiring(
    expires: Timestamp,
    subject: Option<&str>,
    scopes: &[&str],
) -> Result<Option<Identity>, Rejection> {
    Ok(Some(Identity {
        subject: subject.map(str::to_owned),
        scopes: strings(scopes),
        expires,
        claims: Map::new(),
        ..Identity::default()
    }))
}

/// Claims beside a sound `exp`.
pub fn and_exp(claims: &str) -> String {
    let comma = if claims.is_empty() { "" } else { "," };
    format!(r#"{{"exp":{EXP}{comma}{claims}}}"#)
}
