//! The claims that a verified token must have (RFC 7519 §4.1), and the identity they name.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::TokenFault;
use super::claim_name::ClaimName;
use crate::util::digest::hex_digest;
use crate::util::from_json::{FromJson, variant};
use crate::util::time::Timestamp;

/// `JWT_ISSUER`, `JWT_AUDIENCE`, `JWT_LEEWAY`, `JWT_MAX_AGE`. An expectation that is set makes
/// its claim mandatory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectations {
    pub issuers: Vec<String>,
    pub audiences: Vec<String>,
    pub leeway: Duration,
    pub max_age: Option<Duration>,
    /// `JWT_TYP`: accepted types of token (RFC 8725 §3.11); empty: any, or none.
    pub types: Vec<String>,
    pub names: IdentityClaims,
}

/// `SUBJECT_CLAIM` and `SESSION_CLAIM`: the claims that name whom a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityClaims {
    /// The first of them that a token has names its subject.
    pub subject: Vec<ClaimName>,
    pub session: ClaimName,
}

impl Default for IdentityClaims {
    fn default() -> Self {
        Self {
            subject: vec![ClaimName::top("sub")],
            session: ClaimName::top("sid"),
        }
    }
}

impl Default for TrustDomain {
    fn default() -> Self {
        Self::KeySource(String::new())
    }
}

impl IdentityClaims {
    /// The subject of a token. An empty one names nobody.
    fn subject<'a>(&self, claims: &'a Map<String, Value>) -> Result<Option<&'a str>, TokenFault> {
        for name in &self.subject {
            match name.find(claims) {
                None => {}
                Some(Value::String(text)) if text.is_empty() => {}
                Some(Value::String(text)) => return Ok(Some(text)),
                Some(_) => return Err(TokenFault::unusable(format!("{name} is not a string"))),
            }
        }
        Ok(None)
    }

    /// The session of a token. A claim of another kind names none.
    fn session<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a str> {
        let session = self.session.find(claims)?.as_str()?;
        (!session.is_empty()).then_some(session)
    }
}

/// Within what a subject, a session and a token id are unique. Two services may use the same ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustDomain {
    /// The issuer that the token names.
    Issuer(String),
    /// For a token that names none: a digest of the key, or of the URL, that verified it.
    KeySource(String),
}

impl FromJson for TrustDomain {
    fn from_value(value: Value) -> Option<Self> {
        let (name, id) = variant(value)?;
        let id = FromJson::from_value(id)?;
        match name.as_str() {
            "issuer" => Some(Self::Issuer(id)),
            "key_source" => Some(Self::KeySource(id)),
            _ => None,
        }
    }
}

impl TrustDomain {
    /// A digest of a text that is unique within the domain.
    pub fn digest_of(&self, text: &str) -> String {
        match self {
            Self::Issuer(issuer) => hex_digest([Some(issuer.as_str()), Some(text)]),
            Self::KeySource(id) => hex_digest([None, Some(id.as_str()), Some(text)]),
        }
    }
}

/// The identity that a valid token names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The claim that `SUBJECT_CLAIM` names; a token may have none.
    pub subject: Option<String>,
    /// The claim that `SESSION_CLAIM` names; a token may have none.
    pub session: Option<String>,
    /// Within what both are unique.
    pub domain: TrustDomain,
    /// The elements of `scope`, `scp` and `permissions`.
    pub scopes: Vec<String>,
    /// All claims, for the rules of a route.
    pub claims: Map<String, Value>,
    /// When the token expires, without leeway.
    pub expires: Timestamp,
}

impl Identity {
    /// The issuer of its token (`iss`), if the token names one.
    pub fn issuer(&self) -> Option<&str> {
        match &self.domain {
            TrustDomain::Issuer(issuer) => Some(issuer),
            TrustDomain::KeySource(_) => None,
        }
    }

    /// A digest of a text that is unique within the identity's trust domain, such as its subject.
    pub fn digest_in_domain(&self, text: &str) -> String {
        self.domain.digest_of(text)
    }

    /// When its token was issued (`iat`), if the token says so.
    pub fn issued(&self) -> Option<Timestamp> {
        time(&self.claims, "iat").ok().flatten()
    }

