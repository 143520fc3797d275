//! Revocations, as an administrator writes them.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::command::{bad, duration, only, text};
use crate::registry::{About, Claim, DenialKind, DenialTarget, ID_LENGTH, RegistryKey};
use crate::response::reason::Rejection;
use crate::util::time::{CLOCK_SLACK, Timestamp};
/// How long a revocation lasts by default.
pub const REVOKED_FOR: Duration = Duration::from_hours(24 * 30);

/// The tokens to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub key: RegistryKey,
    pub about: About,
    /// Tokens issued before this time are revoked, and tokens without `iat`.
    pub before: Timestamp,
    /// How long the revocation is kept.
    pub lasts: Duration,
    /// The revocation in words, for the record.
    words: String,
}

impl Revocation {
    pub fn target(&self) -> DenialTarget {
        DenialTarget {
            kind: DenialKind::Revoke,
            key: self.key.clone(),
        }
    }

    /// The id by which it is listed and lifted.
    pub fn id(&self) -> String {
        self.target().id()
    }
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// `{"jti": …}`, `{"sid": …}`, `{"sub": …}` or `{"before": …}`, with `iss` and `for` beside;
/// `sub` and `before` may stand together.
pub(super) fn revocation(
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Revocation, Rejection> {
    only(members, &["jti", "sid", "sub", "before", "iss", "for"])?;
    let mut target = Vec::new();
    for claim in Claim::ALL {
        if let Some(value) = text(members, claim.name())? {
            target.push((claim, value));
        }
    }
    let issuer = text(members, "iss")?;
    let before = time(members, "before", now)?;
    let lasts = match text(members, "for")? {
        Some(text) => duration("for", text)?,
        None => REVOKED_FOR,
    };
    let (key, before) = match (target.as_slice(), before) {
        ([], Some(before)) => (
            issuer.map_or_else(RegistryKey::all, RegistryKey::issuer),
            before,
        ),
        ([(Claim::Subject, value)], before) => {
            // What was issued until now, this millisecond included.
            let before = before.unwrap_or(Timestamp(now.0 + 1));
            (RegistryKey::claim(Claim::Subject, issuer, value), before)
        }
        ([(claim, value)], None) => (RegistryKey::claim(*claim, issuer, value), Timestamp::LATEST),
        ([(claim, _)], Some(_)) => {
            let name = claim.name();
            return Err(bad(format!("before does not go with {name}; remove one")));
        }
        ([], None) => return Err(bad("say what is revoked: jti, sub, sid or before")),
        ([_, _, ..], _) => return Err(bad("write one of jti, sub and sid")),
    };
    let mut words: Vec<_> = target
        .iter()
        .map(|(claim, value)| format!("{} {value:?}", claim.name()))
        .collect();
    words.extend(issuer.map(|issuer| format!("iss {issuer:?}")));
    if before != Timestamp::LATEST {
        let (seconds, rest) = (before.0 / 1000, before.0 % 1000);
        words.push(format!("issued before {seconds}.{rest:03}"));
    }
    Ok(Revocation {
        about: About::tokens(target.first().copied(), issuer),
        key,
        before,
        lasts,
        words: words.join(", "),
    })
}

/// A NumericDate (RFC 7519 §2) that has passed.
fn time(
    members: &Map<String, Value>,
    name: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>, Rejection> {
    let Some(value) = members.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0);
    let Some(seconds) = seconds else {
        return Err(bad(format!(
            "{name} is no time; write seconds since 1970, as iat has them"
        )));
    };
    // A cast from float saturates.
    let at = Timestamp((seconds * 1000.0) as u64);
    if at > now + CLOCK_SLACK {
        return Err(bad(format!(
            "{name} is in the future; write a time in seconds that has passed"
        )));
    }
    Ok(Some(at))
}

/// The id of a revocation, from the path of its endpoint.
pub(super) fn read_id(path: &str) -> Result<String, Rejection> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if path.len() == ID_LENGTH && path.bytes().all(is_digit) {
        Ok(path.to_owned())
    } else {
        Err(bad(format!(
            "{path:?} is not the id of a revocation; write the {ID_LENGTH} digits that the list shows"
        )))
    }
}