    /// When its token stops being accepted, with leeway and `JWT_MAX_AGE`.
    pub fn accepted_until(&self, leeway: Duration, max_age: Option<Duration>) -> Timestamp {
        let by_age = self.issued().zip(max_age).map(|(issued, age)| issued + age);
        self.expires.min(by_age.unwrap_or(self.expires)) + leeway
    }
}

/// What a token that is not accepted claims, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claimed {
    /// `iss`, verified or not.
    pub issuer: Option<String>,
    /// Only of a token that a trusted key signed for a trusted issuer.
    pub subject: Option<String>,
    /// The values that the fault is about.
    pub detail: Option<String>,
}

impl Claimed {
    /// From the claims of a token with this fault. `names`: which claim names its subject, where the
    /// issuer is known.
    pub(super) fn of(
        claims: &Map<String, Value>,
        names: Option<&IdentityClaims>,
        fault: &TokenFault,
        now: Timestamp,
    ) -> Self {
        let is_genuine = fault.is_of_time_or_audience();
        let subject = names.filter(|_| is_genuine);
        let subject = subject.and_then(|names| names.subject(claims).ok().flatten());
        Self {
            issuer: issuer_of(claims).map(str::to_owned),
            subject: subject.map(str::to_owned),
            detail: detail(claims, fault, now),
        }
    }
}

/// The claims that a fault is about, of a token that a trusted key signed.
fn detail(claims: &Map<String, Value>, fault: &TokenFault, now: Timestamp) -> Option<String> {
    let value = |name| claims.get(name).map(|value| format!("{name} is {value}"));
    let moment = |name| {
        let at = time(claims, name).ok().flatten()?;
        let distance = match at > now {
            true => format!("in {} s", at.since(now).as_secs()),
            false => format!("{} s ago", now.since(at).as_secs()),
        };
        let at = at.min(Timestamp::LATEST).to_rfc3339();
        Some(format!("{name} is {at}, {distance}"))
    };
    match fault {
        TokenFault::RuledOut { by, cause } => match *by {
            "JWT_AUDIENCE" => value("aud"),
            "JWT_ISSUER" => value("iss"),
            _ if cause.starts_with("nbf") => moment("nbf"),
            _ if cause.starts_with("iat") => moment("iat"),
            _ => None,
        },
        TokenFault::Expired { by: None, .. } => moment("exp"),
        TokenFault::Expired { by: Some(_), .. } => moment("iat"),
        _ => None,
    }
}

/// `iss`, unless it is missing or not a string.
pub(super) fn issuer_of(claims: &Map<String, Value>) -> Option<&str> {
    claims.get("iss").and_then(Value::as_str)
}

impl Expectations {
    /// Whether `issuer` is in `JWT_ISSUER`.
    pub(super) fn accepts_issuer(&self, issuer: &str) -> bool {
        contains(&self.issuers, issuer)
    }

    /// Checks the header's `typ`: media types compare without case, and `application/` may be
    /// left out (RFC 7515 §4.1.9).
    pub fn check_type(&self, typ: Option<&str>) -> Result<(), TokenFault> {
        fn short(typ: &str) -> &str {
            match typ.split_at_checked("application/".len()) {
                Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
                _ => typ,
            }
        }
        let is_accepted = |typ: &str| {
            let mut accepted = self.types.iter();
            accepted.any(|known| short(known).eq_ignore_ascii_case(short(typ)))
        };
        if self.types.is_empty() || typ.is_some_and(is_accepted) {
            Ok(())
        } else {
            Err(ruled_out("typ is not in JWT_TYP", "JWT_TYP"))
        }
    }

    /// Checks the claims. Expiry comes last: only a token that is right in everything else is
    /// called expired.
    ///
    /// `default_end`: when an identity expires whose claims lack `exp`; `None` makes `exp`
    /// mandatory. `key_source` names what verified the claims.
    pub fn check(
        &self,
        claims: Map<String, Value>,
        default_end: Option<Timestamp>,
        key_source: impl FnOnce() -> String,
        now: Timestamp,
    ) -> Result<Identity, TokenFault> {
        let expires = time(&claims, "exp")?
            .or(default_end)
            .ok_or(TokenFault::unusable("exp is missing"))?;
        let not_before = time(&claims, "nbf")?;
        let issued = time(&claims, "iat")?;
        let issuer = text(&claims, "iss")?;
        let subject = self.names.subject(&claims)?.map(str::to_owned);
        let session = self.names.session(&claims).map(str::to_owned);
        let audiences = texts(&claims, "aud")?;

        if !self.issuers.is_empty() && !issuer.is_some_and(|iss| self.accepts_issuer(iss)) {
            return Err(ruled_out("iss is not in JWT_ISSUER", "JWT_ISSUER"));
        }
        if !self.audiences.is_empty() && !audiences.iter().any(|aud| contains(&self.audiences, aud))
        {
            return Err(ruled_out("aud is not in JWT_AUDIENCE", "JWT_AUDIENCE"));
        }
        let latest = now + self.leeway;
        if not_before.is_some_and(|not_before| not_before > latest) {
            return Err(ruled_out("nbf is in the future", "JWT_LEEWAY"));
        }
        if issued.is_some_and(|issued| issued > latest) {
            return Err(ruled_out("iat is in the future", "JWT_LEEWAY"));
        }
        let scopes = scopes(&claims);
        if let Some(max_age) = self.max_age {
            let issued = issued.ok_or(TokenFault::unusable("iat is missing"))?;
            if issued + max_age + self.leeway <= now {
                return Err(TokenFault::Expired {
                    cause: "older than JWT_MAX_AGE",
                    by: Some("JWT_MAX_AGE"),
                });
            }
        }
        // On or after `exp` the token must not be accepted (RFC 7519 §4.1.4).
        if expires + self.leeway <= now {
            return Err(TokenFault::Expired {
                cause: "exp has passed",
                by: None,
            });
        }
        let domain = match issuer.filter(|issuer| !issuer.is_empty()) {
            Some(issuer) => TrustDomain::Issuer(issuer.to_owned()),
            None => TrustDomain::KeySource(key_source()),
        };
        Ok(Identity {
            subject,
            session,
            domain,
            scopes,
            claims,
            expires,
        })
    }
}

fn ruled_out(cause: &'static str, by: &'static str) -> TokenFault {
    TokenFault::RuledOut { cause, by }
}

fn contains(accepted: &[String], value: &str) -> bool {
    accepted.iter().any(|known| known == value)
}

/// A NumericDate (RFC 7519 §2): seconds, not necessarily whole. A time before 1970 reads as 1970.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, TokenFault> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_f64()
        .ok_or_else(|| TokenFault::unusable(format!("{name} is not a number")))?;
    // A cast from float saturates; digits below the millisecond don't matter.
    Ok(Some(Timestamp((seconds * 1000.0) as u64)))
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, TokenFault> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenFault::unusable(format!("{name} is not a string"))),
    }
}

/// A claim that is a string or an array of strings.
fn texts<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Vec<&'a str>, TokenFault> {
    let wrong = |what: &str| TokenFault::unusable(format!("{name} {what}"));
    match claims.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(elements)) => elements
            .iter()
            .map(|element| {
                let text = element.as_str();
                text.ok_or_else(|| wrong("has an element that is not a string"))
            })
            .collect(),
        Some(_) => Err(wrong("is neither a string nor an array")),
    }
}

/// The scopes in any of the three claims, each a space-separated text (RFC 8693 §4.2) or an array.
/// Values that can't be sent as a scope are dropped, and so are claims of another shape: some
/// providers use `permissions` for something else.
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for claim in ["scope", "scp", "permissions"] {
        let named: Vec<&str> = match claims.get(claim) {
            Some(Value::String(text)) => text.split(' ').collect(),
            Some(Value::Array(elements)) => elements.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for scope in named {
            if is_scope(scope) && !contains(&scopes, scope) {
                scopes.push(scope.to_owned());
            }
        }
    }
    scopes
}

/// Whether a text is one scope (RFC 6749 §3.3).
pub fn is_scope(text: &str) -> bool {
    let is_scope_byte = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    !text.is_empty() && text.bytes().all(is_scope_byte)
}
